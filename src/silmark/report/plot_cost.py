"""A picture of costs: the parts of a million tokens, and the tornado of the inputs."""

from __future__ import annotations

from pathlib import Path

from silmark.errors import BadValue
from silmark.report.priced import Priced

_FORMATS = (".png", ".svg", ".pdf")
_MOST = 12
"""Bars of the tornado that are drawn."""


def draw(answer: Priced, path: Path) -> None:
    """Writes the picture; the file's ending chooses the format. Raises BadValue for another ending."""
    if path.suffix.lower() not in _FORMATS:
        raise BadValue("plot", str(path), f"a file that ends in {', '.join(_FORMATS)}")
    if not path.parent.is_dir():
        raise BadValue("plot", str(path), "a path inside an existing folder")
    if answer.cost is None:
        raise BadValue("plot", str(path), f"an answer with costs ({answer.reason})")
    import matplotlib as mpl  # noqa: PLC0415 - half a second that only pictures should cost

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    each = "Mtok" if answer.cost.split else "Mitem"
    parts = {name: float(amount) for name, amount in answer.cost.per_million.amounts().items()}
    left.barh(list(parts)[::-1], list(parts.values())[::-1], color="#4477aa")
    left.set_xlabel(f"$/{each}")
    left.set_title(f"{answer.question['model']} on {answer.question['on']}")
    mid = answer.cost.usd_per_million.mid
    bars = answer.tornado[:_MOST][::-1]
    names = [bar.key for bar in bars]
    right.barh(names, [bar.at_low - mid for bar in bars], left=mid, color="#66ccee", label="input at its low")
    right.barh(names, [bar.at_high - mid for bar in bars], left=mid, color="#ee6677", label="input at its high")
    right.axvline(mid, color="black", linewidth=0.8)
    right.set_xlabel(f"$/{each}")
    right.legend(frameon=False)
    try:
        figure.savefig(path, dpi=130)
    except OSError as error:
        raise BadValue("plot", str(path), f"a file that can be written ({error.strerror})") from None
    finally:
        plt.close(figure)
