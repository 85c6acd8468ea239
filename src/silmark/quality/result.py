"""Quality: what one way of computing does to a model's outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from silmark.figures import Interval
from silmark.quality.layers import Layer
from silmark.quality.measures import HEADLINE


@dataclass(frozen=True, slots=True)
class Quality:
    """What one way of computing does to a subject's outputs.

    Attributes:
        measures: by name of `measures.MEASURES`.
        products: matrix products per run, by part.
        left_out: operators that ran in fp32 for want of an emulation, with how often.
        layers: SNR of every product; empty where not asked for.
        finite: False where outputs are not numbers; there are no measures then.
    """

    task: str
    measures: Mapping[str, Interval]
    products: Mapping[str, int]
    left_out: Mapping[str, int]
    layers: tuple[Layer, ...] = ()
    finite: bool = True

    @property
    def headline(self) -> tuple[str, Interval | None]:
        """The measure that stands for the task."""
        name = HEADLINE[self.task]
        return name, self.measures.get(name)

    def as_dict(self) -> dict[str, dict[str, float | None]]:
        """The measures for JSON, which has no infinity: null where outputs are equal."""
        return {
            name: {key: one if math.isfinite(one) else None for key, one in value.as_dict().items()}
            for name, value in self.measures.items()
        }
