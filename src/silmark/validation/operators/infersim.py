"""InferSim's sweeps on H20 and H800: DeepGEMM, grouped products, attention of several kinds, gated delta nets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from silmark.errors import UnknownName
from silmark.graph import Array, Attention, Elementwise, Scan
from silmark.validation.operators.attention import operator
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group, gemm, seconds

COLUMNS = frozenset({"hardware", "kind", "phase", "config", "op", "tokens_per_expert", "kv_len"})
_KEYS = ("hardware", "kind", "phase", "config", "op", "kv_dtype")


def predict(table: Columns) -> Draft:
    """Seconds of every row."""

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        hardware, kind, phase, config, op, cache = key
        if kind not in _KINDS:
            raise UnknownName("kind of operator", kind, _KINDS)
        chip = alias("hardware", hardware)
        numbers = {name: table.number(name)[rows] for name in _NUMBERS}
        shape = [int(part) for part in config.split("-") if part.isdecimal()]
        formats = f"bf16:bf16:{'fp8' if cache == 'fp8' else 'bf16'}"
        took = _KINDS[kind](chip, formats, op, shape, numbers)
        return chip, _path(kind, phase, op, cache), took

    return by_group(table, _KEYS, group)


def _path(kind: str, phase: str, op: str, cache: str) -> str:
    """Conditions: DeepGEMM as in DeepSeek's own table; attention and products as other tables time them."""
    if kind == "gemm":
        return "gemm/fp8_block/deepgemm"
    if kind == "grouped_gemm":
        return f"grouped/deepgemm/{phase}/{op}"
    if kind in ("mha", "mla"):
        held = "fp8" if cache == "fp8" else "bfloat16"
        return f"{phase}/bfloat16-{held}/infersim/{kind}"
    return f"infersim/{kind}/{op}"


_NUMBERS = ("batch", "q_len", "kv_len", "m", "n", "k", "num_local_experts", "tokens_per_expert", "hidden", "inter")
Numbers = dict[str, Array]


def _gemm(chip: str, formats: str, op: str, shape: list[int], at: Numbers) -> Array:
    return gemm(chip, "fp8", at["m"], at["n"], at["k"])


def _grouped(chip: str, formats: str, op: str, shape: list[int], at: Numbers) -> Array:
    """One product per local expert; gate and up are one matrix."""
    n, k = (2.0 * at["inter"], at["hidden"]) if op.endswith("up") else (at["hidden"], at["inter"])
    return gemm(chip, "fp8", at["tokens_per_expert"], n * at["num_local_experts"], k)


def _sequences(at: Numbers) -> tuple[Array, Array, Array]:
    """Sequences, new tokens and tokens before them; a row of decode gives a batch, one of prefill a prompt."""
    decoding = np.isnan(at["q_len"])
    new = np.where(decoding, 1.0, at["q_len"])
    return np.where(decoding, at["batch"], 1.0), new, np.maximum(0.0, at["kv_len"] - new)


def _mha(chip: str, formats: str, op: str, shape: list[int], at: Numbers) -> Array:
    heads, kv_heads, width = _expect(shape, 3)
    seqs, new, past = _sequences(at)
    sizes = (np.full(seqs.shape, float(size)) for size in (heads, kv_heads, width))
    return seconds(chip, formats, operator(seqs, new, past, *sizes))


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
    """Sparse latent attention over the chosen tokens, or the indexer's scores over all of them."""
    seqs, new, past = _sequences(at)
    if len(shape) == 3:
        heads, width, chosen = shape
        seen = np.minimum(past, float(chosen))
        # Each query token chooses for itself, so queries are sequences of one token.
        one = Attention(
            name=op, seqs=seqs * new, new=np.ones(new.shape), past=seen, heads=heads, kv_heads=1, qk_dim=width,
            v_dim=width - 64, kv_width=width,
        )  # fmt: skip
        return seconds(chip, formats, one)
    heads, width = _expect(shape, 2)
    context = past + (new + 1.0) / 2.0
    return gemm(chip, "fp8", seqs * new * heads, context, float(width))


def _gdn(chip: str, formats: str, op: str, shape: list[int], at: Numbers) -> Array:
    """Gated delta net: a short convolution, and a state per value head that every token updates."""
    kernel, key_heads, key_width, heads, width = _expect(shape, 5)
    decoding = np.isnan(at["q_len"])
    seqs = np.where(decoding, at["batch"], 1.0)
    tokens = np.where(decoding, at["batch"], at["q_len"])
    channels = 2 * key_heads * key_width + heads * width
    if op.endswith("conv"):
        held = kernel if np.all(decoding) else 1
        moved = Elementwise(name=op, m=tokens, read=channels * held, write=channels * held, flops=2 * kernel * channels)
        return seconds(chip, formats, moved)
    chunk = 1 if np.all(decoding) else 64
    return seconds(
        chip, formats, Scan(name=op, m=tokens, seqs=seqs, heads=heads, head_dim=width, state=key_width, chunk=chunk)
    )


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
