"""The words and columns of the command's answers, with every predicted number blanked.

To accept a change, run the tests with SILMARK_ACCEPT=1 in the environment and read the difference.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from silmark.chips.mechanisms import RESOURCES
from silmark.figures import Grade

HERE = Path(__file__).parent
GAP = re.compile(r" {2,}")
NUMBER = r"[\d,]*\.?\d+(?:e[-+]?\d+)?"
SPREAD = rf"(?: -{NUMBER} \+{NUMBER}%| /{NUMBER} x{NUMBER})"
AMOUNT = re.compile(rf"^{NUMBER}( [PTGMkmunpfa]?(?:s|J|W))?({SPREAD})?%?$")
PLAN = re.compile(r"^\d+( x \d+)? chips?, (\d+ x )?")
BOUND = re.compile(rf"\b(prefill|decode|forward): (?:{'|'.join(RESOURCES)})\b")
TIMES = 2
"""The column of an operator's table that is no prediction: how often it occurs."""


def blank(cell: str) -> str:
    """One cell without what a better prediction would change: amounts, sizes of plans, what bounds, grades."""
    if cell in map(str, Grade):
        return "<grade>"
    if cell in RESOURCES:
        return "<bound>"
    amount = AMOUNT.match(cell)
    if amount:
        unit = (amount[1] or "").strip()[-1:]
        return "#" + (f" {unit}" if unit else "") + (" <spread>" if amount[2] else "%" if cell.endswith("%") else "")
    return PLAN.sub("# chips, ", BOUND.sub(r"\1: <bound>", cell))


def normalised(text: str, ordered: bool) -> str:
    """Cells joined by bars; rows of a table in the order of their first cell where the order is a prediction."""
    blocks = []
    for block in text.strip().split("\n\n"):
        lines = block.splitlines()
        kept = TIMES if " operator " in lines[0] else None
        rows = [
            " | ".join(cell if column == kept else blank(cell) for column, cell in enumerate(GAP.split(line.strip())))
            for line in lines
        ]
        head, body, notes = rows[:1], [r for r in rows[1:] if " | " in r], [r for r in rows[1:] if " | " not in r]
        blocks.append("\n".join(head + (body if ordered else sorted(body)) + notes))
    return "\n\n".join(blocks) + "\n"


CASES: dict[str, tuple[str, bool]] = {
    "compare": ("compare llama-3.1-8b --chips h100,groq,cerebras-wse-3,etched-sohu,rain-npu", False),
    "compare-items": ("compare resnet-50 --chips h100,google-tpu-v5e,extropic-z1 --sort chip", True),
    "compare-scan": ("compare mamba-codestral-7b --chips etched-sohu,extropic-x0,h100 --sort chip", True),
    "estimate": ("estimate llama-3.1-8b --on 8x:h100 --batch 1,4", True),
    "estimate-refused": ("estimate mamba-codestral-7b --on etched-sohu", True),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, run: Callable[..., Any]) -> None:
    words, ordered = CASES[name]
    found = run(*words.split())
    assert (found.code, found.err) == (0, "")
    text = f"$ silmark {words}\n{normalised(found.out, ordered)}"
    kept = HERE / f"{name}.txt"
    if os.environ.get("SILMARK_ACCEPT"):
        kept.write_text(text, encoding="utf-8")
    assert text == kept.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("82.6 ms -57 +240%", "# s <spread>"),
        ("1.54 J /2.1 x3", "# J <spread>"),
        ("1,072", "#"),
        ("0.0953 -49 +112%", "# <spread>"),
        ("21.5%", "#%"),
        ("5.69 kW -20 +20%", "# W <spread>"),
        ("128 chips, 2 x groqrack-9", "# chips, groqrack-9"),
        ("8 x 1 chips, hgx-h100-8", "# chips, hgx-h100-8"),
        ("prefill: link, decode: overhead", "prefill: <bound>, decode: <bound>"),
        ("memory", "<bound>"),
        ("assumed", "<grade>"),
        ("nvidia-h100-sxm5-80gb", "nvidia-h100-sxm5-80gb"),
        ("-", "-"),
        ("cannot run: fp8 matrix products", "cannot run: fp8 matrix products"),
    ],
)
def test_blanking_keeps_words(cell: str, expected: str) -> None:
    assert blank(cell) == expected
