"""Claims about output quality: `kind = "quality"`."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

import pytest

from silmark import claims
from silmark.errors import BadFile

FILE = """
id = "mine"
title = "Same quality"
statement = "As good as fp32."
who = "somebody"
speaker = "vendor"
when = "2026"
source = ["dmx-compressor"]
restated = "A digit classifier says the same in nearly all cases."
conditions = ["a small CNN in place of the model that was meant"]
[[test]]
kind = "quality"
label = "the same class"
model = "smallcnn"
metric = "agreement"
on = "{chip}"
precision = "{precision}"
least = {least}
"""


def _verdict(write: Callable[..., str], chip: str, precision: str, least: float) -> claims.Finding:
    path = write(FILE.format(chip=chip, precision=precision, least=least), "mine.toml")
    return claims.check(claims.load(path))


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize(
    ("chip", "precision", "least", "verdict"),
    [
        ("corsair", "mxint8", 0.95, "holds"),
        ("lightmatter-processor-2025", "default", 0.95, "fails"),
        ("h100", "bf16", 1.0, "holds only if"),
        ("extropic-z1", "default", 0.5, "fails"),
    ],
)
def test_verdicts(own_file: Callable[..., str], chip: str, precision: str, least: float, verdict: str) -> None:
    assert str(_verdict(own_file, chip, precision, least).verdict) == verdict


def test_without_pytorch_the_claim_waits(own_file: Callable[..., str]) -> None:
    with mock.patch("silmark.quality.ask.find_spec", return_value=None):
        found = _verdict(own_file, "h100", "fp8", 0.9)
    assert str(found.verdict) == "not assessed yet"
    assert "silmark[torch]" in found.why


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("smallcnn", "gpt-9"), "model"),
        (("agreement", "beauty"), "metric"),
        (("h100", "nobody"), "unknown chip"),
        (("fp8", "fp7"), "unknown format"),
        (("least = 0.9", ""), "least"),
    ],
)
def test_bad_files(own_file: Callable[..., str], change: tuple[str, str], said: str) -> None:
    text = FILE.format(chip="h100", precision="fp8", least=0.9).replace(*change)
    with pytest.raises(BadFile, match=said):
        claims.load(own_file(text, "mine.toml"))
