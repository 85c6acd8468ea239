"""The fit of collectives: it finds what rows were made with, and judges itself on rows that it did not see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from silmark.calibration import fabric as fit
from silmark.calibration import fabric_assumed
from silmark.fabric.terms import Terms

A100, H100, B200 = "nvidia-a100-sxm4-80gb", "nvidia-h100-sxm5-80gb", "nvidia-b200-sxm-180gb"
TRUE = Terms(launch=7e-6, step=1.1, share=0.7, ramp=1.5e-5)
ACROSS = 1.4


def made(chip: str, n: int) -> fit.Group:
    """Rows of an all-gather as the terms above make them."""
    payload = 2.0 ** np.arange(9, 29)
    group = fit.Group("all-gather", chip, n, fit.link_of(chip, n, kernels=False), payload, payload)
    return replace(group, measured=fit.predict(group.paced(ACROSS), {"all_gather_ring": TRUE}))


@pytest.fixture(name="listed")
def _listed() -> list[fit.Stage]:
    groups = [made(chip, n) for chip in (A100, H100, B200) for n in (2, 4, 8)]
    return [(groups, ["all_gather_ring"], {"all_gather_ring": Terms(4e-6, 1.0, 0.8, 1e-5)})]


def test_terms_and_dies_are_found_again(listed: list[fit.Stage]) -> None:
    found, several = fit.fit(listed)
    for name in ("launch", "step", "share", "ramp"):
        assert getattr(found["all_gather_ring"], name) == pytest.approx(getattr(TRUE, name), rel=0.1)
    assert np.median(several) == pytest.approx(ACROSS, rel=0.05)


def test_without_the_chip_of_two_dies_its_penalty_comes_from_memory(listed: list[fit.Stage]) -> None:
    _, several = fit.fit(listed, lambda group: group.chip != B200)
    assert several == [fabric_assumed.dies()]
    assert 1.1 < several[0] < 1.5


def test_left_out_rows_are_the_only_ones_that_are_judged(listed: list[fit.Stage]) -> None:
    fits, held = fit.left_out(listed, lambda group: group.chip)
    assert len(fits) == 3
    assert set(held) == {f"all_gather_ring {chip}" for chip in (A100, H100, B200)}
    assert held[f"all_gather_ring {H100}"][0] < 0.03
    assert held[f"all_gather_ring {B200}"][0] > held[f"all_gather_ring {H100}"][0]


def test_libraries_without_timings_are_assumed_and_slower() -> None:
    every = dict.fromkeys(("all_gather_ring", "all_reduce_ring", "send_direct"), TRUE)
    found = fabric_assumed.parameters(every)
    assert found["rccl.all_gather_ring.launch"]["value"] > 1.7 * 7
    assert found["oneccl.all_gather_ring.share"]["value"] < TRUE.share
    assert {str(leaf["grade"]) for key, leaf in found.items() if key.startswith("oneccl.")} == {"assumed"}
