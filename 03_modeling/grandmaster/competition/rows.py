"""From pictures to the rows of a submission, where several pictures share one: means of what was predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from grandmaster.competition.table import TargetKind


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Which pictures make up which row.

    Attributes:
        names: of r rows, in the order of their first picture.
        codes: (n,) row of each picture.
    """

    names: tuple[str, ...]
    codes: npt.NDArray[np.intp]

    @classmethod
    def of(cls, row_of_picture: Sequence[str] | npt.ArrayLike) -> Rows:
        """From the name of each picture's row."""
        codes, names = pd.factorize(np.asarray(row_of_picture, dtype=object))
        return cls(names=tuple(str(name) for name in names), codes=codes)

    @property
    def are_pictures(self) -> bool:
        """Whether every row is one picture."""
        return len(self.names) == len(self.codes)

    def mean(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """(n, c) of pictures -> float32 (r, c) of rows; unchanged where every row is one picture."""
        if self.are_pictures:
            return values.astype(np.float32, copy=False)
        sums = np.zeros((len(self.names), values.shape[1]))
        np.add.at(sums, self.codes, values.astype(np.float64))
        return (sums / np.bincount(self.codes)[:, None]).astype(np.float32)

    def first(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(n, ...) of pictures -> (r, ...): that of each row's first picture, for what they share."""
        return values[np.unique(self.codes, return_index=True)[1]]

    def truth(self, kind: TargetKind, targets: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What a row is to be predicted as: the mean of its pictures' numbers, the highest of their labels."""
        if self.are_pictures:
            return targets
        if kind == "regression":
            return self.mean(targets)
        found = np.zeros((len(self.names), *targets.shape[1:]), targets.dtype)
        np.maximum.at(found, self.codes, targets)  # no label and no grade is below 0
        return found

    def disagreeing(self, targets: npt.NDArray[Any]) -> tuple[str, ...]:
        """Rows whose pictures have different targets, by name."""
        differ = (targets != self.first(targets)[self.codes]).reshape(len(targets), -1).any(axis=1)
        return tuple(self.names[code] for code in np.unique(self.codes[differ]))
