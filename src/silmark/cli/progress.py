"""Progress of commands that take a while, on stderr: what is being done, once two seconds have passed, or a bar."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 2.0
"""Seconds of silence; most commands are done by then."""
_BETWEEN = 5.0
"""Seconds between two lines."""


class _Lines(logging.Handler):
    """Prints what the package's loggers say, late and seldom; of several lines between two prints, the last."""

    def __init__(self, patience: float) -> None:
        super().__init__(logging.INFO)
        self._start = time.monotonic()
        self._next = self._start + patience
        self._said = ""
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the line until it is time to show it."""
        self._said = record.getMessage()
        if self._timer is None:
            self._timer = threading.Timer(max(0.0, self._next - time.monotonic()), self._show)
            self._timer.daemon = True
            self._timer.start()

    def _show(self) -> None:
        with self.lock or threading.RLock():
            now = time.monotonic()
            sys.stderr.write(f"{now - self._start:4.0f} s  {self._said}\n")
            sys.stderr.flush()
            self._timer, self._next = None, now + _BETWEEN

    def close(self) -> None:
        """Shows nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        super().close()


@contextmanager
def shown(patience: float | None = None) -> Iterator[None]:
    """Shows on stderr what `silmark` logs while the block runs, if that takes longer than `patience` seconds."""
    logger = logging.getLogger("silmark")
    before = logger.level
    lines = _Lines(PATIENCE if patience is None else patience)
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(lines)
        lines.close()


Bar = Callable[[int, int | None], None]
"""Told how much is done, and of how much if that is known."""


@contextmanager
def bar(unit: str) -> Iterator[Bar | None]:
    """A bar with the time left where a person looks on; None in a pipe.

    Args:
        unit: what is counted.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(), MofNCompleteColumn(), unit, TimeElapsedColumn(), "done,", TimeRemainingColumn(), "left")
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        task = drawn.add_task("", total=None)
        yield lambda done, total: drawn.update(task, completed=done, total=total)
