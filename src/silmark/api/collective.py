"""Collectives from words: sizes such as 64MB, chips such as 16x:h100."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from silmark import systems
from silmark.api import question
from silmark.api.question import Count
from silmark.errors import BadValue, UnknownName
from silmark.estimation.collective import CollectiveEstimate
from silmark.estimation.collective import collective as run
from silmark.fabric import PATTERNS
from silmark.figures.units import UNITS
from silmark.systems import Target

SCHEMA = "silmark.collective/1"
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([A-Za-z]{0,3})")
_LARGEST = 1e15
_MOST = 100
Sizes = str | float | Sequence[str | float]


@dataclass(frozen=True, slots=True)
class CollectiveAnswer:
    """The answer to one question."""

    question: dict[str, str]
    target: Target
    estimate: CollectiveEstimate

    def as_dict(self, explain: bool = False) -> dict[str, Any]:
        """The document of silmark.collective/1; SI units, intervals as low, mid and high of 80 %."""
        found = self.estimate
        return {
            "schema": SCHEMA,
            "question": self.question,
            "chip": self.target.chip.id,
            "system": self.target.system.id,
            "units": found.reach.units,
            "members_per_unit": found.reach.node,
            "grade": str(found.grade),
            "rows": [self._row(index) for index in range(found.buffers.size)],
            "figures": [figure.as_dict(key) for key, figure in sorted(found.figures.items())] if explain else None,
        }

    def _row(self, index: int) -> dict[str, Any]:
        found = self.estimate
        return {
            "bytes": float(found.buffers[index]),
            "algorithm": found.chosen[index],
            "time_s": found.time[index].as_dict(),
            "bus_bandwidth": float(found.bus(np.array([one.mid for one in found.time]))[index]),
            "algorithms_s": {name: float(times[index]) for name, times in found.algorithms.items()},
        }


def collective(
    pattern: str, on: str, *, bytes_: Sizes = "64MB", members: Count | None = None, apart: Count = 1
) -> CollectiveAnswer:
    """What a collective takes, by every algorithm that its library offers there.

    Args:
        pattern: all-reduce, all-gather, reduce-scatter, all-to-all or send.
        on: `16x:nvidia-h100-sxm5-80gb`, a system's id, or a `.toml` file.
        bytes_: buffer of one chip as nccl-tests counts it: "64MB", "1MiB,1GiB", or numbers of bytes.
        members: chips that take part; default all (2 for a send).
        apart: chips from one member to the next; replicas of tensor-parallel groups lie tp apart.

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    if pattern not in PATTERNS:
        raise UnknownName("collective", pattern, PATTERNS, hint=f"known collectives: {', '.join(PATTERNS)}")
    target = systems.target(on)
    step = question.whole("apart", apart)
    most = (target.count - 1) // step + 1
    if pattern == "send":
        least, usual, most = 2, 2, 2
    else:
        least, usual = 1, most
    count = usual if members is None else question.whole("members", members)
    if not least <= count <= most or (count - 1) * step >= target.count:
        raise BadValue("members", count, f"{least} to {most}, of the {target.count} chips of {target.name}")
    sizes = np.array([_bytes(part) for part in _parts(bytes_)])
    said = {"pattern": pattern, "on": target.name, "members": str(count), "apart": str(step)}
    return CollectiveAnswer(said, target, run(pattern, sizes, target, count, step))


def _parts(sizes: Sizes) -> list[str | float]:
    if isinstance(sizes, str):
        parts: list[str | float] = [part.strip() for part in sizes.split(",")]
    else:
        parts = [sizes] if isinstance(sizes, int | float) else list(sizes)
    if not 1 <= len(parts) <= _MOST:
        raise BadValue("bytes", sizes, f"1 to {_MOST} sizes, such as 64MB or 1KiB,1MiB,1GiB")
    return parts


def _bytes(size: str | float) -> float:
    """Bytes from `64MB`, `1MiB`, digits or a number; raises BadValue."""
    found: float | None = None
    if isinstance(size, str):
        match = _SIZE.fullmatch(size) if len(size) < 40 else None
        unit = match[2] or "B" if match else ""
        unit = f"k{unit[1:]}" if unit == "KB" else unit
        if match and unit in UNITS and UNITS[unit][0] == "B":
            found = float(match[1]) * UNITS[unit][1]
    elif isinstance(size, int | float) and not isinstance(size, bool):
        found = float(size)
    if found is None or not 1 <= found <= _LARGEST:
        raise BadValue("bytes", size, f"1 byte to {_LARGEST:.0e}, such as 64MB or 1GiB")
    return found
