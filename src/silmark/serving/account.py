"""What a simulation drew and cost: joules of chips and hosts, and dollars by the one bill of `economics`.

The core counts joules above idle. Chips that wait draw their idle power and hosts theirs, all the time that a replica
is there, whether it works or not; so do the dollars of its machines run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from silmark.economics import Machines
from silmark.economics.bill import bill
from silmark.economics.rent import Pay, purchase
from silmark.economics.terms import Terms, defaults
from silmark.errors import BadValue
from silmark.estimation.power import host_w, power, power_figures
from silmark.figures import Figure, Interval
from silmark.step import StepModel

_NOTHING = Interval(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Drawn:
    """Replicas of one kind over a simulation.

    Attributes:
        model: the compiled plan of one of them.
        joules: above idle, of all of them together.
        replica_s: seconds that they were there, summed over replicas.
        beyond: whether they exchange data with machines outside their unit (pools of a disaggregated fleet).
    """

    model: StepModel
    joules: float
    replica_s: float
    beyond: bool = False

    def __post_init__(self) -> None:
        for name in ("joules", "replica_s"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise BadValue(name, getattr(self, name), "a number of at least 0")


@dataclass(frozen=True, slots=True)
class Account:
    """What all replicas together drew and cost.

    Attributes:
        power_w: mean over the simulation, hosts included.
        joules: of the machines, facility not counted; as in `estimate`.
        idle_j, work_j, host_j: its middle by cause: idle chips, work on top, hosts.
        usd: dollars; None where no price of a kind is public.
        basis: own or rent, as the machines are paid; of several kinds of chips, joined by +.
        requests, tokens: answered, and tokens of answers; what the whole is divided by.
        figures: behind power and dollars, by key.
    """

    power_w: Interval
    joules: Interval
    idle_j: float
    work_j: float
    host_j: float
    usd: Interval | None
    basis: str
    requests: int
    tokens: int
    figures: dict[str, Figure] = field(repr=False)

    @property
    def joules_per_request(self) -> Interval | None:
        """Mean joules of an answered request; None without any."""
        return _each(self.joules, self.requests)

    @property
    def joules_per_token(self) -> Interval | None:
        """Mean joules per token of an answer."""
        return _each(self.joules, self.tokens)

    @property
    def usd_per_request(self) -> Interval | None:
        """Mean dollars of an answered request."""
        return _each(self.usd, self.requests)

    @property
    def usd_per_million(self) -> Interval | None:
        """Dollars per million tokens of answers."""
        return _each(self.usd, self.tokens / 1e6)


def account(
    drawn: Sequence[Drawn],
    duration_s: float,
    requests: int,
    tokens: int,
    terms: Terms | None = None,
    pay: Pay = "auto",
) -> Account:
    """Adds up energy and dollars of a simulation.

    Args:
        drawn: replicas, by kind.
        duration_s: from the first arrival to the last answer.
        requests, tokens: answered, and tokens of their answers.
        terms: figures of the place and of the money; None for those that hold by default.
        pay: how machines are paid, as in `economics.cost`.
    """
    if not 0 < duration_s < float("inf"):
        raise BadValue("duration", duration_s, "seconds above 0")
    watts = [_power(one).scaled(one.replica_s / duration_s) for one in drawn]
    priced = [
        _usd_per_s(one, duration_s, mean, terms or defaults(), pay) for one, mean in zip(drawn, watts, strict=True)
    ]
    rates = [rate for rate, _, _ in priced]
    figures = {key: figure for one in drawn for key, figure in power_figures(one.model.target).items()}
    mean = _sum(watts)
    return Account(
        power_w=mean,
        joules=mean.scaled(duration_s),
        idle_j=sum(one.model.idle_w * one.replica_s for one in drawn),
        work_j=sum(one.joules for one in drawn),
        host_j=sum(host_w(one.model) * one.replica_s for one in drawn),
        usd=None if None in rates else _sum(rate for rate in rates if rate is not None).scaled(duration_s),
        basis="+".join(dict.fromkeys(basis for _, basis, _ in priced)),
        requests=requests,
        tokens=tokens,
        figures=figures | {key: figure for _, _, behind in priced for key, figure in behind.items()},
    )


def _power(one: Drawn) -> Interval:
    """Mean power of one replica while it is there."""
    return power(one.model, one.joules / one.replica_s) if one.replica_s else _NOTHING


def _usd_per_s(
    one: Drawn, duration_s: float, watts: Interval, terms: Terms, pay: Pay
) -> tuple[Interval | None, str, dict[str, Figure]]:
    """Dollars per second of the simulation, how they are paid, and the figures behind; None without a price."""
    chips = one.model.plan.replica_chips * one.replica_s / duration_s
    paid = purchase(one.model.target, pay, terms)
    if paid is None:
        return None, "unpriced", {}
    found = bill(Machines(one.model.target, chips, watts, one.beyond), terms, paid)
    return found.ledger.interval(), found.basis, dict(found.figures)


def _sum(parts: Iterable[Interval]) -> Interval:
    """The parts together; bounds add as if they moved together, which is wide rather than narrow."""
    low, mid, high = 0.0, 0.0, 0.0
    for part in parts:
        low, mid, high = low + part.low, mid + part.mid, high + part.high
    return Interval(low, mid, high)


def _each(total: Interval | None, count: float) -> Interval | None:
    return None if total is None or not count else total.scaled(1.0 / count)
