"""KV blocks that servers logged, against those that are counted here (`data/published/kv_blocks.csv`)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from silmark import models, systems
from silmark.figures.tables import data_folder
from silmark.formats import Precision
from silmark.mapping import Infeasible
from silmark.mapping.candidates import cut, placements
from silmark.serving.arguments import EngineArgs
from silmark.serving.replica import Replica, replica


@dataclass(frozen=True, slots=True)
class Logged:
    """One server.

    Attributes:
        source: key into the table of sources.
        said: engine, machine and model in words.
        tokens: that its KV blocks held.
        replica: the same server here; Infeasible where it would not start.
        fitted: whether a constant of the budget was derived from it.
    """

    source: str
    said: str
    tokens: float
    replica: Replica | Infeasible
    fitted: bool

    @property
    def ratio(self) -> float:
        """Counted over logged; 0 where nothing is counted."""
        return 0.0 if isinstance(self.replica, Infeasible) else self.replica.kv_tokens / self.tokens

    @property
    def inside(self) -> bool:
        """Whether the interval of the count holds what was logged."""
        if isinstance(self.replica, Infeasible):
            return False
        bounds, size = self.replica.blocks.interval(), self.replica.options.block_size
        return bounds.low * size <= self.tokens <= bounds.high * size


def logged() -> Iterator[Logged]:
    """Every server of the file."""
    with (data_folder() / "published" / "kv_blocks.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(line for line in stream if not line.startswith("#")):
            yield _logged(row)


def _logged(row: dict[str, str]) -> Logged:
    model, target = models.load(row["model"]), systems.target(row["on"])
    args = EngineArgs(
        policy=row["policy"],
        version=row["version"],
        usage=cast("Literal['server', 'llm']", row["usage"]),
        gpu_memory_utilization=float(row["share"]) if row["share"] else None,
        max_model_len=int(row["max_model_len"]) if row["max_model_len"] else None,
    )
    plan = cut(model, target, Precision.of(row["precision"]), placements(target.chip)[-1])
    found = replica(model, target, plan, args)
    engine = row["policy"] if isinstance(found, Infeasible) else str(found.engine)
    said = f"{engine}, {row['on']}, {row['model']} {row['precision'].partition(':')[0]}"
    said += f", share {row['share']}" if row["share"] else ""
    return Logged(row["source"], said, float(row["tokens"]), found, row["role"] == "fit")
