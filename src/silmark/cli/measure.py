"""`silmark measure`: times operators on this machine and writes rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def measure(
    output: Annotated[Path, typer.Option("-o", "--output", help="CSV to write")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, rocm or xpu, with an index such as cuda:1")] = "auto",
    budget: Annotated[str, typer.Option(help="time to spend, such as 60s or 10min")] = "60s",
    grid: Annotated[str, typer.Option(help="which shapes: small, full, or a .toml file")] = "small",
    threads: Annotated[int, typer.Option(help="threads on a CPU; 0: as many as PyTorch takes")] = 0,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="print a line per row")] = False,
) -> None:
    """Time operators and a small transformer on this machine (needs the extra torch)."""
    from silmark.api.question import duration  # noqa: PLC0415
    from silmark.calibration.measure import load, write  # noqa: PLC0415
    from silmark.calibration.measure import measure as run  # noqa: PLC0415
    from silmark.calibration.measure.device import probe  # noqa: PLC0415
    from silmark.errors import BadValue  # noqa: PLC0415

    points, seconds = load(grid), duration("budget", budget)
    if not output.parent.is_dir():
        raise BadValue("output", str(output), "a path inside an existing folder")
    found_device = probe(device, threads)
    spoken = f", {found_device.threads} threads" if found_device.threads else ""
    sys.stdout.write(f"{found_device.name}{spoken}; {found_device.libraries}; {len(points)} points\n")

    def report(line: str) -> None:
        if verbose:
            sys.stdout.write(line + "\n")

    found = run(found_device, points, seconds, report)
    write(output, found.rows)
    for reason, count in found.skipped.most_common():
        sys.stdout.write(f"left out: {count} points, {reason}\n")
    disturbed = sum(row["flag"] != "" for row in found.rows)
    if disturbed:
        sys.stdout.write(f"flagged: {disturbed} rows, other programs used the processor during every repeat\n")
    sys.stdout.write(f"wrote {output}: {len(found.rows)} rows in {found.seconds:.0f} s\n")
