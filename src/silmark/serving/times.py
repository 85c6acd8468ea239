"""Step times for the core: a StepModel's operators and an engine's habits, as the tables of a Clock.

A step that mixes prompts' chunks with decodes is one pass over the weights: its products run once over all its tokens,
and so does the fixed time of an attention kernel, which serves prompts and decodes together. Where that kernel is
FlashAttention-2's for ragged batches (Dao, arXiv:2307.08691, section 3.2), a decoding sequence costs in it what a block
of query rows costs: it is not split, and shares no read with the other heads of its group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from silmark.chips.mechanisms.gpu_attention import DECODE_NEW, absorbed
from silmark.figures import assumptions
from silmark.graph import Array, Attention, Op, Scan
from silmark.serving import graphs
from silmark.serving.options import EngineOptions
from silmark.step import StepCost, StepModel
from silmark.step.cost import OpShare
from silmark.workloads import Step

if TYPE_CHECKING:  # numba takes a second to import
    from silmark.serving.kernel.clock import Clock

_CELLS = 4096
"""Entries of the list that finds a context's segment."""
_LEAST_CELL = 16
_PER_OCTAVE = 8
"""Sizes of chunks per doubling: a chunk's attention grows with the square of its tokens."""
_TILE = 128
"""Query rows of a large block of attention."""
_LONGEST_NS = 2.0**52
"""About 52 days: what a table holds at most."""
_NS = 1e9
_HOST = ("lead_ns", "tail_ns", "request_ns")
_RAGGED = ("ampere", "ada", "blackwell-rtx")
"""Generations on which vLLM gives prompts and decodes to FlashAttention-2 in one call (vllm/v1/attention/backends/
fa_utils.py of 0.33). FlashAttention-3 on Hopper packs the heads of a group, FlashInfer runs decodes on their own."""


@dataclass(frozen=True, slots=True)
class Host:
    """What an engine's host adds to a chip's steps, seconds.

    Attributes:
        step_s: to prepare a step. It is hidden where the engine schedules ahead: a step then takes at least so long.
        lead_s: from the decision to the start of a step when the engine was idle.
        tail_s: from the end of a step until its tokens reach the client.
        request_s: from a request's arrival until the scheduler sees it.
    """

    step_s: float
    lead_s: float
    tail_s: float
    request_s: float


def usual_host(step_model: StepModel) -> Host:
    """Host times of engines that launch a step's kernels; compiled machines run on without their hosts.

    What an idle engine takes for a first token beside its kernels is measured as one time, `request_s`.
    """
    launches = step_model.mechanism.family == "gpu"
    return Host(assumptions("engine")["host.step"].value if launches else 0.0, 0.0, 0.0, step_model.mechanism.request_s)


def clock(step_model: StepModel, options: EngineOptions, host: Host | None = None) -> Clock:
    """Tables of one engine.

    Args:
        step_model: one replica.
        options: of its engine; steps hold at most these sequences and tokens.
        host: the engine's host times; `usual_host` by default.
    """
    from silmark.serving.kernel.clock import Clock  # noqa: PLC0415 - numba takes a second to import

    most = max(options.max_num_batched_tokens, options.max_num_seqs * (1 + options.draft_tokens))
    host = host or usual_host(step_model)
    shift, knots = _knots(options.max_model_len)
    fixed = _attention(step_model, Step.decode([1.0], 0.0))
    body_ns, body_j = _body(step_model, graphs.padded(np.arange(most + 1), options), fixed)
    head_ns, head_j = _head(step_model, most)
    alone = _alone(step_model, options, fixed)
    area = _decodes(step_model, options, knots, fixed)
    ragged = options.policy == "vllm" and step_model.target.chip.generation in _RAGGED
    mixed = _decodes(step_model, options, knots, fixed, ragged) if ragged else area
    sizes = _sizes(most)
    prompt = _prompts(step_model, sizes, knots, fixed)
    prepare = partial(_prepared, host_ns=round(host.step_s * _NS), ahead=options.async_scheduling)
    return Clock(
        body_ns=prepare(body_ns),
        body_j=body_j,
        head_ns=head_ns,
        head_j=head_j,
        alone_ns=prepare(alone[0]),
        alone_j=alone[1],
        width=_one(1 + options.draft_tokens),
        knots=knots[None],
        shift=_one(shift),
        segment=_segments(knots, shift)[None],
        area_ns=area[0][None],
        area_j=area[1][None],
        mixed_ns=mixed[0][None],
        mixed_j=mixed[1][None],
        sizes=sizes[None],
        row=_rows(sizes, most)[None],
        prompt_ns=prompt[0][None],
        prompt_j=prompt[1][None],
        lead_ns=_one(round(host.lead_s * _NS)),
        tail_ns=_one(round(host.tail_s * _NS)),
        request_ns=_one(round(host.request_s * _NS)),
    )


