"""What serving engines add to chips and links, by engine, version range and kind of measurement.

    seconds = rate * chips and links
            + step * steps + sequence * (sequences, summed over steps) + token * prompt tokens
            + run * runs + cache * (attention, if no query heads shared a cached head) + hop * (layers * log2 chips)

`rate` is how much slower than the mechanisms an engine's kernels are. Host time is `step`, `sequence` and `token`,
`run` before a run's first step, and `hop` per step, layer and doubling of the chips that share a layer, where
exchanges are launched one by one. `cache` is for kernels of decode attention that read the cache again for every
query head: 0 where grouped heads share what is read, 1 where none does. All are fitted on public end-to-end rows, in
logarithms and robustly, towards those of all engines together (which stand for an engine without rows), and again for
every chip with many rows, towards those of the engine on all chips: builds of one engine for other vendors' chips
differ.

What is then left is attributed, level by level, as a median that is shrunk to nothing where few rows speak: the kind
of network, the format, the vendor, the generation (vendor and narrowest format), the chip, the model. A chip or model
that was never measured inherits what stands above it.

Rows come from `silmark.validation`, which knows their tables; `silmark validate --write` fits again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from silmark.graph import Array

TERMS = ("rate", "step", "sequence", "token", "run", "cache", "hop")
LEVELS = {"network": "model", "format": "model", "vendor": "chip", "generation": "chip", "chip": "", "model": ""}
"""What is left is attributed to these, in order; of a level with members, each member weighs the same."""
_START = (1.0, 2e-4, 2e-6, 1e-8, 1e-3, 0.03, 3e-6)
_BOUNDS = ((0.2, 60.0), (1e-7, 0.2), (1e-9, 2e-2), (1e-11, 2e-3), (1e-6, 20.0), (1e-3, 8.0), (1e-8, 5e-3))
_PRIOR = (0.7, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5)
"""Spread of an engine's terms around those of all engines, and of a chip's around the engine's, in logarithms."""
_LOOSE_ROWS, _PRIOR_ROWS = 0.04, 10.0
"""Rows that the prior weighs: of all engines together around a guess, and of one engine or chip. These and the
shrinkage below are set so that chips and models that were left out are predicted best."""
_SCALE = 0.15
"""|ln error| from which a row counts as an outlier: repeats of one configuration under another engine."""
_SHRINK, _SHRINK_MEMBERS = 4.0, 8.0
"""Rows, and members of a level, that weigh as much as the assumption of no effect."""
_ROUNDS = 3
_OWN_ROWS = 40
"""Rows from which a chip has terms of its own under an engine."""
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured row and the work behind it.

    Attributes:
        engine, kind: what the terms are fitted for.
        levels: what the row belongs to, by name of LEVELS.
        seconds: measured.
        work: what TERMS count, in their order: predicted seconds of chips and links, steps, sequences, prompt
            tokens, runs, seconds of ungrouped attention, layers times log2 of the chips that share them.
    """

    engine: str
    kind: str
    levels: Mapping[str, str]
    seconds: float
    work: tuple[float, ...]

    @property
    def chip(self) -> str:
        """Id of the chip."""
        return self.levels["chip"]


@dataclass(frozen=True, slots=True)
class Overheads:
    """What was fitted for one engine and kind.

    Attributes:
        terms: in the order of TERMS.
        effects: logarithms by level and name.
        rows: how many were used, by chip.
        spread: of the logarithms of the terms, one standard deviation.
    """

    terms: tuple[float, ...]
    effects: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    spread: tuple[float, ...] = (0.0,) * len(TERMS)

    def seconds(self, work: Sequence[float], levels: Mapping[str, str] | None = None) -> float:
        """Time of some work; of the engine in general where no levels are given."""
        known = sum(self.effects.get(level, {}).get(name, 0.0) for level, name in (levels or {}).items())
        return float(np.dot(self.terms, work) * np.exp(known))


def key(engine: str, version: str = "") -> str:
    """Engine and version range, as the calibration file names them.

    Builds of vLLM that only have a date (after 2024) are a range of their own: nightly, experimental.
    """
    name = engine.lower()
    found = re.search(r"\d+\.\d+", version) or re.search(r"(?<=vllm )v?\d+\.\d+", name)
    number = tuple(int(part) for part in found[0].lstrip("v").split(".")) if found else None
    if "vllm" in name and "tpu" not in name:
        old = (number is not None and number < (0, 7)) or version.startswith("2024")
        if old:
            return "vllm-0-6"
        return "vllm-1" if number is not None or not version[:4].isdecimal() else "vllm-dated"
    if name in ("tensorrt-llm", "trtllm"):
        if name == "trtllm" or (number is not None and number >= (1, 0)):
            return "tensorrt-llm-1"
        return "tensorrt-llm-0-9" if number is None or number < (0, 10) else "tensorrt-llm-0-14"
    return re.sub(r"[^a-z]+", "-", name.partition(" ")[0].partition(",")[0]).strip("-") or "not-stated"


Key = tuple[str, str, str]
"""Engine, kind, chip; "" for all engines together, and for an engine on all its chips."""


def fit(samples: Sequence[Sample]) -> dict[Key, Overheads]:
    """Overheads by key."""
    found: dict[Key, Overheads] = {}
    for kind in sorted({one.kind for one in samples}):
        mine = [one for one in samples if one.kind == kind]
        found["", kind, ""] = _fitted(mine, _START, _LOOSE_ROWS)
        for engine in sorted({one.engine for one in mine}):
            own = _family([one for one in mine if one.engine == engine], found["", kind, ""].terms)
            found |= {(engine, kind, chip): overheads for chip, overheads in own.items()}
    return found


def _family(samples: Sequence[Sample], parent: Sequence[float]) -> dict[str, Overheads]:
    """One engine and kind: on all chips (""), and on every chip that has many rows."""
    found = {"": _fitted(samples, parent)}
    for chip, count in Counter(one.chip for one in samples).items():
        if count >= _OWN_ROWS:
            found[chip] = _fitted([one for one in samples if one.chip == chip], found[""].terms)
    return found


def lookup(found: Mapping[Key, Overheads], engine: str, kind: str, chip: str) -> Overheads | None:
    """The overheads of an engine on a chip; else on all chips; else of all engines; None if the kind has no rows."""
    return found.get((engine, kind, chip)) or found.get((engine, kind, "")) or found.get(("", kind, ""))


def _fitted(samples: Sequence[Sample], parent: Sequence[float], prior_rows: float = _PRIOR_ROWS) -> Overheads:
    """Terms and effects in turns."""
    from scipy.optimize import least_squares  # noqa: PLC0415 - only fits need scipy

    work = np.array([one.work for one in samples])
    measured = np.log([one.seconds for one in samples])
    chips = Counter(one.chip for one in samples)
    # Rows of one model on one chip in one format repeat its error, not the engine's: each of n counts 1 / sqrt(n).
    cells = [(one.chip, one.levels["model"], one.levels["format"]) for one in samples]
    counts = Counter(cells)
    weights = np.array([counts[cell] ** -0.25 for cell in cells])
    low, high = (np.log([bound[i] for bound in _BOUNDS]) for i in (0, 1))
    start = np.clip(np.log(parent), low + 1e-9, high - 1e-9)
    spread = np.array(_PRIOR)
    shift, effects = np.zeros(len(samples)), dict[str, dict[str, float]]()
    terms = start
    for _ in range(_ROUNDS):

        def residuals(x: Array, known: Array = shift) -> Array:
            errors = (np.log(work @ np.exp(x)) + known - measured) * weights
            return np.concatenate([errors, np.sqrt(prior_rows) * _SCALE * (x - start) / spread])

        result = least_squares(residuals, terms, bounds=(low, high), loss="soft_l1", f_scale=_SCALE, max_nfev=40)
        terms = np.clip(result.x, low + 1e-9, high - 1e-9)
        shift, effects = _effects(samples, measured - np.log(work @ np.exp(terms)))
    deviation = np.sqrt(np.diag(np.linalg.pinv(result.jac.T @ result.jac))) * _SCALE
    return Overheads(_numbers(np.exp(terms)), effects, chips, _numbers(deviation))


def _effects(samples: Sequence[Sample], left: Array) -> tuple[Array, dict[str, dict[str, float]]]:
    """Medians of what is left by level, the coarse levels first, each shrunk by how few rows (or members) it has."""
    shift = np.zeros(len(samples))
    effects: dict[str, dict[str, float]] = {level: {} for level in LEVELS}
    for level, member in LEVELS.items():
        names = np.array([one.levels[level] for one in samples])
        members = np.array([one.levels[member or level] for one in samples])
        for name in dict.fromkeys(names.tolist()):
            inside = names == name
            rest = left - shift
            inner = dict.fromkeys(members[inside].tolist())
            middle = float(np.median([np.median(rest[inside & (members == one)]) for one in inner]))
            count, few = (len(inner), _SHRINK_MEMBERS) if member else (int(np.sum(inside)), _SHRINK)
            effects[level][name] = middle * count / (count + few)
            shift = shift + np.where(inside, effects[level][name], 0.0)
    return shift, effects


def _numbers(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def left_out(samples: Sequence[Sample], level: str) -> list[tuple[Sample, float]]:
    """ln(measured / predicted) of every sample of one kind under fits that never saw what it belongs to.

    Args:
        samples: of one kind.
        level: "row" (every fifth row by itself), "chip", "model" or "vendor" (each engine by itself), or "engine".
            Engines that have no other rows are left away, except where engine or vendor are new: all engines
            together predict those.
    """
    result: list[tuple[Sample, float]] = []
    names: dict[str, list[Sample]] = {}
    for place, one in enumerate(samples):
        names.setdefault(_member(one, level, place), []).append(one)
    for name, left in names.items() if len(names) > 1 else ():
        kept = [one for other, own in names.items() if other != name for one in own]
        parent = _fitted(kept, _START, _LOOSE_ROWS)
        for engine in {one.engine: None for one in left}:
            own = [one for one in kept if one.engine == engine]
            if not own and level not in ("engine", "vendor"):
                continue
            fitted = _family(own, parent.terms) if own else {"": parent}
            for one in left:
                if one.engine == engine:
                    mine = fitted.get(one.chip, fitted[""])
                    result.append((one, float(np.log(one.seconds / mine.seconds(one.work, one.levels)))))
    return result


def _member(one: Sample, level: str, place: int) -> str:
    if level == "row":
        return str(place % _FOLDS)
    return one.engine if level == "engine" else one.levels[level]


def quantiles(groups: Sequence[Array]) -> tuple[float, float, float]:
    """10 %, 50 % and 90 % quantile of several groups that weigh alike."""
    values = np.concatenate(list(groups))
    weights = np.concatenate([np.full(len(g), 1.0 / len(g)) for g in groups])
    order = np.argsort(values)
    share = np.cumsum(weights[order])
    middles = (share - weights[order] / 2) / share[-1]
    low, middle, high = np.interp((0.1, 0.5, 0.9), middles, values[order])
    return float(low), float(middle), float(high)
