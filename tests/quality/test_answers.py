"""`silmark quality` and its Python door: answers, documents, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import silmark
from silmark import numerics
from silmark.errors import SilmarkError
from silmark.quality import Way
from silmark.report.schema import DOCUMENTS

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("no-such-model",), "minilm, charlm, smallcnn"),
        (("smallcnn", "--precision", "fp7"), "unknown format"),
        (("smallcnn", "--operators", "matmul"), "linear, attention, conv, vector"),
        (("smallcnn", "--on", "nobody"), "unknown chip"),
        (("smallcnn", "--seed", "-1"), "seed"),
        (("smallcnn", "--generate", "many"), "generate"),
        (("weights.pt",), "a pickle"),
    ],
)
def test_bad_words_get_a_sentence(run: Run, words: tuple[str, ...], said: str) -> None:
    with mock.patch("silmark.api.quality.need_torch"):
        found = run("quality", *words)
    assert found.code == 2
    assert said in found.err


def test_without_pytorch_the_extra_is_named(run: Run) -> None:
    with mock.patch("silmark.quality.ask.find_spec", return_value=None):
        found = run("quality", "smallcnn", "--on", "h100")
    assert found.code == 2
    assert "silmark[torch]" in found.err


@pytest.mark.torch
@pytest.mark.slow
class TestSmallModels:
    def test_every_chip_has_a_row(self, run: Run) -> None:
        found = run("quality", "smallcnn", "--on", "all", "--precision", "fastest", "--json")
        document = DOCUMENTS["quality"].model_validate_json(found.out)
        rows = {row["chip"]: row for row in json.loads(found.out)["rows"]}
        assert set(rows) == {*silmark.chips.names(), "host"}
        assert rows["etched-sohu"]["status"] == "cannot-run"  # no convolutions
        assert rows["extropic-z1"]["status"] == "cannot-run"
        assert document.model_dump()["model"]["task"] == "classifier"
        accuracy = {chip: row["measures"]["accuracy"]["mid"] for chip, row in rows.items() if row["measures"]}
        assert accuracy["nvidia-h100-sxm5-80gb"] > 0.95 > accuracy["lightmatter-processor-2025"]

    def test_equal_arithmetics_are_computed_once_and_noise_repeats(self) -> None:
        chips = ("lightmatter-processor-2025", "h100", "tpu-v5e")
        first, again = (silmark.output_quality("smallcnn", on=chips) for _ in range(2))
        assert first.as_dict() == again.as_dict()
        h100, tpu = (row for row in first.rows if row.chosen.way == Way("bf16"))
        assert h100.quality is tpu.quality
        other = silmark.output_quality("smallcnn", on=chips, seed=1)
        assert other.as_dict()["rows"][2]["measures"] != first.as_dict()["rows"][2]["measures"]

    def test_language_models_continue_text(self) -> None:
        answer = silmark.output_quality("charlm", on="h100,gaudi2", precision="fp8", generate=8)
        for row in answer.rows:
            assert row.quality is not None
            found = row.quality.measures
            assert found["perplexity_fp32"].mid < 1.6
            assert found["perplexity"].low >= 0.99 * found["perplexity_fp32"].mid
            assert 1 <= found["first_difference"].mid <= 9
            assert 0.9 < found["top1_agreement"].mid < 1

    def test_compare_has_a_column(self, run: Run) -> None:
        found = run("compare", "llama-3-8b", "--chips", "h100,sohu", "--quality")
        assert found.code == 0
        assert "outputs: top-1 agreement with fp32 of charlm, a small model in place of llama-3-8b" in found.out
        assert found.out.count("%  ") >= 2
        document = silmark.compare("llama-3-8b", chips="h100,sohu", quality=True).as_dict()
        DOCUMENTS["compare"].model_validate(document)
        agreed = {row["chip"]: row["quality"]["top1_agreement"]["mid"] for row in document["rows"]}
        assert agreed["nvidia-h100-sxm5-80gb"] > agreed["etched-sohu"]

    def test_pictures_are_drawn(self, tmp_path: Path) -> None:
        silmark.output_quality("smallcnn", on="h100,corsair", layers=True).draw(tmp_path / "a.png")
        assert (tmp_path / "a.png").stat().st_size > 10_000


@pytest.mark.torch
class TestOwnModules:
    def test_a_module_with_inputs(self) -> None:
        import torch  # noqa: PLC0415

        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
        x, labels = torch.randn(32, 8), [0] * 32
        answer = silmark.output_quality(module, x, on="h100", labels=labels)
        assert answer.model["task"] == "classifier"
        assert module.training
        plain = silmark.output_quality(module, [x[:16], x[16:]], on="h100")
        assert plain.model["task"] == "outputs"
        assert plain.rows[0].quality is not None
        assert 30 < plain.rows[0].quality.measures["snr_db"].mid < 60

    @pytest.mark.parametrize("kind", ["none", "nan", "text", "labels", "task", "weights"])
    def test_bad_inputs(self, kind: str) -> None:
        import torch  # noqa: PLC0415

        module, x = torch.nn.Linear(4, 2), torch.ones(3, 4)
        if kind == "weights":
            with torch.no_grad():
                module.weight[0, 0] = float("inf")
        inputs = {"none": None, "nan": x / 0 * 0, "text": "abc"}.get(kind, x)
        options = {"labels": {"labels": [1]}, "task": {"task": "language"}}.get(kind, {})
        with pytest.raises(SilmarkError):
            silmark.output_quality(module, inputs, on="h100", **options)

    def test_values_beyond_a_format_are_no_numbers_and_no_failure(self) -> None:
        import torch  # noqa: PLC0415

        module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
        with torch.no_grad():
            module[0].weight.fill_(3e4)
        answer = silmark.output_quality(module, torch.full((2, 4), 10.0), on="groq", operators="linear,vector")
        (row,) = answer.rows
        assert row.status == "ok" or numerics.arithmetic.get("groq-fp16").left.name == "fp16"
        assert row.status == "no-numbers"
        DOCUMENTS["quality"].model_validate(answer.as_dict())
