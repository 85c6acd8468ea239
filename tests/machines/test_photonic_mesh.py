"""The interferometer mesh of Mars: phases, light, products."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark import chips
from silmark.machines import Run, machine
from silmark.machines.base import Facts
from silmark.machines.lowering import MatMul
from silmark.machines.photonic import clements
from silmark.machines.photonic.instructions import Tile
from silmark.machines.photonic.mesh import Budget, Devices, InterferometerMesh, read
from silmark.machines.program import parse
from silmark.machines.reference import distance, outputs
from silmark.numerics import analog
from silmark.numerics.analog import Converter

CHIP = chips.load("lightmatter-processor-2025")


def ran(m: int, n: int, k: int) -> tuple[Run, float]:
    """A product on Mars, and its SNR."""
    shape = {"m": m, "n": n, "k": k}
    one = parse({"schema": "silmark.program/1", "operator": "gemm", "shape": shape})
    found = machine("photonic").ask(one, CHIP, optics="mesh")
    assert isinstance(found, Run)
    away = distance(found.outputs, outputs(one)).snr_db
    assert away is not None
    return found, away


@settings(max_examples=30)
@given(size=st.integers(1, 12), seed=st.integers(0, 2**32 - 1), real=st.booleans())
def test_a_mesh_is_its_matrix(size: int, seed: int, real: bool) -> None:
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((2, 3, size, size))
    unitary = np.linalg.qr(drawn[0] if real else drawn[0] + 1j * drawn[1])[0]
    mesh = clements.decompose(unitary)
    assert len(mesh.modes) == size * (size - 1) // 2
    assert mesh.depth == (size if size > 2 else size - 1)  # all columns are full, but for two modes
    assert np.abs(clements.realise(mesh) - unitary).max() < 1e-12
    assert ((mesh.theta >= 0) & (mesh.theta <= np.pi / 2)).all()


def test_light_only_splits() -> None:
    """Whatever the phases, no power is made or lost."""
    rng = np.random.default_rng(1)
    mesh = clements.decompose(np.linalg.qr(rng.standard_normal((1, 16, 16)))[0])
    wrong = replace(mesh, theta=mesh.theta + rng.standard_normal(mesh.theta.shape))
    made = clements.realise(wrong)[0]
    assert np.allclose(made @ made.conj().T, np.eye(16), atol=1e-12)


PERFECT = Devices(16, 0, 0.0, 0.0, Converter(16), Converter(16), 8.0, inf)


def test_two_meshes_and_attenuators_are_any_matrix() -> None:
    rng = np.random.default_rng(2)
    matrices = np.stack([rng.standard_normal((16, 16)), np.zeros((16, 16)), np.diag(np.arange(16.0)), np.eye(16)])
    found, scales = InterferometerMesh(PERFECT, 0).realised(matrices)
    assert np.abs(found * scales[:, None, None] - matrices).max() < 1e-12
    assert np.linalg.norm(found, 2, axis=(1, 2)).max() < 1 + 1e-12  # passive


def test_errors_of_phases_cost_what_they_should() -> None:
    """An error in quadrature: 6 dB per doubling, until it is no longer small; steps of a bit more, 6 dB less noise."""
    rng = np.random.default_rng(3)
    matrices = rng.standard_normal((20, 16, 16))

    def lost(**changes: Any) -> float:
        found, scales = InterferometerMesh(replace(PERFECT, **changes), 5).realised(matrices)
        return analog.sqnr_db(matrices, found * scales[:, None, None])

    assert lost(phase_error=0.002) - lost(phase_error=0.004) == pytest.approx(6.0, abs=0.5)
    assert lost(phase_bits=10) - lost(phase_bits=9) == pytest.approx(6.0, abs=1.0)
    assert lost(phase_error=0.002) > lost(phase_error=0.3) > -3


def test_phases_drift_from_calibration_on() -> None:
    one, matrices = replace(PERFECT, phase_drift=0.01), np.random.default_rng(4).standard_normal((5, 16, 16))
    fresh, hour, day = (InterferometerMesh(one, 0).realised(matrices, hours)[0] for hours in (0.0, 1.0, 16.0))
    assert analog.sqnr_db(fresh, hour) - analog.sqnr_db(fresh, day) == pytest.approx(12, abs=1.5)  # the root of 16


def test_shot_noise_asks_for_four_times_the_light_per_bit() -> None:
    one = Budget(light_w=1e-3, loss_db=20.0, responsivity=1.0, bandwidth=1e9)
    # 10 uW make 10 uA; q B is 0.1602 nA: 62,415 electrons per vector, whose root is 7.96 bits.
    assert one.bits == pytest.approx(7.965, abs=0.001)
    assert one.needed_w(one.bits + 1) == pytest.approx(4e-3)
    assert replace(one, loss_db=20 + 20 * np.log10(2)).bits == pytest.approx(one.bits - 1)


def test_a_mesh_of_128_interferometers_of_single_devices_would_be_dark() -> None:
    found, _ = ran(8, 64, 64)
    assert "to 135.0 dB" in str(found.facts["insertion_loss"])
    assert "-11.3 to" in str(found.facts["shot_noise"])


@pytest.mark.parametrize(("m", "n", "k"), [(5, 64, 64), (3, 100, 130), (70, 1, 65)])
def test_a_mesh_multiplies(m: int, n: int, k: int) -> None:
    assert 15 < ran(m, n, k)[1] < 35


def test_a_mesh_without_errors_leaves_those_of_converters() -> None:
    devices = read(Facts("photonic", CHIP), 1e9)
    perfect = InterferometerMesh(replace(devices, phase_bits=0, phase_error=0.0, shot_bits=inf), 0)
    x, w = np.random.default_rng(6).standard_normal((2, 64, 64), np.float32)
    held = perfect.install(0, Tile(MatMul("w", "x", "w", "o", 64, 64, 64), 0, 0, 0), w, 0.0)
    assert analog.sqnr_db(x @ w, perfect.fire(held, x, 0)) > 38  # converters of 10 and 11 bits alone
