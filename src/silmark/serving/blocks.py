"""KV blocks: how much of a chip's memory each engine leaves to the cache, and what a block takes of it.

vLLM, SGLang and TensorRT-LLM measure when they start: weights, what the driver and communication libraries hold, and
the peak of a trial pass. The same sums are made here from the model's operators.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from silmark.figures import Figure, Interval, assumptions
from silmark.figures.figure import quadrature
from silmark.formats import FORMATS
from silmark.mapping import Infeasible
from silmark.serving.arguments import MOST
from silmark.serving.engines import Engine, reported
from silmark.serving.options import EngineOptions
from silmark.serving.peak import activations, logits
from silmark.step import StepModel


@dataclass(frozen=True, slots=True)
class Budget:
    """Where the memory of the fullest chip goes, in bytes.

    Attributes:
        total: as the driver reports it.
        share: of it, what the engine takes (gpu_memory_utilization and its like).
        weights: of the model.
        runtime: driver, communication buffers, libraries.
        peak: largest working set of a pass.
        graphs: recorded steps, where the engine counts them.
        cache: what is left for KV blocks; below 0 if nothing is.
        error: how far that may be wrong either way, by the intervals of the figures (80 %).
        figures: what these were taken from, by key.
    """

    total: float
    share: float
    weights: float
    runtime: float
    peak: float
    graphs: float
    cache: float
    error: tuple[float, float] = (0.0, 0.0)
    figures: Mapping[str, Figure] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of one replica, and what they are made of.

    Attributes:
        budget: the chip's memory.
        count: blocks that fit.
        size: tokens of one.
        bytes_: that one takes on one chip.
        per_sequence: blocks of a running sequence beside those of its tokens.
    """

    budget: Budget
    count: int
    size: int
    bytes_: float
    per_sequence: int

    def interval(self) -> Interval:
        """Blocks, as the intervals of the figures behind the budget have it (80 %)."""
        below, above = self.budget.error
        each = self.bytes_ or 1.0
        return Interval(max(0.0, self.count - below / each), float(self.count), self.count + above / each)

    def tokens(self) -> int:
        """Tokens of a single sequence that fit; one block is never handed out (vLLM's null block)."""
        return max(0, self.count - self.per_sequence - 1) * self.size


def blocks(model: StepModel, engine: Engine, options: EngineOptions, typical: float, share: float | None) -> Blocks:
    """The KV blocks that an engine allocates for one replica.

    Args:
        model: the replica.
        engine: whose sum is made.
        options: budget of tokens and sequences, length and block size.
        typical: tokens of a usual request.
        share: of the memory, as the user said it; None for the engine's own.
    """
    found = budget(model, engine, options, share)
    growth, fixed = _line(model, min(typical, options.max_model_len))
    ranks = model.plan.ranks
    if growth == 0:  # recurrent states only: a sequence takes one block, however long it is
        room = found.cache / fixed * ranks if fixed else math.inf
        return Blocks(found, _count(room), options.max_model_len, fixed * ranks, 0)
    bytes_ = growth * options.block_size
    return Blocks(found, _count(found.cache / bytes_), options.block_size, bytes_, math.ceil(fixed / bytes_ - 1e-9))


def _count(room: float) -> int:
    return int(min(max(0.0, room), MOST))


def _line(model: StepModel, typical: float) -> tuple[float, float]:
    """Bytes that a sequence takes per token, and beside: the tangent of its need at the typical length.

    The need grows with the tokens until windows are full, so the tangent is nowhere below it. Pipeline stages hold
    whole layers: the fullest one decides.
    """
    length = max(1.0, math.floor(typical))
    before = float(model.memory.per_sequence(length)) * model.imbalance
    growth = float(model.memory.per_sequence(length + 1)) * model.imbalance - before
    return growth, max(0.0, before - growth * length)


def budget(model: StepModel, engine: Engine, options: EngineOptions, asked: float | None) -> Budget:
    """Where a chip's memory goes under an engine."""
    if engine.id == "compiled" or model.plan.placement != replace(model.plan.placement, weights="main", kv="main"):
        return _placed(model)
    weights = (model.memory.weights + _wide_ends(model)) * model.imbalance
    total, runtime, peak, graphs = (_Amount.of(parts) for parts in _parts(model, engine, options))
    share = _reserving(total.mid, model, engine, options) if engine.policy == "sglang" else engine.value("memory.share")
    share = share if asked is None else asked
    cache, scales = {
        "vllm": (total.mid * share - weights - runtime.mid - peak.mid - graphs.mid, (share, 1.0, 1.0, 1.0)),
        "sglang": ((total.mid - runtime.mid) * share - weights, (share, share, 0.0, 0.0)),
        "trtllm": ((total.mid - weights - runtime.mid - peak.mid - graphs.mid) * share, (share,) * 4),
    }[engine.policy]
    held = [amount.scaled(scale) for amount, scale in zip((runtime, peak, graphs), scales[1:], strict=True)]
    error = (
        quadrature([total.scaled(scales[0]).below, *(amount.above for amount in held)]),
        quadrature([total.scaled(scales[0]).above, *(amount.below for amount in held)]),
    )
    used = dict([reported(model.target.chip)])
    used |= {f"engine.{key}": figure for key, figure in engine.settings.items() if key.startswith("memory.")}
    return Budget(total.mid, share, weights, runtime.mid, peak.mid, graphs.mid, cache, error, used)


