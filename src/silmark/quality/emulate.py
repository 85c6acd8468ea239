"""Runs a PyTorch module with a chip's arithmetic in place of PyTorch's own, whatever the module's code calls.

A dispatch mode sees every operator that reaches a kernel, after PyTorch has taken compound ones apart: linear layers,
attention, einsum and recurrent cells all arrive as products of two matrices. So no module needs to be changed.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from silmark.numerics import Prepared
from silmark.quality.layers import Trace
from silmark.quality.way import Way

PARTS = ("linear", "attention", "conv", "vector")
"""What can run in the chip's arithmetic: products with weights, products of activations, convolutions, the rest."""

aten = torch.ops.aten
_ACTIVATIONS = (aten.gelu, aten.silu, aten.relu, aten.tanh, aten.sigmoid, aten.hardswish, aten.leaky_relu, aten.elu)
_VECTORS = {
    **dict.fromkeys(_ACTIVATIONS, "activation"),
    **dict.fromkeys((aten._softmax, aten._safe_softmax), "softmax"),
    **dict.fromkeys((aten.native_layer_norm, aten.native_group_norm, aten._fused_rms_norm), "norm"),
    **dict.fromkeys((aten.native_batch_norm, aten._native_batch_norm_legit_no_training, aten.cudnn_batch_norm), "norm"),
    aten.embedding: "embedding",
}
_SAME_SHAPE = {aten.add: "residual", aten.mul: "activation"}
"""Sums and products of two tensors of one shape: residual connections and gates. Biases and masks broadcast."""
_LEFT_OUT = ("grouped_mm", "scaled_mm", "int_mm", "addbmm", "cdist", "conv_transpose", "weight_int", "mkldnn_rnn")
"""Parts of the names of operators that multiply matrices and are not emulated."""


