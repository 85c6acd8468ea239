"""Pictures: checks the file's name, draws without a screen, writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
def panels(path: Path, size: tuple[float, float], widths: Sequence[float]) -> Iterator[Sequence[Axes]]:
    """Axes side by side to draw on, written to a file at the end.

    Args:
        path: the file; its ending chooses the format.
        size: inches.
        widths: of the axes, relative to each other.

    Raises:
        BadValue: another ending, or a file that cannot be written.
    """
    checked(path)
    plt = pyplot()
    figure, axes = plt.subplots(1, len(widths), figsize=size, layout="constrained", width_ratios=widths, squeeze=False)
    try:
        yield list(axes.flat)
        figure.savefig(path, dpi=130)
    except OSError as error:
        raise BadValue("plot", str(path), f"a file that can be written ({error.strerror})") from None
    finally:
        plt.close(figure)


@contextmanager
def saved(path: Path, size: tuple[float, float]) -> Iterator[Axes]:
    """One pair of axes; see `panels`."""
    with panels(path, size, (1.0,)) as (axes,):
        yield axes


def pyplot() -> Any:  # noqa: ANN401 - a module
    """The drawing library, set to draw without a screen; half a second that only pictures should cost."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    return plt


def checked(path: Path) -> None:
    """Raises BadValue for a name that no picture can have."""
    if path.suffix.lower() not in FORMATS:
        raise BadValue("plot", str(path), f"a file that ends in {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise BadValue("plot", str(path), "a path inside an existing folder")