def stack(clocks: Sequence[Clock]) -> Clock:
    """Clocks of one kind each as one of several kinds: shorter tables repeat their last entries."""
    return type(clocks[0])(*(_joined(list(arrays)) for arrays in zip(*clocks, strict=True)))


def slowed(clock: Clock, factor: float) -> Clock:
    """A clock whose steps all take so many times as long; host times stay."""
    slower: dict[str, Any] = {
        name: np.rint(table * factor).astype(np.int64) if table.dtype == np.int64 else table * factor
        for name, table in clock._asdict().items()
        if name.endswith("_ns") and name not in _HOST
    }
    return clock._replace(**slower)


def _prepared(steps_ns: NDArray[np.int64], host_ns: int, ahead: bool) -> NDArray[np.int64]:
    """Steps with what their preparation adds to them."""
    return np.maximum(steps_ns, host_ns) if ahead else steps_ns + host_ns


def _joined(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    shape = [max(array.shape[axis] for array in arrays) for axis in range(1, arrays[0].ndim)]
    padded = [
        np.pad(array, [(0, 0), *((0, size - had) for size, had in zip(shape, array.shape[1:], strict=True))], "edge")
        for array in arrays
    ]
    return np.concatenate(padded)


def _one(value: int) -> NDArray[np.int64]:
    return np.array([value], dtype=np.int64)


def _ns(seconds: Array) -> NDArray[np.int64]:
    return np.minimum(np.rint(seconds * _NS), _LONGEST_NS).astype(np.int64)


def _knots(longest: int) -> tuple[int, NDArray[np.int64]]:
    """Bits of a context that do not choose its segment, and contexts two per octave, beyond the longest."""
    cell = _LEAST_CELL
    while longest // cell >= _CELLS:
        cell *= 2
    counts = [0, 1, 2, 3]
    while counts[-1] * cell <= longest:
        counts.append(counts[-2] * 2)
    return cell.bit_length() - 1, np.array(counts, dtype=np.int64) * cell


def _segments(knots: NDArray[np.int64], shift: int) -> NDArray[np.int16]:
    """Which segment every cell of contexts lies in."""
    cells = np.arange(knots[-1] >> shift, dtype=np.int64) << shift
    return (np.searchsorted(knots, cells, side="right") - 1).astype(np.int16)


def _sizes(most: int) -> NDArray[np.int64]:
    """Sizes of chunks: whole tiles of query rows first, then evenly in their logarithm, beyond the largest."""
    octaves = int(np.ceil(np.log2(most + 1)))
    spread = np.rint(2.0 ** (np.arange(octaves * _PER_OCTAVE + 1) / _PER_OCTAVE)).astype(np.int64)
    outside = spread[(spread < _TILE) | (spread > _TILE * 2 * _PER_OCTAVE)]
    tiles = np.arange(0, min(most, _TILE * 2 * _PER_OCTAVE) + 1, _TILE)
    return np.unique(np.concatenate([tiles, outside[outside <= most], np.array([most + 1])]))


def _rows(sizes: NDArray[np.int64], most: int) -> NDArray[np.int16]:
    """The size at or below every number of tokens."""
    return (np.searchsorted(sizes, np.arange(most + 1), side="right") - 1).astype(np.int16)


def _contextual(model: StepModel, step: Step) -> list[Op]:
    """What every chip runs of attention and scans."""
    if model.plan.attention == "heads" and model.plan.ranks == 1:
        return model.table(step.phase).shaped(step)
    return [op for op in model.sharded(step) if isinstance(op, Attention | Scan)]


def _attention(model: StepModel, step: Step) -> StepCost:
    """Cost of attention and scans of the given steps."""
    return model.collect(OpShare(op, model.op_cost(op)) for op in _contextual(model, step))


def _body(model: StepModel, tokens: NDArray[np.int64], fixed: StepCost) -> tuple[NDArray[np.int64], Array]:
    """All that depends on a step's tokens, with the fixed time of attention."""
    table = model.table("prefill")
    seconds = np.interp(tokens, table.knots, table.total) + float(fixed.time_s[0])
    joules = np.interp(tokens, table.knots, table.body.energy_j + np.zeros(table.knots.size))
    return _ns(seconds * model.imbalance)[None], (joules + float(fixed.energy_j[0]))[None]


def _head(model: StepModel, most: int) -> tuple[NDArray[np.int64], Array]:
    """All that depends on the sequences that get a token."""
    table, sequences = model.table("prefill"), np.arange(most + 1.0)
    if table.head is None:
        return np.zeros((1, most + 1), dtype=np.int64), np.zeros((1, most + 1))
    none = sequences == 0
    seconds = np.where(none, 0.0, np.interp(sequences, table.knots, table.head.time_s))
    joules = np.where(none, 0.0, np.interp(sequences, table.knots, table.head.energy_j))
    return _ns(seconds * model.imbalance)[None], joules[None]


def _alone(model: StepModel, options: EngineOptions, fixed: StepCost) -> tuple[NDArray[np.int64], Array]:
    """What steps of decodes only take whatever their context is, by decoders."""
    table = model.table("decode")
    tokens = graphs.padded(np.arange(options.max_num_seqs + 1) * (1 + options.draft_tokens), options)
    seconds = np.interp(tokens, table.knots, table.total) + float(fixed.time_s[0])
    joules = np.interp(tokens, table.knots, table.body.energy_j + np.zeros(table.knots.size)) + float(fixed.energy_j[0])
    return _ns(seconds * model.imbalance)[None], joules[None]


def _decodes(
    model: StepModel, options: EngineOptions, knots: NDArray[np.int64], fixed: StepCost, ragged: bool = False
) -> tuple[Array, Array]:
    """The integral over the context of attention and scans of decoding sequences.

    Args:
        model: the replica.
        options: of its engine.
        knots: mean contexts.
        fixed: what a step counts once.
        ragged: attention costs each sequence a block of query rows.
    """
    decoders = np.maximum(1.0, np.arange(options.max_num_seqs + 1.0))
    # A step adds a token to each sequence and counts the mean over it: half a token too much.
    past, new = np.maximum(0.0, knots - 0.5), np.asarray(1.0 + options.draft_tokens)
    ops = _contextual(model, Step("decode", np.repeat(decoders, knots.size), new, np.tile(past, decoders.size)))
    if ragged:
        ops = [_as_block(op) for op in ops]
    cost = model.collect(OpShare(op, model.op_cost(op)) for op in ops)
    none = np.zeros((decoders.size, knots.size))
    seconds, joules = (np.reshape(x + none.ravel(), none.shape) for x in (cost.time_s, cost.energy_j))
    seconds = np.maximum(none, seconds - float(fixed.time_s[0])) * (model.imbalance * _NS)
    joules = np.maximum(none, joules - float(fixed.energy_j[0]))
    return _area(seconds, decoders, knots), _area(joules, decoders, knots)


def _as_block(op: Op) -> Op:
    """Attention in a kernel made for prompts: each sequence is a block of query rows.

    Latent attention decodes in a kernel of its own, and so does attention over chosen tokens.
    """
    if not isinstance(op, Attention) or absorbed(op) or op.selected is not None or op.scores_only:
        return op
    return replace(op, new=np.asarray(DECODE_NEW + 1.0))


def _area(values: Array, decoders: Array, knots: NDArray[np.int64]) -> Array:
    """The integral of a piecewise linear function of the mean context over the context, divided by the decoders."""
    left, right, wide = values[:, :-1], values[:, 1:], np.diff(knots)
    until = np.cumsum(wide * (left + right) / 2, axis=1)
    start = np.concatenate([np.zeros((decoders.size, 1)), until[:, :-1]], axis=1)
    each = decoders[:, None]
    return np.stack([start, left / each, (right - left) / (2.0 * wide * each**2)], axis=2)


def _prompts(
    model: StepModel, sizes: NDArray[np.int64], knots: NDArray[np.int64], fixed: StepCost
) -> tuple[Array, Array]:
    """Attention of one prompt's chunk by new and cached tokens, without the kernel's fixed time."""
    new, past = (x.ravel().astype(np.float64) for x in np.meshgrid(sizes, knots, indexing="ij"))
    step = Step.prefill(1.0, np.maximum(1.0, new), past)
    cost = _attention(model, step)
    seen = model.table("prefill").seen
    seconds, joules = cost.time_s - float(fixed.time_s[0]), cost.energy_j - float(fixed.energy_j[0])
    if seen is not None:
        at = model.table("prefill").knots
        seconds = seconds + np.interp(new + past, at, seen.time_s)
        joules = joules + np.interp(new + past, at, seen.energy_j)
    shape, some = (sizes.size, knots.size), new > 0
    flat = np.zeros(new.size)
    return (
        np.where(some, np.maximum(seconds + flat, 0.0), 0.0).reshape(shape) * (model.imbalance * _NS),
        np.where(some, np.maximum(joules + flat, 0.0), 0.0).reshape(shape),
    )
