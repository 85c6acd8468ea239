"""Laws of sparse attention and delta rules, for a chip of every family that runs them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from silmark.chips import catalog
from silmark.chips.mechanisms import AbstractMechanism, Placement, build, family
from silmark.formats import Precision
from silmark.graph import Attention, Scan
from silmark.models.mixers import INDEX_BITS

CHIPS = (
    "nvidia-h100-sxm5-80gb", "amd-mi300x-192gb", "google-tpu-v6e", "groq-groqchip-1", "cerebras-wse-3",
    "dmatrix-corsair", "lightmatter-envise-2021", "host",
)  # fmt: skip
SELECTED = 2048
LATENT = Attention(
    name="latent", seqs=np.asarray(8.0), new=np.ones(()), past=np.asarray(4000.0), heads=128, kv_heads=1, qk_dim=576,
    v_dim=512, kv_width=576,
)  # fmt: skip
INDEX = replace(LATENT, name="index", heads=64, qk_dim=128, v_dim=0, kv_width=128, kv_bits=INDEX_BITS, split="none")
DELTA = Scan(
    name="delta", m=np.asarray(64.0), seqs=np.asarray(64.0), heads=32, head_dim=128, state=128, delta=True,
    state_bits=32.0,
)  # fmt: skip


def machine(name: str) -> AbstractMechanism:
    chip = catalog.load(name)
    place = Placement() if "memory.main.capacity" in chip.figures else Placement("sram", "sram", region=300)
    return build(chip, Precision.of(chip.precision), place)


def seconds(name: str, op: Attention | Scan) -> np.ndarray:
    return np.asarray(machine(name).cost(op).time_s)


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("new", [1.0, 64.0])
def test_a_choice_that_leaves_nothing_out_is_dense_attention(name: str, new: float) -> None:
    op = replace(LATENT, new=np.asarray(new), past=np.array([0.0, 700.0, SELECTED - new]))
    assert seconds(name, replace(op, selected=SELECTED)) == pytest.approx(seconds(name, op), rel=1e-9)


@pytest.mark.parametrize("name", CHIPS)
def test_chosen_tokens_take_as_long_in_any_context(name: str) -> None:
    op = replace(LATENT, past=np.array([2100.0, 8000.0, 128_000.0]), selected=SELECTED)
    times = seconds(name, op)
    assert times == pytest.approx(np.full(3, times[0]), rel=1e-9)
    assert times[2] < seconds(name, replace(op, selected=None))[2]


@pytest.mark.parametrize("name", CHIPS)
def test_an_indexer_grows_with_the_context(name: str) -> None:
    times = seconds(name, replace(INDEX, past=np.array([256_000.0, 512_000.0, 1_024_000.0])))
    first, second = np.diff(times)
    assert first > 0
    assert second == pytest.approx(2 * first, rel=0.02)


@pytest.mark.parametrize("name", CHIPS)
def test_an_indexer_takes_less_than_the_attention_that_it_spares(name: str) -> None:
    far = np.asarray(128_000.0)
    spared = seconds(name, replace(LATENT, past=far)) - seconds(name, replace(LATENT, past=far, selected=SELECTED))
    assert seconds(name, replace(INDEX, past=far)) < spared


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("op", [replace(LATENT, selected=SELECTED), INDEX], ids=["chosen", "index"])
def test_arrays_are_their_elements(name: str, op: Attention) -> None:
    seqs, new, past = np.array([[1.0], [16.0]]), np.array([1.0, 1.0, 512.0]), np.array([100.0, 9000.0, 30_000.0])
    whole = np.broadcast_to(seconds(name, replace(op, seqs=seqs, new=new, past=past)), (2, 3))
    for i in range(2):
        for j in range(3):
            alone = replace(op, seqs=seqs[i, 0], new=new[j], past=past[j])
            assert float(seconds(name, alone)) == pytest.approx(whole[i, j], rel=1e-9)


@pytest.mark.parametrize("name", CHIPS)
def test_a_later_context_is_never_faster(name: str) -> None:
    """Across the length at which the choice begins to matter: indexer and attention together."""
    past = np.array([500.0, 1500.0, 2047.0, 2100.0, 4000.0, 20_000.0])
    whole = seconds(name, replace(LATENT, past=past, selected=SELECTED)) + seconds(name, replace(INDEX, past=past))
    assert (np.diff(whole) >= -1e-9 * whole[1:]).all()


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("chunk", [1, 64])
def test_a_delta_rule_takes_no_less_than_a_plain_scan(name: str, chunk: int) -> None:
    op = replace(DELTA, chunk=chunk, m=np.asarray(64.0 * chunk))
    plain = seconds(name, replace(op, delta=False))
    assert seconds(name, op) >= plain * (1 - 1e-9)
    assert seconds(name, replace(op, heads=64)) > seconds(name, op)


def test_the_state_of_a_delta_rule_is_no_faster_than_the_memory() -> None:
    """Every sequence reads and writes 32 states of 128 x 128 in 32 bits: 4.2 MB."""
    chip = catalog.load("nvidia-h100-sxm5-80gb")
    least = 64 * 2 * 32 * 128 * 128 * 4 / chip.si("memory.main.bandwidth")
    assert least < float(seconds(chip.id, DELTA)) < 3 * least


def test_an_indexer_reads_its_keys_in_eight_bits() -> None:
    """Half of what 16 bits take: from a million tokens on the keys are all that counts."""
    far = replace(INDEX, past=np.asarray(2e6))
    narrow, wide = (float(seconds(CHIPS[0], replace(far, kv_bits=bits))) for bits in (INDEX_BITS, None))
    assert narrow < 0.8 * wide


def test_answers_name_the_shares_that_sparse_operators_need() -> None:
    """Read when a model with such operators is compiled, and not for others."""
    found = machine(CHIPS[0])
    assert not any("gpu_sparse" in key for key in found.used)
    for op in (replace(LATENT, selected=SELECTED), INDEX, DELTA):
        assert found.refuses(op) is None
    before = dict(found.used)
    for op in (replace(LATENT, selected=SELECTED), INDEX, DELTA, replace(DELTA, chunk=64)):
        found.cost(op)
    assert {key for key in found.used if "gpu_sparse" in key} == {key for key in before if "gpu_sparse" in key} != set()


def test_all_families_but_samplers_are_here() -> None:
    ours = {catalog.load(name).family for name in CHIPS}
    every = {catalog.load(name).family for name in (*catalog.names(), "host")}
    assert {name for name in every if "attention" in family(name).runs} == ours
