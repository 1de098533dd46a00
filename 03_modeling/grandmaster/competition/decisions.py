"""From what a model says to what is handed in: rules fitted on out-of-fold predictions, to the competition's metric."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from grandmaster.competition.table import TargetKind


class DecisionRule(msgspec.Struct, frozen=True, kw_only=True):
    """How values become decisions.

    Attributes:
        name: "argmax": the most probable class, int64 (n,). "thresholds": labels at or above theirs, bool (n, c).
            "cut_points": the grade between its cut points, int64 (n,). "none": the values themselves.
        thresholds: c of them, for "thresholds".
        cut_points: one fewer than there are grades, rising, for "cut_points".
        why: how it was fitted, for the report.
    """

    name: Literal["argmax", "thresholds", "cut_points", "none"]
    thresholds: tuple[float, ...] = ()
    cut_points: tuple[float, ...] = ()
    why: str = ""

    def decide(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.generic]:
        """Decisions on values (n, c); shape and type as `name` says."""
        if self.name == "argmax":
            return np.asarray(values.argmax(axis=1), np.int64)
        if self.name == "thresholds":
            return np.asarray(values >= np.array(self.thresholds, values.dtype))
        if self.name == "cut_points":
            return np.searchsorted(np.array(self.cut_points), values[:, 0], side="right").astype(np.int64)
        return values


def plain_rule(kind: TargetKind, outputs: int, classes: int) -> DecisionRule:
    """The rule that is fitted to nothing: the most probable class, labels at 0.5 or more, the nearest grade.

    Args:
        outputs: numbers that a model gives for each picture.
        classes: labels, or grades of an ordinal target.
    """
    if kind == "multiclass":
        return DecisionRule(name="argmax", why="the most probable class")
    if kind == "multilabel":
        return DecisionRule(name="thresholds", thresholds=(0.5,) * outputs, why="every label at 0.5 or more")
    if kind == "ordinal":
        cuts = tuple(grade + 0.5 for grade in range(classes - 1))
        return DecisionRule(name="cut_points", cut_points=cuts, why="the nearest grade")
    return DecisionRule(name="none", why="the values as they are")
