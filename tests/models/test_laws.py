"""What must hold for every model of the catalogue, at any shape."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark import models
from silmark.errors import BadValue
from silmark.figures.tables import data_folder
from silmark.graph import Attention, Boundary, Gemm, count
from silmark.workloads.step import Step

DECODERS = [name for name in models.names() if models.load(name).kind == "decoder"]
OTHERS = [name for name in models.names() if name not in DECODERS]
few = st.integers(1, 512)
decoders = st.sampled_from(DECODERS)


@given(decoders, few, few, st.integers(2, 9))
def test_matrix_flops_are_linear_in_tokens(name: str, seqs: int, new: int, factor: int) -> None:
    model = models.load(name)
    once = count(model.lower(Step.forward(seqs, new))).matrix_flops
    more = count(model.lower(Step.forward(factor * seqs, new))).matrix_flops
    assert float(more) == pytest.approx(factor * float(once), rel=1e-12)


@given(decoders, few, st.integers(0, 200_000))
def test_decode_reads_at_most_the_full_cache(name: str, seqs: int, context: int) -> None:
    model = models.load(name)
    read = float(count(model.lower(Step.decode(seqs, context))).kv)
    ops = [op for op in model.lower(Step.decode(seqs, context)) if isinstance(op, Attention)]
    full = sum(op.count * op.kv_width for op in ops) * seqs * (context + 1)
    assert read <= full
    # What is held is what is cached, the new token included; all of it is read unless an indexer chooses.
    held = seqs * float(model.kv_elements(float(context + 1)))
    assert sum(op.count * float(op.held()) * op.kv_width for op in ops) * seqs == pytest.approx(held)
    least = min((op.selected for op in ops if op.selected), default=context + 1)
    assert (read < held * (1 - 1e-9)) == (context + 1 > least)


@given(decoders, st.integers(0, 100_000), st.integers(1, 1000))
def test_cache_grows_with_context(name: str, context: int, more: int) -> None:
    model = models.load(name)
    assert model.kv_elements(float(context)) <= model.kv_elements(float(context + more))


@given(decoders, few, few, few)
def test_prefill_in_two_parts_attends_as_in_one(name: str, first: int, second: int, seqs: int) -> None:
    model = models.load(name)
    whole = count(model.lower(Step.prefill(seqs, first + second))).attention_flops
    parts = count(model.lower(Step.prefill(seqs, first))).attention_flops + (
        count(model.lower(Step.prefill(seqs, second, past=first))).attention_flops
    )
    assert float(parts) == pytest.approx(float(whole), rel=1e-9)


@given(decoders)
def test_layers(name: str) -> None:
    values = json.loads((data_folder() / "models" / f"{name}.json").read_text())
    values = values.get("text_config", values)
    published = next(values[key] for key in ("num_hidden_layers", "n_layer", "n_layers", "num_layers") if key in values)
    model = models.load(name)
    assert model.layer_count == published
    seams = [op for op in model.lower(Step.decode(1, 1)) if isinstance(op, Boundary) and op.scope == "layer"]
    assert sum(op.count for op in seams) == published


@given(decoders)
def test_weights_read_are_the_parameters(name: str) -> None:
    """With enough tokens to reach all experts, a step reads every matrix; what is left is tables, norms, biases."""
    model = models.load(name)
    read = float(count(model.lower(Step.forward(1000, 1000))).weights)
    lookups = sum(part.parameters - part.active for part in model.stem)
    assert 0.99 * (model.parameters - lookups) <= read <= model.parameters + lookups


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_steps_broadcast(name: str, phase: str) -> None:
    """Any number of steps at once give what each gives alone."""
    seqs, tokens = np.array([[1.0], [3.0], [64.0]]), np.array([7.0, 500.0, 9000.0, 100_000.0])
    make = Step.decode if phase == "decode" else Step.prefill
    model = models.load(name)
    total = count(model.lower(make(seqs, tokens)))
    for field in ("matrix_flops", "attention_flops", "other_flops", "kv"):
        values = np.broadcast_to(getattr(total, field), (3, 4))
        alone = getattr(count(model.lower(make(3, 9000))), field)
        assert values[1, 2] == pytest.approx(float(alone), rel=1e-12)
        assert np.all(np.isfinite(values))


@pytest.mark.parametrize("name", models.names())
def test_names_of_operators_are_unique_and_lower_is_pure(name: str) -> None:
    model = models.load(name)
    graph = model.lower(Step.forward(2, 3))
    names = [op.name for op in graph]
    assert len(set(names)) == len(names)
    assert hash(model) == hash(models.load(name))
    assert all(op.count > 0 for op in graph)
    assert all(op.split in ("column", "row", "none") for op in graph if isinstance(op, Gemm))


@pytest.mark.parametrize("name", OTHERS)
def test_encoders_images_and_samplers_only_go_forward(name: str) -> None:
    model = models.load(name)
    for step in (Step.decode(1, 1), Step.prefill(1, 1)):
        with pytest.raises(BadValue, match="forward"):
            model.lower(step)
    assert np.all(model.kv_elements(100.0) == 0)
