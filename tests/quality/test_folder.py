"""Folders of models from strangers: what is whole runs, everything else gets its sentence."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'silmark[torch]'")
transformers = pytest.importorskip("transformers", reason="needs transformers: pip install 'silmark[torch]'")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import silmark  # noqa: E402
from silmark.errors import BadFile, SilmarkError  # noqa: E402
from silmark.quality.folder import _elements  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "llama"
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def copy(llama: Path, tmp_path: Path) -> Path:
    for one in llama.iterdir():
        (tmp_path / one.name).write_bytes(one.read_bytes())
    return tmp_path


def _refused(folder: Path, said: str) -> None:
    with pytest.raises(SilmarkError, match=said):
        silmark.output_quality(str(folder), on="h100")


def test_a_language_model_from_a_folder(llama: Path) -> None:
    answer = silmark.output_quality(str(llama), on="h100,corsair,extropic-z1", generate=4, layers=True)
    assert answer.model["task"] == "language"
    best, worse, cannot = answer.rows
    assert [row.chosen.chip.id for row in answer.rows][2] == "extropic-z1"
    assert cannot.status == "cannot-run"
    assert best.quality is not None
    assert worse.quality is not None
    assert best.quality.measures["snr_db"].mid > worse.quality.measures["snr_db"].mid > 20
    names = {one.name for one in worse.quality.layers}
    assert {"model.layers.1.mlp.down_proj", "model.layers.0.self_attn: scores", "lm_head"} <= names


def test_pickles_are_refused(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    _refused(copy, "pytorch_model.bin: a pickle")
    _refused(copy / "pytorch_model.bin", "a pickle")


def test_what_is_missing_is_named(copy: Path, tmp_path: Path) -> None:
    (copy / "model.safetensors").unlink()
    _refused(copy, "no .*safetensors")
    (copy / "config.json").unlink()
    _refused(copy, "config.json: no such file")
    _refused(tmp_path / "nowhere", "unknown model with weights")


def test_weights_that_are_no_numbers(copy: Path) -> None:
    from safetensors.torch import load_file, save_file  # noqa: PLC0415

    weights = load_file(copy / "model.safetensors")
    weights["model.layers.0.mlp.up_proj.weight"][3, 4] = float("nan")
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    _refused(copy, "1 that are NaN")


def test_weights_that_do_not_fit(copy: Path) -> None:
    from safetensors.torch import load_file, save_file  # noqa: PLC0415

    weights = load_file(copy / "model.safetensors")
    del weights["model.layers.0.mlp.up_proj.weight"]
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    _refused(copy, "config.json asks for|are missing")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_hidden_layers": 10**9}, "beyond 1,000"),
        ({"hidden_size": 10**12}, "beyond"),
        ({"vocab_size": 10**8}, "config.json asks for"),
        ({"model_type": "no-such-model"}, "transformers cannot read it"),
        ({"model_type": 3}, "not a model's configuration"),
        ({"hidden_size": 31}, "transformers cannot|config.json asks"),
    ],
)
def test_configurations_that_ask_for_too_much(copy: Path, change: dict[str, object], said: str) -> None:
    table = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**table, **change}))
    _refused(copy, said)


@settings(max_examples=60)
@given(st.binary(max_size=64), st.integers(0, 120))
def test_any_bytes_in_place_of_a_header_are_refused_or_counted(copy: Path, noise: bytes, at: int) -> None:
    path = copy / "noise.safetensors"
    raw = (copy / "model.safetensors").read_bytes()
    path.write_bytes(raw[:at] + noise + raw[at + len(noise) :])
    with suppress(BadFile):
        assert _elements(path) >= 0
