"""Published speeds of Cerebras wafers: what the mechanism says of each."""

import numpy as np
import pytest

from silmark import chips
from silmark.calibration import points, wafer
from silmark.chips.mechanisms import Placement, build
from silmark.figures.tables import packaged
from silmark.formats import Precision
from silmark.graph import Attention, Boundary, Gemm

ROWS = points.read("waferllm")
LEFT_OUT = packaged("calibration")["wafer"]["left_out"]


def layer(hidden, inner, tokens, past, kv=None, head=None):
    """One layer in operators; WaferLLM's kernels have one head as wide as the model and as many KV as query heads."""
    one, m = np.ones(()), np.asarray(float(tokens))
    kv, heads = kv or hidden, hidden // (head or hidden)
    head = head or hidden
    return (
        Gemm(name="qkv", m=m, n=hidden + 2 * kv, k=hidden, parts=3),
        Gemm(name="o", m=m, n=hidden, k=hidden),
        Gemm(name="up", m=m, n=2 * inner, k=hidden, parts=2),
        Gemm(name="down", m=m, n=hidden, k=inner),
        Attention(
            name="a", seqs=one, new=m, past=np.asarray(float(past)), heads=heads, kv_heads=kv // head, qk_dim=head,
            v_dim=head, kv_width=2 * kv,
        ),
        Boundary(name="layer", scope="layer", m=m, hidden=hidden),
    )  # fmt: skip


def seconds(row, side, tokens, past):
    mechanism = build(chips.load("cerebras-wse-2"), Precision.of("fp16"), Placement("sram", "sram", side))
    ops = layer(int(row["hidden"]), int(row["inner"]), tokens, past)
    return int(row["layers"]) * sum(float(mechanism.cost(op).time_s) for op in ops)


@pytest.mark.parametrize("row", [r for r in ROWS if r["table"] == "4"], ids=lambda r: r["point"])
def test_decode(row):
    """WaferLLM (OSDI 2025) Table 4, time per token; in the fit, so within 2 %. A miss: operators lost a term."""
    assert seconds(row, int(row["side"]), 1, 4095) == pytest.approx(1 / float(row["value"]), rel=0.02)


@pytest.mark.parametrize("row", [r for r in ROWS if r["table"] == "3"], ids=lambda r: r["point"])
def test_prefill(row):
    """WaferLLM Table 3, time of the prompt; in the fit, so within 3 %. A miss: operators lost a term."""
    assert seconds(row, int(row["side"]), 4096, 0) == pytest.approx(4096 / float(row["value"]), rel=0.03)


@pytest.mark.parametrize("row", [r for r in ROWS if r["table"] == "6"], ids=lambda r: r["point"])
def test_matrix_vector_products_alone(row):
    """WaferLLM Table 6 on 720 cores a side; rows and multiply-adds by the terms of Table 4's layers.

    One number was fitted on these two, the share of a layer's latency: within 5 %. A miss: the terms do not add up.
    """
    mechanism = build(chips.load("cerebras-wse-2"), Precision.of("fp16"), Placement("sram", "sram", 720))
    op = Gemm(name="g", m=np.ones(()), n=int(row["inner"]), k=int(row["hidden"]))
    assert mechanism.alone(op) == pytest.approx(1e-3 * float(row["value"]), rel=0.05)


@pytest.mark.parametrize("row", [r for r in ROWS if r["table"] == "2"], ids=lambda r: r["point"])
def test_end_to_end_was_left_out_of_the_fit(row):
    """WaferLLM Table 2: output tokens over prefill plus decode time, prompts of 2048 and 4096.

    8B within 8 %, 13B within 20 %: its prefill region of 750 is the wafer's whole height and takes longer, by the
    paper's own numbers, than one of 720 does (248 against 234 ms at 4096), which no law of the region's side can
    show. A miss at 2048 means that the shift cost was made to scale with the prompt: that would be 35 % and 63 % off.
    """
    prompt, output = int(row["prompt"]), int(row["output"])
    prefill = seconds(row, int(row["side"]), prompt, 0)
    decode = output * seconds(row, int(row["side2"]), 1, prompt + output / 2 - 1)
    ratio = output / (prefill + decode) / float(row["value"])
    assert ratio == pytest.approx(1.0, rel=0.08 if row["model"] == "LLaMA3-8B" else 0.20)
    assert ratio == pytest.approx(LEFT_OUT[row["point"]], rel=0.005), "the mechanism and the fit have one law"