def _placed(model: StepModel) -> Budget:
    """Of a machine that places everything ahead of time: as `estimate` has it, nothing is measured at the start."""
    room, tier = model.memory.capacity, model.plan.placement.kv
    key = f"memory.{tier}.capacity"
    usable = assumptions("engine")["memory.usable" if tier == "main" else "memory.usable_sram"]
    if key not in model.target.chip.figures:  # the cache lies in memory of the system
        return Budget(room, 1.0, model.memory.weights, 0.0, 0.0, 0.0, room)
    size = model.target.chip.figure(key)
    error = (size.value * (usable.value - usable.low), size.value * (usable.high - usable.value))
    share = model.memory.weights if tier == model.plan.placement.weights else 0.0
    used = {key: size, f"assumed.{usable.key}": usable}
    return Budget(size.value, usable.value, share, 0.0, 0.0, 0.0, room, error, used)


@dataclass(frozen=True, slots=True)
class _Amount:
    """Bytes, and how far they may lie below and above."""

    mid: float
    below: float
    above: float

    @classmethod
    def of(cls, parts: Sequence[tuple[Figure | None, float]]) -> _Amount:
        """A sum of figures, each times a number that is certain; what is not known is nothing."""
        known = [(figure, scale) for figure, scale in parts if figure is not None]
        return cls(
            sum(figure.value * scale for figure, scale in known),
            quadrature((figure.value - figure.low) * scale for figure, scale in known),
            quadrature((figure.high - figure.value) * scale for figure, scale in known),
        )

    def scaled(self, factor: float) -> _Amount:
        return _Amount(self.mid * factor, self.below * factor, self.above * factor)


def _parts(
    model: StepModel, engine: Engine, options: EngineOptions
) -> tuple[Sequence[tuple[Figure | None, float]], ...]:
    """What the driver reports, and what runtime, peak and graphs take: figures and what they are multiplied by."""
    known = engine.settings.get
    key, figure = reported(model.target.chip)
    less = None if key == "memory.main.reported" else known("memory.reported")
    total = [(figure, 1.0)] if less is None else [(less, figure.value)]
    runtime = [(known("memory.runtime"), 1.0)]
    if model.plan.replica_chips > 1:
        runtime.append((known("memory.group"), 1.0))
    ways = [
        [(known("memory.activation"), activations(model, options.max_num_batched_tokens))],
        [(known("memory.logit"), logits(model, options.max_num_seqs // model.plan.ranks))],
    ]
    recorded = len(options.captured) * model.model.layer_count / model.plan.pp
    return total, runtime, max(ways, key=lambda parts: _Amount.of(parts).mid), [(known("memory.graph"), recorded)]


def _reserving(total: float, model: StepModel, engine: Engine, options: EngineOptions) -> float:
    """SGLang's mem_fraction_static: what a rule of thumb for working sets and graphs leaves of the memory."""
    reserve = (
        engine.value("reserve.fixed")
        + engine.value("reserve.token") * max(2048, options.max_num_batched_tokens)
        + engine.value("reserve.chip") * model.plan.replica_chips
        + engine.value("reserve.sequence") * max(options.captured, default=0)
    )
    return round(1.0 - max(reserve, engine.value("reserve.least")) / total, 3)


def _wide_ends(model: StepModel) -> float:
    """Bytes by which embeddings and head, which stay in 16 bits, exceed the format of the other weights."""
    narrower = max(0.0, 16.0 - FORMATS[model.plan.precision.weights].bits) / 8
    ends = sum(part.parameters for part in (*model.model.stem, *model.model.tail))
    return narrower * ends / (model.plan.tp * model.plan.pp)


def why_not(found: Blocks, options: EngineOptions, asked: int | None) -> Infeasible | None:
    """Why an engine with these blocks would not start, None if it does.

    Args:
        found: its blocks.
        options: what it was told.
        asked: longest request that the user wants to serve, None if nobody said.
    """
    fits, spare = found.tokens(), found.budget
    if fits >= (1 if asked is None else asked):
        return None
    parts = {"weights": spare.weights, "runtime": spare.runtime, "activations": spare.peak, "graphs": spare.graphs}
    taken = ", ".join(f"{name} {size / 1e9:.3g}" for name, size in parts.items() if size)
    room = (
        f"of {spare.total / 1e9:.4g} GB per chip, {taken} GB and a share of {spare.share:.3g} for the engine "
        f"leave {max(0.0, spare.cache) / 1e9:.3g} GB for KV blocks"
    )
    if fits < 1:
        return Infeasible(f"no room for a KV block of {found.size} tokens: {room}")
    return Infeasible(f"a request of {asked:,} tokens does not fit, one of {fits:,} does: {room}")
