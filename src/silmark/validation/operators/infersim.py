"""InferSim's sweeps on H20 and H800: DeepGEMM, grouped products, attention of several kinds, gated delta nets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from silmark.chips import catalog, coefficients
from silmark.chips.mechanisms.gpu import Gpu
from silmark.chips.mechanisms.gpu_sparse import chunk_bytes
from silmark.errors import BadValue, UnknownName
from silmark.graph import Array, Attention, Elementwise, Scan
from silmark.models.gated_delta import CHUNK
from silmark.models.mixers import INDEX_BITS
from silmark.validation.operators.attention import operator
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group, gemm, machine, seconds, whole

COLUMNS = frozenset({"hardware", "kind", "phase", "config", "op", "tokens_per_expert", "kv_len"})
DEEPGEMM, FLASH = "infersim:fp8_block:deepgemm", "infersim::fa3"
"""Whose kernels ran: DeepSeek's alone, without the pass that narrows activations, and FlashAttention-3."""
_KEYS = ("hardware", "kind", "phase", "config", "op", "kv_dtype")


def predict(table: Columns) -> Draft:
    """Seconds of every row."""

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        hardware, kind, phase, config, op, cache = key
        if kind not in _KINDS:
            raise UnknownName("kind of operator", kind, _KINDS)
        chip = alias("hardware", hardware)
        if (hardware, config) == _REPEATED:
            raise BadValue(
                "configuration", config, "another one: the source repeats the times of 32 value heads for 64"
            )
        numbers = {name: table.number(name)[rows] for name in _NUMBERS}
        shape = [whole("configuration", part) for part in config.split("-") if part.isdecimal()]
        formats = f"bf16:bf16:{'fp8' if cache == 'fp8' else 'bf16'}"
        took = _KINDS[kind](chip, formats, op, shape, numbers)
        return chip, _path(kind, phase, config, op, cache), took

    return by_group(table, _KEYS, group)


def _path(kind: str, phase: str, config: str, op: str, cache: str) -> str:
    """Conditions: DeepGEMM as in DeepSeek's own table; attention and products as other tables time them."""
    if kind == "gemm":
        return "gemm/fp8_block/deepgemm"
    if kind == "grouped_gemm":
        return f"grouped/deepgemm/{phase}/{op}"
    if kind in ("mha", "mla"):
        held = "fp8" if cache == "fp8" else "bfloat16"
        return f"{phase}/bfloat16-{held}/infersim/{kind}"
    if kind == "dsa":
        return f"sparse-{config.partition('-')[0]}/{phase}"
    # Few rows per kernel, and what one errs by says nothing of the others: no path is shared.
    part = {"gdn_conv": "conv", "gdn_gdn_update": "update"}.get(op, "prompt")
    return f"delta-{part}/{phase}/{op}"


_ROPE = 64
"""Rotary elements of a latent row, which no value has."""
_REPEATED = ("H20", "4-16-128-64-128")
"""A gated delta net of 64 value heads whose times repeat those of 32 to the microsecond."""
_NUMBERS = ("batch", "q_len", "kv_len", "m", "n", "k", "num_local_experts", "tokens_per_expert", "hidden", "inter")
Numbers = dict[str, Array]


def _gemm(chip: str, formats: str, op: str, shape: list[int], at: Numbers) -> Array:
    return gemm(chip, "fp8", at["m"], at["n"], at["k"], engine=DEEPGEMM)


def _grouped(chip: str, formats: str, op: str, shape: list[int], at: Numbers) -> Array:
    """One product per local expert; gate and up are one matrix."""
    n, k = (2.0 * at["inter"], at["hidden"]) if op.endswith("up") else (at["hidden"], at["inter"])
    return gemm(chip, "fp8", at["tokens_per_expert"], n * at["num_local_experts"], k, engine=DEEPGEMM)


def _sequences(at: Numbers) -> tuple[Array, Array, Array]:
    """Sequences, new tokens and tokens before them; a row of decode gives a batch, one of prefill a prompt."""
    decoding = np.isnan(at["q_len"])
    new = np.where(decoding, 1.0, at["q_len"])
    return np.where(decoding, at["batch"], 1.0), new, np.maximum(0.0, at["kv_len"] - new)


