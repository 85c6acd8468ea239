"""Rows of aiconfigurator's tables as rows of the public operator tables, which all fits read.

The package's collector writes milliseconds, and for a decoding kernel the prompt and the step apart; messages are
counted in elements. Its files come from outside: their size, numbers and texts are bounded, a row that does not fit
is left out and counted, and a file of which most rows do not fit is refused.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from silmark.calibration import parquet
from silmark.calibration.perf_files import PerfFile
from silmark.calibration.rows import Row
from silmark.errors import BadFile

MAX_BYTES = 256 << 20
"""Of one file."""
MAX_ROWS = 2_000_000
MOST = 2000
"""Rows of one file that fits use unless told otherwise; more of them hardly move a fit and take its time."""
_ODD = re.compile(r"[^\w.:+/()\[\], -]", re.ASCII)
_LONGEST_WORD = 120
_LONGEST_MS = 1e6
_LARGEST = 1e12
_LATENCY = "latency"
_REFUSE = 0.5
"""Share of rows that do not fit from which a file is taken for another kind."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of table.

    Attributes:
        table: the public table that it becomes.
        texts: columns of words -> column of the public table.
        sizes: columns of whole numbers above 0 -> column of the public table, likewise.
        optional: columns that older releases lack -> value without them; may be 0.
        fixed: columns of the public table that are the same for all rows.
        owner: column that names the library.
        sums: column of the public table -> columns that are added up for it.
    """

    table: str
    texts: Mapping[str, str]
    sizes: Mapping[str, str]
    optional: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    owner: str = "engine"
    sums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_HEADS = ("batch_size", "num_heads", "num_key_value_heads", "head_dim")
_MESSAGE = {"num_gpus": "num_gpus", "message_size": "message_elements"}
_ROUTED = ("hidden_size", "inter_size", "topk", "num_experts", "moe_tp_size", "moe_ep_size")
_ATTENDED = _same("attn_dtype", "kv_cache_dtype", "kernel_source")
_NCCL = Kind(
    "ops_collectives_aiconfigurator",
    {"nccl_dtype": "dtype", "op_name": "op", "kernel_source": "impl"},
    _MESSAGE,
    owner="library",
)
KINDS: Mapping[str, Kind] = {
    "gemm_perf": Kind("ops_gemm_aiconfigurator", _same("gemm_dtype", "kernel_source"), _same("m", "n", "k")),
    "context_attention_perf": Kind(
        "ops_attention_prefill_aiconfigurator", _ATTENDED, _same(*_HEADS, "isl"), {"window_size": "0"},
        {"kv_prefix_len": "0"},
    ),
    "generation_attention_perf": Kind(
        "ops_attention_decode_aiconfigurator", _ATTENDED, _same(*_HEADS), {"window_size": "0", "isl": "0", "step": "0"},
        sums={"kv_len": ("isl", "step")},
    ),
    "moe_perf": Kind(
        "ops_moe_aiconfigurator", _same("moe_dtype", "distribution", "kernel_source"), _same("num_tokens", *_ROUTED)
    ),
    "nccl_perf": _NCCL,
    "oneccl_perf": _NCCL,
    "custom_allreduce_perf": Kind(
        "ops_collectives_aiconfigurator", {"allreduce_dtype": "dtype", "kernel_source": "impl"}, _MESSAGE,
        fixed={"op": "all_reduce"}, owner="library",
    ),
}  # fmt: skip
"""Table of the package -> what becomes of it. Fused modules (latent and sparse attention, dispatch across nodes) have
no counterpart among the operators."""


@dataclass(frozen=True, slots=True)
class Read:
    """Rows of one file, thinned, how many it had that fit, and rows left out by reason."""

    file: PerfFile
    rows: tuple[Row, ...]
    total: int
    dropped: Counter[str]


def read(file: PerfFile, most: int = MOST) -> Read:
    """Reads one file.

    Args:
        file: a table whose name is in KINDS.
        most: rows to keep, evenly spaced over the shapes in order; 0 keeps all.

    Raises:
        BadFile: too large, damaged, without a column, or mostly of rows that do not fit.
        MissingExtra: a parquet file, and pyarrow is not installed.
    """
    kind = KINDS[file.name]
    needed = [*kind.texts, *kind.sizes, _LATENCY]
    columns = _columns(file.path, needed, [name for name in kind.optional if name not in needed])
    dropped: Counter[str] = Counter()
    kept: list[Row] = []
    for cells in zip(*columns.values(), strict=True):
        row = _row(kind, dict(zip(columns, cells, strict=True)), file)
        if isinstance(row, str):
            dropped[row] += 1
        else:
            kept.append(row)
    left_out = sum(dropped.values())
    if left_out > _REFUSE * (len(kept) + left_out):
        why, count = dropped.most_common(1)[0]
        said = f"{count:,} of {len(kept) + left_out:,} rows do not fit: {why}"
        raise BadFile(file.path, f"{said}; not a table of {file.name}")
    return Read(file, tuple(_thinned(kept, kind, most)), len(kept), dropped)


def _columns(path: Path, needed: Sequence[str], optional: Iterable[str]) -> dict[str, list[str]]:
    """Cells of some columns as texts; an optional one is left away where the file has none."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be read") from None
    if size > MAX_BYTES:
        raise BadFile(path, f"larger than {MAX_BYTES >> 20} MiB; not a table of aiconfigurator")
    found = parquet.read(path, [*needed, *optional], MAX_ROWS) if path.suffix == ".parquet" else _csv(path)
    missing = [name for name in needed if name not in found]
    if missing:
        raise BadFile(path, "no such column; known are the tables of aiconfigurator-core 0.11 and 0.12", missing[0])
    return {name: found[name] for name in (*needed, *optional) if name in found}


