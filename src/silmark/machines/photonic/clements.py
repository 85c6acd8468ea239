"""Unitary matrices as meshes of interferometers: decomposition into phases and what a mesh makes of them.

Clements, Humphreys, Metcalf, Kolthammer and Walsmley, "Optimal design for universal multiport interferometers", Optica
3 (2016), arXiv:1603.08788. An interferometer on modes m and m + 1 is

    T(theta, phi) = [[exp(i phi) cos theta, -sin theta], [exp(i phi) sin theta, cos theta]]         (their equation 1)

and U = D T ... T with a diagonal D of phases. All functions work on stacks of matrices, since every matrix of one size
has the same order of interferometers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mesh:
    """Phases of meshes.

    Attributes:
        modes: upper mode of each interferometer, in the order in which light meets them.
        theta, phi: (matrices, interferometers) in radians; theta from 0 to pi / 2.
        out: (matrices, modes) phases behind the last one.
    """

    modes: tuple[int, ...]
    theta: Real
    phi: Real
    out: Real

    @property
    def depth(self) -> int:
        """Interferometers that the longest path passes."""
        return depth(self.modes)


def depth(modes: tuple[int, ...]) -> int:
    """Columns of the mesh."""
    reached = [0] * (max(modes, default=0) + 2)
    for mode in modes:
        reached[mode] = reached[mode + 1] = max(reached[mode], reached[mode + 1]) + 1
    return max(reached)


@cache
def _order(size: int) -> tuple[tuple[bool, int, int], ...]:
    """Elements to be nulled: from the right or not, row and column."""
    steps = []
    for diagonal in range(1, size):
        for step in range(diagonal):
            if diagonal % 2:
                steps.append((True, size - 1 - step, diagonal - 1 - step))
            else:
                steps.append((False, size - diagonal + step, step))
    return tuple(steps)


def decompose(matrices: Complex | Real) -> Mesh:
    """Phases of unitary matrices (matrices, size, size)."""
    u = np.array(matrices, np.complex128)
    size = u.shape[-1]
    right: list[tuple[int, Real, Real]] = []
    left: list[tuple[int, Real, Real]] = []
    for from_right, row, column in _order(size):
        if from_right:
            mode = column
            a, b = u[:, row, mode], u[:, row, mode + 1]
            theta, phi = np.arctan2(np.abs(a), np.abs(b)), np.angle(a) - np.angle(b)
            _columns(u, mode, theta, phi)
            right.append((mode, theta, phi))
        else:
            mode = row - 1
            a, b = u[:, mode, column], u[:, row, column]
            theta, phi = np.arctan2(np.abs(b), np.abs(a)), np.angle(b) - np.angle(a) + np.pi
            _rows(u, mode, theta, phi)
            left.append((mode, theta, phi))
    diagonal = np.ascontiguousarray(np.diagonal(u, axis1=1, axis2=2))
    moved = [(mode, theta, _through(diagonal, mode, phi)) for mode, theta, phi in reversed(left)]
    met = [*right, *moved]
    return Mesh(
        modes=tuple(mode for mode, _, _ in met),
        theta=np.stack([theta for _, theta, _ in met], axis=1) if met else np.zeros((len(u), 0)),
        phi=np.stack([phi for _, _, phi in met], axis=1) if met else np.zeros((len(u), 0)),
        out=np.angle(diagonal),
    )


def _columns(u: Complex, mode: int, theta: Real, phi: Real) -> None:
    """U T^-1, in place."""
    cos, sin, turn = np.cos(theta)[:, None], np.sin(theta)[:, None], np.exp(-1j * phi)[:, None]
    a, b = turn * u[:, :, mode], u[:, :, mode + 1].copy()
    u[:, :, mode], u[:, :, mode + 1] = a * cos - b * sin, a * sin + b * cos


def _rows(u: Complex, mode: int, theta: Real, phi: Real) -> None:
    """T U, in place."""
    cos, sin, turn = np.cos(theta)[:, None], np.sin(theta)[:, None], np.exp(1j * phi)[:, None]
    a, b = turn * u[:, mode], u[:, mode + 1].copy()
    u[:, mode], u[:, mode + 1] = a * cos - b * sin, a * sin + b * cos


def _through(diagonal: Complex, mode: int, phi: Real) -> Real:
    """Moves T^-1 through the diagonal behind it, T^-1 D = D' T' with the same theta: changes D, gives the new phi."""
    first, second = diagonal[:, mode].copy(), diagonal[:, mode + 1]
    diagonal[:, mode] = -np.exp(-1j * phi) * second
    return np.asarray(np.angle(-first / second))


def realise(mesh: Mesh) -> Complex:
    """The matrices that meshes of these phases are, (matrices, size, size)."""
    count, size = mesh.out.shape
    u = np.broadcast_to(np.eye(size, dtype=np.complex128), (count, size, size)).copy()
    for number, mode in enumerate(mesh.modes):
        _rows(u, mode, mesh.theta[:, number], mesh.phi[:, number])
    return np.asarray(np.exp(1j * mesh.out)[:, :, None] * u)
