"""Training: one optimizer step of a model on chips, from words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from silmark import models, systems
from silmark.api import question
from silmark.api.question import Count
from silmark.errors import BadValue
from silmark.formats import Precision
from silmark.mapping import Infeasible
from silmark.models import Model
from silmark.systems import Target
from silmark.training import RECOMPUTE, STACKS, Job, Recompute, TrainingEstimate
from silmark.training import train as run

SCHEMA = "silmark.train/1"
_SEQ = 4096
_PASSES = 4
"""Micro batches per pipeline stage where no global batch is given: the bubble is then a fifth."""
_AUTO: tuple[Recompute, ...] = ("none", "alternate", "full")


@dataclass(frozen=True, slots=True)
class Training:
    """The answer to one question: an estimate, or the reason why there is none."""

    question: dict[str, str]
    target: Target
    estimate: TrainingEstimate | None
    reason: str = ""

    @property
    def status(self) -> Literal["ok", "cannot-run", "infeasible"]:
        """As in the other answers."""
        if self.estimate is not None:
            return "ok"
        return "cannot-run" if self.reason.startswith("cannot") else "infeasible"

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.train/1; SI units, intervals as low, mid and high of 80 %."""
        answer = self.estimate.as_dict() if self.estimate is not None else None
        return {
            "schema": SCHEMA,
            "question": self.question,
            "chip": self.target.chip.id,
            "system": self.target.system.id,
            "status": self.status,
            "reason": self.reason,
            "training": answer,
        }


def train(
    model: str,
    on: str,
    *,
    global_batch: Count | None = None,
    micro_batch: Count = 1,
    seq: Count | None = None,
    tp: Count = 1,
    pp: Count = 1,
    cp: Count = 1,
    dp: Count | None = None,
    zero: str = "auto",
    recompute: str = "auto",
    interleave: Count = 1,
    precision: str = "default",
    stack: str = "auto",
) -> Training:
    """What one optimizer step of a model takes.

    Args:
        model: catalogue name, path of a `config.json`, or `hf:owner/name`.
        on: `64x:nvidia-h100-sxm5-80gb`, a system's id, or a `.toml` file.
        global_batch: sequences of one step; default one micro batch per replica (four per pipeline stage).
        micro_batch: sequences that a replica takes at a time.
        seq: tokens per sequence; default 4096, or what the model allows if less.
        tp, pp, cp, dp: chips per layer, pipeline stages, chips per sequence, replicas (default: the rest).
        zero: what replicas divide: none, 1, 2 or 3 (FSDP), or auto: 3 without pipeline stages, 1 with them.
        recompute: none, selective, alternate or full, or auto: the least that fits in memory.
        interleave: model chunks per pipeline stage.
        precision: format of the matrix products, or "default".
        stack: training software whose coefficients apply, or auto: that of the chip's family.

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    loaded, target = models.load(model), systems.target(on)
    if recompute != "auto" and recompute not in RECOMPUTE:
        raise BadValue("recompute", recompute, f"auto, {', '.join(RECOMPUTE)}")
    ways = {name: question.whole(name, way) for name, way in (("tp", tp), ("pp", pp), ("cp", cp))}
    replicas = _replicas(target, ways, dp)
    micro = question.whole("micro batch", micro_batch)
    passes = _PASSES * ways["pp"] if ways["pp"] > 1 else 1
    job = Job(
        precision=precision_of(precision, target),
        seq=sequence(loaded, seq),
        micro=micro,
        global_batch=micro * replicas * passes
        if global_batch is None
        else question.whole("global batch", global_batch),
        dp=replicas,
        zero=_zero(zero, ways["pp"]),
        sequence_parallel=ways["tp"] > 1,
        interleave=question.whole("interleave", interleave),
        stack=stack_of(stack, target),
        fused=stack_of(stack, target) not in ("foundry", "megatron"),
        tp=ways["tp"],
        pp=ways["pp"],
        cp=ways["cp"],
    )
    used, answer = _answer(loaded, target, job, recompute)
    said = {"model": loaded.name, "on": target.name, "job": str(used), "stack": used.stack}
    said |= {"seq": str(used.seq), "micro_batch": str(used.micro), "global_batch": str(used.global_batch)}
    if isinstance(answer, Infeasible):
        return Training(said, target, None, answer.reason)
    return Training(said, target, answer)


def _answer(model: Model, target: Target, job: Job, recompute: str) -> tuple[Job, TrainingEstimate | Infeasible]:
    """The job as asked, or with the least recomputation that fits."""
    modes = _AUTO if recompute == "auto" else tuple(mode for mode in RECOMPUTE if mode == recompute)
    asked = job
    answer: TrainingEstimate | Infeasible = Infeasible("nothing was tried")
    for mode in modes:
        asked = replace(job, recompute=mode)
        answer = run(model, target, asked)
        if not isinstance(answer, Infeasible):
            break
    return asked, answer


def _replicas(target: Target, ways: dict[str, int], dp: Count | None) -> int:
    each = ways["tp"] * ways["pp"] * ways["cp"]
    if dp is not None:
        replicas = question.whole("dp", dp)
        if replicas * each > target.count:
            raise BadValue("tp x pp x cp x dp", replicas * each, f"at most {target.count}, the chips of {target.name}")
        return replicas
    if target.count % each:
        raise BadValue("tp x pp x cp", each, f"a divisor of {target.count}, the chips of {target.name}")
    return target.count // each


def _zero(text: str, stages: int) -> int:
    if text == "auto":
        return 3 if stages == 1 else 1
    known = {"none": 0, "0": 0, "1": 1, "2": 2, "3": 3}
    if text not in known:
        raise BadValue("zero", text, "auto, none, 1, 2 or 3")
    return known[text]


def sequence(model: Model, asked: Count | None) -> int:
    """Tokens per sequence: as asked, else 4096 or what the model allows if less."""
    return question.whole("seq", asked) if asked is not None else min(_SEQ, model.max_context or _SEQ)


def precision_of(name: str, target: Target) -> Precision:
    """The chip's bf16, or fp16 where it has none; weights are kept in 16 and 32 bits whatever multiplies."""
    formats = target.chip.formats
    if name == "default":
        name = next((f for f in ("bf16", "fp16") if f in formats), target.chip.precision)
    if ":" in name:
        raise BadValue("precision", name, "one format; states of the optimizer are kept in 32 bits")
    return Precision.of(name)


def stack_of(name: str, target: Target) -> str:
    """The training software of that name, or the usual one of the chip's family."""
    if name == "auto":
        return "maxtext" if target.chip.family == "systolic" else "torchtitan"
    if name not in STACKS:
        raise BadValue("stack", name, f"auto, {', '.join(STACKS)}")
    return name
