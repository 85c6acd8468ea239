"""The chain of models that takes noise away: its parts, a small one trained here, and the packaged one."""

import json
import math

import numpy as np
import pytest

from silmark import chips
from silmark.errors import BadFile
from silmark.figures.tables import data_folder
from silmark.machines import machine
from silmark.machines.program import parse
from silmark.machines.tsu import denoise, digits
from silmark.machines.tsu.graph import lattice
from silmark.machines.tsu.spec import denoiser, denoising, read

TSU, Z1 = machine("tsu"), chips.load("extropic-z1")


def packaged(**changes):
    """The packaged program with other samples or sweeps."""
    table = json.loads((data_folder() / "programs" / "digits.json").read_text())
    table["graph"] |= changes
    return parse(table, "digits.json")


def test_digits_are_told_from_each_other_and_from_noise():
    pictures, labels = digits.draw(2000, 3)
    share, away, counts = digits.recognised(pictures)
    assert share > 0.99
    assert away == pytest.approx(144 * digits.SPECKLE, rel=0.1)
    assert counts.sum() == pytest.approx(2000, abs=20)
    assert np.abs(counts - np.bincount(labels)).max() <= 20
    noise = np.where(np.random.default_rng(0).random((2000, 144)) < 0.5, -1, 1).astype(np.int8)
    assert digits.recognised(noise)[0] == 0
    clean, names = digits.templates()
    assert (digits.recognised(clean)[2] == np.bincount(names)).all()
    assert (digits.draw(2000, 3)[0] == pictures).all()


def test_noise_is_the_paper_s():
    """Gamma = ln((1 + exp(-2 g t)) / (1 - exp(-2 g t))), Eq. A20 with two states, and flips add up over steps."""
    for steps in (2, 4, 8):
        flips = denoise.flips_of(steps)
        decay = 1 - 2 * flips  # exp(-2 g t)
        made = denoise.Denoiser(lattice("square", 2), np.arange(1), np.zeros((steps, 4)), np.zeros((steps, 4)), flips)
        assert made.gamma == pytest.approx(math.log((1 + decay) / (1 - decay)))
        assert decay**steps == pytest.approx(0.05)
    rng = np.random.default_rng(1)
    ones = np.ones((400, 500), dtype=np.int8)
    assert denoise.noised(ones, 0.2, 3, rng).mean() == pytest.approx(0.6**3, abs=0.01)


def test_pixels_lie_evenly_on_cells_of_their_own():
    for side in (12, 20, 24, 28):
        cells = denoise.spread_pixels(side, 12)
        assert len(np.unique(cells)) == 144
        assert cells.max() < side * side


def test_without_couplings_a_step_undoes_nothing():
    """One step from x with no model draws each pixel as x with the odds of gamma: exp(gamma) = (1 - q) / q."""
    made = denoise.Denoiser(lattice("square", 12), np.arange(144), np.zeros((1, 264)), np.zeros((1, 144)), 0.2)
    rng_picture = np.random.default_rng([9, 5])
    start = 1 - 2 * rng_picture.integers(0, 2, (500, 144))
    found = denoise.generate(made, 500, 5, seed=9)
    assert (found == start).mean() == pytest.approx(0.8, abs=0.01)


def test_the_packaged_chain_draws_digits():
    """At least 60 % of 128 pictures, none of noise; more sweeps are better; four bits spoil it."""
    shares = {
        (sweeps, bits): TSU.ask(packaged(samples=128, sweeps=sweeps), Z1, bits=bits).facts["recognised as digits"]
        for sweeps, bits in ((30, 0), (250, 0), (250, 8), (250, 4))
    }
    assert shares[250, 0] > 0.6
    assert shares[30, 0] < shares[250, 0]
    assert shares[250, 8] == pytest.approx(shares[250, 0], abs=0.1)
    assert shares[250, 4] < 0.1


def test_correlated_noise_costs_pictures():
    """The 100 ns of the circuit of 2025 at 20 ns per sweep: fewer digits, but not none."""
    slow = TSU.ask(packaged(samples=128), Z1, correlation_ns=100).facts["recognised as digits"]
    assert 0.2 < slow < TSU.ask(packaged(samples=128), Z1).facts["recognised as digits"]


def test_time_and_energy_of_a_picture():
    """4 models of 576 cells, 250 sweeps: 20 us and 4.1 nJ of sampling per picture, 117 copies side by side."""
    run = TSU.ask(packaged(samples=117), Z1)
    assert (run.facts["copies side by side"], run.facts["rounds"]) == (117, 1)
    assert run.cycles == 2 * 4 * 250 + 2500
    assert run.energy_j["sampling"].mid / 117 == pytest.approx(4 * 250 * 576 * 7.09e-15)
    assert run.energy_j["readout"].mid / 117 == pytest.approx(144 * 1.692e-12)
    refused = TSU.ask(packaged(), chips.load("extropic-x0"))
    assert "16 wires" in refused.reason
    assert "extropic-x0 has 12" in refused.reason


def test_what_does_not_fit_the_lattice():
    def broken(**changes):
        table = packaged().graph["denoise"] | changes
        return packaged(denoise=table)

    for wrong, key in (
        (broken(couplings=[[1]]), "couplings"),
        (broken(bias_units=[1.0]), "biases"),
        (broken(picture=25), "picture"),
        (broken(flips=0.5), "flips"),
        (broken(scored="faces"), "scored"),
        (packaged(denoise=packaged().graph["denoise"], clamps=[[0, 1]]), "denoise"),
    ):
        with pytest.raises(BadFile, match=key):
            TSU.ask(wrong, Z1)


def test_a_chain_survives_its_file():
    spec, wiring = read(packaged())
    made = denoiser(packaged(), spec, wiring)
    again = denoising(made, scored="digits")
    assert again["couplings"] == packaged().graph["denoise"]["couplings"]
    assert again["picture"] == 12


@pytest.mark.slow
def test_training_learns():
    """Ten seconds: two models of 576 cells; untrained ones give no digit, these must give one in four."""
    pictures, _ = digits.draw(2000, 0)
    heard = []
    made = denoise.train(
        pictures, kind="g12", side=24, steps=2, updates=300, batch=128, told=lambda *what: heard.append(what)
    )
    before = denoise.train(pictures, kind="g12", side=24, steps=2, updates=1, batch=128)
    shares = [digits.recognised(denoise.generate(one, 256, 250, seed=1))[0] for one in (made, before)]
    assert shares[0] > 0.25
    assert shares[1] < 0.01
    gaps = [gap for step, _, gap in heard if step == 0]
    assert np.mean(gaps[-10:]) < 0.9 * gaps[0]
