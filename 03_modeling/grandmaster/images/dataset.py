"""Pictures and labels by index, for torch's loader."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from grandmaster.images.augment import Augmentation
from grandmaster.images.resize import to_square
from grandmaster.images.store import PictureStore


class PictureDataset(Dataset[tuple[torch.Tensor, int, int]]):
    """Some rows of a store, augmented anew in every epoch.

    Index `epoch * len(dataset) + position` is picture `position` as epoch `epoch` sees it, so workers that live
    through the whole training need not be told the epoch, and what they return depends on nothing else: not on
    their number, not on what came before, so a resumed run sees what the uninterrupted would have.

    Args:
        store: the pictures.
        labels: class index for each row of the *store*, or None (all are -1 then).
        augmentation: None: pictures are only resized.
        size: side, px; the augmentation's where there is one.
        seed: of the augmentation.
        rows: rows of the store that belong to this dataset, in order; None: all.
    """

    def __init__(
        self,
        store: PictureStore,
        labels: npt.NDArray[np.integer] | None,
        augmentation: Augmentation | None,
        size: int,
        seed: int,
        *,
        rows: npt.NDArray[np.integer] | None = None,
    ) -> None:
        if labels is not None and len(labels) != len(store):
            raise ValueError(f"{len(labels)} labels for {len(store)} pictures")
        if augmentation is not None and augmentation.size != size:
            raise ValueError(f"augmentation makes {augmentation.size} px, the dataset wants {size}")
        self.store, self.labels, self.augmentation = store, labels, augmentation
        self.size, self.seed = size, seed
        self.rows = np.arange(len(store)) if rows is None else np.asarray(rows)

    def with_seed(self, seed: int) -> PictureDataset:
        """The same pictures under other draws of the augmentation."""
        return PictureDataset(self.store, self.labels, self.augmentation, self.size, seed, rows=self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int, int]:
        """(uint8 RGB (3, size, size), label, row of the store)."""
        epoch, position = divmod(int(index), len(self.rows))
        row = int(self.rows[position])
        picture = self.store[row]
        if self.augmentation is None:
            picture = to_square(picture, self.size)
        else:
            seed = picture_seed(self.seed, epoch, row)
            picture, _ = self.augmentation(picture, seed, aspect=float(self.store.aspects[row]))
        label = -1 if self.labels is None else int(self.labels[row])
        return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1), label, row


def picture_seed(seed: int, epoch: int, row: int) -> int:
    """64 bits that differ for every (seed, epoch, row): NumPy's SeedSequence mixes them (O'Neill 2015)."""
    return int(np.random.SeedSequence((seed, epoch, row)).generate_state(1, np.uint64)[0])
