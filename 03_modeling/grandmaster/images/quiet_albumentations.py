"""albumentations, imported without the question that it asks on import."""

from __future__ import annotations

import os

# On import it asks the network for a newer version of itself, and waits for the answer.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A

__all__ = ["A"]
