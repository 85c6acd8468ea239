"""Models: from a Hugging Face `config.json` to operators."""

from silmark.models.catalogue import aliases, load, load_file, load_from_hub, names
from silmark.models.registry import FAMILIES
from silmark.models.spec import Block, Model, Part

__all__ = ["FAMILIES", "Block", "Model", "Part", "aliases", "load", "load_file", "load_from_hub", "names"]
