"""replay_scenarios: what the scheduler decides in recorded scenarios, to be compared with a real engine's decisions."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

from silmark.errors import BadFile, BadValue


def replay_scenarios(
    source: Path | str, target: Path | str, *, watch: Callable[[int, int], None] | None = None
) -> dict[str, int]:
    """Decides every step of the scenarios of a file, and writes the steps to another.

    Args:
        source: JSON, gzipped or not: names to scenarios (an engine's options and requests), as docs/replay.md has them.
        target: JSON to write, gzipped if it ends in .gz: names to steps.
        watch: told after every scenario how many are done, and of how many.

    Returns:
        How many steps each scenario took.

    Raises:
        BadFile: names the scenario, the key and what would be right.
    """
    from silmark.serving.replay import replay  # noqa: PLC0415 - numba takes a second to import
    from silmark.serving.scenario import read  # noqa: PLC0415

    source, target = Path(source), Path(target)
    scenarios, decided = read(source), {}
    for name, scenario in scenarios.items():
        try:
            decided[name] = replay(scenario)
        except BadValue as error:
            raise BadFile(source, str(error), name) from None
        if watch is not None:
            watch(len(decided), len(scenarios))
    text = json.dumps(decided, separators=(",", ":")).encode()
    try:
        target.write_bytes(gzip.compress(text, mtime=0) if target.suffix == ".gz" else text)
    except OSError as error:
        raise BadFile(target, f"cannot be written: {error}") from None
    return {name: len(steps) for name, steps in decided.items()}
