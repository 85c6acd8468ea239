"""Recorded schedules in a compact form: each step as what differs from the step that one would expect.

A file is xz-compressed JSON: scenarios by name, each with its `config` and its `steps`. A step is 0 if it is the
expected one, else the fields that differ. Expected are, one after the other: everybody still running gets one token;
nobody is admitted or preempted; running are those before, without the finished and preempted, then the admitted;
waiting are those before without the admitted; blocks free as before; everybody who was given one token emits one;
nobody finishes. Of what a tier holds only the number of blocks and a checksum is kept.
"""

from __future__ import annotations

import json
import lzma
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "goldens"
Step = dict[str, Any]


def _expected(before: Step, actual: Step) -> Step:
    """The step that follows; fields of `actual` that come first are used for those after them."""
    going = [name for name in before["running"] if name not in before["finished"]]
    sched = actual.get("sched", dict.fromkeys(going, 1))
    new, preempted = actual.get("new", {}), actual.get("preempted", [])
    return {
        "step": before["step"] + 1,
        "sched": sched,
        "total": sum(sched.values()),
        "new": {},
        "preempted": [],
        "running": [name for name in going if name not in preempted] + list(new),
        "waiting": [name for name in before["waiting"] if name not in new],
        "free_blocks": before["free_blocks"],
        "tokens": {name: 1 for name, count in sched.items() if count == 1},
        "finished": [],
    } | ({"tier": before["tier"]} if "tier" in before else {})


_START: Step = {"step": -1, "running": [], "finished": [], "waiting": [], "free_blocks": 0}


def short(steps: list[Step]) -> list[Step]:
    """Steps in which what the tier holds is a number of blocks and a checksum of all that is known of them."""
    return [
        step | {"tier": [len(step["tier"]), zlib.crc32(json.dumps(step["tier"]).encode())]} if "tier" in step else step
        for step in steps
    ]


def pack(steps: list[Step]) -> list[Any]:
    """Steps as what is unexpected in them."""
    packed: list[Any] = []
    before = _START
    for step in steps:
        expected = _expected(before, step) | {"sched": _expected(before, {})["sched"]}
        packed.append({field: value for field, value in step.items() if value != expected.get(field)} or 0)
        before = step
    return packed


def unpack(packed: list[Any]) -> list[Step]:
    """The reader: steps as they were recorded."""
    steps, before = [], _START
    for entry in packed:
        before = _expected(before, entry or {}) | (entry or {})
        steps.append(before)
    return steps


def read(name: str) -> dict[str, tuple[dict[str, Any], list[Step]]]:
    """Config and steps of each scenario of a file."""
    stored = json.loads(lzma.decompress((FOLDER / f"{name}.json.xz").read_bytes()))
    return {key: (entry["config"], unpack(entry["steps"])) for key, entry in stored.items()}


def write(name: str, scenarios: dict[str, tuple[dict[str, Any], list[Step]]]) -> None:
    """Stores configs and steps."""
    stored = {key: {"config": config, "steps": pack(steps)} for key, (config, steps) in scenarios.items()}
    text = json.dumps(stored, separators=(",", ":"))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json.xz").write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def compare(answered: NDArray[np.void], steps: list[Step], names: tuple[str, ...], step_ns: int) -> None:
    """Asserts that a simulation in which every step takes `step_ns` admits, preempts and answers as was recorded."""
    admitted: dict[str, tuple[int, int]] = {}
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    preempted: Counter[str] = Counter()
    for step in steps:
        for one, cached in step["new"].items():
            admitted.setdefault(one, (step["step"], cached))
        for one in step["tokens"]:
            first.setdefault(one, step["step"] + 1)
            last[one] = step["step"] + 1
        preempted.update(step["preempted"])
    assert answered.size == len(names)
    for row in answered:
        one = names[row["name"]]
        assert (row["scheduled_ns"] // step_ns, row["cached"]) == admitted[one]
        assert row["first_ns"] == first[one] * step_ns
        assert row["last_ns"] == last[one] * step_ns
        assert row["preemptions"] == preempted[one]
