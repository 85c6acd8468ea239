"""What a test can be: one file each, and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from silmark.claims.fields import Fields
from silmark.claims.kinds.field import Field
from silmark.claims.kinds.level import Level
from silmark.claims.kinds.price import BreakEven
from silmark.claims.kinds.quality import OutputQuality
from silmark.claims.kinds.quotient import Quotient
from silmark.claims.kinds.ratio import Ratio
from silmark.claims.kinds.text import Text
from silmark.claims.kinds.training import Training, TrainingRatio
from silmark.claims.spec import Test

KINDS: Mapping[str, Callable[[Fields], Test]] = {
    "ratio": Ratio.read,
    "level": Level.read,
    "quotient": Quotient.read,
    "break_even": BreakEven.read,
    "field": Field.read,
    "training": Training.read,
    "training_ratio": TrainingRatio.read,
    "quality": OutputQuality.read,
    "text": Text.read,
}
"""By the name that `kind` gives in a claim's file."""
