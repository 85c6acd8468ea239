"""Published energies and times of Extropic's samplers: arithmetic of the papers' own constants."""

import numpy as np
import pytest

from silmark import chips
from silmark.chips.mechanisms import Placement, build
from silmark.formats import Precision
from silmark.graph import Gibbs

CELLS = 269_568


def run(chip, **fields):
    op = {"m": np.ones(()), "nodes": 4900, "degree": 12, "colours": 2, "sweeps": 250, "reads": 0, "writes": 0} | fields
    return build(chip, Precision.of(chip.precision), Placement()).cost(Gibbs(name="g", **op))


@pytest.mark.parametrize(("femtojoules", "nanojoules"), [(1.31, 1.6), (2.0, 2.45)])
def test_one_denoising_step(femtojoules, nanojoules):
    """arXiv:2510.23972: 1.6 nJ (appendix D.4) and 2.45 nJ (2 fJ of the main text) for K = 250, L = 70; 1 %.

    The paper carries both cell energies; a miss means that reads or writes were charged, which it leaves out.
    """
    chip = chips.load("extropic-x0").with_figure("energy.cell", femtojoules * 1e-15)
    cost = run(chip)
    assert float(cost.energy_j) == pytest.approx(nanojoules * 1e-9, rel=0.01)
    assert float(cost.time_s) == pytest.approx(50e-6)


def test_eight_denoising_steps():
    """T = 8: 400 us at 100 ns per colour, 12.8 nJ at 1.31 fJ; 1 %."""
    chip = chips.load("extropic-x0").with_figure("energy.cell", 1.31e-15)
    cost = run(chip, m=np.full((), 8.0))
    assert float(cost.time_s) == pytest.approx(400e-6)
    assert float(cost.energy_j) == pytest.approx(12.8e-9, rel=0.01)


def test_whole_chip_of_z1():
    """arXiv:2608.01615, Table IV, whole chip; 1 %.

    Reading 0.456 uJ in 25 us, programming 41.4 uJ, a draw of 250 sweeps 0.478 uJ in 5 us.
    """
    chip = chips.load("extropic-z1")
    draw = run(chip, nodes=CELLS, degree=16)
    assert float(draw.energy_j) == pytest.approx(0.478e-6, rel=0.01)
    assert float(draw.time_s) == pytest.approx(5e-6)
    read = run(chip, nodes=CELLS, degree=16, reads=CELLS)
    assert float(read.energy_j - draw.energy_j) == pytest.approx(0.456e-6, rel=0.01)
    assert float(read.time_s - draw.time_s) == pytest.approx(25e-6)
    assert read.bound_by() == "sram"
    program = run(chip, nodes=CELLS, degree=16, writes=CELLS)
    assert float(program.energy_j - draw.energy_j) == pytest.approx(41.4e-6, rel=0.01)
    assert float(program.time_s) == pytest.approx(1.0), "couplings change about once per second"


def test_reading_outweighs_sampling_below_1250_sweeps():
    """The readout of 25 us is as long as 1,250 sweeps of 20 ns."""
    cost = run(chips.load("extropic-z1"), nodes=CELLS, degree=16, sweeps=1250, reads=1)
    assert float(cost.parts["compute"]) == pytest.approx(float(cost.parts["sram"]))


def test_sampling_power():
    """269,568 x 7.09 fJ x 50 MHz = 95.6 mW, below the vendor's 1 W; 0.1 %."""
    cost = run(chips.load("extropic-z1"), nodes=CELLS, degree=16)
    assert float(cost.energy_j / cost.time_s) == pytest.approx(95.6e-3, rel=1e-3)
    assert float(cost.energy_j / cost.time_s) < chips.load("extropic-z1").si("power.tdp")


def test_fifty_five_grids_of_seventy_by_seventy():
    """A Z1 holds 55 grids of 4,900 cells: the 56th sample waits for a second round."""
    chip = chips.load("extropic-z1")
    first, last, next_round = (float(run(chip, m=np.full((), m)).time_s) for m in (1.0, 55.0, 56.0))
    assert first == last == next_round / 2
