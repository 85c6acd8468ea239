"""Models with real weights that need no hub: MiniLM from a package, a language model and a CNN trained here."""

from __future__ import annotations

from collections.abc import Callable

from silmark.quality.standins import charlm, minilm, smallcnn
from silmark.quality.subject import Subject

STANDINS: dict[str, Callable[[], Subject]] = {
    "minilm": minilm.subject,
    "charlm": charlm.subject,
    "smallcnn": smallcnn.subject,
}
