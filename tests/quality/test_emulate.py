"""Modules run in a chip's arithmetic: every product is seen, none of the module is changed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from silmark import numerics
from silmark.quality import Way

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'silmark[torch]'")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from silmark.quality.emulate import PARTS, emulated  # noqa: E402
from silmark.quality.layers import Trace  # noqa: E402

pytestmark = pytest.mark.torch
EXACT, COARSE = Way("fp32"), Way("int8-row")


def _outputs(
    module: nn.Module, way: Way | None, *inputs: torch.Tensor, **options: object
) -> tuple[torch.Tensor, object]:
    with emulated(module.eval(), way, **options) as mode:
        return module(*inputs), mode


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


class Attention(nn.Module):
    """Grouped queries, a mask, a product by einsum, and a norm of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.kv = nn.Linear(16, 32, bias=False), nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q = self.q(x).unflatten(-1, (4, 8)).transpose(1, 2)
        k, v = self.kv(x).unflatten(-1, (2, 8)).transpose(1, 2).chunk(2, dim=1)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return torch.einsum("bhtd,bhsd->bts", y, y)


MODULES = {
    "mlp": (nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 3)), (4, 8), {"linear": 2}),
    "encoder layer": (nn.TransformerEncoderLayer(16, 4, batch_first=True), (2, 5, 16), {"linear": 4, "attention": 2}),
    "own attention": (Attention(), (2, 5, 16), {"linear": 2, "attention": 3}),
    "gru": (nn.GRU(8, 6, batch_first=True), (2, 3, 8), {"linear": 4}),
    "conv": (nn.Conv2d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), (2, 4, 9, 8), {"conv": 2}),
    "conv1d": (nn.Conv1d(4, 6, 3, padding=1), (2, 4, 9), {"conv": 1}),
}


@pytest.mark.parametrize("name", MODULES)
def test_every_product_is_seen_and_fp32_changes_little(name: str) -> None:
    module, shape, products = MODULES[name]
    x = torch.randn(shape)
    with torch.no_grad():
        plain = module.eval()(x)
    found, mode = _outputs(module, EXACT, x)
    first = [one[0] if isinstance(one, tuple) else one for one in (plain, found)]
    assert torch.allclose(first[0], first[1], atol=1e-5)
    assert dict(mode.products) == products
    assert not mode.left_out


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_left_as_it_was(name: str) -> None:
    module, shape, _ = MODULES[name]
    before = {key: value.clone() for key, value in module.state_dict().items()}
    _outputs(module, COARSE, torch.randn(shape))
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in module.modules())
    assert torch.backends.mha.get_fastpath_enabled()


def test_linear_is_the_arithmetics_own_product() -> None:
    module, x = nn.Linear(64, 32), torch.randn(5, 64)
    rules = numerics.arithmetic.get("int8-row")
    found, _ = _outputs(module, COARSE, x)
    expected = rules.matmul(x.numpy(), module.weight.detach().numpy().T.copy()) + module.bias.detach().numpy()
    assert np.array_equal(found.numpy(), expected)


def test_convolution_is_the_product_of_patches() -> None:
    module, x = nn.Conv2d(3, 8, 3, padding=1, bias=False), torch.randn(2, 3, 6, 6)
    rounded = numerics.formats.get("bf16")
    found, _ = _outputs(module, Way("bf16"), x, parts=("conv",))
    weight = torch.from_numpy(rounded.quantize(module.weight.detach().numpy()))
    truth = functional.conv2d(torch.from_numpy(rounded.quantize(x.numpy())), weight, padding=1)
    assert torch.allclose(found, truth, atol=2e-2)
    assert torch.equal(found, torch.from_numpy(rounded.quantize(found.numpy())))


def test_parts_that_are_not_asked_for_stay_in_fp32() -> None:
    module, x = Attention(), torch.randn(2, 5, 16)
    with torch.no_grad():
        plain = module(x)
    assert torch.allclose(_outputs(module, COARSE, x, parts=("conv",))[0], plain, atol=1e-5)
    linear, attention, both = (
        _outputs(module, COARSE, x, parts=parts)[0] for parts in (("linear",), ("attention",), PARTS)
    )
    assert not torch.equal(linear, plain)
    assert not torch.equal(linear, attention)
    assert not torch.equal(attention, both)


def test_stored_formats_cost_what_they_round() -> None:
    module, x = Attention(), torch.randn(2, 5, 16)
    exact = _outputs(module, EXACT, x)[0]
    errors = [
        float((_outputs(module, way, x)[0] - exact).norm())
        for way in (Way("fp32", kv="fp8-e4m3"), Way("fp32", kv="bf16"), Way("fp32", weights="int4-group32"))
    ]
    assert errors[0] > errors[1] > 0
    assert errors[2] > errors[1]


def test_vectors_are_rounded_where_the_chip_rounds_them() -> None:
    module, x = nn.Sequential(nn.LayerNorm(16), nn.SiLU()), torch.randn(3, 16)
    found, _ = _outputs(module, Way("bf16"), x)
    assert torch.equal(found, torch.from_numpy(numerics.formats.get("bf16").quantize(found.numpy())))
    assert torch.equal(_outputs(module, Way("bf16"), x, parts=("linear",))[0], module(x).detach())


def test_layers_name_the_product_that_suffers() -> None:
    module = nn.Sequential(nn.Linear(32, 32), nn.Linear(32, 32))
    with torch.no_grad():
        module[1].weight[:, 0] = 100.0  # one column that makes every other too small for its row's scale
        module[0].weight[0] = 0.0
    x, reference = torch.randn(64, 32), Trace()
    with emulated(module, None, trace=reference):
        module(x)
    trace = Trace(reference=reference)
    with emulated(module, Way("int4-row"), trace=trace):
        module(x)
    first, second = trace.layers()
    assert (first.name, second.name) == ("0", "1")
    assert first.own_db == pytest.approx(first.total_db)
    assert second.own_db < first.own_db
    exact = Trace(reference=reference)
    with emulated(module, None, trace=exact):
        module(x)
    assert all(one.total_db == math.inf for one in exact.layers())


def test_what_is_not_emulated_is_named() -> None:
    module = nn.ConvTranspose2d(2, 3, 2)
    _, mode = _outputs(module, COARSE, torch.randn(1, 2, 4, 4))
    assert mode.left_out["convolution"] == 1
