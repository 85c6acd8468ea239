"""Output quality: a model run through a chip's arithmetic.

`way` says which arithmetic, `emulate` runs a PyTorch module in it, `measures` says how far the outputs are off,
`standins` are models with real weights. Modules that run models import PyTorch; those imported here do not.
"""

from silmark.quality.layers import Layer
from silmark.quality.measures import HEADLINE, MEASURES
from silmark.quality.result import Quality
from silmark.quality.way import FASTEST, Chosen, Way, chosen, known

STANDIN_TASKS = {"minilm": "encoder", "charlm": "language", "smallcnn": "classifier"}
"""Models that need no folder, with what their outputs are; `standins` has them."""
STANDIN_OF = {"decoder": "charlm", "encoder": "minilm"}
"""By kind of a catalogue's model, the one that stands in for it; every other kind has `smallcnn`."""

__all__ = [
    "FASTEST",
    "HEADLINE",
    "MEASURES",
    "STANDIN_OF",
    "STANDIN_TASKS",
    "Chosen",
    "Layer",
    "Quality",
    "Way",
    "chosen",
    "known",
]
