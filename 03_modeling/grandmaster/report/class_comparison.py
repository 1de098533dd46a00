"""Scores of each class, label, grade or estimated value, of several runs on the same rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, f1_score

from grandmaster.competition.metrics import per_class_scores
from grandmaster.config import TargetKind

MOST_ROWS = 60
# By kind of target: what is measured of a line of the table.
MEASURES: dict[TargetKind, str] = {
    "multiclass": "F1",
    "multilabel": "average precision",
    "ordinal": "F1",
    "regression": "RMSE",
}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one run says of the r rows.

    Attributes:
        values: (r, outputs).
        decided: (r,) grades, where a rule was fitted (nested).
    """

    values: npt.NDArray[Any]
    decided: npt.NDArray[Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ClassLine:
    """One line of the table.

    Attributes:
        rows: that are of the class; None for an estimated value, which every row has.
        scores: of each side, the mean over its runs; None where nothing can be said.
        gains: over the first side, above 0 where it is better, whichever way the measure goes.
    """

    name: str
    rows: int | None
    scores: tuple[float | None, ...]
    gains: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class ClassesCompared:
    """The table, the line that differs most first.

    Attributes:
        kind: of target: whether a line is a class, a label, a grade or a value.
        measure: of a line, of `MEASURES`.
        rows: of all.
        corrupted: whether the rows' pictures are corrupted as the test set is.
        left_out: lines that are not shown.
    """

    kind: TargetKind
    measure: str
    rows: int
    corrupted: bool
    lines: tuple[ClassLine, ...]
    left_out: int

    @property
    def is_share(self) -> bool:
        """Whether the measure is between 0 and 1."""
        return self.measure != "RMSE"


def compare_classes(
    kind: TargetKind,
    names: Sequence[str],
    truth: npt.NDArray[Any],
    sides: Sequence[Sequence[Answers]],
    *,
    corrupted: bool = False,
) -> ClassesCompared:
    """Compare every side with the first.

    Args:
        names: of the classes, labels, grades or values, in order.
        truth: as `Competition.targets`, of the r rows.
        sides: of each, its runs.
        corrupted: whether the pictures are corrupted as the test set is.
    """
    scores = [
        np.mean([_scores(kind, len(names), truth, run) for run in side], axis=0) for side in sides
    ]  # nan where one says nothing
    sign = -1.0 if kind == "regression" else 1.0
    lines = [
        ClassLine(
            name=name,
            rows=_rows_of(kind, truth, place),
            scores=tuple(_known(side[place]) for side in scores),
            gains=tuple(_known(sign * (side[place] - scores[0][place])) for side in scores[1:]),
        )
        for place, name in enumerate(names)
    ]
    lines.sort(key=lambda line: -max((abs(gain) for gain in line.gains if gain is not None), default=-1.0))
    return ClassesCompared(
        kind=kind,
        measure=MEASURES[kind],
        rows=len(truth),
        corrupted=corrupted,
        lines=tuple(lines[:MOST_ROWS]),
        left_out=max(0, len(lines) - MOST_ROWS),
    )


def _scores(kind: TargetKind, count: int, truth: npt.NDArray[Any], run: Answers) -> npt.NDArray[np.float64]:
    """(count,), nan where nothing can be said."""
    values = run.values.astype(np.float64)
    if kind == "multiclass":
        table = per_class_scores(truth, values, count)
        return np.where(table["support"] > 0, table["f1"], np.nan)
    if kind == "ordinal":
        decided = np.floor(values[:, 0] + 0.5).clip(0, count - 1) if run.decided is None else run.decided
        known, said, labels = truth[:, 0].astype(int), decided.astype(int), list(range(count))
        found = f1_score(known, said, labels=labels, average=None, zero_division=0)
        return np.where(np.isin(labels, known), found, np.nan)
    if kind == "regression":
        error: npt.NDArray[np.float64] = np.sqrt(((values - truth) ** 2).mean(axis=0))
        return error
    return np.array(
        [
            average_precision_score(truth[:, place] > 0, values[:, place])
            if 0 < (truth[:, place] > 0).sum() < len(truth)
            else np.nan
            for place in range(count)
        ]
    )


def _rows_of(kind: TargetKind, truth: npt.NDArray[Any], place: int) -> int | None:
    if kind == "regression":
        return None
    if kind == "multilabel":
        return int((truth[:, place] > 0).sum())
    return int((truth.reshape(-1) == place).sum())


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
