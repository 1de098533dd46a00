"""Pictures and targets by index, for torch's loader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from grandmaster.images.augment import Augmentation
from grandmaster.images.corruption import WORKING_SIDE
from grandmaster.images.resize import to_square
from grandmaster.images.store import PictureStore


class Item(NamedTuple):
    """One picture of a dataset.

    Attributes:
        picture: uint8 (c, size, size): red, green and blue, then the channels of further images.
        target: an int, or float32 (c,).
        row: of the store.
        other_target: of the picture that was mixed in; its own where none was.
        other_share: how much of that picture is in it, 0 to 1.
        weight: how much the picture counts in training; of a mixed one, those of both by shares.
    """

    picture: torch.Tensor
    target: Any
    row: int
    other_target: Any
    other_share: float
    weight: float = 1.0


class PictureDataset(Dataset[Item]):
    """Some rows of a store, augmented anew in every epoch.

    Index `epoch * len(dataset) + position` is picture `position` as epoch `epoch` sees it, so workers that live
    through the whole training need not be told the epoch, and what they return depends on nothing else: not on
    their number, not on what came before, so a resumed run sees what the uninterrupted would have.

    Args:
        store: the pictures.
        targets: of each row of the *store*, whole-number classes (n,) or numbers (n, c); None: all are -1.
        augmentation: None: pictures are only resized.
        size: side, px; the augmentation's where there is one.
        seed: of the augmentation.
        rows: rows of the store that belong to this dataset, in order; None: all.
        by_class: augmentation of pictures of these classes instead; of the same size.
        taught: what is learnt from each row of the store instead of its target, float32 (n, c), as `FitSpec.loss` wants
            it; `targets` then only say which class a picture is of.
        weights: how much each row of the store counts in training, (n,); None: all the same.
        partners: rows that may be mixed in; None: this dataset's.
    """

    def __init__(
        self,
        store: PictureStore,
        targets: npt.NDArray[Any] | None,
        augmentation: Augmentation | None,
        size: int,
        seed: int,
        *,
        rows: npt.NDArray[np.integer] | None = None,
        by_class: Mapping[int, Augmentation] | None = None,
        taught: npt.NDArray[np.float32] | None = None,
        weights: npt.NDArray[np.floating] | None = None,
        partners: npt.NDArray[np.integer] | None = None,
    ) -> None:
        for name, values in (("targets", targets), ("taught rows", taught), ("weights", weights)):
            if values is not None and len(values) != len(store):
                raise ValueError(f"{len(values)} {name} for {len(store)} pictures")
        self.by_class = dict(by_class or {})
        for given in (augmentation, *self.by_class.values()):
            if given is not None and given.size != size:
                raise ValueError(f"augmentation makes {given.size} px, the dataset wants {size}")
        self.store, self.targets, self.augmentation = store, targets, augmentation
        self.taught, self.weights = taught, weights
        self.size, self.seed = size, seed
        self.rows = np.arange(len(store)) if rows is None else np.asarray(rows)
        self.partners = self.rows if partners is None else np.asarray(partners)

    def with_seed(self, seed: int) -> PictureDataset:
        """The same pictures under other draws of the augmentation."""
        return self._like(seed, self.rows, self.partners)

    def with_rows(self, rows: npt.NDArray[np.integer]) -> PictureDataset:
        """Other pictures of the store under the same augmentation; mixed only among themselves."""
        return self._like(self.seed, rows, rows)

    def only(self, positions: npt.NDArray[np.integer]) -> PictureDataset:
        """Some of this dataset's pictures, each exactly as it is in the whole."""
        return self._like(self.seed, self.rows[positions], self.partners)

    def _like(
        self, seed: int, rows: npt.NDArray[np.integer], partners: npt.NDArray[np.integer]
    ) -> PictureDataset:
        return PictureDataset(
            self.store,
            self.targets,
            self.augmentation,
            self.size,
            seed,
            rows=rows,
            by_class=self.by_class,
            taught=self.taught,
            weights=self.weights,
            partners=partners,
        )

    @property
    def labels(self) -> npt.NDArray[Any] | None:
        """Targets of this dataset's pictures by position, as they were given."""
        return None if self.targets is None else self.targets[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Item:
        """Picture `index % len` of epoch `index // len`."""
        epoch, position = divmod(int(index), len(self.rows))
        row = other = int(self.rows[position])
        picture, other_share = self.store[row], 0.0
        augmentation = self.augmentation
        if self.by_class:
            augmentation = self.by_class.get(self._target(row), augmentation)
        if augmentation is None:
            picture = to_square(picture, self.size)
        else:
            seed = picture_seed(self.seed, epoch, row)
            # Of this dataset only: a training picture must never be mixed with one that is validated.
            other = int(self.partners[seed % len(self.partners)])
            picture, other_share = augmentation(
                picture,
                seed,
                aspect=float(self.store.aspects[row]),
                side=float(min(self.store.sides[row], WORKING_SIDE)),
                partner=lambda: self.store[other],
            )
        return Item(
            picture=torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1),
            target=self._learnt(row),
            row=row,
            other_target=self._learnt(other),
            other_share=other_share,
            weight=self._weight(row, other, other_share),
        )

    def _learnt(self, row: int) -> Any:
        return self._target(row) if self.taught is None else np.asarray(self.taught[row], np.float32)

    def _weight(self, row: int, other: int, other_share: float) -> float:
        if self.weights is None:
            return 1.0
        return float(self.weights[row] * (1 - other_share) + self.weights[other] * other_share)

    def _target(self, row: int) -> Any:
        target: Any = -1 if self.targets is None else self.targets[row]
        return np.asarray(target, np.float32) if np.ndim(target) else int(target)


class JoinedDataset(Dataset[Item]):
    """Several datasets one after the other, each with its own store and augmentation; mixed only within themselves.

    Index `epoch * len(dataset) + position`, as in `PictureDataset`; an item's row is that of its own dataset's store.

    Attributes:
        seed: of the order, the first dataset's.
    """

    def __init__(self, parts: Sequence[PictureDataset]) -> None:
        self.parts = tuple(parts)
        self.seed = self.parts[0].seed
        self._ends = np.cumsum([len(part) for part in self.parts])

    @property
    def labels(self) -> npt.NDArray[Any] | None:
        """See `PictureDataset.labels`; None where one of them has none."""
        known = [part.labels for part in self.parts]
        return None if any(each is None for each in known) else np.concatenate(known)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Item:
        """Picture `index % len` of epoch `index // len`."""
        epoch, position = divmod(int(index), len(self))
        number = int(np.searchsorted(self._ends, position, side="right"))
        part = self.parts[number]
        start = int(self._ends[number]) - len(part)
        return part[epoch * len(part) + position - start]


TrainingPictures = PictureDataset | JoinedDataset


def picture_seed(seed: int, epoch: int, row: int) -> int:
    """64 bits that differ for every (seed, epoch, row): NumPy's SeedSequence mixes them (O'Neill 2015)."""
    return int(np.random.SeedSequence((seed, epoch, row)).generate_state(1, np.uint64)[0])
