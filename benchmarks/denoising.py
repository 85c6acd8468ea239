"""Scores the packaged chain of models that draws digits; `--train` learns it anew (a minute on one core) and writes it.

`docs/machines/tsu.md` quotes these tables.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import silmark
from silmark.machines.program import load
from silmark.machines.tsu import denoise, digits
from silmark.machines.tsu.cells import IDEAL, Cells
from silmark.machines.tsu.spec import denoiser, denoising, read

PROGRAM = Path(silmark.__file__).parent / "data" / "programs" / "digits.json"
SIDE, STEPS, UPDATES = 24, 4, 500
PICTURES = 1000
SWEEP_S = 20e-9
"""Both colours of Z1."""
CELLS = (
    ("ideal", IDEAL),
    *((f"{bits} bits", Cells(bits=bits)) for bits in (8, 6, 5, 4)),
    *((f"slopes spread by {gain:.0%}", Cells(gain=gain)) for gain in (0.05, 0.15)),
    *((f"centres spread by {offset:g}", Cells(offset=offset)) for offset in (0.1, 0.3)),
    *((f"noise forgets in {tau * 1e9:.0f} ns", Cells(correlation_s=tau)) for tau in (1e-8, 2e-8, 5e-8, 1e-7)),
)


def learned() -> denoise.Denoiser:
    """A chain from pictures drawn here."""
    start = time.perf_counter()
    made = denoise.train(digits.draw(4000, 0)[0], side=SIDE, steps=STEPS, updates=UPDATES)
    print(f"trained in {time.perf_counter() - start:.0f} s")
    return made


def program(made: denoise.Denoiser) -> dict[str, Any]:
    """The program that draws digits with it."""
    graph = {"lattice": made.wiring.lattice, "side": made.wiring.side, "samples": 256, "sweeps": 250}
    return {
        "schema": "silmark.program/1",
        "operator": "graph",
        "graph": {**graph, "denoise": denoising(made, scored="digits")},
        "note": f"{made.steps} models that turn noise into seven-segment digits, trained by benchmarks/denoising.py",
    }


def scores(made: denoise.Denoiser, sweeps: int, cells: Cells = IDEAL) -> str:
    """Cells of a table: how good pictures are."""
    pictures = denoise.generate(made, PICTURES, sweeps, seed=1, cells=cells, interval_s=SWEEP_S)
    share, away, counts = digits.recognised(pictures)
    return f"{share:.1%} | {away:.1f} | {' '.join(map(str, counts))} |"


def main() -> None:
    """Prints the tables, and writes the program if it was learned anew."""
    if "--train" in sys.argv:
        made = learned()
        PROGRAM.write_text(json.dumps(program(made)) + "\n", encoding="utf-8")
    spec, wiring = read(load("digits"))
    packaged = denoiser(load("digits"), spec, wiring)
    assert packaged is not None
    for sweeps in (30, 60, 125, 250, 500, 1000):
        print(f"| {sweeps} sweeps | {scores(packaged, sweeps)}")
    for name, cells in CELLS:
        print(f"| {name} | {scores(packaged, 250, cells)}")


if __name__ == "__main__":
    main()
