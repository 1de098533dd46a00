"""Out-of-fold predictions of numbers and grades: predicted against true, residuals, and the pictures furthest off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from sklearn.metrics import confusion_matrix

from grandmaster.competition.decisions import DecisionRule, plain_rule
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.table import Competition
from grandmaster.language import Speaker
from grandmaster.report.figures import scatter_figure
from grandmaster.report.pictures import thumbnail
from grandmaster.report.truth import target_places

MOST_FIGURES = 6
MOST_WORST = 24
LARGEST_MATRIX = 30


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """Of one column, predicted minus true, in the target's own unit.

    Attributes:
        bias: mean.
        rmse, mae: size.
        within: 90 % of the pictures are off by no more.
        explained: share of the variance that is explained (R squared); None where all targets are alike.
        figure: predicted against true.
    """

    name: str
    bias: float
    rmse: float
    mae: float
    within: float
    explained: float | None
    figure: Markup


@dataclass(frozen=True, kw_only=True)
class JudgedNumber:
    """One validation picture; `off` is predicted minus true of the column that is furthest off."""

    id: str
    column: str
    truth: float
    predicted: float
    off: float
    picture: str | None


@dataclass(frozen=True, kw_only=True)
class NumbersOutOfFold:
    """The section about out-of-fold predictions of numbers; grades have a matrix too."""

    images: int
    columns: tuple[Residuals, ...]
    columns_left_out: int
    grades: tuple[str, ...]
    right: int | None
    matrix: npt.NDArray[np.int64] | None
    worst: tuple[JudgedNumber, ...]


def judge_numbers(
    predictions: Predictions, competition: Competition, rule: DecisionRule | None, say: Speaker
) -> NumbersOutOfFold:
    """Compare blended out-of-fold values with the targets.

    Args:
        rule: of grades, with its cut points; None: the nearest grade.

    Raises:
        UserError: the predictions are of another competition.
    """
    places = target_places(predictions, competition)
    truth = competition.targets[places].astype(np.float64)
    values = predictions.values.astype(np.float64)
    columns = tuple(
        _residuals(name, truth[:, place], values[:, place], say)
        for place, name in enumerate(competition.outputs[:MOST_FIGURES])
    )
    matrix, right = None, None
    if competition.kind == "ordinal":
        grades = len(competition.classes)
        if rule is None or len(rule.cut_points) != grades - 1:
            rule = plain_rule("ordinal", 1, grades)
        decided, known = rule.decide(values), truth[:, 0].astype(int)
        right = int((decided == known).sum())
        if grades <= LARGEST_MATRIX:
            matrix = confusion_matrix(known, decided, labels=list(range(grades)))
    return NumbersOutOfFold(
        images=len(truth),
        columns=columns,
        columns_left_out=max(0, len(competition.outputs) - MOST_FIGURES),
        grades=competition.class_names,
        right=right,
        matrix=matrix,
        worst=_worst(predictions, competition, places, truth, values),
    )


def _residuals(name: str, truth: npt.NDArray[Any], values: npt.NDArray[Any], say: Speaker) -> Residuals:
    off = values - truth
    spread = float(((truth - truth.mean()) ** 2).mean())
    return Residuals(
        name=name,
        bias=float(off.mean()),
        rmse=float(np.sqrt((off**2).mean())),
        mae=float(np.abs(off).mean()),
        within=float(np.quantile(np.abs(off), 0.9)),
        explained=1 - float((off**2).mean()) / spread if spread > 0 else None,
        figure=scatter_figure(truth, values, about=say("oof_numbers.about", name=name), say=say),
    )


def _worst(
    predictions: Predictions,
    competition: Competition,
    places: npt.NDArray[np.int64],
    truth: npt.NDArray[Any],
    values: npt.NDArray[Any],
) -> tuple[JudgedNumber, ...]:
    """The largest residuals, each column measured in its own spread."""
    spread = truth.std(axis=0)
    off = values - truth
    relative = np.abs(off) / np.where(spread > 0, spread, 1)
    column = relative.argmax(axis=1)
    ids = np.array(predictions.ids, dtype=object)
    # ids break ties, so that the same predictions always give the same page
    order = np.lexsort((ids, -relative.max(axis=1)))[:MOST_WORST]
    paths = competition.train["path"].to_numpy(object)
    return tuple(
        JudgedNumber(
            id=predictions.ids[row],
            column=competition.outputs[column[row]],
            truth=float(truth[row, column[row]]),
            predicted=float(values[row, column[row]]),
            off=float(off[row, column[row]]),
            picture=thumbnail(paths[places[row]]),
        )
        for row in order.tolist()
    )