@pytest.mark.parametrize("row", [r for r in ROWS if r["table"] in ("3", "4", "6")], ids=lambda r: r["point"])
def test_left_out_points(row):
    """With the point's model (Table 6: the point itself) left out of the fit, within 5 % of the published speed."""
    assert LEFT_OUT[row["point"]] == pytest.approx(1.0, rel=0.05)


def test_the_left_out_points_are_those_of_a_fit_without_them():
    for table in ("3", "4"):
        seen = wafer.observations(table)
        for i, name in enumerate(seen.points):
            keep = np.asarray([model != seen.models[i] for model in seen.models])
            error = seen.errors(wafer.solve(seen.some(keep)))[i]
            assert 1 / (1 + error) == pytest.approx(LEFT_OUT[name], rel=1e-3)


@pytest.mark.parametrize(
    ("published", "layers", "hidden", "inner", "wafers"),
    [(1800, 32, 4096, 14336, 1), (450, 80, 8192, 28672, 4)],
    ids=["llama-3.1-8b", "llama-3.1-70b"],
)
def test_public_endpoint_of_cs3(published, layers, hidden, inner, wafers):
    """Cerebras, 2024-08-27: 1,800 tok/s for 8B, 450 tok/s for 70B on four CS-3; tolerance a factor of 2.2.

    Unknown: the region that the service uses, how many users share the pipeline, its clock, and whether API
    time is in. The prediction is for kernels like WaferLLM's, one user, and comes out 1.4 to 2.1 times faster.
    """
    mechanism = build(chips.load("cerebras-wse-3"), Precision.of("fp16"), Placement("sram", "sram"))
    ops = layer(hidden, inner, 1, 1000, kv=1024, head=128)
    token = layers * sum(float(mechanism.cost(op).time_s) for op in ops) + (wafers - 1) * 5e-6
    assert published / 1.1 <= 1 / token <= 2.2 * published


def test_power_while_decoding_is_the_limit():
    """xPU-Athalon (ISPASS 2026): CS-3 idles at 80 % of its limit and decodes at 100 %."""
    mechanism = build(chips.load("cerebras-wse-3"), Precision.of("fp16"), Placement("sram", "sram"))
    cost = mechanism.cost(Gemm(name="g", m=np.ones(()), n=4096, k=4096))
    watts = mechanism.idle_w + float(cost.energy_j / cost.time_s)
    assert watts == pytest.approx(chips.load("cerebras-wse-3").si("power.tdp"))
    assert mechanism.idle_w == pytest.approx(0.8 * chips.load("cerebras-wse-3").si("power.tdp"))


def test_the_whole_table_of_points_left_out():
    """Every row of WaferLLM's Tables 2, 3, 4 and 6, as `pytest -rP` shows it; means within 1.5 % and 7 %."""
    print(f"\n{'point':<20}{'published':>12}{'predicted over it':>20}")
    for row in ROWS:
        print(f"{row['point']:<20}{row['value'] + ' ' + row['unit']:>12}{LEFT_OUT[row['point']]:>20.3f}")
    assert set(LEFT_OUT) == {row["point"] for row in ROWS}
    off = {row["point"]: abs(np.log(LEFT_OUT[row["point"]])) for row in ROWS}
    layers = [off[row["point"]] for row in ROWS if row["table"] in ("3", "4")]
    assert np.mean(layers) <= 0.015
    assert np.mean([off[row["point"]] for row in ROWS if row["table"] == "2"]) <= 0.07
