"""What a worker needs: the grid, what its names stand for, and how a plan is laid; all of it travels by pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from silmark.figures.tables import OWN_CALIBRATION, data_folder
from silmark.mapping import Plan
from silmark.models import Model
from silmark.planning.sweep.grid import Cut, Grid, Value
from silmark.serving.replica import Replica
from silmark.serving.run import Run
from silmark.systems import Target


@dataclass(frozen=True, slots=True)
class Work:
    """A sweep, ready to be evaluated anywhere.

    Attributes:
        grid: what to evaluate.
        models, targets: what its names stand for.
        version: of Silmark.
        lay: turns a cut into a plan; raises BadValue for one that makes no sense on the target.
        serve: sends the grid's trace at a rate to the servers of a plan, of which it is given one: what came of it, and
            whether the promises were kept, if there are any; None where no trace is sent.
    """

    grid: Grid
    models: Mapping[str, Model]
    targets: Mapping[str, Target]
    version: str
    lay: Callable[[Model, Target, Cut], Plan]
    serve: Callable[[Replica, Value], tuple[Run, bool | None]] | None = None

    def identity(self) -> dict[str, str]:
        """What the results depend on: two sweeps of one identity give the same bits on one kind of processor."""
        # Where a model's file lies changes nothing.
        models = [(name, replace(model, source_config="")) for name, model in self.models.items()]
        asked = [json.dumps(self.grid.as_dict()), repr(models), repr(list(self.targets.items()))]
        return {
            "silmark": self.version,
            "numpy": np.__version__,
            "package": package_digest(),
            "asked": hashlib.sha256("\n".join(asked).encode()).hexdigest(),
        }


@cache
def package_digest() -> str:
    """SHA-256 over the package's code and data, and over the user's own calibration where there is one."""
    found = hashlib.sha256()
    own = os.environ.get(OWN_CALIBRATION)
    for folder in (data_folder().parent, *([Path(own)] if own else [])):
        for path in sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".toml", ".json", ".csv")):
            found.update(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n".encode())
            found.update(path.read_bytes())
    return found.hexdigest()
