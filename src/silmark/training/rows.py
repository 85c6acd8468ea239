"""Measured training rows: what each states, as a question that the model answers in the row's own unit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from silmark import chips, models, systems
from silmark.chips import Chip
from silmark.chips.mechanisms import Placement, build
from silmark.errors import BadValue
from silmark.formats import Precision
from silmark.models import Model
from silmark.systems import Target
from silmark.training.flops import per_token
from silmark.training.job import Job, Recompute
from silmark.training.timing import Components, components

CHIPS = {
    "A100-SXM-40GB": "nvidia-a100-sxm4-40gb",
    "A100-SXM-80GB": "nvidia-a100-sxm4-80gb",
    "H100-SXM-80GB": "nvidia-h100-sxm5-80gb",
    "H100-96GB-HBM2e-500W(Meta)": "nvidia-h100-sxm5-96gb-500w",
    "H200-SXM-141GB": "nvidia-h200-sxm-141gb",
    "TPU-v3": "google-tpu-v3",
    "TPU-v5e": "google-tpu-v5e",
    "TPU-v5p": "google-tpu-v5p",
    "TPU-v6e": "google-tpu-v6e",
}
"""Hardware as the table names it -> id of the chip."""
MODELS = {
    "gpt3-175b": "gpt3-175b",
    "deepseek3-671b": "deepseek-v3",
    "llama4-maverick-17b-128e": "llama-4-maverick",
    "llama4-scout-17b-16e": "llama-4-scout",
    "mistral-7b": "mistral-7b-v0.1",
    "mpt-7b": "foundry-mpt-7b",
    "mpt-30b": "foundry-mpt-30b",
}
"""The table's names, in lower case and without the stack's suffix, that the catalogue spells otherwise."""
STACKS = {
    "llm-foundry/Composer FSDP": "foundry",
    "torchtitan": "torchtitan",
    "Megatron-LM": "megatron",
    "MaxText": "maxtext",
    "Levanter FSDP": "levanter",
}
_DENSE = re.compile(r"(maxtext dense gpt-style|gpt-2-style) ([0-9.]+[mb])$")
_KEYED = re.compile(r"\b(\w+)=([\w.+ /]+)")
_TPU_SEQ = {"maxtext": 8192, "maxtext-dense": 2048, "levanter": 2048}
"""Tokens per sequence where neither row nor name says: the defaults of the recipes' models."""
_TPU_TOKENS = {"maxtext": 8192, "levanter": 8192}
"""Tokens per chip and micro batch where the row does not say; rates hardly depend on it once arrays are full."""
_TITAN_SEQ = 8192


@dataclass(frozen=True, slots=True)
class Question:
    """One row as a question."""

    model: Model
    target: Target
    job: Job
    metric: str
    unit: str
    assumed: tuple[str, ...] = ()


def question(row: Mapping[str, str]) -> Question | str:
    """The question of one row, or why it cannot be answered."""
    chip_id = CHIPS.get(row.get("hardware", ""))
    if chip_id is None:
        return f"chip {row.get('hardware', '')!r} is not in the catalogue"
    stack = STACKS.get(row.get("engine", ""))
    if stack is None:
        return f"training software {row.get('engine', '')!r} is not known"
    name = model_name(row.get("model", ""))
    if name is None:
        return f"model {row.get('model', '')!r} is not in the catalogue"
    try:
        devices = _whole(row, "n_devices")
        chip = chips.load(chip_id)
        target = Target(chip, systems.usual(chip), devices or 1)
        job, assumed = _job(row, stack, name, chip.formats, devices)
    except BadValue as error:
        return str(error)
    return Question(models.load(name), target, job, row.get("metric", ""), row.get("unit", ""), assumed)


def model_name(text: str) -> str | None:
    """Catalogue name of a row's model, None if there is none."""
    plain = text.strip().lower()
    dense = _DENSE.match(plain)
    if dense:
        plain = ("maxtext-" if dense[1].startswith("maxtext") else "levanter-") + dense[2]
    plain = plain.removesuffix("-maxtext")
    found = MODELS.get(plain, models.aliases().get(plain, plain))
    return found if found in set(models.names()) else None


def stated(notes: str) -> dict[str, str]:
    """The `key=value` pairs of a row's notes."""
    return {key: value.strip() for key, value in _KEYED.findall(notes)}


def _whole(row: Mapping[str, str], key: str) -> int | None:
    text = row.get(key, "")
    if not text:
        return None
    try:
        return max(1, round(float(text)))
    except (ValueError, OverflowError):
        raise BadValue(key, text, "a number, or nothing") from None


