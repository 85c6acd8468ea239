"""Job: how a training step is cut, sharded and recomputed; what a user or a measured row states about it.

Jobs: many cuts of one job as arrays. Every formula of memory and time takes either, so that a search and a single
question have the same code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from silmark.errors import BadValue
from silmark.formats import FORMATS, Precision

Recompute = Literal["none", "selective", "alternate", "full"]
RECOMPUTE: tuple[Recompute, ...] = ("none", "selective", "alternate", "full")
"""What the backward pass computes again: nothing; attention (Korthikanti et al., arXiv:2205.05198, section 5);
every second matrix product and what lies between (torchtitan's selective mode, arXiv:2410.06511); every layer."""
STACKS = ("foundry", "torchtitan", "megatron", "maxtext", "levanter")
"""Training software whose coefficients are fitted or, where it was never measured, taken from its nearest kin."""
MOST_TOKENS = 10**12
_LARGEST = 10**7

Whole = NDArray[np.int64]
Real = float | NDArray[np.float64]
"""A number of one job, or of many."""
_N = TypeVar("_N", int, Whole)


class _Counted(Generic[_N]):
    """What follows from a cut, of one job or of many."""

    __slots__ = ()
    tp: _N
    pp: _N
    dp: _N
    cp: _N
    micro: _N

    @property
    def chips(self) -> _N:
        """Chips of the whole job."""
        return self.tp * self.pp * self.dp * self.cp

    @property
    def shards(self) -> _N:
        """Chips among which a replica group can divide its states."""
        return self.dp * self.cp


def fullest(layers: int, job: Job | Jobs) -> Real:
    """Layers of the fullest pipeline stage over those of the mean one: its chunks are rounded up to whole layers."""
    chunks = job.pp * job.interleave
    return -(-layers // chunks) * chunks / layers


@dataclass(frozen=True, slots=True)
class Job(_Counted[int]):
    """One optimizer step of a training run.

    Attributes:
        precision: of the matrix products; activations and gradients move in 16 bits.
        seq: tokens per sequence.
        micro: sequences that one replica takes through the model at a time.
        global_batch: sequences of one optimizer step, all replicas together.
        tp, pp, dp: chips per layer, pipeline stages, replicas.
        cp: chips that share the tokens of one sequence (ring attention, arXiv:2310.01889).
        zero: what replicas divide among themselves (Rajbhandari et al., arXiv:1910.02054): 0 nothing,
            1 optimizer states, 2 and gradients, 3 and parameters (FSDP's full shard).
        recompute: see RECOMPUTE.
        sequence_parallel: norms and dropout are divided over the tp chips too (arXiv:2205.05198, section 4.2.2).
        interleave: model chunks per pipeline stage (Narayanan et al., arXiv:2104.04473, section 2.2).
        async_tp: exchanges inside a layer are split and run under its matrix products.
        fused: element-wise operators are compiled into few kernels.
        flash: attention in one kernel that keeps no scores.
        reduce_bytes: bytes per gradient element on the network.
        stack: whose coefficients apply.
    """

    precision: Precision
    seq: int
    micro: int
    global_batch: int
    tp: int = 1
    pp: int = 1
    dp: int = 1
    cp: int = 1
    zero: int = 0
    recompute: Recompute = "none"
    sequence_parallel: bool = False
    interleave: int = 1
    async_tp: bool = False
    fused: bool = False
    flash: bool = True
    reduce_bytes: float = 4.0
    stack: str = "foundry"

    def __post_init__(self) -> None:
        for label in ("seq", "micro", "global_batch", "tp", "pp", "dp", "cp", "interleave"):
            value = getattr(self, label)
            if not 1 <= value <= _LARGEST:
                raise BadValue(label.replace("_", " "), value, f"a whole number from 1 to {_LARGEST:,}")
        if self.zero not in (0, 1, 2, 3):
            raise BadValue("zero", self.zero, "0, 1, 2 or 3")
        if self.recompute not in RECOMPUTE:
            raise BadValue("recompute", self.recompute, f"one of {', '.join(RECOMPUTE)}")
        if self.stack not in STACKS:
            raise BadValue("stack", self.stack, f"one of {', '.join(STACKS)}")
        each = self.micro * self.dp
        if self.global_batch % each:
            raise BadValue(
                "global batch", self.global_batch, f"a multiple of micro batch x dp = {self.micro} x {self.dp} = {each}"
            )
        if self.global_batch * self.seq > MOST_TOKENS:
            raise BadValue("global batch", self.global_batch, f"at most {MOST_TOKENS:.0e} tokens per step")
        if self.seq % self.cp:
            raise BadValue("cp", self.cp, f"a divisor of seq = {self.seq}")
        if self.interleave > 1 and self.pp == 1:
            raise BadValue("interleave", self.interleave, "1 without pipeline stages")

    @property
    def passes(self) -> int:
        """Micro batches that one replica runs through the model in one step."""
        return self.global_batch // (self.micro * self.dp)

    @property
    def tokens(self) -> int:
        """Tokens of one step, all replicas."""
        return self.global_batch * self.seq

    def by_recompute(self, none: float, selective: float, alternate: float, full: float) -> float:
        """The value of this job's mode."""
        return (none, selective, alternate, full)[RECOMPUTE.index(self.recompute)]

    @property
    def element_bytes(self) -> float:
        """Bytes of an activation, and of a parameter on the network."""
        return self.precision.activation_bytes

    @property
    def wide(self) -> bool:
        """Whether matrix products run in 16 bits or more."""
        return FORMATS[self.precision.compute].wide

    def __str__(self) -> str:
        ways = [f"{n.upper()}{getattr(self, n)}" for n in ("tp", "pp", "cp", "dp") if getattr(self, n) > 1]
        shared = f"ZeRO-{self.zero}" if self.zero and self.shards > 1 else ""
        extra = [f"interleaved {self.interleave}x"] if self.interleave > 1 else []
        extra += ["sequence parallel"] if self.sequence_parallel and self.tp > 1 else []
        head = " ".join([*(ways or ["1 chip"]), *([shared] if shared else []), str(self.precision)])
        return ", ".join([head, f"recompute {self.recompute}", *extra])


@dataclass(frozen=True, slots=True, eq=False)
class Jobs(_Counted[Whole]):
    """Many jobs at once: everything that is not listed here is `base`'s.

    Attributes:
        base: a job of the same batch; its own cut does not count.
        tp, pp, dp, cp, micro, zero, interleave: as in Job, arrays that broadcast against each other.
        recompute: indices into RECOMPUTE.
        sequence_parallel: whether, as 0 or 1.
    """

    base: Job
    tp: Whole
    pp: Whole
    dp: Whole
    cp: Whole
    micro: Whole
    zero: Whole
    recompute: Whole
    interleave: Whole
    sequence_parallel: Whole

    @property
    def passes(self) -> Whole:
        """Micro batches that one replica runs through the model in one step."""
        return self.base.global_batch // (self.micro * self.dp)

    @property
    def seq(self) -> int:
        """Tokens per sequence."""
        return self.base.seq

    @property
    def flash(self) -> bool:
        """Whether attention keeps no scores."""
        return self.base.flash

    @property
    def element_bytes(self) -> float:
        """Bytes of an activation, and of a parameter on the network."""
        return self.base.element_bytes

    @property
    def reduce_bytes(self) -> float:
        """Bytes per gradient element on the network."""
        return self.base.reduce_bytes

    def by_recompute(self, none: float, selective: float, alternate: float, full: float) -> NDArray[np.float64]:
        """The value of each job's mode."""
        return np.array([none, selective, alternate, full])[self.recompute]
