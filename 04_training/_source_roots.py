"""Puts `03_modeling` first on the path, so that a clone runs its own code and not an installed copy."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_MODELING = str(ROOT / "03_modeling")

if sys.path[:1] != [_MODELING]:
    sys.path[:] = [_MODELING, *(entry for entry in sys.path if entry != _MODELING)]
