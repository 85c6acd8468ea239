"""`silmark measure` on a CPU with tiny budgets; what needs no PyTorch runs without."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from silmark.calibration.measure import Point, collectives, load, measure, read, timer
from silmark.calibration.measure import device as devices
from silmark.calibration.measure.transformer import Transformer
from silmark.errors import BadValue

TINY = """
[[gemm]]
dtype = ["fp32", "bf16"]
m = [1, 64]
nk = [[64, 96]]
[[attention_prefill]]
dtype = "fp32"
batch_size = 2
isl = 33
heads = [[4, 2]]
head_dim = 16
[[attention_decode]]
dtype = "fp32"
batch_size = 2
kv_len = 65
heads = [[4, 4]]
head_dim = 16
[[moe]]
dtype = "fp32"
num_tokens = 5
expert = [[32, 48]]
routing = [[4, 2]]
[[copy]]
bytes = 4096
[[elementwise]]
dtype = "fp32"
op = ["norm", "act", "add"]
num_tokens = 3
hidden_size = 64
[[launch]]
[[collective]]
op = "all_reduce"
bytes = 1024
[[transformer_prefill]]
dtype = "fp32"
batch_size = 1
isl = 8
hidden_size = 64
inter_size = 96
layers = 2
num_heads = 4
num_key_value_heads = 2
head_dim = 16
vocab = 100
[[transformer_decode]]
dtype = "fp32"
batch_size = 2
kv_len = 8
hidden_size = 64
inter_size = 96
layers = 2
num_heads = 4
num_key_value_heads = 2
head_dim = 16
vocab = 100
"""


@pytest.fixture
def tiny(own_file):
    return own_file(TINY, "tiny.toml")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'silmark[torch]'")


def test_importing_the_devices_loads_no_torch():
    code = "import silmark.calibration.measure, silmark.cli.app, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_torch_the_command_names_the_extra(run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    found = run("measure", "-o", str(tmp_path / "r.csv"))
    assert found.code == 2
    assert "pip install 'silmark[torch]'" in found.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--grid", "huge"), "small, full"),
        (("--budget", "soon"), "budget"),
        (("--budget", "-3s"), "budget"),
        (("-o", "no/such/r.csv"), "existing folder"),
        (("--device", "abacus"), "cpu, cuda, rocm, xpu"),
        (("--device", "cpu:1"), "device"),
        (("--threads", "100000"), "threads"),
    ],
)
def test_wrong_words_end_with_a_sentence(run, tmp_path, words, said):
    found = run("measure", *(() if "-o" in words else ("-o", str(tmp_path / "r.csv"))), *words)
    assert found.code == 2
    assert said in found.err
    assert "Traceback" not in found.err


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_an_absent_device_is_told_what_is_there(torch):
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(BadValue, match="1 x cpu"):
        devices.probe("cuda")


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_every_kind_gives_a_row(torch, run, tiny, tmp_path):
    found = run(
        "measure", "--device", "cpu", "--threads", "1", "--budget", "4s", "--grid", tiny, "-o", str(tmp_path / "r.csv")
    )
    assert (found.code, found.err) == (0, "")
    rows = read(tmp_path / "r.csv")
    emulated = sum(line.startswith("left out") and "emulated" in line for line in found.out.splitlines())
    kinds = {row["kind"] for row in rows}
    assert kinds == {p.kind for p in load(tiny)} - {"collective"}
    assert "collectives need several devices" in found.out
    assert len(rows) == len(load(tiny)) - 1 - 2 * emulated
    for row in rows:
        assert float(row["best_us"]) <= float(row["time_us"])
        assert row["engine_version"] == torch.__version__
        assert row["threads"] == "1"
    weights = {row["kind"]: row["cache"] for row in rows}
    assert (weights["gemm"], weights["elementwise"], weights["attention_decode"]) == ("cold", "warm", "cold")


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_a_spent_budget_leaves_points_out_and_says_so(torch):
    start = time.perf_counter()
    found = measure(devices.probe("cpu", 1), load("small"), 0.3)
    assert time.perf_counter() - start < 3.0
    assert found.skipped["the budget was spent"] > 0
    assert len(found.rows) + sum(found.skipped.values()) == len(load("small"))


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_a_disturbed_point_gets_a_second_chance(torch, monkeypatch):
    """The first point is disturbed in every repeat, the second one in none; both end without a flag."""
    count = iter(range(10**9))
    calls: list[int] = []
    real = timer.Timer.time

    def time_first_badly(self, call, budget_s, cold):
        calls.append(1)
        monkeypatch.setattr(timer, "_switches", (lambda: next(count)) if len(calls) == 1 else (lambda: 0))
        return real(self, call, min(budget_s, 0.05), cold)

    monkeypatch.setattr(timer.Timer, "time", time_first_badly)
    points = [Point("launch", {}), Point("copy", {"bytes": 4096})]
    found = measure(devices.probe("cpu", 1), points, 5.0)
    assert len(calls) == 3
    assert [row["kind"] for row in found.rows] == ["launch", "copy"]
    assert [row["flag"] for row in found.rows] == ["", ""]


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_operands_that_exceed_the_memory_are_left_out(torch):
    huge = Point("gemm", {"dtype": "fp32", "m": 1, "n": 1 << 20, "k": 1 << 20})
    found = measure(devices.probe("cpu", 1), [huge], 5.0)
    assert not found.rows
    assert found.skipped["operands exceed half of the memory"] == 1


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_the_transformer_is_one(torch):
    """A decode step behind a cached prompt gives the logits that a prefill of one token more gives."""
    sizes = {"hidden_size": 64, "inter_size": 96, "layers": 3, "num_heads": 4, "num_key_value_heads": 2}
    shape = {"dtype": "fp32", "batch_size": 2, "kv_len": 6, **sizes, "head_dim": 16, "vocab": 50}
    torch.manual_seed(3)
    model = Transformer(devices.probe("cpu", 1), Point("transformer_decode", shape))
    tokens = torch.randint(0, 50, (2, 7))
    with torch.no_grad():
        whole = model.forward(tokens, 0)
        model.forward(tokens[:, :6], 0)
        step = model.forward(tokens[:, 6:], 6)
        other = model.forward(tokens[:, :1], 6)
    assert torch.allclose(whole, step, atol=1e-5)
    assert not torch.allclose(step, other, atol=1e-5)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_collectives_between_processes(torch):
    points = [
        Point("collective", {"op": op, "bytes": size}) for op in ("all_reduce", "all_gather") for size in (64, 1 << 22)
    ]
    small, large, *_ = collectives.time_all(devices.probe("cpu", 1), points, 2)
    assert 0 < small.best_s < large.best_s
