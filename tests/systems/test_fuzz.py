"""Files of strangers with one line changed: an answer or a sentence, never another exception."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark import api
from silmark.api.links import cable, channel
from silmark.api.system import system
from silmark.errors import SilmarkError
from silmark.figures.tables import data_folder
from silmark.report import physical

SEEDS = (("links", "pcie-5"), ("media", "dac"), ("parts", "astera-leo"), ("parts", "astera-aries-5"))
values = st.sampled_from([
    "-1", "0", "1e30", "inf", "nan", "10000000", "3", "true", "[]", "{}", '""', '"chips"', '["chips", "chips"]',
    '["cpu"]', '"network"', '"ring"', '"torus"', '"x.toml"', '"pcie-3"', '"nvlink-5"', '"astera-leo"', '["aoc"]',
    '{ value = 1, unit = "m", source = "a", grade = "assumed" }',
    '{ value = 1e29, unit = "s", source = "a", grade = "paper" }',
])  # fmt: skip
bounded = settings(
    max_examples=80,
)  # fmt: skip


def changed(text: str, line: int, value: str, drop: bool) -> str:
    """The text with the value of one of its entries changed, or a line left out."""
    lines = text.splitlines()
    at = line % len(lines)
    key, equals, _ = lines[at].partition("=")
    lines[at] = "" if drop or not equals else f"{key}= {value}"
    return "\n".join(lines) + "\n"


@pytest.mark.slow
@bounded
@given(line=st.integers(0, 200), value=values, drop=st.booleans())
def test_wired_systems(line: int, value: str, drop: bool, box_toml: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(changed(box_toml, line, value, drop), encoding="utf-8")
    try:
        json.dumps(system(str(file)).as_dict(), allow_nan=False)
        json.dumps(system(str(file), without=["aries", "leo"]).as_dict(), allow_nan=False)
        json.dumps(api.estimate("llama-3.2-1b", str(file), batch=4).as_dict(), allow_nan=False)
    except SilmarkError:
        return


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "name"), SEEDS)
@bounded
@given(line=st.integers(0, 60), value=values, drop=st.booleans())
def test_links_media_and_parts(folder: str, name: str, line: int, value: str, drop: bool, tmp_path: Path) -> None:
    text = (data_folder() / folder / f"{name}.toml").read_text(encoding="utf-8")
    file = tmp_path / "mine.toml"
    file.write_text(changed(text, line, value, drop), encoding="utf-8")
    try:
        json.dumps(physical.page(folder.removesuffix("s").replace("media", "medium"), str(file)).as_dict())
        if folder == "links":
            json.dumps(channel(str(file), "0.4m", connectors=2).as_dict(), allow_nan=False)
            json.dumps(cable("", "2m", link=str(file)).as_dict(), allow_nan=False)
        elif folder == "media":
            json.dumps(channel("pcie-5", "0.4m", medium=str(file)).as_dict(), allow_nan=False)
        else:
            json.dumps(channel("pcie-5", "0.6m", retimers=[str(file)]).as_dict(), allow_nan=False)
    except SilmarkError:
        return
