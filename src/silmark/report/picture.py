"""Pictures with one pair of axes: checks the file's name, draws without a screen, writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from silmark.errors import BadValue

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg", ".pdf")
COLOURS = {
    "gpu": "#4477aa",
    "systolic": "#228833",
    "streaming": "#ee6677",
    "wafer": "#aa3377",
    "dimc": "#ccbb44",
    "photonic": "#66ccee",
    "thermodynamic": "#bbbbbb",
    "cpu": "#332288",
}
"""Of the points of each family of chips."""


@contextmanager
def saved(path: Path, size: tuple[float, float]) -> Iterator[Axes]:
    """Axes to draw on, written to a file at the end.

    Args:
        path: the file; its ending chooses the format.
        size: inches.

    Raises:
        BadValue: another ending, or a file that cannot be written.
    """
    checked(path)
    import matplotlib as mpl  # noqa: PLC0415 - half a second that only pictures should cost

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=size, layout="constrained")
    try:
        yield axes
        figure.savefig(path, dpi=130)
    except OSError as error:
        raise BadValue("plot", str(path), f"a file that can be written ({error.strerror})") from None
    finally:
        plt.close(figure)


def checked(path: Path) -> None:
    """Raises BadValue for a name that no picture can have."""
    if path.suffix.lower() not in FORMATS:
        raise BadValue("plot", str(path), f"a file that ends in {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise BadValue("plot", str(path), "a path inside an existing folder")
