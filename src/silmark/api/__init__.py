"""The public functions: words in, answers out; the only layer that turns names into files."""

from silmark.api.comparison import compare
from silmark.api.question import duration
from silmark.api.single import Depth, estimate

__all__ = ["Depth", "compare", "duration", "estimate"]
