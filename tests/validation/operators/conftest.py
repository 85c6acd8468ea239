"""Makes the small tables importable under a name of their own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location("operator_tables", Path(__file__).with_name("tables.py"))
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["operator_tables"] = _module
_spec.loader.exec_module(_module)
