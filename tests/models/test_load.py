"""Names, files, and files that mean harm."""

import json
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark import models
from silmark.errors import BadFile, BadValue, MissingExtra, SilmarkError, UnknownName
from silmark.figures.tables import data_folder
from silmark.graph import count
from silmark.models import catalogue, config
from silmark.workloads.step import Step

PACKAGED = {name: json.loads((data_folder() / "models" / f"{name}.json").read_text()) for name in models.names()}


def _load(values: object) -> models.Model:
    return catalogue.build(config.parse(json.dumps(values).encode(), "config.json", "given"))


def test_names_aliases_and_repositories() -> None:
    assert {"llama-3.1-70b", "deepseek-v3", "minilm-l6"} <= set(models.names())
    assert models.aliases()["minilm"] == "minilm-l6"
    for spelling in (
        "Llama-3.1-70B",
        "meta-llama/Llama-3.1-70B",
        "meta-llama/Llama-3.1-70B-Instruct",
        " llama3.1-70b ",
    ):
        assert models.load(spelling).name == "llama-3.1-70b"


def test_every_file_has_a_row_and_every_row_a_file() -> None:
    files = {path.stem for path in (data_folder() / "models").glob("*.json")}
    assert files == set(models.names())
    shared = [alias for entry in catalogue.entries().values() for alias in entry["aliases"]]
    assert len(shared) == len(set(shared))
    assert not set(shared) & files


@pytest.mark.parametrize("name", ["llama-3.1-7b", "nonsense", "x" * 5000, "a\0b", "\ud800", "no/such/model"])
def test_unknown_name(name: str) -> None:
    with pytest.raises(UnknownName):
        models.load(name)


def test_unknown_name_lists_what_is_near() -> None:
    with pytest.raises(UnknownName, match=r"llama-3\.1-70b"):
        models.load("lama-3.1-70b")


@pytest.mark.parametrize("name", ["", "  ", None, 7])
def test_no_name(name: object) -> None:
    with pytest.raises(BadValue):
        models.load(name)  # type: ignore[arg-type]


def test_file_and_folder(tmp_path: Path) -> None:
    folder = tmp_path / "My-Llama"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(PACKAGED["llama-3-8b"]))
    for path in (folder, folder / "config.json"):
        model = models.load(str(path))
        assert (model.name, model.parameters) == ("My-Llama", 8_030_261_248)
        assert model.source_config == str(folder / "config.json")


def test_missing_files(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.json"):
        with pytest.raises(BadFile, match="no such file"):
            models.load(str(path))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b" " * (1 << 20) + b"{}", "larger than"),
        (b"[" * 100_000, "nested"),
        (b'{"a":' * 100_000, "nested"),
        (b"\xff\xfe", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[1]", "expected a JSON object"),
        (b'{"model_type": "llama", "hidden_size": ' + b"9" * 10_000 + b"}", "not valid JSON"),
        (b'{"model_type": "llama", "model_type": "opt"}', "more than once"),
        (b'{"model_type": "llama", "hidden_size": NaN}', "not an integer"),
        (b'{"model_type": "llama", "hidden_size": 1e400}', "not an integer"),
        (b'{"model_type": ["llama"]}', "not a string"),
        (b"{}", "names no architecture"),
    ],
)
def test_broken_files(tmp_path: Path, raw: bytes, words: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(raw)
    with pytest.raises(BadFile, match=words) as caught:
        models.load(str(path))
    assert str(path) in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="no /dev/zero there")
def test_device_is_no_file() -> None:
    with pytest.raises(BadFile, match="regular"):
        models.load("/dev/zero")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("hidden_size", -4096, "hidden_size: -4096 is not an integer from 1"),
        ("hidden_size", "4096", "hidden_size: '4096' is not an integer"),
        ("hidden_size", True, "not an integer"),
        ("hidden_size", 10**40, "more than 30 digits"),
        ("num_hidden_layers", 10**6, "10,000"),
        ("num_key_value_heads", 7, "does not divide"),
        ("num_attention_heads", 33, "multiple"),
        ("vocab_size", None, "missing"),
        ("tie_word_embeddings", "no", "not true or false"),
        ("quantization_config", 4, "not an object"),
        ("architectures", "LlamaForCausalLM", "not a list"),
    ],
)
def test_wrong_values_name_key_and_expectation(key: str, value: object, words: str) -> None:
    with pytest.raises(BadFile, match=words):
        _load({**PACKAGED["llama-3-8b"], key: value})


