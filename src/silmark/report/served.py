"""What a simulated server did with a trace, as values and as JSON of silmark.serve-sim/1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from silmark.figures import Figure
from silmark.serving.run import Run
from silmark.serving.slo import Slo

SCHEMA = "silmark.serve-sim/1"


@dataclass(frozen=True, repr=False)
class ServeSim:
    """A model, a system and a trace.

    Attributes:
        question: what was asked, after defaults.
        slo: what the service promises.
        engine: what the engine chose, as in the document; None where it does not come up.
        chips: of the whole system.
        rates: what was asked for as the rate of each run, as typed; empty text for the trace's own.
        runs: one per rate.
        status, reason: ok, or why there are no runs.
        notes: what a reader must know.
        figures: every input figure by key.
    """

    question: Mapping[str, Any]
    slo: Slo
    engine: Mapping[str, Any] | None
    chips: int
    rates: tuple[str, ...] = ()
    runs: tuple[Run, ...] = ()
    status: str = "ok"
    reason: str = ""
    notes: tuple[str, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)

    def __repr__(self) -> str:
        said = self.reason or f"{len(self.runs)} run{'s' * (len(self.runs) != 1)}"
        return f"<{self.question['model']} on {self.question['on']}, {self.question['trace']}: {said}>"

    def sources(self) -> list[str]:
        """Keys of all sources behind the answer, sorted."""
        return sorted({figure.source for figure in self.figures.values()})

    def as_dict(self, explain: bool = False) -> dict[str, Any]:
        """The document of silmark.serve-sim/1."""
        return {
            "schema": SCHEMA,
            "question": dict(self.question),
            "status": self.status,
            "reason": self.reason,
            "notes": list(self.notes),
            "engine": None if self.engine is None else dict(self.engine),
            "runs": [self._run(rate, run) for rate, run in zip(self.rates, self.runs, strict=True)],
            "sources": self.sources(),
            "figures": [f.as_dict(key) for key, f in sorted(self.figures.items())] if explain else None,
        }

    def _run(self, rate: str, run: Run) -> dict[str, Any]:
        missed = self.slo.missed(run.values)
        return {
            "rate": rate or None,
            "slo": [
                {
                    "metric": limit.metric,
                    "percentile": limit.percentile,
                    "limit_s": limit.seconds,
                    "value_s": number(run, limit.key),
                    "kept": limit not in missed,
                }
                for limit in self.slo.limits
            ],
            "draws": run.draws,
            "price_basis": run.basis or None,
            "metrics": _nested(run),
        }


def number(run: Run, name: str) -> dict[str, float | None] | None:
    """A metric as in the JSON schema: low and high are null where no error bar is known."""
    value = run.values.get(name)
    if value is None:
        return None
    known = run.bounds.get(name)
    if known is None:
        return {"low": None, "mid": value, "high": None}
    return {"low": known.low, "mid": value, "high": known.high}


def _nested(run: Run) -> dict[str, Any]:
    """Metrics as an object; those of one distribution, such as `ttft_s.p99.9`, as an object in it."""
    found: dict[str, Any] = {}
    for name in run.values:
        head, _, statistic = name.partition(".")
        if statistic:
            found.setdefault(head, {})[statistic] = number(run, name)
        else:
            found[head] = number(run, name)
    return found
