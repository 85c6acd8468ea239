"""Plan: how one replica of a model is cut over chips; Infeasible: why no plan exists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from silmark.chips.mechanisms import Placement
from silmark.errors import BadValue
from silmark.formats import Precision

MOST_WAYS = 100_000
"""Parts into which any one way of parallelism may cut."""
MOST_UNEVEN = float(MOST_WAYS)
"""Largest factor between the fullest and the mean chip: as many chips as share a layer at most."""


@dataclass(frozen=True, slots=True)
class Infeasible:
    """A negative answer with its reason; a value, not an error.

    Attributes:
        reason: one sentence with the numbers.
        cannot: the chip lacks an operator or format, whatever its size.
    """

    reason: str
    cannot: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """One layout of a model on chips.

    Attributes:
        precision: of weights, matrix products and cache.
        tp: chips that share every layer (tensor parallelism).
        cp: groups of tp chips that divide the tokens of every sequence (context parallelism); each has all weights.
        pp: consecutive groups of layers (pipeline parallelism).
        dp: independent replicas.
        ep: parts into which the experts are divided among the tp chips; 1 cuts each expert instead.
        attention: how the cache is divided among the tp chips: by heads, as engines do (a chip with fewer KV
            heads than chips then keeps copies), or by sequences (Pope et al., arXiv:2211.05102, section 3.3).
        ranks: groups of the tp chips that each run attention, norms and dense layers on sequences of their own,
            with weights of their own; only experts are divided over all tp chips (data-parallel attention, as
            SGLang, vLLM and TensorRT-LLM serve DeepSeek-V3: arXiv:2412.19437, section 3.4).
        placement: memory tier of weights and cache, region on a wafer.
        expert_imbalance: rows of the fullest chip's experts over the mean, where experts are divided; 1 is uniform
            routing.
    """

    precision: Precision
    tp: int = 1
    pp: int = 1
    dp: int = 1
    ep: int = 1
    attention: Literal["heads", "batch"] = "heads"
    ranks: int = 1
    placement: Placement = field(default_factory=Placement)
    expert_imbalance: float = 1.0
    cp: int = 1

    def __post_init__(self) -> None:
        sizes = {"tp": self.tp, "cp": self.cp, "pp": self.pp, "dp": self.dp, "ep": self.ep, "ranks": self.ranks}
        for label, value in sizes.items():
            if not 1 <= value <= MOST_WAYS:
                raise BadValue(label, value, f"a whole number from 1 to {MOST_WAYS:,}")
        if not 1.0 <= self.expert_imbalance <= MOST_UNEVEN:
            raise BadValue("imbalance", self.expert_imbalance, f"a factor from 1 to {MOST_UNEVEN:,.0f}")
        if self.tp % self.ep:
            raise BadValue("ep", self.ep, f"a divisor of tp = {self.tp}")
        if self.tp % self.ranks:
            raise BadValue("ranks", self.ranks, f"a divisor of tp = {self.tp}")
        if self.ranks > 1 and self.attention == "batch":
            raise BadValue("attention", self.attention, "heads: ranks divide the sequences already")
        if self.cp > 1 and (self.ranks > 1 or self.attention == "batch"):
            raise BadValue("cp", self.cp, "1 where attention is divided by sequences or ranks")

    @property
    def replica_chips(self) -> int:
        """Chips of one replica."""
        return self.tp * self.cp * self.pp

    @property
    def chips(self) -> int:
        """Chips that the plan takes."""
        return self.replica_chips * self.dp

    def __str__(self) -> str:
        ways = {"TP": self.tp, "CP": self.cp, "PP": self.pp, "EP": self.ep, "DP": self.dp}
        cuts = [f"{name}{count}" for name, count in ways.items() if count > 1]
        places = f", weights in {self.placement.weights}" if self.placement.weights == "sram" else ""
        places += f", cache in {self.placement.kv}" if self.placement.beyond else ""
        split = ", attention by sequences" if self.attention == "batch" else ""
        split += f", attention on {self.ranks} ranks" if self.ranks > 1 else ""
        uneven = f", experts {self.expert_imbalance:.3g} times uneven" if self.expert_imbalance > 1.0 else ""
        return f"{' '.join(cuts) or 'TP1'} {self.precision}{split}{uneven}{places}"
