"""Every wrong word gets exit code 2 and one sentence that says what would be right; never a traceback."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from silmark.models import catalogue

Run = Callable[..., Any]
LONG = "x" * 20_000


def refused(found: Any, *expected: str) -> None:
    assert found.code == 2, found.err
    assert found.out == ""
    assert found.err.startswith("silmark: ")
    assert found.err.count("\n") == 1
    assert "Traceback" not in found.err
    assert len(found.err) < 1500
    for text in expected:
        assert text in found.err


COMPARE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "chip": (("--chips", "h10"), ("unknown chip 'h10'", "did you mean", "h100")),
    "one of several chips": (("--chips", "h100,grok"), ("'grok'", "groq")),
    "chip left out": (("--chips", "-h10"), ("h10",)),
    "no chip": (("--chips", ""), ("chips",)),
    "only commas": (("--chips", ",,"), ("chips",)),
    "long chip": (("--chips", LONG), ("unknown chip",)),
    "chip of odd letters": (("--chips", "h100\n\x1b[31m"), ("unknown chip",)),
    "workload": (("--workload", "caht"), ("unknown workload", "chat")),
    "empty workload": (("--workload", ""), ("workload", "chat")),
    "format": (("--precision", "fp88"), ("unknown format", "fp8")),
    "empty format": (("--precision", ""), ("format",)),
    "half a format": (("--precision", "bf16:"), ("format",)),
    "four formats": (("--precision", "bf16:bf16:bf16:bf16"), ("precision",)),
    "sort": (("--sort", "speed"), ("sort", "throughput, ttft")),
    "maturity": (("--maturity", "young"), ("maturity", "own or equal")),
    "power nan": (("--power", "nan"), ("power", "above 0")),
    "power inf": (("--power", "inf"), ("power",)),
    "power 1e400": (("--power", "1e400"), ("power",)),
    "power 0": (("--power", "0"), ("power",)),
    "power negative": (("--power", "-5"), ("power",)),
}
WHOLE = ("nan", "inf", "0", "-1", "", " ", str(10**18), str(10**400), "1e5", "1.5", "0x10", "²", "١٢", "1 2", LONG)
TIMES = ("nan", "0", "-1s", "", " ", "5 parsec", "1e-400s", "s", "٣s", "1e5e5", "--", LONG)


@pytest.mark.parametrize(("words", "expected"), COMPARE.values(), ids=COMPARE)
def test_options(words: tuple[str, str], expected: tuple[str, ...], run: Run) -> None:
    refused(run("compare", "llama-3.1-8b", f"{words[0]}={words[1]}"), *expected)


@pytest.mark.parametrize("option", ["prompt", "output", "batch"])
@pytest.mark.parametrize("value", WHOLE, ids=lambda value: ascii(value)[:24])
def test_whole_numbers(option: str, value: str, run: Run) -> None:
    refused(run("compare", "llama-3.1-8b", "--chips", "h100", f"--{option}={value}"), option, "number")


@pytest.mark.parametrize("option", ["ttft", "tpot"])
@pytest.mark.parametrize("value", TIMES, ids=lambda value: ascii(value)[:24])
def test_times(option: str, value: str, run: Run) -> None:
    refused(run("compare", "llama-3.1-8b", "--chips", "h100", f"--{option}={value}"), option, "2s")


@pytest.mark.parametrize("option", ["tp", "pp", "dp", "ep", "batch", "region"])
@pytest.mark.parametrize("value", ["nan", "-1", "", str(10**18), str(10**400), "1e5", "²", "1.5"], ids=lambda v: v[:20])
def test_cuts(option: str, value: str, run: Run) -> None:
    on = "cs-3" if option == "region" else "8x:h100"
    refused(run("estimate", "llama-3.1-8b", f"--on={on}", f"--{option}={value}"))


@pytest.mark.parametrize(
    ("name", "near"),
    [("llama-3.1-80b", "llama-3.1-8"), ("mixtrl-8x7b", "mixtral-8x7b"), (LONG, "silmark models"), ("", "model"),
     (" ", "model"), ("\0", "model"), ("llama\n70b", "llama"), ("日本", "silmark models")],
    ids=lambda text: ascii(text)[:20],
)  # fmt: skip
def test_models(name: str, near: str, run: Run) -> None:
    refused(run("compare", name, "--chips", "h100"), near)


PAGES = ("hgx-h100-9", "nvidia-h100", "", LONG, "missing.toml", "null\0.toml", "nowhere/x.toml")


@pytest.mark.parametrize("command", ["chips", "systems"])
@pytest.mark.parametrize("name", PAGES, ids=lambda text: ascii(text)[:20])
def test_pages(command: str, name: str, run: Run) -> None:
    refused(run(command, "show", name))


def test_other_words(run: Run) -> None:
    refused(run("schema", "compar"), "compare")
    refused(run("calibrate", "gpuu"), "gpu")
    for words in (("compre", "llama-3.1-8b"), ("compare",), ("compare", "llama-3.1-8b", "--chip", "h100"),
                  ("compare", "llama-3.1-8b", "--power", "much"), ("estimate", "llama-3.1-8b")):  # fmt: skip
        found = run(*words)
        assert found.code == 2
        assert found.out == ""
        assert "Traceback" not in found.err


TOML: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "missing"),
    "binary": (bytes(range(256)) * 64, "not UTF-8"),
    "five megabytes": (b"# " + b"x" * 5_000_000, "larger than"),
    "lists in lists": (b"x = " + b"[" * 9000 + b"]" * 9000, "mine.toml"),
    "tables in tables": (b"[" + b".".join([b"a"] * 9000) + b"]\nx = 1", "mine.toml"),
    "not TOML": (b"<html></html>", "not valid TOML"),
    "another file's TOML": (b'[project]\nname = "x"', "mine.toml"),
    "5000 digits": (b"x = 1" + b"0" * 5000, "mine.toml"),
    "byte order mark": (b"\xef\xbb\xbfid = 'x'", "mine.toml"),
}


@pytest.mark.parametrize(("content", "expected"), TOML.values(), ids=TOML)
def test_toml_files(content: bytes, expected: str, run: Run, own_file: Any) -> None:
    path = own_file(content, "mine.toml")
    refused(run("chips", "show", path), expected)
    refused(run("systems", "show", path), "mine.toml")
    refused(run("compare", "llama-3.1-8b", "--chips", path), "mine.toml")
    refused(run("estimate", "llama-3.1-8b", "--on", path), "mine.toml")


def test_paths(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    endless = tmp_path / "endless.toml"
    endless.symlink_to("/dev/zero")
    loop = tmp_path / "loop.toml"
    loop.symlink_to(loop)
    for path in (folder, pipe, endless, loop, tmp_path / "missing.toml"):
        refused(run("compare", "llama-3.1-8b", "--chips", str(path)), path.name)
    refused(run("compare", str(tmp_path), "--chips", "h100"), "config.json")


def test_wrong_units_name_the_right_one(run: Run, own_file: Any, h100_toml: str) -> None:
    for old, new, expected in (
        ('"TB/s"', '"TB"', "a unit of B/s"),
        ('700, unit = "W"', '700, unit = "J"', "a unit of W"),
        ('"TFLOP/s"', '"TOPS"', "a unit of FLOP/s"),
    ):
        path = own_file(h100_toml.replace(old, new, 1), "units.toml")
        refused(run("chips", "show", path), "units.toml", expected)


CONFIG: dict[str, bytes] = {
    "empty": b"",
    "list": b"[]",
    "cut": b'{"model_type": "llama", ',
    "binary": bytes(range(256)),
    "keys twice": b'{"model_type": "llama", "model_type": "gpt2"}',
    "deep": b"[" * 100_000,
    "large": b'{"x": "' + b"y" * 5_000_000 + b'"}',
    "unknown architecture": b'{"model_type": "newest"}',
    "5000 digits": b'{"model_type": "llama", "hidden_size": 1' + b"0" * 5000 + b"}",
}


@pytest.mark.parametrize("content", CONFIG.values(), ids=CONFIG)
def test_configs(content: bytes, run: Run, own_file: Any) -> None:
    refused(run("compare", own_file(content, "config.json"), "--chips", "h100"), "config.json")


@pytest.mark.parametrize(
    ("key", "value"),
    [("hidden_size", 0), ("hidden_size", -4096), ("hidden_size", "4096"), ("hidden_size", None), ("hidden_size", 0.5),
     ("hidden_size", 10**18), ("num_hidden_layers", 10**9), ("num_attention_heads", 0), ("vocab_size", True),
     ("intermediate_size", [1]), ("num_key_value_heads", float("nan"))],
)  # fmt: skip
def test_keys_of_a_config(key: str, value: object, run: Run, own_file: Any) -> None:
    text = (catalogue.data_folder() / "models" / "llama-3.1-8b.json").read_text(encoding="utf-8")
    broken = json.dumps(json.loads(text) | {key: value})
    refused(run("compare", own_file(broken, "config.json"), "--chips", "h100"), "config.json", key)
