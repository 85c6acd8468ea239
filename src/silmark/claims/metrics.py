"""What claims compare: a name, its unit in words, and how it is read off an estimate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from silmark.economics import price
from silmark.economics.bill import public
from silmark.economics.breakeven import quotient
from silmark.economics.running import Machines
from silmark.economics.terms import defaults
from silmark.estimation import Estimate
from silmark.figures import Figure, Interval


@dataclass(frozen=True, slots=True)
class Metric:
    """One quantity of a system under a workload.

    Attributes:
        words: for tables.
        unit: SI unit, "1" for numbers whose unit stands in the words.
        more: whether more of it is better.
        read: the quantity with the figures that only it needs; None where it is not defined.
        ratio: of two systems, where their errors have a part in common; None where they are independent.
    """

    words: str
    unit: str
    more: bool
    read: Callable[[Estimate], tuple[Interval, Mapping[str, Figure]] | None]
    ratio: Callable[[Estimate, Estimate], Interval] | None = None


def _plain(
    read: Callable[[Estimate], Interval | None],
) -> Callable[[Estimate], tuple[Interval, Mapping[str, Figure]] | None]:
    def found(answer: Estimate) -> tuple[Interval, Mapping[str, Figure]] | None:
        value = read(answer)
        return None if value is None else (value, {})

    return found


def _per_user(answer: Estimate) -> Interval | None:
    return answer.tpot_s.inverse() if answer.tpot_s else None


def _total(answer: Estimate) -> Interval | None:
    """Prompt and answer tokens together, as vendors count where they do not say."""
    work = answer.workload
    return answer.tokens_per_s.scaled(1 + work.prompt / work.output) if answer.tokens_per_s else None


def _usd(answer: Estimate) -> tuple[Interval, Mapping[str, Figure]] | None:
    found = price(answer)
    return None if found is None else (found.usd_per_million, found.figures)


def _usd_ratio(one: Estimate, other: Estimate) -> Interval:
    """Both are paid under the same terms: years, tariffs and interest move together. Both have a public price."""
    mine, theirs = (public(Machines.of(answer)) for answer in (one, other))
    assert mine is not None
    assert theirs is not None
    return quotient(mine.per_million(one.rate), theirs.per_million(other.rate), defaults())


METRICS: dict[str, Metric] = {
    "tokens_per_s_user": Metric("tokens/s of one user", "1", True, _plain(_per_user)),
    "tokens_per_s": Metric("answer tokens/s of the system", "1", True, _plain(lambda a: a.tokens_per_s)),
    "total_tokens_per_s": Metric("prompt and answer tokens/s of the system", "1", True, _plain(_total)),
    "rate_per_chip": Metric("tokens or items/s per chip", "1", True, _plain(lambda a: a.rate.scaled(1 / a.chips))),
    "tpot_s": Metric("time per answer token", "s", False, _plain(lambda a: a.tpot_s)),
    "ttft_s": Metric("time to the first token", "s", False, _plain(lambda a: a.ttft_s)),
    "joules": Metric("energy per answer token or item", "J", False, _plain(lambda a: a.joules)),
    "power_w": Metric("power of the system", "W", False, _plain(lambda a: a.power_w)),
    "usd_per_mtok": Metric("$ per million answer tokens or items", "1", False, _usd, _usd_ratio),
}
"""By the name that a claim's file uses."""