def test_unknown_architecture_names_itself_and_its_keys() -> None:
    odd = {**PACKAGED["llama-3-8b"], "model_type": "rwkv", "architectures": ["RwkvForCausalLM"], "time_mix": 7}
    with pytest.raises(BadFile, match=r"rwkv, RwkvForCausalLM is not known; keys not understood: time_mix; known:"):
        _load(odd)


def test_keys_without_effect_are_noted() -> None:
    assert _load({**PACKAGED["llama-3-8b"], "cross_attention_layers": [3]}).notes == (
        "keys without effect: cross_attention_layers",
    )


def test_control_characters_do_not_reach_the_terminal() -> None:
    with pytest.raises(BadFile) as caught:
        _load({"model_type": "\x1b[2J", "\x1b[31m": 1})
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("quantization", "bits"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, 4 + 20 / 128),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1}, 8),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, 4.5),
        ({"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 4}}}}, 4),
        ({"quant_method": "fp8"}, 8),
    ],
)
def test_storage_of_quantised_checkpoints(quantization: dict[str, object], bits: float) -> None:
    model = _load({**PACKAGED["llama-3-8b"], "quantization_config": quantization})
    assert model.stored_bits == bits
    ends = 2 * 128_256 * 4096 + 65 * 4096  # embedding, head and norms follow the plan
    expected = (model.parameters - ends) * bits / 8 + 2 * ends if bits < 8 else 2 * model.parameters
    assert model.weight_bytes(16) == pytest.approx(expected)


def test_unknown_quantisation_is_noted() -> None:
    model = _load({**PACKAGED["llama-3-8b"], "quantization_config": {"quant_method": "magic"}})
    assert model.stored_bits is None
    assert "quantization_config is not understood" in model.notes[0]


def test_hub_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match="hub"):
        models.load("hf:meta-llama/Llama-3.1-8B")


def test_hub_failures_are_errors_of_silmark(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hub:
        @staticmethod
        def hf_hub_download(repository: str, filename: str) -> str:
            raise ConnectionError(repository + filename)

    monkeypatch.setitem(sys.modules, "huggingface_hub", Hub)  # type: ignore[arg-type]
    with pytest.raises(BadFile, match="ConnectionError"):
        models.load("hf:meta-llama/Llama-3.1-8B")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.integers(0, 64)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["llama", "M-*E", "awq", "mxfp4", "compressed-tensors", "basic", "sliding_attention", "Mamba2"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = sorted({key for values in PACKAGED.values() for key in [*values, *values.get("text_config", {})]})


@given(st.sampled_from(models.names()), st.dictionaries(st.sampled_from(KEYS), json_values, max_size=4))
def test_mutated_files_load_or_say_why(name: str, changes: dict[str, object]) -> None:
    """A file that anybody may have written either loads and can be counted, or raises an error of Silmark."""
    values = dict(PACKAGED[name])
    if "text_config" in values:
        values["text_config"] = {**values["text_config"], **changes}
    else:
        values.update(changes)
    try:
        model = _load(values)
    except SilmarkError:
        return
    assert model.parameters >= 0
    assert count(model.lower(Step.forward(1, 1))).flops >= 0
    assert model.weight_bytes(16) > 0 or model.parameters == 0


@given(st.binary(max_size=200))
def test_arbitrary_bytes(raw: bytes) -> None:
    with pytest.raises(BadFile):
        catalogue.build(config.parse(raw, "config.json", "given"))


@given(st.text(max_size=40))
def test_arbitrary_names(name: str) -> None:
    with suppress(SilmarkError):
        models.load(name)


@given(st.sampled_from(sorted(models.FAMILIES)), st.dictionaries(st.sampled_from(KEYS), json_values, max_size=12))
def test_arbitrary_dictionaries(family: str, values: dict[str, object]) -> None:
    with suppress(SilmarkError):
        _load({**values, "model_type": family})
