"""What every machine and every program has to keep, whichever it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import silmark
from silmark import chips
from silmark.figures import Grade
from silmark.figures.sources import load_sources
from silmark.machines import MACHINES, Refusal, machine
from silmark.machines.base import own_figures
from silmark.machines.program import load, packaged
from silmark.machines.reference import distance, outputs
from silmark.machines.shapes import multiply_adds

MOST = 1e9
"""Multiply-adds of a program that is run twice here; larger ones have tests of their own."""
every_machine = pytest.mark.parametrize("name", MACHINES)


@every_machine
def test_its_own_program_runs(name: str) -> None:
    one = machine(name)
    run = one.ask(load(one.program), chips.load(one.chips[0]))
    assert not isinstance(run, Refusal)
    assert run.cycles > 0
    assert all(np.isfinite(value).all() for value in run.outputs.values())


@every_machine
def test_laws_of_every_packaged_program(name: str) -> None:
    one = machine(name)
    for program in map(load, packaged()):
        if program.operator not in one.operators or program.format not in ("default", *one.formats):
            continue
        if program.shape is not None and multiply_adds(program.shape) > MOST:
            continue
        chip = chips.load(one.chips[0])
        run, again = one.ask(program, chip), one.ask(program, chip)
        if isinstance(run, Refusal):
            continue
        assert not isinstance(again, Refusal)
        assert (run.cycles, run.energy_j, run.facts) == (again.cycles, again.energy_j, again.facts)
        assert all(np.array_equal(value, again.outputs[key]) for key, value in run.outputs.items())
        assert run.total_j.mid == pytest.approx(sum(part.mid for part in run.energy_j.values()))
        assert all(0 <= part.low <= part.mid <= part.high for part in run.energy_j.values())
        assert all(0 <= share <= 1 + 1e-9 for share in run.utilisation.values()), run.utilisation
        assert all(0 <= event.start <= event.start + event.cycles <= run.cycles for event in run.events)
        for key, right in outputs(program).items():
            assert run.outputs[key].shape == right.shape
            assert run.outputs[key].dtype == np.float32


def test_the_reference_of_itself_is_at_no_distance() -> None:
    exact = outputs(load("mlp"))
    found = distance({name: value.astype(np.float32) for name, value in exact.items()}, exact)
    assert found.largest < 1e-6
    assert found.snr_db is not None
    assert found.snr_db > 120


@every_machine
def test_figures_have_known_sources_and_assumed_ones_intervals(name: str) -> None:
    known = load_sources()
    for key, figure in own_figures(name).items():
        assert figure.source in known, key
        if figure.grade is Grade.ASSUMED:
            assert figure.low < figure.high, key


@every_machine
def test_its_floor_plan_shows_units_that_were_measured(name: str) -> None:
    one = machine(name)
    chip = chips.load(one.chips[0])
    run = one.ask(load(one.program), chip)
    assert not isinstance(run, Refusal)
    tiles = one.floorplan(chip)
    assert {tile.unit for tile in tiles} & set(run.utilisation)
    for first, a in enumerate(tiles):
        for b in tiles[first + 1 :]:
            beside = a.x + a.width <= b.x + 1e-9 or b.x + b.width <= a.x + 1e-9
            above = a.y + a.height <= b.y + 1e-9 or b.y + b.height <= a.y + 1e-9
            assert beside or above, (a, b)


@pytest.mark.parametrize(
    ("name", "form"), [("tsp", "fp16"), ("wafer", "fp16"), ("systolic", None), ("dimc", "bfp16-64")]
)
def test_results_beyond_its_numbers_are_an_answer(name: str, form: str | None, tmp_path: Path) -> None:
    """Weights near FP16's largest make sums that FP16 does not have and BF16 has."""
    size = {"m": 2, "n": 64, "k": 64}
    document = {"schema": "silmark.program/1", "operator": "gemm", "shape": size, "weights": "w.safetensors"}
    (tmp_path / "p.json").write_text(json.dumps(document | ({"format": form} if form else {})))
    save_file({"weight": np.full((64, 64), 6e4, np.float32)}, tmp_path / "w.safetensors")
    answer = silmark.machine(name, str(tmp_path / "p.json"))
    assert (answer.run is None) == (form is not None)
    assert form is None or f"beyond the largest number of {form}" in answer.reason
