"""A core of Mars: W = U S V^H as two meshes of interferometers with attenuators between them.

Amplitudes of light carry the vector. Phases are set in steps, with an error of each shifter that stays. Light is lost
in every interferometer; the shot noise of what is left, found with a reference beam, is the noise of the result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from silmark.figures import Figure
from silmark.machines.base import Facts
from silmark.machines.photonic import clements
from silmark.machines.photonic.clements import Real
from silmark.machines.photonic.instructions import Tile
from silmark.machines.run import Array
from silmark.numerics import formats
from silmark.numerics.analog import Converter

_CHARGE = 1.602176634e-19
"""Of an electron, C (exact since 2019)."""


@dataclass(frozen=True, slots=True)
class Devices:
    """What a mesh is made of.

    Attributes:
        size: inputs and outputs.
        phase_bits: of a turn; 0 for phases without steps.
        phase_error, phase_drift: standard deviation of a shifter after calibration, and per root of an hour; radians.
        input, output: converters.
        gain: of the amplifier; the output converter's range is the root of the size over it.
        shot_bits: bits that shot noise leaves of full scale; infinite for none.
    """

    size: int
    phase_bits: int
    phase_error: float
    phase_drift: float
    input: Converter
    output: Converter
    gain: float
    shot_bits: float


@dataclass(frozen=True, slots=True)
class Budget:
    """Light of one input, from the laser to the detector.

    Attributes:
        light_w: into the chip.
        loss_db: on the way.
        responsivity: A/W of the detector.
        bandwidth: vectors per second, Hz.
    """

    light_w: float
    loss_db: float
    responsivity: float
    bandwidth: float

    @property
    def bits(self) -> float:
        """Bits whose step is the shot noise: P >= 2^(2 b) q B / R at the detector, solved for b."""
        electrons = self.responsivity * self.light_w * 10 ** (-self.loss_db / 10) / (_CHARGE * self.bandwidth)
        return 0.5 * math.log2(electrons)

    def needed_w(self, bits: float) -> float:
        """Light of one input for so many bits."""
        return self.light_w * 4 ** (bits - self.bits)


def budget(facts: Facts, clock: float, loss: float) -> Budget:
    """Light of one input of Mars, where an interferometer loses so many dB: two meshes and an attenuator."""
    size = facts.own("mesh.size").value
    return Budget(
        light_w=facts.own("mesh.light").value / size,
        loss_db=facts.own("mesh.ends").value + (2 * size + 1) * loss,
        responsivity=facts.own("mesh.responsivity").value,
        bandwidth=clock,
    )


def read(facts: Facts, clock: float) -> Devices:
    """Devices of Mars."""
    return Devices(
        size=facts.whole("mesh.size"),
        phase_bits=facts.whole("mesh.phase_bits"),
        phase_error=facts.own("mesh.phase_error").value,
        phase_drift=facts.own("mesh.phase_drift").value,
        input=Converter(facts.whole("mesh.dac_bits")),
        output=Converter(facts.whole("mesh.adc_bits")),
        gain=facts.own("mesh.gain").value,
        shot_bits=budget(facts, clock, facts.own("mesh.loss").value).bits,
    )


def words(facts: Facts, clock: float) -> dict[str, str | int | float]:
    """What a reader should know of the light."""
    loss: Figure = facts.own("mesh.loss")
    lossy, usual, clear = (budget(facts, clock, one) for one in (loss.high, loss.value, loss.low))
    bits = facts.own("mesh.adc_bits").value
    return {
        "insertion_loss": f"{usual.loss_db:.1f} dB; as it is known: {clear.loss_db:.1f} to {lossy.loss_db:.1f} dB",
        "shot_noise": f"{usual.bits:.1f} bits of full scale; as loss is known: {lossy.bits:.1f} to {clear.bits:.1f}",
        "light_for_the_converter": f"{facts.own('mesh.size').value * usual.needed_w(bits):.3g} W for {bits:.0f} bits",
    }


@dataclass(frozen=True, slots=True)
class _Held:
    """What a mesh multiplies by: (width, depth) of at most 1, and the value of 1."""

    matrix: NDArray[np.float32]
    scale: float


class InterferometerMesh:
    """One core."""

    def __init__(self, devices: Devices, die: int) -> None:
        """`die` says which chip was made: the errors of its shifters."""
        self._devices, self._die = devices, die
        self._realised: dict[tuple[str, int, float], tuple[Real, Real]] = {}

    def install(self, core: int, tile: Tile, operand: Array, hours: float) -> object:
        """The phases of a tile; those of all tiles of an operand are found together."""
        key, size = (tile.product.name, tile.batch, round(hours, 3)), self._devices.size
        if key not in self._realised:
            self._realised = {key: self.realised(_tiles(operand, size), hours)}
        matrices, scales = self._realised[key]
        across = -(-operand.shape[1] // size)
        depth, width = (part.stop - part.start for part in tile.bounds(size, size))
        number = tile.k * across + tile.n
        return _Held(matrices[number, :width, :depth].astype(np.float32), float(scales[number]))

    def fire(self, held: object, vectors: Array, seed: int) -> Array:
        """One pass of light for each vector: converters on both sides, loss and shot noise between them."""
        there, one = cast("_Held", held), self._devices
        largest = np.abs(vectors).max(axis=1, keepdims=True)
        largest = np.where(largest > 0, largest, np.float32(1))
        sent = one.input.to_analog(one.input.to_digital(vectors / largest))
        found = np.asarray(sent @ there.matrix.T, np.float64)
        found += 2.0**-one.shot_bits * np.random.default_rng(seed).standard_normal(found.shape)
        top = one.size**0.5 / one.gain
        read_ = top * np.asarray(one.output.to_analog(one.output.to_digital((found / top).astype(np.float32))))
        return np.asarray(formats.get("bf16").quantize((read_ * there.scale * largest).astype(np.float32)))

    def realised(self, matrices: Real, hours: float = 0.0) -> tuple[Real, Real]:
        """What meshes make of (count, size, size) matrices: real parts over the largest singular value, and that."""
        u, singular, v = np.linalg.svd(matrices)
        scales = np.where(singular[:, 0] > 0, singular[:, 0], 1.0)
        attenuation = np.cos(self._set(np.arccos(np.minimum(singular / scales[:, None], 1.0)), hours, 2))
        out, into = (
            clements.realise(self._programmed(clements.decompose(one), hours, number))
            for number, one in enumerate((u, v))
        )
        return np.real((out * attenuation[:, None, :]) @ into), scales

    def _programmed(self, mesh: clements.Mesh, hours: float, number: int) -> clements.Mesh:
        theta, phi, out = (
            self._set(one, hours, 3 + 3 * number + part) for part, one in enumerate((mesh.theta, mesh.phi, mesh.out))
        )
        return replace(mesh, theta=theta, phi=phi, out=out)

    def _set(self, phases: Real, hours: float, stream: int) -> Real:
        """Phases as shifters hold them; a shifter errs by the same in every matrix."""
        one = self._devices
        step = 2 * math.pi / 2**one.phase_bits
        steps = np.round(phases / step) * step if one.phase_bits else phases
        error = np.random.default_rng((self._die, stream)).standard_normal(phases.shape[1])
        drift = np.random.default_rng((self._die, stream, 1)).standard_normal(phases.shape[1])
        return np.asarray(steps + one.phase_error * error + one.phase_drift * hours**0.5 * drift)


def _tiles(operand: Array, size: int) -> Real:
    """Tiles of an operand (k, n), row by row, turned to (n, k): light multiplies columns."""
    down, across = (-(-length // size) for length in operand.shape)
    padded = np.zeros((down * size, across * size))
    padded[: operand.shape[0], : operand.shape[1]] = operand
    return padded.reshape(down, size, across, size).transpose(0, 2, 3, 1).reshape(-1, size, size)
