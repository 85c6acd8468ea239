"""Fits the costs of one core of the wafer mesh on WaferLLM's published speeds (OSDI 2025, Tables 3 and 4).

The machine schedules the layer that the authors' kernels ran, instruction by instruction, and five costs of a core are
what 24 times leave to choose. Cycles are linear in them but for waiting, so that least squares of relative errors
converge in a few turns. Decoding and prefill share all five, and one cycle per hop is taken as published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil

import numpy as np

from silmark.calibration import points
from silmark.calibration.wafer import CLOCK, LANES, SOURCE, Row
from silmark.figures.tables import data_folder
from silmark.graph import Array
from silmark.machines.lowering import Instruction, MatMul, Operation, Vector
from silmark.machines.wafer.core import FITTED, Core
from silmark.machines.wafer.schedule import Plan, Schedule, schedule

_START = Core(lanes=round(LANES), memory=0.0, hop=1.0, stage=20.0, stream=3.0, start=1.0, step=100.0, scalar=80.0)
_TURNS = 4


def timed_layer(
    hidden: int, inner: int, context: int, rows: int
) -> tuple[list[Instruction], dict[str, tuple[int, ...]]]:
    """The layer of the authors' kernels as instructions, and the shapes of what is there before.

    One head as wide as the model, keys and values in place; the SiLU of their `decode.csl` covers `hidden` elements.
    """
    found: list[Instruction] = []
    shapes: dict[str, tuple[int, ...]] = {"x": (rows, hidden), "keys": (1, hidden, context)}
    shapes["values"] = (1, context, hidden)

    def product(name: str, left: str, n: int, k: int, right: str = "") -> None:
        stored = not right
        found.append(MatMul(name, left, right or f"{name}.w", name, rows, n, k, stored=stored))
        if stored:
            shapes[f"{name}.w"] = (k, n)

    def vector(name: str, operation: Operation, inputs: tuple[str, ...], columns: int) -> None:
        found.append(Vector(name, operation, inputs, name, rows, columns))

    vector("norm", "rms-norm", ("x",), hidden)
    for name in "qkv":
        product(name, "norm", hidden, hidden)
    vector("q rotated", "rotary", ("q",), hidden)
    vector("k rotated", "rotary", ("k",), hidden)
    product("scores", "q rotated", context, hidden, "keys")
    vector("softmax", "softmax", ("scores",), context)
    product("mix", "softmax", hidden, context, "values")
    product("o", "mix", hidden, hidden)
    vector("add", "add", ("x", "o"), hidden)
    vector("norm 2", "rms-norm", ("add",), hidden)
    product("up", "norm 2", inner, hidden)
    product("gate", "norm 2", inner, hidden)
    vector("silu", "silu", ("up",), hidden)
    vector("gated", "multiply", ("up", "gate"), inner)
    product("down", "gated", hidden, inner)
    vector("add 2", "add", ("add", "down"), hidden)
    return found, shapes


def timed(row: Row, core: Core) -> Schedule:
    """One layer of a row of Table 3 (prompt) or 4 (one token), padded to whole tiles."""
    side = int(row["side"])
    hidden, inner, context = (ceil(int(row[key]) / side) * side for key in ("hidden", "inner", "prompt"))
    decode = row["table"] == "4"
    instructions, shapes = timed_layer(hidden, inner, context, 1 if decode else int(row["prompt"]))
    return schedule(core, instructions, shapes, Plan(side, "meshgemv" if decode else "meshgemm"))


def measured(row: Row) -> float:
    """Cycles of one layer."""
    return CLOCK * (1 if row["table"] == "4" else int(row["prompt"])) / float(row["value"]) / float(row["layers"])


def rows() -> list[dict[str, str]]:
    """The points of both tables."""
    return [row for row in points.read("waferllm") if row["table"] in ("3", "4")]


def core_of(values: Array) -> Core:
    """A core with these costs, in the order of `FITTED`."""
    return replace(_START, **dict(zip(FITTED, values.tolist(), strict=True)))


def errors(some: Sequence[Row], values: Array) -> Array:
    """Predicted over measured cycles, less one."""
    core = core_of(values)
    return np.asarray([timed(row, core).now / measured(row) - 1 for row in some])


def design(some: Sequence[Row], values: Array) -> Array:
    """Change of each error with each cost: (points, costs)."""
    here = errors(some, values)
    columns = [errors(some, values + step) - here for step in np.eye(len(values))]
    return np.asarray(columns).T


def solve(some: Sequence[Row]) -> Array:
    """The costs with the least squares of relative errors."""
    values = np.asarray([getattr(_START, name) for name in FITTED])
    for _ in range(_TURNS):
        values = values - np.linalg.lstsq(design(some, values), errors(some, values), rcond=None)[0]
    return values


def run() -> None:
    """Fits and writes `data/calibration/mesh.toml`."""
    every = rows()
    values = solve(every)
    rest, slopes = errors(every, values), design(every, values)
    spread = np.linalg.inv(slopes.T @ slopes) * (rest @ rest) / (len(every) - len(values))
    left: dict[str, float] = {}
    kept = []
    for model in dict.fromkeys(row["model"] for row in every):
        out = [row for row in every if row["model"] == model]
        kept.append(solve([row for row in every if row["model"] != model]))
        left |= dict(zip((row["point"] for row in out), (1 / (1 + errors(out, kept[-1]))).tolist(), strict=True))
    others = np.asarray(kept)
    wide = 1.28 * np.sqrt(np.diag(spread))
    low, high = np.minimum(others.min(0), values - wide), np.maximum(others.max(0), values + wide)
    points.write(
        data_folder() / "calibration" / "mesh.toml",
        points.head(
            "mesh",
            "silmark calibrate mesh",
            "published/waferllm.csv, tables 3 and 4 (WaferLLM, OSDI 2025); cycles at 1.1 GHz",
            len(every),
        ),
        {
            f"core.{name}": points.leaf(
                values[at], max(0.0, low[at]), high[at], "1", source=SOURCE, grade="derived", note=_NOTES[name]
            )
            for at, name in enumerate(FITTED)
        },
        {
            "residuals": {"decode.in_sample": _of(every, rest, "4"), "prefill.in_sample": _of(every, rest, "3")},
            "left_out": left,
            "covariance": {"core": spread.ravel()},
        },
    )


def _of(every: Sequence[Row], values: Array, table: str) -> list[float]:
    return [float(value) for row, value in zip(every, values, strict=True) if row["table"] == table]


_NOTES: Mapping[str, str] = {
    "stage": "cycles from the first wavelet that a core waits for to the first one that it sends on (beta of PLMR)",
    "stream": "cycles per 32-bit wavelet of an instruction that sends, receives, or adds and passes on",
    "start": "cycles of a vector instruction before its first elements",
    "step": "cycles of the tasks between two steps of MeshGEMM",
    "scalar": "cycles of one exponential, quotient included: scalar code",
}
