"""Operators as calls: each function allocates its operands on the device and returns what the timer runs.

Weights and caches are cold, as in a model whose weights exceed the caches; activations are warm, since the operator
before has just written them. Every call says which kernel served it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from silmark.calibration.measure.device import Device
from silmark.calibration.measure.grid import Point, element_bytes

NORM_EPS = 1e-5


@dataclass(frozen=True, slots=True)
class Call:
    """Something to time.

    Attributes:
        run: does it once.
        cold: whether caches are flushed before every repeat.
        kernel: what computes it.
    """

    run: Callable[[], object]
    cold: bool
    kernel: str


def torch_type(device: Device, dtype: str) -> Any:  # noqa: ANN401 - a torch.dtype
    """PyTorch's name of a format."""
    return getattr(device.torch, {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}[dtype])


def bytes_needed(point: Point) -> float:
    """Bytes of the operands, to be refused where they exceed the memory."""
    size, element = point.size, element_bytes(point.dtype)
    match point.kind:
        case "gemm":
            elements = size("m") * (size("k") + size("n")) + size("n") * size("k")
        case "attention_prefill" | "attention_decode":
            tokens = size("isl") if point.kind == "attention_prefill" else size("kv_len")
            elements = size("batch_size") * tokens * size("head_dim")
            elements *= 2 * size("num_heads") + 2 * size("num_key_value_heads")
        case "moe":
            elements = 3 * size("num_experts") * size("hidden_size") * size("inter_size")
            elements += size("num_tokens") * size("topk") * (2 * size("hidden_size") + 3 * size("inter_size"))
        case "copy" | "collective":
            return 3.0 * size("bytes")
        case "elementwise":
            elements = 6 * size("num_tokens") * size("hidden_size")
        case _:
            elements = 1
    return float(elements) * element


def build(device: Device, point: Point) -> Call:
    """The call of a point; kinds with several devices or whole models have modules of their own."""
    makers = {
        "gemm": _gemm, "attention_prefill": _prefill, "attention_decode": _decode, "moe": _moe, "copy": _copy,
        "elementwise": _elementwise, "launch": _launch,
    }  # fmt: skip
    return makers[point.kind](device, point)


def _random(device: Device, dtype: str, *shape: int) -> Any:  # noqa: ANN401 - a tensor
    return device.torch.randn(*shape, device=device.where, dtype=torch_type(device, dtype)).mul_(0.1)


def _gemm(device: Device, point: Point) -> Call:
    x = _random(device, point.dtype, point.size("m"), point.size("k"))
    weight = _random(device, point.dtype, point.size("n"), point.size("k"))
    linear = device.torch.nn.functional.linear
    return Call(lambda: linear(x, weight), True, "linear")


def _heads(device: Device, point: Point, queries: int, keys: int) -> tuple[Any, Any, Any, bool]:
    batch, width = point.size("batch_size"), point.size("head_dim")
    heads, kv = point.size("num_heads"), point.size("num_key_value_heads")
    q = _random(device, point.dtype, batch, heads, queries, width)
    k, v = (_random(device, point.dtype, batch, kv, keys, width) for _ in range(2))
    return q, k, v, heads != kv


def _prefill(device: Device, point: Point) -> Call:
    tokens = point.size("isl")
    q, k, v, grouped = _heads(device, point, tokens, tokens)
    attend = device.torch.nn.functional.scaled_dot_product_attention
    return Call(lambda: attend(q, k, v, is_causal=True, enable_gqa=grouped), False, "scaled_dot_product_attention")


def _decode(device: Device, point: Point) -> Call:
    q, k, v, grouped = _heads(device, point, 1, point.size("kv_len"))
    attend = device.torch.nn.functional.scaled_dot_product_attention
    return Call(lambda: attend(q, k, v, enable_gqa=grouped), True, "scaled_dot_product_attention")


def _moe(device: Device, point: Point) -> Call:
    """Gated experts on tokens that are sorted by expert already, every expert with its even share."""
    torch = device.torch
    experts, hidden, inner = point.size("num_experts"), point.size("hidden_size"), point.size("inter_size")
    pairs = point.size("num_tokens") * point.size("topk")
    reached = min(experts, pairs)
    ends = [(i + 1) * pairs // reached for i in range(reached)]
    x = _random(device, point.dtype, pairs, hidden)
    up, down = (_random(device, point.dtype, experts, a, b) for a, b in ((2 * inner, hidden), (hidden, inner)))
    functional = torch.nn.functional
    grouped = getattr(functional, "grouped_mm", None)
    if device.kind == "cuda" and grouped is not None and point.dtype == "bf16":
        offsets = torch.tensor(ends, dtype=torch.int32, device=device.where)
        up_t, down_t = up[:reached].transpose(1, 2), down[:reached].transpose(1, 2)

        def at_once() -> object:
            gate, value = grouped(x, up_t, offs=offsets).chunk(2, dim=-1)
            return grouped(functional.silu(gate) * value, down_t, offs=offsets)

        return Call(at_once, True, "grouped_mm")

    def one_by_one() -> object:
        out, start = [], 0
        for expert, end in enumerate(ends):
            gate, value = functional.linear(x[start:end], up[expert]).chunk(2, dim=-1)
            out.append(functional.linear(functional.silu(gate) * value, down[expert]))
            start = end
        return out

    return Call(one_by_one, True, "linear per expert")


def _copy(device: Device, point: Point) -> Call:
    torch = device.torch
    source = torch.ones(max(1, point.size("bytes") // 4), dtype=torch.float32, device=device.where)
    target = torch.empty_like(source)
    return Call(lambda: target.copy_(source), False, "copy_")


def _elementwise(device: Device, point: Point) -> Call:
    functional = device.torch.nn.functional
    rows, width = point.size("num_tokens"), point.size("hidden_size")
    if point.shape["op"] == "act":
        both = _random(device, point.dtype, rows, 2 * width)
        return Call(lambda: functional.silu(both[:, :width]) * both[:, width:], False, "silu, mul")
    x, y = (_random(device, point.dtype, rows, width) for _ in range(2))
    if point.shape["op"] == "add":
        return Call(lambda: x + y, False, "add")
    weight = _random(device, point.dtype, width)
    return Call(lambda: functional.rms_norm(x + y, (width,), weight, NORM_EPS), False, "add, rms_norm")


def _launch(device: Device, point: Point) -> Call:
    del point
    one = device.torch.ones(1, device=device.where)
    return Call(lambda: one.add_(1.0), False, "add_")
