"""Pictures that can be read and are still worth a look: rare ways of storing, sizes, shapes, nothing to see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from grandmaster.eda.signature import Records, stored_as
from grandmaster.eda.statistics import NAMES
from grandmaster.images.stored_as import STORED_AS

TINY = 32  # px, shorter side
HUGE = 50_000_000  # pixels; a photo of a large camera
EXTREME_ASPECT = 5.0
CONSTANT_SPREAD = 1.0  # grey levels, standard deviation
NEUTRAL = 16  # largest difference of two channels in a picture called grey
RARE = 0.1  # share of grey pictures among colour ones, or the other way round, up to which they are odd
EXAMPLES = 12


def odd_pictures(records: Records, ids: Sequence[str], *, train_count: int) -> list[dict[str, Any]]:
    """What is odd, how often in train and in test, and the first few of each.

    Args:
        records: of all n readable pictures, training pictures first (`eda.signature`).
        ids: of the n pictures.
        train_count: how many of them are training pictures.

    Returns:
        One entry a reason that applies to any picture: {"reason", "train", "test" (counts), "examples": [{"split",
        "id"}, at most `EXAMPLES`]}.
    """
    found = []
    for reason, applies in _reasons(records).items():
        rows = np.flatnonzero(applies)
        if len(rows) == 0:
            continue
        in_train = int((rows < train_count).sum())
        found.append(
            {
                "reason": reason,
                "train": in_train,
                "test": len(rows) - in_train,
                "examples": [
                    {"split": "train" if row < train_count else "test", "id": ids[row]}
                    for row in rows[:EXAMPLES].tolist()
                ],
            }
        )
    return found


def _reasons(records: Records) -> dict[str, npt.NDArray[np.bool_]]:
    """Reason -> which pictures it applies to, (n,)."""
    width, height, contrast = (
        records["values"][:, NAMES.index(name)] for name in ("width", "height", "contrast")
    )
    aspect = np.maximum(width / height, height / width)
    reasons = {name: stored_as(records, name) for name in STORED_AS}
    grey = records["colour"] <= NEUTRAL
    # A mixture of both is not odd.
    if grey.mean() <= RARE:
        reasons["grey among colour pictures"] = grey
    elif (~grey).mean() <= RARE:
        reasons["colour among grey pictures"] = ~grey
    reasons[f"tiny: shorter side under {TINY} px"] = np.minimum(width, height) < TINY
    reasons[f"huge: over {HUGE // 1_000_000} million pixels"] = width * height > HUGE
    reasons[f"one side over {EXTREME_ASPECT:.0f} times the other"] = aspect > EXTREME_ASPECT
    reasons["constant: nothing to see"] = contrast < CONSTANT_SPREAD
    return reasons
