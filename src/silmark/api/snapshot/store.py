"""Snapshots: taken, written, read, and set against each other."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from silmark import __version__
from silmark.api.snapshot import ask, revision
from silmark.api.snapshot.questions import digest, questions
from silmark.errors import BadFile, BadValue
from silmark.report.changes import Changes, compare
from silmark.report.snapshot import MAX_BYTES, Snapshot, parse


def take() -> Snapshot:
    """What this version of the package says to the whole grid."""
    asked = questions()
    return Snapshot.of(__version__, digest(asked), ask.answers(asked))


def write(snapshot: Snapshot, path: Path) -> None:
    """Writes a snapshot as JSON; raises BadFile if that is not possible."""
    try:
        path.write_text(json.dumps(snapshot.as_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be written") from None


def read(path: Path) -> Snapshot:
    """Reads a snapshot; raises BadFile if the file is none."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be read") from None
    if len(raw) > MAX_BYTES:
        raise BadFile(path, f"larger than {MAX_BYTES >> 20} MiB; a snapshot takes a few")
    return parse(raw, path)


def against(name: str) -> tuple[Changes, Snapshot]:
    """What changed since a snapshot or a revision, and the snapshot of now.

    Args:
        name: a file that `write` wrote, or a git revision of the checkout that this package runs from.

    Raises:
        BadFile: a file that is no snapshot.
        BadValue: neither a file nor a revision, or a revision that cannot be asked.
    """
    path = Path(name)
    if path.is_file():
        before = read(path)
        now = take()
        return compare(before, now, name), now
    if path.suffix == ".json" or path.is_dir():
        raise BadFile(path, "no such file" if not path.exists() else "not a regular file")
    if not name:
        raise BadValue("against", name, "a file of --snapshot, or a git revision")
    commit = revision.resolve(name)
    asked = questions()
    with ThreadPoolExecutor(1) as pool:  # the other version runs in a process of its own, beside this one
        old = pool.submit(revision.answers, commit, asked)
        now = take()
        before = Snapshot.of(commit[:12], digest(asked), old.result())
    return compare(before, now, f"{name} ({commit[:12]})"), now
