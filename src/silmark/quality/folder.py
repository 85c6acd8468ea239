"""Models of Hugging Face from a local folder: config.json, safetensors, and a tokenizer where texts are to be read.

Folders come from strangers. No code of theirs is run, no pickle is read, nothing is downloaded, and a configuration
that asks for more weights than the files hold is refused before any memory is taken.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from silmark.errors import BadFile
from silmark.quality.subject import Batch, Subject, Task, logits, ready

_CONFIG_BYTES, _HEADER_BYTES = 1 << 20, 64 << 20
_LAYERS, _NUMBER = 1000, 1 << 28
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "tokenizer.model", "vocab.json")
_HEADS: dict[str, Task] = {
    "ForCausalLM": "language",
    "LMHeadModel": "language",
    "ForSequenceClassification": "classifier",
}
WINDOW = 128
"""Tokens of one sequence of a language model."""


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars, no advice of packages that transformers looks for, and no download."""
    heard, before = logging.root.manager.disable, os.environ.get("HF_HUB_OFFLINE")
    logging.disable(max(heard, logging.WARNING))
    os.environ["HF_HUB_OFFLINE"] = "1"
    from transformers.utils import logging as advice  # noqa: PLC0415 - takes a second to import, and may warn

    bars = advice.is_progress_bar_enabled()
    advice.disable_progress_bar()
    try:
        yield
    finally:
        logging.disable(heard)
        if bars:
            advice.enable_progress_bar()
        if before is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = before


@_quiet()
def subject(folder: Path, texts: Sequence[str], origin: str) -> Subject:
    """The model of a folder with texts to judge it by; raises BadFile with the remedy.

    Args:
        folder: with config.json and *.safetensors.
        texts: one item each.
        origin: where the texts come from, in words.
    """
    config = _config(folder)
    module, task = _module(folder, config)
    notes = list[str]()
    if any((folder / name).is_file() for name in _TOKENIZERS):
        batches = _tokenized(folder, texts, task, _longest(config))
        items = f"{len(texts)} texts {origin}"
    else:
        draw = torch.Generator().manual_seed(0)
        size = int(getattr(config, "vocab_size", 0) or 0)
        if size < 2:
            raise BadFile(
                folder, "no tokenizer and no vocab_size; from Python, silmark.output_quality takes inputs of any kind"
            )
        shape = (len(texts), min(32, _longest(config)))
        batches = [((part,), {}) for part in torch.randint(0, size, shape, generator=draw).split(16)]
        items = f"{len(texts)} sequences of random tokens"
        notes.append("no tokenizer in the folder: tokens are random, so agreement says little of real text")
    tokens = batches[0][1].get("input_ids", batches[0][0][0] if batches[0][0] else torch.empty(0))
    return Subject(
        name=folder.name,
        module=module,
        task=task,
        batches=batches,
        output=_pooled if task == "encoder" else logits,
        items=items,
        origin=str(folder),
        prompts=tokens[:8, : max(1, min(16, tokens.shape[1] // 2))] if task == "language" else None,
        limit=_longest(config),
        notes=tuple(notes),
    )


def _pooled(result: Any, batch: Batch) -> Tensor:  # noqa: ANN401
    """Mean of the last hidden states over the tokens that are no padding."""
    hidden = logits(result)
    mask = batch[1].get("attention_mask")
    if mask is None:
        return hidden.mean(dim=1)
    weight = mask.to(hidden.dtype)[..., None]
    return (hidden * weight).sum(dim=1) / weight.sum(dim=1)


def _config(folder: Path) -> Any:  # noqa: ANN401 - a class of transformers, by architecture
    from transformers import AutoConfig  # noqa: PLC0415 - takes a second to import

    path = folder / "config.json"
    if not path.is_file():
        raise BadFile(path, "no such file; a model's folder holds config.json and *.safetensors")
    if path.stat().st_size > _CONFIG_BYTES:
        raise BadFile(path, f"larger than {_CONFIG_BYTES:,} bytes; a configuration takes a few kB")
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError):
        raise BadFile(path, "not valid JSON") from None
    if not isinstance(table, dict) or not isinstance(table.get("model_type"), str):
        raise BadFile(path, "not a model's configuration", "model_type")
    for key, value in table.items():
        most = _LAYERS if "layer" in key else _NUMBER
        if isinstance(value, int | float) and not abs(value) <= most:
            raise BadFile(path, f"{value:g} is beyond {most:,}", key)
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # noqa: BLE001 - transformers raises what its parts raise
        raise BadFile(path, f"transformers cannot read it: {str(error).splitlines()[0]}") from None


def _module(folder: Path, config: Any) -> tuple[nn.Module, Task]:  # noqa: ANN401
    import transformers  # noqa: PLC0415

    held = _held(folder)
    named = next(iter(getattr(config, "architectures", None) or ()), "")
    kind: Any = getattr(transformers, named, None) if named.isidentifier() else None
    if not (isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel)):
        kind, named = transformers.AutoModel, ""
    task: Task = next((task for ending, task in _HEADS.items() if named.endswith(ending)), "encoder")
    try:
        with torch.device("meta"):
            empty = kind._from_config(config) if named else kind.from_config(config)
        asked = sum(one.numel() for one in empty.parameters())
        if asked > 1.01 * held:
            raise BadFile(folder, f"config.json asks for {asked:,} weights, the safetensors files hold {held:,}")
        module, report = kind.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32,
            output_loading_info=True,
        )  # fmt: skip
    except BadFile:
        raise
    except Exception as error:  # noqa: BLE001 - transformers raises what its parts raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadFile(folder, f"transformers cannot load it: {first}") from None
    # A pooling head is not read here, and checkpoints of encoders often lack it.
    lost = sorted(key for key in report["missing_keys"] if "pooler" not in key)
    if lost:
        raise BadFile(folder, f"{len(lost)} weights are missing, such as {lost[0]}: they would be random")
    return ready(module, str(folder)), task


