"""Formats against implementations that share nothing with them; small recordings stand in where one is absent."""

import importlib
import importlib.util
import json
import os
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from silmark.numerics import formats
from silmark.numerics.formats.mx import E2M1, E2M3, E3M2
from silmark.numerics.scaled import Plain

from .conftest import wild
from .plain import ELEMENTS, microscaled

RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text(encoding="utf-8"))

ML_DTYPES = {
    "bf16": ("bfloat16", "inf"),
    "fp8-e4m3": ("float8_e4m3fn", "nan"),
    "fp8-e5m2": ("float8_e5m2", "inf"),
    "fp8-e4m3-fnuz": ("float8_e4m3fnuz", "nan"),
    "fp8-e5m2-fnuz": ("float8_e5m2fnuz", "nan"),
    "fp8-e4m3-ieee": ("float8_e4m3", "inf"),
    "fp6-e2m3": ("float6_e2m3fn", "saturate"),
    "fp6-e3m2": ("float6_e3m2fn", "saturate"),
    "fp4": ("float4_e2m1fn", "saturate"),
}
BARE = {"fp6-e2m3": E2M3, "fp6-e3m2": E3M2, "fp4": E2M1}


def element(name, overflow):
    """An element format, those of MX without their scale."""
    number = Plain(name=name, grid=BARE[name]) if name in BARE else formats.get(name)
    return number.switched(overflow=overflow)


def everywhere():
    """float32 values around every boundary of formats up to 16 bits: all upper halves, six lower ones."""
    upper = np.arange(1 << 16, dtype=np.uint32) << 16
    lower = np.uint32([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF])
    return (upper[:, None] | lower).ravel().view(np.float32)


@pytest.mark.parametrize("name", ML_DTYPES)
def test_ml_dtypes_gives_the_same_values_and_codes(name):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="pip install ml_dtypes")
    kind, overflow = ML_DTYPES[name]
    x, number = everywhere(), element(name, overflow)
    if name in BARE:
        x = x[np.isfinite(x)]
    with np.errstate(all="ignore"):
        theirs = x.astype(getattr(ml_dtypes, kind))
    values = theirs.astype(np.float32)
    np.testing.assert_array_equal(number.quantize(x), values)
    number_of = ~np.isnan(values)
    codes = theirs.view(np.uint8 if theirs.itemsize == 1 else np.uint16)[number_of]
    np.testing.assert_array_equal(number.encode(x).codes[number_of], codes)