def _job(
    row: Mapping[str, str], stack: str, name: str, formats: tuple[str, ...], devices: int | None
) -> tuple[Job, tuple[str, ...]]:
    notes = row.get("notes", "")
    said = stated(notes)
    if stack in ("maxtext", "levanter"):
        return _tpu_job(row, stack, name, devices or 1, said)
    batch, seq = _whole(row, "batch"), _whole(row, "isl")
    tp, pp, dp = (_whole(row, key) or 1 for key in ("tp", "pp", "dp"))
    local = re.search(r"local batch (\d+)", notes)
    precision = _precision(row.get("precision", ""), formats)
    if stack == "torchtitan":
        cp = int(said.get("cp", "1"))
        micro = int(local[1]) if local else 1
        if pp > 1:  # its local batch goes through the pipeline one sequence at a time
            micro, batch = 1, micro * dp
        return Job(
            precision, seq or _TITAN_SEQ, micro, batch or micro * dp, tp=tp, pp=pp, dp=dp, cp=cp,
            zero=2 if pp > 1 else 3, recompute=_titan_recompute(notes), sequence_parallel=tp > 1,
            interleave=2 if "nterleaved" in notes else 1, async_tp=bool(re.search("async ?tp", notes, re.IGNORECASE)),
            fused="eager" not in notes, stack=stack,
        ), (() if seq else ("sequence length",))  # fmt: skip
    micro = int(float(said.get("microbatch", "1")))
    if stack == "megatron":
        again = said.get("recompute", "full")
        recompute: Recompute = "selective" if again.startswith("selective") else "full"
        return Job(
            precision, seq or 2048, micro, batch or micro * dp, tp=tp, pp=pp, dp=dp, recompute=recompute,
            sequence_parallel="sequence parallel" in again, interleave=int(said.get("interleave", "1")), flash=False,
            stack=stack,
        ), ()  # fmt: skip
    return Job(
        precision, seq or 2048, micro, batch or micro * dp, dp=dp, zero=2 if said.get("fsdp") == "SHARD_GRAD_OP" else 3,
        recompute="full" if said.get("act_ckpt") == "True" else "none",
        reduce_bytes=2.0 if said.get("mp_mode") == "PURE" else 4.0, stack=stack,
    ), ()  # fmt: skip


def _tpu_job(
    row: Mapping[str, str], stack: str, name: str, devices: int, said: Mapping[str, str]
) -> tuple[Job, tuple[str, ...]]:
    """TPU rows state tokens per step at most: one micro batch per step, parameters divided among all chips."""
    kind = "maxtext-dense" if name.startswith("maxtext-") else stack
    seq = min(_TPU_SEQ[kind], models.load(name).max_context or _TPU_SEQ[kind])
    step = said.get("tokens_per_step")
    per_chip = float(step) / devices if step else float(_TPU_TOKENS[stack])
    seq = max(1, int(min(seq, per_chip)))
    micro = max(1, round(per_chip / seq))
    job = Job(
        Precision.of("bf16"), seq, micro, micro * devices, dp=devices, zero=3, recompute="full", fused=True, stack=stack
    )
    return job, ("sequence length", *(() if step else ("batch",)), "recomputation", "cut")


def _titan_recompute(notes: str) -> Recompute:
    if "full AC" in notes:
        return "full"
    return "alternate"  # its default, also where a row names none


def _precision(text: str, formats: tuple[str, ...]) -> Precision:
    plain = text.lower().removeprefix("amp_").partition(" ")[0].partition("-")[0]
    if plain in ("bf16", "fp16"):
        return Precision.of(plain)
    if plain == "fp8" and "fp8" in formats:
        return Precision.of("fp8")
    raise BadValue("precision", text, f"one of bf16, fp16, fp8; this chip multiplies {', '.join(formats)}")


@dataclass(frozen=True, slots=True)
class Measured:
    """A row whose step time is known, priced part by part."""

    question: Question
    parts: Components
    seconds: float

    @property
    def chip(self) -> Chip:
        """The row's chip."""
        return self.question.target.chip


def measured(row: Mapping[str, str]) -> Measured | str:
    """A public row with its step time in seconds, or why it has none."""
    asked = question(row)
    if isinstance(asked, str):
        return asked
    try:
        value = float(row.get("value", ""))
    except ValueError:
        return "the row has no value"
    mechanism = build(asked.target.chip, asked.job.precision, Placement())
    return Measured(asked, components(asked.model, asked.target, mechanism, asked.job), convert(asked, value))


def convert(asked: Question, number: float) -> float:
    """The row's metric from step seconds, or back: all but the step time itself are a constant over it.

    Raises:
        BadValue: a metric that is not known.
    """
    job, chip = asked.job, asked.target.chip
    if asked.metric == "train_step_time":
        return number
    each = job.tokens / job.chips
    flops = per_token(asked.model, job.seq) * each
    constants = {
        "train_tokens_per_s_per_device": each,
        "train_tflops_per_device": flops / 1e12,
        "train_mfu": 100.0 * flops / chip.si(f"peak.{job.precision.compute}"),
    }
    if asked.metric not in constants:
        raise BadValue("metric", asked.metric, f"one of train_step_time, {', '.join(constants)}")
    return constants[asked.metric] / number
