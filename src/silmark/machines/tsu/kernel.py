"""The compiled core: sweeps of heat-bath updates, many chains side by side in vector registers.

One update draws s_i = +1 with probability sigma(x_i), x_i = field_i + sum_j w_ij s_j, as the comparison
u (1 + exp(-x_i)) < 1 of a uniform u. exp is 2^k times a polynomial of degree six on [-1/2, 1/2] (relative error
2e-7); u has 24 bits. A probability is therefore true within 1e-6 of itself, or 6e-8 where it is near 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from silmark.numerics.jit import compiled

Sweeps = Callable[..., None]
Values = Any
"""An array or number; numba finds out which."""


@compiled
def _uniform(r0: Values, r1: Values, r2: Values, r3: Values, lane: int) -> Values:
    """The next uniform of one chain, in (0, 1): the upper 24 bits of xoshiro128+ (Blackman and Vigna, 2018)."""
    a, b, c, d = r0[lane], r1[lane], r2[lane], r3[lane]
    value = np.uint32(a + d)
    shifted = np.uint32(b << np.uint32(9))
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = np.uint32((d << np.uint32(11)) | (d >> np.uint32(21)))
    r0[lane], r1[lane], r2[lane], r3[lane] = a, b, c, d
    return (np.float32(np.int32(value >> np.uint32(8))) + np.float32(0.5)) * np.float32(2.0**-24)


@compiled
def _exp(x: Values) -> Values:
    """e^x in float32 for |x| < 27; larger ones as 27, where a probability is below 2e-12."""
    y = min(max(x * np.float32(1.4426950408889634), np.float32(-39.0)), np.float32(39.0))
    whole = np.floor(y + np.float32(0.5))
    part = y - whole
    p = np.float32(1.5403530e-4)
    p = p * part + np.float32(1.33335581e-3)
    p = p * part + np.float32(9.61812911e-3)
    p = p * part + np.float32(5.55041087e-2)
    p = p * part + np.float32(2.40226507e-1)
    p = p * part + np.float32(6.93147181e-1)
    p = p * part + np.float32(1.0)
    return np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32) * p


@cache
def sweeps(lanes: int) -> Sweeps:
    """The core for blocks of that many chains (a constant, so that inner loops unroll)."""

    def run(state: Values, rows: Values, noise: Values, count: int) -> None:
        """Sweeps over all free spins, in place.

        Args:
            state: +-1, float32 (blocks, spins, lanes).
            rows: the model: (start, neighbour, weight, field, order). Rows of couplings with weight 2 beta J, float32;
                field 2 beta b, float32 (blocks or 1, spins, lanes); order: free spins, one colour after the other.
            noise: (stream, stuck, stay): xoshiro128+, uint32 (blocks, 4, lanes); the uniforms drawn last, float32
                (blocks, spins, lanes), empty unless stay > 0; the probability that a cell's noise has not changed
                since its last draw.
            count: sweeps.
        """
        start, neighbour, weight, field, order = rows
        stream, stuck, stay = noise
        local, drawn = np.empty(lanes, np.float32), np.empty(lanes, np.float32)
        one = np.float32(1)
        for block in range(state.shape[0]):
            s, own = state[block], field[block % field.shape[0]]
            r0, r1, r2, r3 = stream[block, 0], stream[block, 1], stream[block, 2], stream[block, 3]
            for _ in range(count):
                for i in order:
                    for lane in range(lanes):
                        local[lane] = own[i, lane]
                    for k in range(start[i], start[i + 1], 4):  # `cells.STEP`
                        j0, j1, j2, j3 = neighbour[k], neighbour[k + 1], neighbour[k + 2], neighbour[k + 3]
                        w0, w1, w2, w3 = weight[k], weight[k + 1], weight[k + 2], weight[k + 3]
                        for lane in range(lanes):
                            local[lane] += (w0 * s[j0, lane] + w1 * s[j1, lane]) + (w2 * s[j2, lane] + w3 * s[j3, lane])
                    for lane in range(lanes):
                        drawn[lane] = _uniform(r0, r1, r2, r3, lane)
                    if stay > 0:
                        for lane in range(lanes):
                            if _uniform(r0, r1, r2, r3, lane) < stay:
                                drawn[lane] = stuck[block, i, lane]
                            stuck[block, i, lane] = drawn[lane]
                    for lane in range(lanes):
                        s[i, lane] = one if drawn[lane] * (one + _exp(-local[lane])) < one else -one

    return compiled(run)


@compiled
def sums(state: Values, chains: int, first: Values, second: Values, pairs: Values, means: Values) -> None:
    """Adds s_i s_j of every edge and s_i of every spin over all chains to `pairs` and `means`, float64.

    Args:
        state: +-1, float32 (blocks, spins, lanes).
        chains: how many of all lanes are chains.
        first, second: ends of the edges.
        pairs, means: sums, float64 (edges,) and (spins,).
    """
    lanes = state.shape[2]
    for block in range(state.shape[0]):
        used = min(lanes, chains - block * lanes)
        s = state[block]
        for edge in range(len(first)):
            i, j = first[edge], second[edge]
            agreed = 0
            for lane in range(used):
                agreed += s[i, lane] == s[j, lane]
            pairs[edge] += 2 * agreed - used
        for i in range(len(means)):
            up = 0
            for lane in range(used):
                up += s[i, lane] > 0
            means[i] += 2 * up - used
