"""What the cells of a sample submission give away about what is to be handed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from grandmaster.competition.labels import are_integers, are_numbers

PROBABILITY_SUM_TOLERANCE = 0.01


def numbers(table: pd.DataFrame, columns: Sequence[str]) -> npt.NDArray[np.float64]:
    """Columns of strings as float64 (n, k); NaN where a cell is no number."""
    values: npt.NDArray[np.float64] = (
        table[list(columns)].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    )
    return values


def split_labels(cell: str, separator: str) -> list[str]:
    """The labels of one cell; a blank as separator stands for any number of blanks."""
    if separator == " ":
        return cell.split()
    return [part.strip() for part in cell.split(separator) if part.strip()]


@dataclass(frozen=True, kw_only=True)
class SampleForm:
    """The sample submission, and what its target cells look like.

    Attributes:
        path: the file.
        table: every cell a string.
        id_column: its ids.
        targets: its other columns, in order.
    """

    path: Path
    table: pd.DataFrame
    id_column: str
    targets: tuple[str, ...]

    @cached_property
    def values(self) -> npt.NDArray[np.float64]:
        """(n, targets), NaN where a cell is no number."""
        return numbers(self.table, self.targets)

    @property
    def numeric(self) -> bool:
        """Whether every target cell is a finite number."""
        return bool(np.isfinite(self.values).all())

    @property
    def sums_to_one(self) -> bool:
        """Whether every row does."""
        with np.errstate(invalid="ignore"):
            return bool((np.abs(self.values.sum(axis=1) - 1) <= PROBABILITY_SUM_TOLERANCE).all())

    @property
    def constant(self) -> bool:
        """Whether all cells hold one number."""
        return self.numeric and bool((self.values == self.values[0, 0]).all())

    @cached_property
    def cells(self) -> tuple[str, ...]:
        """The different cells of the first target column that are not empty, sorted."""
        return tuple(sorted({cell for cell in self.table[self.targets[0]] if cell.strip()}))

    @cached_property
    def has_empty(self) -> bool:
        """Whether a target cell is empty."""
        return any((self.table[column].str.strip() == "").any() for column in self.targets)

    @property
    def has_fractions(self) -> bool:
        """Whether the first target column holds numbers written with a point or an exponent."""
        return bool(self.cells) and are_numbers(self.cells) and not are_integers(self.cells)

    @property
    def in_unit_range(self) -> bool:
        """Whether all numbers of the first target column lie between 0 and 1."""
        values = [float(cell) for cell in self.cells]
        return all(0 <= value <= 1 for value in values)

    def ranked(self, separator: str) -> int:
        """How many labels stand in each cell, if in all cells the same number of different ones; else 1."""
        counts = set()
        for cell in self.table[self.targets[0]]:
            labels = split_labels(cell, separator)
            if len(set(labels)) != len(labels):
                return 1
            counts.add(len(labels))
            if len(counts) > 1:
                return 1
        return max(*counts, 1)