def _mha(chip: str, formats: str, op: str, shape: list[int], at: Numbers) -> Array:
    heads, kv_heads, width = _expect(shape, 3)
    seqs, new, past = _sequences(at)
    sizes = (np.full(seqs.shape, float(size)) for size in (heads, kv_heads, width))
    return seconds(chip, formats, operator(seqs, new, past, *sizes), FLASH)


def _mla(chip: str, formats: str, op: str, shape: list[int], at: Numbers) -> Array:
    """Latent attention: absorbed (one latent head of the cache) in decode, heads of their own in prefill."""
    heads, latent, rope = _expect(shape, 3)
    seqs, new, past = _sequences(at)
    absorbed = op.endswith("decode")
    kv_heads = 1 if absorbed else heads
    kv_width = latent + rope if absorbed else heads * (2 * latent + rope)
    one = Attention(
        name=op, seqs=seqs, new=new, past=past, heads=heads, kv_heads=kv_heads, qk_dim=latent + rope, v_dim=latent,
        kv_width=kv_width,
    )  # fmt: skip
    return seconds(chip, formats, one)


def _dsa(chip: str, formats: str, op: str, shape: list[int], at: Numbers) -> Array:
    """Latent attention over the chosen tokens, or the indexer's scores over all of them, not yet chosen from."""
    seqs, new, past = _sequences(at)
    if len(shape) == 3:
        heads, width, chosen = shape
        # The kernel walks all places, those too that a short context leaves empty.
        one = Attention(
            name=op, seqs=seqs, new=new, past=np.maximum(past, float(chosen)), heads=heads, kv_heads=1, qk_dim=width,
            v_dim=width - _ROPE, kv_width=width, selected=chosen,
        )  # fmt: skip
        return seconds(chip, formats, one)
    heads, width = _expect(shape, 2)
    scores = Attention(
        name=op, seqs=seqs, new=new, past=past, heads=heads, kv_heads=1, qk_dim=width, v_dim=0, kv_width=width,
        kv_bits=INDEX_BITS,
    )  # fmt: skip
    found = machine(chip, formats)
    if not isinstance(found, Gpu):
        raise UnknownName("chip for this table", chip, (), hint="the table was measured on GPUs")
    return found.scores_time(scores)


def _gdn(chip: str, formats: str, op: str, shape: list[int], at: Numbers) -> Array:
    """Gated delta net: a short convolution, and a state per value head that every token updates."""
    kernel, key_heads, key_width, heads, width = _expect(shape, 5)
    decoding = np.isnan(at["q_len"])
    seqs = np.where(decoding, at["batch"], 1.0)
    tokens = np.where(decoding, at["batch"], at["q_len"])
    channels = 2 * key_heads * key_width + heads * width
    if op.endswith("conv"):
        window = bool(np.all(decoding))
        moved = channels * (kernel if window else 1)
        taps = Elementwise(name=op, m=tokens, read=moved, write=moved, flops=2 * kernel * channels, window=window)
        late = coefficients.fitted("gpu_sparse", "conv.host").value if window else 0.0
        return seconds(chip, formats, taps) + late
    one = Scan(name=op, m=tokens, seqs=seqs, heads=heads, head_dim=width, state=key_width, delta=True, state_bits=32.0)
    if np.all(decoding):
        return np.maximum(seconds(chip, formats, one), coefficients.fitted("gpu_sparse", "delta.host").value)
    passed = chunk_bytes(replace(one, chunk=CHUNK), 2.0)
    part = op.removeprefix("gdn_")
    if part not in passed:
        raise UnknownName("kernel", op, ("gdn_conv", *(f"gdn_{name}" for name in passed)))
    share = coefficients.fitted("gpu_sparse", "delta.chunk_share").value
    return np.asarray(passed[part] / (catalog.load(chip).si("memory.main.bandwidth") * share))


def _expect(shape: list[int], count: int) -> list[int]:
    if len(shape) != count or min(shape) < 1:
        raise UnknownName("configuration", "-".join(map(str, shape)), (), hint=f"{count} sizes joined by '-'")
    return shape


_KINDS: dict[str, Callable[[str, str, str, list[int], Numbers], Array]] = {
    "gemm": _gemm,
    "grouped_gemm": _grouped,
    "mha": _mha,
    "mla": _mla,
    "dsa": _dsa,
    "gdn": _gdn,
}
