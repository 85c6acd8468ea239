"""Where models come from: the catalogue that is installed with the package, a file, or the Hugging Face hub."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TypedDict, cast

from silmark.errors import BadFile, BadValue, MissingExtra, UnknownName
from silmark.figures.tables import data_folder, packaged
from silmark.models import config as configs
from silmark.models.config import Config, show
from silmark.models.families import llama
from silmark.models.registry import FAMILIES
from silmark.models.spec import Model

MAX_PARAMETERS = 10**15
"""A thousand times the largest published model: beyond it a configuration is a mistake."""


class Entry(TypedDict, total=False):
    """A row of `models.toml`: what is published about a model beside its configuration."""

    title: str
    publisher: str
    parameters: int
    card: str
    aliases: list[str]


@cache
def entries() -> dict[str, Entry]:
    """The catalogue's table, by name."""
    return cast("dict[str, Entry]", packaged("models")["models"])


class Architecture(TypedDict):
    """A row of `architectures.toml`: a class of architectures and the model of the catalogue that stands for it."""

    title: str
    model: str
    asks: str


@cache
def architectures() -> dict[str, Architecture]:
    """Classes of architectures, by short name."""
    return cast("dict[str, Architecture]", packaged("models")["architectures"])


def names() -> list[str]:
    """Names of all models of the catalogue, sorted."""
    return sorted(entries())


@cache
def aliases() -> dict[str, str]:
    """Other spellings that `load` accepts, each with the name it stands for."""
    return {alias: name for name, entry in entries().items() for alias in entry.get("aliases", [])}


def load(name_or_path: str) -> Model:
    """Loads a model.

    Args:
        name_or_path: a catalogue name or alias (`llama-3.1-70b`, `meta-llama/Llama-3.1-70B-Instruct`), the path
            of a `config.json` or of the folder that holds it, or `hf:owner/repository` for the hub.

    Raises:
        UnknownName: no such name and no such path.
        BadFile: the file is broken, or of an architecture that is not known.
        MissingExtra: `hf:` without huggingface_hub.
    """
    if not isinstance(name_or_path, str) or not name_or_path.strip():
        raise BadValue("model", name_or_path, "a model's name or the path of a config.json")
    if name_or_path.startswith("hf:"):
        return load_from_hub(name_or_path[3:])
    key = name_or_path.strip().lower()
    name = aliases().get(key, key)
    path = Path(name_or_path)
    if name in entries():
        return _catalogued(name)
    if _exists(path) or path.suffix == ".json":
        return load_file(path)
    if (plain := _plain(key)) in _plain_names():
        return _catalogued(_plain_names()[plain])
    hint = "`silmark models` lists all; a path must lead to a config.json, and hf:owner/repository asks the hub"
    raise UnknownName("model", name_or_path, [*entries(), *aliases()], hint=hint)


def load_file(path: Path) -> Model:
    """Loads a `config.json`, or the one in a folder; the model is named after the folder."""
    if path.is_dir():
        path = path / "config.json"
    name = path.resolve().parent.name if path.name == "config.json" else path.stem
    return build(configs.read(path, name or "model"))


def load_from_hub(repository: str) -> Model:
    """Loads the `config.json` of a repository on the Hugging Face hub (network access; needs `silmark[hub]`)."""
    try:
        hub = import_module("huggingface_hub")
    except ImportError:
        raise MissingExtra("loading from the Hugging Face hub", "hub") from None
    try:
        path = hub.hf_hub_download(repository, "config.json")
    except Exception as error:  # noqa: BLE001 - the client raises a dozen unrelated classes of one meaning
        raise BadFile(f"hf:{repository[:120]}", f"the hub gave no config.json ({type(error).__name__})") from None
    return build(configs.read(Path(path), repository.rsplit("/", 1)[-1].lower()))


def build(config: Config) -> Model:
    """Turns a configuration into a model, by its `model_type` or `architectures`.

    Of a model with a text part and others (images, audio), the text part is taken.
    """
    text = config.text_part()
    spelled = [text.text("model_type"), *text.texts("architectures")]
    if "ssm_cfg" in config:  # The mamba_ssm package names no model type.
        spelled.append("mamba_ssm")
    if text is not config:
        spelled += [config.text("model_type"), *config.texts("architectures")]
    family = next((FAMILIES[key] for key in spelled if key in FAMILIES), None)
    if family is None:
        raise _unknown(text, [key for key in spelled if key])
    model = family(text)
    if not 0 <= model.parameters <= MAX_PARAMETERS:
        raise config.fail(f"describes {model.parameters:.3g} parameters; expected at most {MAX_PARAMETERS:.0e}")
    notes = list(model.notes)
    if text is not config:
        notes.append("the text part of a multimodal model")
    if unread := text.unread():
        notes.append(f"keys without effect: {_listed(unread)}")
    return replace(model, notes=tuple(notes))


def _plain(key: str) -> str:
    """A repository's name without its owner and without the words for a tuned version of the same shape."""
    key = key.rsplit("/", 1)[-1]
    for ending in ("-hf", "-instruct", "-chat", "-it", "-base", "-pt"):
        key = key.removesuffix(ending)
    return key


@cache
def _plain_names() -> dict[str, str]:
    return {_plain(key): aliases().get(key, key) for key in [*aliases(), *entries()]}


@cache
def _catalogued(name: str) -> Model:
    return build(configs.read(data_folder() / "models" / f"{name}.json", name))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # Longer than the file system allows, or with a null byte.
        return False


def _listed(keys: list[str]) -> str:
    """Up to a dozen keys of a file that anybody may have written, as a message may print them."""
    return ", ".join(key[:60] if key.replace(".", "").isidentifier() else show(key) for key in keys[:12])


def _unknown(config: Config, spelled: list[str]) -> BadFile:
    """Says which architecture it is, and which keys the Llama family would not have understood."""
    with suppress(BadFile):
        llama.llama(config)
    what = f"architecture {_listed(spelled)} is not known" if spelled else "names no architecture"
    keys = _listed(config.unread())
    odd = f"; keys not understood: {keys}" if keys else ""
    return config.fail(f"{what}{odd}; known: {', '.join(sorted(FAMILIES))}", "model_type")
