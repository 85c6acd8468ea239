"""Trains the packaged chain of models that draws digits, and scores it: `python benchmarks/denoising.py [--write]`.

About a minute on one core. `--write` replaces src/silmark/data/programs/digits.json. Floating point of another
processor may give other weights of the same quality.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import silmark
from silmark.machines.tsu import denoise, digits
from silmark.machines.tsu.spec import denoising

PROGRAM = Path(silmark.__file__).parent / "data" / "programs" / "digits.json"
SIDE, STEPS, UPDATES = 24, 4, 500


def program(made: denoise.Denoiser) -> dict[str, Any]:
    """The program that draws 256 digits."""
    return {
        "schema": "silmark.program/1",
        "operator": "graph",
        "graph": {
            "lattice": made.wiring.lattice,
            "side": made.wiring.side,
            "samples": 256,
            "sweeps": 250,
            "denoise": denoising(made, scored="digits"),
        },
        "note": f"{made.steps} models that turn noise into seven-segment digits, trained by benchmarks/denoising.py",
    }


def main() -> None:
    """Trains, prints the scores, and writes the program if asked."""
    start = time.perf_counter()
    pictures, _ = digits.draw(4000, 0)
    made = denoise.train(pictures, side=SIDE, steps=STEPS, updates=UPDATES)
    print(f"trained in {time.perf_counter() - start:.0f} s")
    for sweeps in (30, 60, 125, 250, 500, 1000):
        share, away, counts = digits.recognised(denoise.generate(made, 1000, sweeps, seed=1))
        print(f"{sweeps:5d} sweeps: {share:6.1%} recognised, {away:.2f} pixels away, of each digit {counts.tolist()}")
    if "--write" in sys.argv:
        PROGRAM.write_text(json.dumps(program(made)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
