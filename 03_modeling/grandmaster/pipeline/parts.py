"""Parts of a fold's held-out pictures, each of which is predicted by an epoch that the others choose."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# The fewest there can be: each costs up to one more file of weights while a fit is in training.
PARTS = 2


def parts_of(
    groups: npt.NDArray[Any], targets: npt.NDArray[Any], held: npt.NDArray[np.bool_], *, seed: int
) -> npt.NDArray[np.int64] | None:
    """Deal the held-out pictures to `PARTS` parts, as alike in their targets as can be.

    Groups (near-duplicates, pictures of one row) stay together. They are sorted by the target of their first picture
    (of equals in the order of the seed) and dealt in turn, so that every class is spread over the parts.

    Args:
        groups: name of each picture's group, (n,).
        targets: as `Competition.targets`, (n,) or (n, c).
        held: which pictures are held out, (n,).

    Returns:
        int64 (n,), 0 to PARTS - 1; 0 for pictures that are not held out. None where there is nothing to choose with,
        since all held-out pictures are one group.
    """
    names, first, codes = np.unique(groups[held].astype(str), return_index=True, return_inverse=True)
    if len(names) < 2:
        return None
    keys = targets[held][first].reshape(len(names), -1)
    drawn = np.random.default_rng((seed, PARTS)).permutation(len(names))
    order = np.lexsort((drawn, *keys.T[::-1]))
    part = np.empty(len(names), np.int64)
    part[order] = np.arange(len(names)) % PARTS
    parts = np.zeros(len(held), np.int64)
    parts[held] = part[codes]
    return parts