def _held(folder: Path) -> int:
    """Weights in the folder's safetensors files, by their headers; raises BadFile where there are only pickles."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickles = sorted(one.name for one in folder.iterdir() if one.suffix in _PICKLES)
        if pickles:
            raise BadFile(
                folder / pickles[0], "a pickle, which can run any code when it is read; convert it to safetensors first"
            )
        raise BadFile(folder, "no *.safetensors file; a model's folder holds config.json and its weights")
    return sum(_elements(path) for path in files)


def _elements(path: Path) -> int:
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            if not 2 <= size <= min(_HEADER_BYTES, path.stat().st_size - 8):
                raise BadFile(path, "not a safetensors file: its header does not fit in it")
            header = json.loads(stream.read(size))
        total = 0
        for name, entry in header.items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                if not 0 <= begin <= end <= path.stat().st_size - 8 - size:
                    raise BadFile(path, "shorter than its header says", name)
                total += torch.Size(entry["shape"]).numel()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadFile(path, "not a safetensors file: its header is no table of tensors") from None
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be read") from None
    return total


def _longest(config: Any) -> int:  # noqa: ANN401
    """Most tokens of one sequence here, within what the model takes."""
    most = [getattr(config, name, None) for name in ("max_position_embeddings", "n_positions", "n_ctx")]
    return min([WINDOW, *(one for one in most if isinstance(one, int) and one > 1)])


def _tokenized(folder: Path, texts: Sequence[str], task: Task, longest: int) -> list[Batch]:
    """Padded batches; language models get windows of one running text, which need no padding."""
    from transformers import AutoTokenizer  # noqa: PLC0415

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if task == "language":
            running = torch.tensor(tokenizer("\n".join(texts))["input_ids"])
            width = min(longest, len(running))
            windows = running[: len(running) // width * width].reshape(-1, width)
            return [((), {"input_ids": part}) for part in windows.split(8)]
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        options = {"padding": True, "truncation": True, "max_length": longest, "return_tensors": "pt"}
        parts = (list(texts[at : at + 32]) for at in range(0, len(texts), 32))
        return [((), dict(tokenizer(part, **options))) for part in parts]
    except Exception as error:  # noqa: BLE001 - tokenizers raise what their parts raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadFile(folder, f"its tokenizer cannot be used: {first}") from None
