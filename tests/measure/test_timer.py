"""Repeats: disturbed ones left out, the budget kept."""

from __future__ import annotations

import itertools
import time
from types import SimpleNamespace

import pytest
from machine import device

from silmark.calibration.measure import timer
from silmark.calibration.measure.timer import Timer


class _Buffer:
    flushed = 0

    def add_(self, _: float) -> None:
        self.flushed += 1


@pytest.fixture
def buffer() -> _Buffer:
    return _Buffer()


@pytest.fixture
def clockwork(buffer) -> Timer:
    return Timer(device(SimpleNamespace(float32=None, zeros=lambda *_, **__: buffer)))


def test_disturbed_repeats_do_not_count(clockwork, monkeypatch):
    """Every other repeat loses its processor and takes ten times as long: neither best nor median sees it."""
    count = itertools.count()
    lost = 0

    def call() -> None:
        nonlocal lost
        slow = next(count) % 2 == 1
        lost += slow
        time.sleep(0.02 if slow else 0.002)

    monkeypatch.setattr(timer, "_switches", lambda: lost)
    found = clockwork.time(call, 0.5, cold=False)
    assert found.disturbed == pytest.approx(found.repeats, abs=1)
    assert found.median_s < 0.01


def test_if_all_are_disturbed_the_time_is_still_there(clockwork, monkeypatch):
    count = itertools.count()
    monkeypatch.setattr(timer, "_switches", lambda: next(count))
    found = clockwork.time(lambda: time.sleep(0.001), 0.05, cold=False)
    assert found.repeats == 0
    assert found.disturbed >= 3
    assert found.best_s >= 0.001


def test_the_budget_holds(clockwork):
    start = time.perf_counter()
    found = clockwork.time(lambda: time.sleep(0.01), 0.1, cold=False)
    assert time.perf_counter() - start < 0.35
    assert found.repeats + found.disturbed >= 3


def test_a_call_longer_than_its_budget_is_timed_at_least_once(clockwork):
    found = clockwork.time(lambda: time.sleep(0.05), 0.01, cold=False)
    assert found.repeats + found.disturbed >= 1
    assert found.best_s == pytest.approx(0.05, rel=0.5)


def test_caches_are_flushed_before_every_cold_repeat_and_no_warm_one(clockwork, buffer):
    clockwork.time(lambda: time.sleep(0.001), 0.02, cold=False)
    assert buffer.flushed == 0
    found = clockwork.time(lambda: time.sleep(0.001), 0.02, cold=True)
    assert buffer.flushed == found.repeats + found.disturbed


def test_short_calls_are_timed_many_at_once(clockwork):
    calls = itertools.count()
    found = clockwork.time(lambda: next(calls), 0.05, cold=False)
    assert next(calls) > 50 * (found.repeats + found.disturbed)
    assert 0 < found.best_s < 5e-6
