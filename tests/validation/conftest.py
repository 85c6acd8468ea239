"""Makes the writers of synthetic tables importable; the small tables of operators under a name of their own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(_HERE))
_spec = importlib.util.spec_from_file_location("operator_tables", _HERE / "operators" / "tables.py")
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["operator_tables"] = _module
_spec.loader.exec_module(_module)