class Emulation(TorchDispatchMode):
    """The mode; as PyTorch computes where `way` is None.

    Attributes:
        products: how many products were formed, by part.
        left_out: operators that multiply and ran as PyTorch does, with how often.
    """

    def __init__(
        self, module: nn.Module, way: Way | None, *, parts: tuple[str, ...], seed: int, trace: Trace | None
    ) -> None:
        super().__init__()
        self.way, self.trace, self.parts, self._seed = way, trace, parts, seed
        self.products: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.path = list[str]()
        self._rules = way.rules if way else None
        self._weights = {one.untyped_storage().data_ptr() for one in module.parameters()}
        self._prepared: dict[tuple[Any, ...], Prepared] = {}
        self._scored = False
        self._layers, self._draws = itertools.count(), itertools.count()
        self._handlers: dict[Any, Callable[..., Tensor]] = {
            aten.mm: self._mm,
            aten.bmm: self._mm,
            aten.addmm: self._addmm,
            aten.baddbmm: self._addmm,
            aten.linear: self._linear,
            aten.mv: lambda a, b: self._mm(a, b[:, None])[:, 0],
            aten.convolution: self._convolution,
        }

    def restart(self) -> None:
        """Begins a batch: its products are numbered from zero, as those of the batch before."""
        self._layers = itertools.count()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """One operator."""
        del types
        kwargs = kwargs or {}
        packet = func.overloadpacket
        if packet in self._handlers and all(_real(one) for one in args[:2]):
            return self._handlers[packet](*args, **kwargs)
        result = func(*args, **kwargs)
        if any(part in str(packet) for part in _LEFT_OUT):
            self.left_out[str(packet).removeprefix("aten.")] += 1
        kind = _VECTORS.get(packet)
        if packet in _SAME_SHAPE and len(args) == 2 and all(_real(one) and one.shape == result.shape for one in args):
            kind = _SAME_SHAPE[packet] if result.ndim > 1 else None
        if kind == "softmax":
            self._scored = True
        return result if kind is None else self.rounded(result, kind)

    def rounded(self, result: Any, kind: str) -> Any:  # noqa: ANN401 - norms return tuples
        """The result of an operator that is no product, as the chip stores it."""
        if self._rules is None or "vector" not in self.parts:
            return result
        if isinstance(result, tuple):
            return (self.rounded(result[0], kind), *result[1:])
        return self._rules.vector(result, kind) if _real(result) else result

    def _mm(self, left: Tensor, right: Tensor) -> Tensor:
        return self._product(left, right, None)

    def _addmm(self, bias: Tensor, left: Tensor, right: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
        return self._product(left if alpha == 1 else left * alpha, right, bias if beta == 1 else bias * beta)

    def _linear(self, left: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return self._product(left.reshape(-1, left.shape[-1]), weight.t(), bias).reshape(*left.shape[:-1], -1)

    def _product(self, left: Tensor, right: Tensor, bias: Tensor | None, part: str = "", name: str = "") -> Tensor:
        """(..., m, k) times (..., k, n), plus a bias: the one place where the chip multiplies."""
        held = right.untyped_storage().data_ptr() in self._weights
        part = part or ("linear" if held else "attention")
        where, values = self.path[-1] if self.path else "", not held and self._scored
        name = name or (where if held else f"{where}: {'values' if values else 'scores'}")
        if values:
            self._scored = False
        self.products[part] += 1
        number, draw = next(self._layers), next(self._draws)
        rules = self._rules if part in self.parts else None
        if rules is None:
            result = exact = _plus(left @ right, bias)
        else:
            factor = self._weight(right) if held else self._kept(right, values)
            result = _plus(rules.matmul(left, factor, seed=self._seed + draw), bias)
            result = result if bias is None else rules.out.quantize(result)
            exact = _plus(left @ right, bias) if self.trace and self.trace.local else result
        if self.trace is not None:
            self.trace.add(number, name, result, exact)
        return result

    def _weight(self, right: Tensor) -> Prepared:
        """A weight as the chip holds it, once per run."""
        key = (right.data_ptr(), tuple(right.shape), right.stride())
        if key not in self._prepared:
            assert self.way is not None
            stored = self.way.stored
            values = right if stored is None else stored.quantize(right, axis=-2)
            self._prepared[key] = self.way.rules.prepare(values)
        return self._prepared[key]

    def _kept(self, right: Tensor, values: bool) -> Tensor:
        """Keys (d, context) and values (context, d) as the cache keeps them: scales lie along d of one token."""
        assert self.way is not None
        cached = self.way.cached
        return right if cached is None else cached.quantize(right, axis=-1 if values else -2)

    def _convolution(self, x: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any) -> Tensor:  # noqa: ANN401
        """A convolution as products of patches and weights, one product per group."""
        stride, padding, dilation, transposed, output_padding, groups = rest
        if transposed or x.ndim not in (3, 4):
            self.left_out["convolution"] += 1
            return aten.convolution(x, weight, bias, *rest)
        if x.ndim == 3:
            x, weight = x[:, :, None], weight[:, :, None]
            stride, padding, dilation = ([n, *one] for n, one in ((1, stride), (0, padding), (1, dilation)))
            return self._convolution(x, weight, bias, stride, padding, dilation, False, output_padding, groups)[:, :, 0]
        parts = []
        out = weight.shape[0] // groups
        for group, inputs in enumerate(x.chunk(groups, dim=1)):
            kernel = weight[group * out : (group + 1) * out].reshape(out, -1).t()
            patches = functional.unfold(inputs, weight.shape[2:], dilation, padding, stride).transpose(1, 2)
            part = None if bias is None else bias[group * out : (group + 1) * out]
            parts.append(
                self._product(patches, kernel, part, "conv", self.path[-1] if self.path else "").transpose(1, 2)
            )
        sizes = zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
        shape = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sizes]
        return torch.cat(parts, dim=1).reshape(x.shape[0], -1, *shape)


def _real(x: object) -> bool:
    return isinstance(x, Tensor) and x.dtype == torch.float32


def _plus(product: Tensor, bias: Tensor | None) -> Tensor:
    return product if bias is None else product + bias


@contextmanager
def emulated(
    module: nn.Module,
    way: Way | None,
    *,
    parts: tuple[str, ...] = PARTS,
    seed: int = 0,
    trace: Trace | None = None,
) -> Iterator[Emulation]:
    """Inside the block the module computes as the chip does; the module itself stays as it is.

    Args:
        module: in float32 and evaluation mode.
        way: the chip's arithmetic; None for PyTorch's own.
        parts: which of `PARTS` run in it; the others in float32.
        seed: what analog noise is drawn from.
        trace: where outputs of products are noted.
    """
    mode = Emulation(module, way, parts=parts, seed=seed, trace=trace)
    handles = []

    def enter(name: str) -> Callable[..., None]:
        return lambda *_: mode.path.append(name)

    def leave(norm: bool) -> Callable[..., Any]:
        def left(_module: nn.Module, _inputs: Any, output: Any) -> Any:  # noqa: ANN401
            mode.path.pop()
            return mode.rounded(output, "norm") if norm else output

        return left

    for name, one in module.named_modules():
        handles.append(one.register_forward_pre_hook(enter(name)))
        handles.append(one.register_forward_hook(leave("Norm" in type(one).__name__)))
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it fuses whole layers into one operator
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), mode:
            yield mode
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for handle in handles:
            handle.remove()
