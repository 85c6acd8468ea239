"""A run as Chrome's trace JSON, which ui.perfetto.dev and chrome://tracing open: one track per unit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from silmark.errors import BadValue
from silmark.machines.run import Event, Run

MOST_EVENTS = 200_000
"""About 20 MB, which Perfetto opens in seconds."""


def write(run: Run, path: Path) -> str:
    """Writes the file; returns what was left out, empty for nothing.

    Times are microseconds of the machine; every slice has its cycles as arguments.

    Raises:
        BadValue: a file that cannot be written.
    """
    kept = run.events[:MOST_EVENTS]
    left_out = f"{len(run.events) - len(kept):,} of {len(run.events):,} events" if len(kept) < len(run.events) else ""
    head = {
        "displayTimeUnit": "ns",
        "otherData": {"simulator": "silmark", "clock_hz": run.clock_hz, "left_out": left_out},
    }
    try:
        with path.open("w", encoding="utf-8") as file:
            file.write(json.dumps(head)[:-1] + ', "traceEvents": [')
            for number, event in enumerate(_events(kept, run.clock_hz)):
                file.write((",\n" if number else "\n") + json.dumps(event))
            file.write("\n]}\n")
    except OSError as error:
        raise BadValue("timeline", str(path), f"a file that can be written ({error.strerror})") from None
    return left_out


def _events(events: Sequence[Event], clock_hz: float) -> Iterator[dict[str, Any]]:
    """Names of processes and tracks, then the slices; what stands before `/` in a track is its process."""
    processes: dict[str, int] = {}
    tracks: dict[str, int] = {}
    for event in events:
        if event.track not in tracks:
            group, _, name = event.track.rpartition("/")
            if group not in processes:
                processes[group] = len(processes)
                yield _name("process_name", processes[group], 0, group or "machine")
            tracks[event.track] = len(tracks)
            yield _name("thread_name", processes[group], tracks[event.track], name)
        yield {
            "ph": "X",
            "pid": processes[event.track.rpartition("/")[0]],
            "tid": tracks[event.track],
            "name": event.name,
            "ts": event.start / clock_hz * 1e6,
            "dur": event.cycles / clock_hz * 1e6,
            "args": {"cycle": event.start, "cycles": event.cycles},
        }


def _name(kind: str, process: int, track: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "pid": process, "tid": track, "name": kind, "args": {"name": name}}