def test_numpy_gives_the_same_fp16():
    x = everywhere()
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(formats.get("fp16").quantize(x), x.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("ties", ["even", "away"])
@pytest.mark.parametrize("name", ELEMENTS)
def test_microscaling_follows_its_rules(name, ties):
    x = np.concatenate([wild((64, 512)), wild((64, 512), seed=1, spread=2), np.round(wild((64, 512)), 1)])
    number = formats.get(name).switched(ties=ties)
    np.testing.assert_array_equal(number.quantize(x), microscaled(x, name, ties))
    finite = everywhere()[np.isfinite(everywhere())]
    finite = np.resize(finite, (len(finite) // 32, 32))
    np.testing.assert_array_equal(number.quantize(finite), microscaled(finite, name, ties))


@pytest.mark.slow
@pytest.mark.parametrize("name", ELEMENTS)
def test_no_element_of_sixteen_million_differs(name):
    differing = ties = 0
    for seed in range(16 if name == "mxint8" else 2):
        x = np.random.default_rng(seed).standard_normal((1024, 1024), dtype=np.float32)
        quantized = formats.get(name).quantize(x)
        differing += np.count_nonzero(quantized != microscaled(x, name))
        ties += np.count_nonzero(quantized != formats.get(name).switched(ties="away").quantize(x))
    assert differing == 0
    assert ties < 64  # a rule for ties matters to one element in a million


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.parametrize("name", ["mxfp8-e4m3", "mxfp8-e5m2", "mxfp6-e2m3", "mxfp6-e3m2", "mxfp4", "nvfp4"])
@pytest.mark.filterwarnings("ignore")
def test_torchao_gives_the_same_values(name, torch):
    pytest.importorskip("torchao", reason="pip install torchao")
    mx = importlib.import_module("torchao.prototype.mx_formats.mx_tensor")
    constants = importlib.import_module("torchao.prototype.mx_formats.constants")
    nvfp4 = importlib.import_module("torchao.prototype.mx_formats.nvfp4_tensor")
    kinds = {
        "mxfp8-e4m3": torch.float8_e4m3fn,
        "mxfp8-e5m2": torch.float8_e5m2,
        "mxfp6-e2m3": constants.DTYPE_FP6_E2M3,
        "mxfp6-e3m2": constants.DTYPE_FP6_E3M2,
        "mxfp4": torch.float4_e2m1fn_x2,
    }
    x = torch.from_numpy(wild((256, 1024), spread=6))
    if name == "nvfp4":
        theirs = nvfp4.NVFP4Tensor.to_nvfp4(x, per_tensor_scale=nvfp4.per_tensor_amax_to_scale(x.abs().max()))
    else:
        theirs = mx.MXTensor.to_mx(x, kinds[name], 32)
    assert torch.equal(formats.get(name).quantize(x), theirs.dequantize(torch.float32))


@pytest.fixture(scope="module")
def dmx():
    """d-Matrix's format module alone: the package itself wants a dozen others."""
    os.environ["PATH"] += os.pathsep + str(Path(sys.executable).parent)  # where pip puts ninja
    found = importlib.util.find_spec("dmx")
    if not (found and shutil.which("ninja") and all(map(importlib.util.find_spec, ("torch", "parse", "bidict")))):
        pytest.skip("needs dmx-compressor, parse, bidict, ninja and torch; compiles for a minute")
    root = Path(next(iter(found.submodule_search_locations)))
    for name in ("dmx", "dmx.compressor", "dmx.compressor.numerical"):
        stub = types.ModuleType(name)
        stub.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = stub
    return importlib.import_module("dmx.compressor.numerical.format").Format


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("bits", "most"), [(8, 32), (6, 12), (4, 3)])
def test_dmx_differs_only_where_it_rounds_twice(bits, most, dmx, torch):
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1024, 1024), dtype=np.float32))
    for block in (16, 64, 128):
        theirs = dmx.from_shorthand(f"BFP[{bits}|8]{{{block}}}(SN)").cast(x, -1).numpy()
        ours = formats.get(f"bfp{bits + 8}-{block}").quantize(x.numpy())
        differing = ours != theirs
        assert np.count_nonzero(differing) <= most
        step = np.abs(ours - theirs)[differing]
        middle = (ours + theirs)[differing] / 2
        assert (np.abs(x.numpy()[differing] - middle) < 2.0**-14 * step).all()  # within float32's last bits of a tie


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_dmx_scaled_blocks_and_flushed_halves_are_the_same(dmx, torch):
    x = torch.from_numpy(wild((512, 512), spread=4))
    theirs = dmx.from_shorthand("SBFP<XP[4,0](CSN)><FP[0|4|4,7](FN)>{16}").cast(x, -1)
    assert torch.equal(formats.get("sbfp12-16-bias7").quantize(x), theirs)
    small = x * 2.0**-14
    theirs = dmx.from_shorthand("FP[1|5|10,15](FN)").cast(small)
    assert torch.equal(formats.get("fp16-flush").quantize(small), theirs)


@pytest.mark.parametrize("name", RECORDED["values"])
def test_recorded_values_come_again(name):
    x = np.array(RECORDED["x"], np.uint32).view(np.float32).reshape(2, 64)
    number = formats.get(name)
    if name in ML_DTYPES:
        number = number.switched(overflow=ML_DTYPES[name][1])
    expected = np.array(RECORDED["values"][name], np.uint32).view(np.float32)
    np.testing.assert_array_equal(number.quantize(x).ravel(), expected)
