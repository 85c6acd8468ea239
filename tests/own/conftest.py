"""Makes the writer of a made-up package importable, and one such package for all tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with a made-up aiconfigurator-core in it."""
    import site_packages  # noqa: PLC0415 - importable once this file was read

    folder = tmp_path_factory.mktemp("site")
    site_packages.install(folder)
    return folder


@pytest.fixture(scope="session")
def calibrated(site: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder that a calibration on that package wrote, and what it printed."""
    pytest.importorskip("scipy", reason="scipy is not installed: pip install 'silmark[calibrate]'")
    from silmark.validation import own  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("calibrated") / "mine"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.delenv("SILMARK_CALIBRATION", raising=False)
        patch.delenv("SILMARK_DATA", raising=False)
        lines = list(own.run(folder))
    return folder, lines
