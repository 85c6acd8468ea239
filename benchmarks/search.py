"""How long plan searches take, in CPU seconds of one core: hot, as typed, and a peer beside them in the same run.

The peer is aiconfigurator. It is measured where an environment has it (`python -m venv peer; peer/bin/pip install
aiconfigurator`) and SILMARK_PEER names that environment's folder; elsewhere the figures of an earlier run are cited.
Only its time is taken: what it prints is thrown away.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import silmark

PEER = "SILMARK_PEER"
_HOT = """
import os, sys, time
from aiconfigurator.main import main
out, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
os.dup2(null, 1), os.dup2(null, 2)
for _ in range(2):
    start = time.process_time()
    try:
        main()
    except SystemExit as stop:
        failed = stop.code
    else:
        failed = 0
    spent = time.process_time() - start
os.write(out, str(spent).encode())
sys.exit(failed)
"""


@dataclass(frozen=True, slots=True)
class Question:
    """One search, as Silmark and the peer are asked it.

    Attributes:
        label: as printed.
        words: of Silmark: model and chips.
        peer: of the peer: model, number of chips, system.
        cited: the peer's CPU seconds hot and as typed in earlier runs (aiconfigurator 0.12), shown where it is not
            installed; hot runs of minutes are not taken at all.
    """

    label: str
    words: tuple[str, str]
    peer: tuple[str, str, str]
    cited: tuple[str, str]


QUESTIONS = (
    Question(
        "Llama-3.1-70B on 32 H100",
        ("llama-3.1-70b", "32x:nvidia-h100-sxm5-80gb"),
        ("meta-llama/Meta-Llama-3.1-70B", "32", "h100_sxm"),
        ("3.4 s", "8.9 s"),
    ),
    Question(
        "DeepSeek-V3 on 64 H200",
        ("deepseek-v3", "64x:nvidia-h200-sxm-141gb"),
        ("deepseek-ai/DeepSeek-V3", "64", "h200_sxm"),
        ("", "151 s"),
    ),
)


def hot(question: Question, repeats: int = 5) -> float:
    """CPU seconds of the public call, winners and frontier with their error bars included; the least of several."""
    times = []
    for _ in range(repeats + 1):
        start = time.process_time()
        found = silmark.search(*question.words)
        assert found.verdicts
        assert found.frontier
        times.append(time.process_time() - start)
    return min(times[1:])


def typed(command: list[str], repeats: int = 3) -> float:
    """CPU seconds of a command in a process of its own, the least of several; NaN if it fails."""
    times = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            return float("nan")
        times.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(times)


def peer_words(question: Question) -> list[str]:
    """The peer's arguments for the same question: chat's lengths and promises."""
    model, chips, system = question.peer
    asked = {"model-path": model, "total-gpus": chips, "system": system}
    asked |= {"isl": "1024", "osl": "256", "ttft": "2000", "tpot": "50"}
    return ["cli", "default", *(word for key, value in asked.items() for word in (f"--{key}", value))]


def peer(question: Question) -> tuple[str, str]:
    """The peer hot and as typed: measured where it is installed, else cited."""
    folder = os.environ.get(PEER)
    if not folder:
        hot_, typed_ = (f"{cited} (cited)" if cited else "-" for cited in question.cited)
        return hot_, typed_
    binary = Path(folder) / "bin"
    words = peer_words(question)
    as_typed = typed([str(binary / "aiconfigurator"), *words], repeats=1)
    again = "-"
    if question.cited[0]:
        done = subprocess.run([str(binary / "python"), "-c", _HOT, *words], check=False, capture_output=True, text=True)
        again = _measured(float(done.stdout) if done.returncode == 0 else float("nan"))
    return again, _measured(as_typed)


def _measured(seconds: float) -> str:
    return f"{seconds:.3g} s (aiconfigurator, same run)"


def rows() -> list[tuple[str, str, str]]:
    """What, Silmark, peer."""
    found = []
    for question in QUESTIONS:
        model, on = question.words
        command = [sys.executable, "-m", "silmark", "search", model, "--on", on]
        others = peer(question)
        found.append((f"silmark.search, {question.label}, hot, CPU", f"{hot(question):.2g} s", others[0]))
        found.append((f"silmark search, {question.label}, as typed, CPU", f"{typed(command):.2g} s", others[1]))
    command = [sys.executable, "-m", "silmark", "size", "llama-3.1-70b", "--rate", "50/s"]
    found.append(("silmark size, Llama-3.1-70B, all chips, as typed, CPU", f"{typed(command):.2g} s", "-"))
    return found


if __name__ == "__main__":
    for row in rows():
        print(" | ".join(row))