def _csv(path: Path) -> dict[str, list[str]]:
    try:
        lines = csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""), strict=True)
        header = next(lines, [])
        if len(set(header)) < len(header) or not header:
            raise BadFile(path, "the first line must name different columns")
        columns: dict[str, list[str]] = {name: [] for name in header}
        cells = list(columns.values())
        for row in lines:
            if len(row) != len(header):
                raise BadFile(path, f"{len(row)} cells, the header has {len(header)}", f"line {lines.line_num}")
            if len(cells[0]) == MAX_ROWS:
                raise BadFile(path, f"more than {MAX_ROWS:,} rows; not a table of aiconfigurator")
            for column, cell in zip(cells, row, strict=True):
                column.append(cell)
    except csv.Error as error:
        raise BadFile(path, f"not CSV: {error}") from None
    except UnicodeDecodeError:
        raise BadFile(path, "not UTF-8 text") from None
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be read") from None
    return columns


def _row(kind: Kind, cells: Mapping[str, str], file: PerfFile) -> Row | str:
    """The row in the public table's columns, or why it is left out."""
    row: Row = {"system": file.system, kind.owner: file.library, "split": "public", "flag": "", **kind.fixed}
    for name, own in kind.texts.items():
        if not 0 < len(cells[name]) <= _LONGEST_WORD:
            return f"{name} is not a word of up to {_LONGEST_WORD} letters"
        row[own] = _ODD.sub("_", cells[name])  # names of kernels become keys of calibration files
    sizes: dict[str, int] = {}
    for name in (*kind.sizes, *kind.optional):
        number = _number(cells.get(name) or kind.optional.get(name, ""))
        if number is None or number % 1 or not (0 if name in kind.optional else 1) <= number <= _LARGEST:
            return f"{name} is not a whole number up to {_LARGEST:.0e}"
        sizes[name] = int(number)
    row |= {own: str(sizes[name]) for name, own in kind.sizes.items()}
    row |= {name: str(sizes[name]) for name in kind.optional}
    row |= {own: str(sum(sizes[name] for name in names)) for own, names in kind.sums.items()}
    latency = _number(cells[_LATENCY])
    if latency is None or not 0 < latency <= _LONGEST_MS:
        return f"{_LATENCY} is not a number of milliseconds above 0"
    row["time_us"] = repr(latency * 1e3)
    return row


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _thinned(rows: list[Row], kind: Kind, most: int) -> list[Row]:
    """Evenly spaced rows in the order of words and shapes."""
    if most <= 0 or len(rows) <= most:
        return rows
    words, sizes = list(kind.texts.values()), [*kind.sizes.values(), *kind.optional]
    ordered = sorted(rows, key=lambda row: ([row[w] for w in words], [int(row[s]) for s in sizes]))
    return [ordered[i * len(ordered) // most] for i in range(most)]
