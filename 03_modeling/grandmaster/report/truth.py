"""What training pictures are, in words, and where out-of-fold predictions find it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from grandmaster.competition.predictions import Predictions
from grandmaster.competition.table import Competition
from grandmaster.errors import UserError
from grandmaster.language import Speaker
from grandmaster.report.values import number

MOST_NAMED = 6
"""Labels of one picture that are named."""


def target_places(predictions: Predictions, competition: Competition) -> npt.NDArray[np.int64]:
    """Row of `competition.train` and `targets` for each prediction.

    Raises:
        UserError: the predictions are of another competition (other outputs or ids).
    """
    fix = "The run belongs to other data; give the folder that it was made from, or start a new experiment."
    if predictions.outputs != competition.outputs:
        what = "classes" if competition.classes else "columns"
        raise UserError(
            f"out-of-fold predictions are over {len(predictions.outputs)} {what} that are not the "
            f"{len(competition.outputs)} of {competition.name}",
            where="ensemble/oof.npz",
            fix=fix,
        )
    place_of = {picture_id: place for place, picture_id in enumerate(competition.train["id"])}
    unknown = [picture_id for picture_id in predictions.ids if picture_id not in place_of]
    if unknown:
        raise UserError(
            f"{len(unknown)} ids are not training pictures of {competition.name}, the first is {unknown[0]!r}",
            where="ensemble/oof.npz",
            fix=fix,
        )
    return np.array([place_of[picture_id] for picture_id in predictions.ids], np.int64)


def answer(competition: Competition, target: Any, say: Speaker) -> str:
    """One target (an element or row of `competition.targets`) as a person says it."""
    if competition.kind == "multilabel":
        return set_text(competition, np.asarray(target) > 0, say)
    if competition.kind == "regression":
        return ", ".join(number(float(value)) for value in np.asarray(target))
    return competition.class_names[int(np.asarray(target).reshape(-1)[0])]


def set_text(competition: Competition, chosen: npt.NDArray[np.bool_], say: Speaker) -> str:
    """Names of a set of labels."""
    names = [competition.class_names[place] for place in np.flatnonzero(chosen)]
    if not names:
        return say("shared.no_label")
    named = ", ".join(names[:MOST_NAMED])
    if len(names) <= MOST_NAMED:
        return named
    return say("shared.names_and_more", names=named, count=len(names) - MOST_NAMED)


def varied_order(competition: Competition, places: npt.NDArray[np.int64], count: int) -> list[list[int]]:
    """Training pictures in `count` lists that are far apart in what they show, from one end to the other.

    Args:
        places: rows of `train` to choose from, in the order in which they are to be tried.
    """
    if competition.kind == "regression":
        key = competition.targets[places].mean(axis=1)
    elif competition.kind == "multilabel":
        key = competition.targets[places].argmax(axis=1)
    else:
        key = competition.targets[places].reshape(-1)
    order = places[np.argsort(key, kind="stable")]
    return [part.tolist() for part in np.array_split(order, min(count, len(order)) or 1)]
