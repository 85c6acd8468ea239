"""The CSV that a measurement writes: the columns of the public operator tables, and what was measured on.

One file holds all kinds (column `kind`), so the columns are the union of the public tables' and a cell that a kind
does not have is empty. Conventions are theirs: times in microseconds, messages of collectives in elements, `kv_len`
counts the token of the step, the `tflops` of a causal prefill count the pairs that the mask leaves.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from silmark.calibration.measure.device import Device
from silmark.calibration.measure.grid import KEYS, MODEL, Point
from silmark.calibration.measure.operators import Call
from silmark.calibration.measure.timer import Timing
from silmark.errors import BadFile

COLUMNS = (
    "kind", "system", "engine", "engine_version", "gemm_dtype", "attn_dtype", "kv_cache_dtype", "moe_dtype", "dtype",
    "m", "n", "k", "batch_size", "isl", "kv_prefix_len", "kv_len", "num_heads", "num_key_value_heads", "head_dim",
    "window_size", "num_tokens", "hidden_size", "inter_size", "topk", "num_experts", "moe_tp_size", "moe_ep_size",
    "distribution", "layers", "vocab", "library", "version", "op", "impl", "num_gpus", "message_elements", "bytes",
    "kernel_source", "time_us", "tflops", "flag", "source_path", "cache", "best_us", "repeats", "disturbed", "device",
    "threads", "clock_mhz", "driver", "library_versions", "date",
)  # fmt: skip
MAX_BYTES = 64 << 20
_DTYPE = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
_DTYPE_COLUMN = {
    "gemm": ("gemm_dtype",),
    "attention_prefill": ("attn_dtype", "kv_cache_dtype"),
    "attention_decode": ("attn_dtype", "kv_cache_dtype"),
    "moe": ("moe_dtype",),
}
_ELEMENT = 2  # bytes; collectives are in half precision
_SIZES = frozenset(MODEL) | {name for names in KEYS.values() for name in names} - {"dtype", "op"}
Row = Mapping[str, str]


def flops(point: Point) -> float:
    """Operations of the point's products, a multiply-add counting two; 0 where it has none."""
    size = point.size
    match point.kind:
        case "gemm":
            return 2.0 * size("m") * size("n") * size("k")
        case "moe":
            return 6.0 * size("num_tokens") * size("topk") * size("hidden_size") * size("inter_size")
        case "attention_prefill":
            pairs = size("isl") * (size("isl") + 1) / 2
            return 4.0 * size("batch_size") * size("num_heads") * size("head_dim") * pairs
        case "attention_decode":
            return 4.0 * size("batch_size") * size("num_heads") * size("head_dim") * size("kv_len")
        case _:
            return 0.0


def row(device: Device, point: Point, call: Call, timing: Timing, ranks: int = 1) -> dict[str, str]:
    """One line of the CSV."""
    cells: dict[str, object] = {key: value for key, value in point.shape.items() if key != "dtype"}
    if "dtype" in KEYS[point.kind]:
        cells |= dict.fromkeys(_DTYPE_COLUMN.get(point.kind, ("dtype",)), _DTYPE[point.dtype])
    if point.kind == "attention_prefill":
        cells["kv_prefix_len"] = 0
    if point.kind == "moe":
        cells |= {"moe_tp_size": 1, "moe_ep_size": 1, "distribution": "balanced"}
    if point.kind == "collective":
        cells |= {"library": call.kernel, "num_gpus": ranks, "message_elements": point.size("bytes") // _ELEMENT,
                  "dtype": "half"}  # fmt: skip
    if work := flops(point):
        cells["tflops"] = f"{work / timing.median_s * 1e-12:.6g}"
    cells |= {
        "kind": point.kind,
        "system": device.kind,
        "engine": "torch",
        "engine_version": device.torch.__version__,
        "kernel_source": call.kernel,
        "time_us": f"{timing.median_s * 1e6:.6g}",
        "best_us": f"{timing.best_s * 1e6:.6g}",
        "repeats": timing.repeats,
        "disturbed": timing.disturbed,
        "flag": "" if timing.repeats else "DISTURBED",
        "cache": "cold" if call.cold else "warm",
        "source_path": "silmark measure",
        "device": device.name,
        "threads": device.threads or "",
        "clock_mhz": f"{device.clock_mhz:.0f}" if device.clock_mhz else "",
        "driver": device.driver,
        "library_versions": device.libraries,
        "date": datetime.now(UTC).date().isoformat(),
    }
    return {name: str(cells.get(name, "")) for name in COLUMNS}


def write(path: Path, rows: Iterable[Row]) -> None:
    """Writes the CSV; raises BadFile where the path cannot be written."""
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be written") from None


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV that `silmark measure` wrote, each checked.

    Raises:
        BadFile: unreadable, another header, or a cell that is no number where one must be.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be read") from None
    except UnicodeDecodeError:
        raise BadFile(path, "not UTF-8 text; expected a CSV of `silmark measure`") from None
    if len(raw) > MAX_BYTES:
        raise BadFile(path, f"larger than {MAX_BYTES} bytes")
    try:
        reader = csv.DictReader(io.StringIO(text))
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise BadFile(path, f"no column {missing[0]}; expected a CSV of `silmark measure`", "line 1")
        found = list(reader)
    except csv.Error as error:
        raise BadFile(path, f"not a CSV: {error}") from None
    for number, line in enumerate(found, start=2):
        _check(path, f"line {number}", line)
    return found


def _check(path: Path, where: str, line: Row) -> None:
    kind = line["kind"]
    if kind not in KEYS:
        raise BadFile(path, f"{str(kind)[:30]!r}; expected one of {', '.join(KEYS)}", f"{where}, kind")
    names = [name for name in KEYS[kind] if name not in ("dtype", "op")]
    for name in ("time_us", "best_us", *names):
        try:
            value = float(line[name])
        except (TypeError, ValueError):
            value = math.nan
        if not 0 < value < 1e15:
            raise BadFile(path, f"{str(line[name])[:20]!r}; expected a number above 0", f"{where}, {name}")
    if "dtype" in KEYS[kind] and dtype(line) not in _DTYPE:
        raise BadFile(path, f"expected one of {', '.join(_DTYPE.values())}", f"{where}, {_dtype_column(kind)}")


def _dtype_column(kind: str) -> str:
    return _DTYPE_COLUMN.get(kind, ("dtype",))[0]


def dtype(line: Row) -> str:
    """The format of a row under Silmark's name; empty where it is none of ours."""
    own = {theirs: ours for ours, theirs in _DTYPE.items()}
    return own.get(line[_dtype_column(line["kind"])], "")


def point(line: Row) -> Point:
    """The point that a row was measured at."""
    names = [name for name in line if line[name] and name in _SIZES]
    shape: dict[str, int | float | str] = {name: int(float(line[name])) for name in names}
    if "dtype" in KEYS[line["kind"]]:
        shape["dtype"] = dtype(line)
    if line["op"]:
        shape["op"] = line["op"]
    return Point(line["kind"], shape)
