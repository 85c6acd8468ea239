"""The folder of a sweep: one Parquet file per shard, what it was made from, and which files are whole.

    part-00012.parquet   rows of shard 12; written under another name, synced, then renamed
    _manifest.json       the grid and the versions that its numbers depend on
    _done.jsonl          a line for every whole file: rows by status, SHA-256

Readers of Parquet folders skip names that start with an underscore. A run that was killed leaves at most a file that
has no line: it is computed again, to the same bits.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from silmark.errors import BadFile
from silmark.planning.sweep.evaluate import STATUSES
from silmark.planning.sweep.table import Part
from silmark.planning.sweep.work import Work

SCHEMA = "silmark.sweep-folder/1"
MANIFEST, DONE = "_manifest.json", "_done.jsonl"
_SCRATCH = ".part-*.parquet.*"
_MAX_MANIFEST = 64 << 20
_OTHERWISE = "name another folder with --output, or throw its results away with --fresh"


@dataclass(frozen=True, slots=True)
class Line:
    """A whole file: its shard, the digest of its bytes, its rows by status."""

    shard: int
    sha256: str
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Store:
    """An open folder.

    Attributes:
        folder: where it is.
        lines: the whole files found in it, by shard.
    """

    folder: Path
    lines: dict[int, Line]

    def keep(self, part: Part) -> None:
        """Writes a shard's file so that it is either there whole or not at all, and notes it."""
        line = Line(part.shard, hashlib.sha256(part.data).hexdigest(), part.counts)
        with _writing(self.folder):
            _write(self.folder / file_name(part.shard), part.data)
        noted = {"shard": line.shard, "sha256": line.sha256, "rows": line.counts}
        with _writing(self.folder):
            _append(self.folder / DONE, json.dumps(noted) + "\n")
        self.lines[part.shard] = line

    def tidy(self) -> None:
        """Removes what runs that were killed in the middle of writing left behind."""
        for path in self.folder.glob(_SCRATCH):
            path.unlink(missing_ok=True)


def file_name(shard: int) -> str:
    """Name of a shard's file."""
    return f"part-{shard:05d}.parquet"


def open_folder(folder: Path, work: Work, fresh: bool) -> Store:
    """Opens a folder for a sweep, with the whole files that a previous run left.

    Args:
        folder: made if it is not there.
        work: what the folder is for.
        fresh: throw away what another sweep left.

    Raises:
        BadFile: the folder holds something else, or results of another grid or version.
    """
    if folder.exists() and not folder.is_dir():
        raise BadFile(folder, "not a folder; name one that is empty or not there yet")
    identity = work.identity()
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        manifest = folder / MANIFEST
        if manifest.exists() and not fresh:
            _same(folder, _read(manifest), identity)
            return Store(folder, _whole(folder, work.grid.shards))
        if manifest.exists():
            _clear(folder)
        elif any(not path.name.startswith(f".{MANIFEST}") for path in folder.iterdir()):
            raise BadFile(folder, "holds other files; name a folder that is empty or not there yet")
        document = {"schema": SCHEMA, **identity, "points": work.grid.points, **work.grid.as_dict()}
        _write(manifest, (json.dumps(document) + "\n").encode())
    return Store(folder, {})


def _same(folder: Path, found: dict[str, Any], identity: dict[str, str]) -> None:
    """Refuses a folder whose results would not fit to those of this sweep."""
    if found.get("schema") != SCHEMA:
        raise BadFile(folder / MANIFEST, f"not the manifest of a sweep; {_OTHERWISE}")
    what = {"asked": "another grid, or other chip, system or model files", "package": "another version of Silmark"}
    for key, value in identity.items():
        if found.get(key) != value:
            made = what.get(key) or f"{key} {str(found.get(key))[:20]}, this is {value}"
            raise BadFile(folder, f"its results are of {made}; {_OTHERWISE}")


def _whole(folder: Path, shards: int) -> dict[int, Line]:
    """Files that have a line and are what the line says; the others are computed again."""
    try:
        text = (folder / DONE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return {}
    lines = filter(None, (_line(row) for row in text.splitlines()))
    return {line.shard: line for line in lines if line.shard < shards and _intact(folder / file_name(line.shard), line)}


def _line(text: str) -> Line | None:
    """One line of the list; None if it was cut off or is something else."""
    try:
        row = json.loads(text)
        shard, digest, counts = row["shard"], row["sha256"], {status: int(row["rows"][status]) for status in STATUSES}
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    fits = isinstance(shard, int) and not isinstance(shard, bool) and shard >= 0 and isinstance(digest, str)
    return Line(shard, digest, counts) if fits else None


def _intact(path: Path, line: Line) -> bool:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == line.sha256
    except OSError:
        return False


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_MANIFEST)
        found = json.loads(raw)
    except (ValueError, RecursionError, OSError):
        found = None
    return found if isinstance(found, dict) else {}


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turns what the system says about files into a sentence."""
    try:
        yield
    except OSError as error:
        raise BadFile(folder, error.strerror or "cannot be written") from None


def _write(path: Path, data: bytes) -> None:
    """Writes a file under another name and renames it once its bytes are on the disk."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with scratch.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    scratch.replace(path)


def _append(path: Path, text: str) -> None:
    """Adds a line; one that a kill cut off before gets its end first."""
    with path.open("ab+") as stream:
        if stream.seek(0, os.SEEK_END) and stream.seek(-1, os.SEEK_END) >= 0 and stream.read(1) != b"\n":
            text = "\n" + text
        stream.write(text.encode())
        stream.flush()
        os.fsync(stream.fileno())


def _clear(folder: Path) -> None:
    """Removes what a sweep wrote, and nothing else."""
    for path in [*folder.glob("part-*.parquet"), *folder.glob(_SCRATCH), folder / DONE, folder / MANIFEST]:
        path.unlink(missing_ok=True)
