"""An epoch in which every class is seen equally often."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Later sightings of a picture within one epoch are drawn as those of an epoch that far ahead: training has fewer.
REPEAT_EPOCHS = 100_000


def balanced_indices(classes: npt.NDArray[np.integer], seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Indices for `PictureDataset` of one epoch: as many as there are pictures, each class as often as any other.

    Class-balanced sampling (Kang et al. 2020), without chance in the counts: of n pictures of a class each is seen
    floor(m / n) or ceil(m / n) times of the class's m. A picture that is seen again is augmented anew.

    Args:
        classes: of the dataset's pictures by position, (n,).
        seed, epoch: all randomness follows from these two.
    """
    rng = np.random.default_rng((seed, epoch, 2))
    present = np.unique(classes)
    count = len(classes)
    shares = np.full(len(present), count // len(present))
    shares[rng.permutation(len(present))[: count % len(present)]] += 1
    drawn = []
    for label, share in zip(present, shares, strict=True):
        positions = np.flatnonzero(classes == label)
        rounds = -(-share // len(positions))
        taken = np.concatenate(
            [
                (epoch + number * REPEAT_EPOCHS) * count + rng.permutation(positions)
                for number in range(rounds)
            ]
        )
        drawn.append(taken[:share])
    return rng.permutation(np.concatenate(drawn)).astype(np.int64)
