"""The answers of another revision: its files in a temporary folder, asked by a Python of their own.

`git archive` is taken instead of a worktree: it leaves no trace in the checkout, not even when the command is killed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from silmark.api.snapshot import ask
from silmark.errors import BadValue
from silmark.figures.tables import OWN_CALIBRATION, data_folder

_SOURCE = "src"


def resolve(name: str) -> str:
    """The commit that a revision means in the checkout that this package runs from.

    Raises:
        BadValue: git is not there, the package does not lie in a checkout, the revision is unknown, or the environment
            names a calibration of the user's own, which early revisions do not know.
    """
    root = checkout()
    if os.environ.get(OWN_CALIBRATION):
        raise BadValue(OWN_CALIBRATION, os.environ[OWN_CALIBRATION], "nothing while revisions are compared")
    done = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    commit = done.stdout.decode(errors="replace").strip()
    if done.returncode or not commit:
        raise BadValue("against", name, "a file of --snapshot that exists, or a git revision of the checkout")
    return commit


def checkout() -> Path:
    """Root of the git checkout that this package runs from; raises BadValue if it runs from none."""
    if shutil.which("git") is None:
        raise BadValue("against", "a revision", "a file of --snapshot: git is not installed")
    root = data_folder().resolve().parents[2]
    if not (root / ".git").exists() or data_folder().resolve() != root / _SOURCE / "silmark" / "data":
        raise BadValue("against", "a revision", "a file of --snapshot: this package does not run from a git checkout")
    return root


def answers(commit: str, asked: Mapping[str, Any]) -> dict[str, ask.Answers]:
    """What the package said at a commit; raises BadValue if its code cannot be asked."""
    with tempfile.TemporaryDirectory(prefix="silmark-") as name:
        folder = Path(name).resolve()
        _unpack(commit, folder)
        (folder / "questions.json").write_text(json.dumps(asked), encoding="utf-8")
        given = {"PYTHONPATH": str(folder / _SOURCE), "SILMARK_CACHE": str(folder / "cache")}
        done = subprocess.run(
            [sys.executable, "-P", ask.__file__, folder / "questions.json", folder / "answers.json"],
            env={**os.environ, **given},
            cwd=folder,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise BadValue("against", commit[:12], f"a revision that runs here; it ended with {''.join(last)}")
        found = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
        if not Path(found["package"]).is_relative_to(folder):
            raise BadValue("against", commit[:12], f"PYTHONPATH to be obeyed; {found['package']} answered instead")
    return dict(found["answers"])


def _unpack(commit: str, folder: Path) -> None:
    packed = folder / "source.zip"
    done = _git(checkout(), "archive", "--format=zip", f"--output={packed}", commit, f"{_SOURCE}/silmark")
    if done.returncode:
        raise BadValue("against", commit[:12], f"a revision that holds {_SOURCE}/silmark")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)


def _git(root: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=False)
