"""Blending predictions of models and folds, always by id."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grandmaster.competition.predictions import Predictions


def blend(members: Sequence[Predictions]) -> Predictions:
    """Mean of the members' probabilities, joined on ids, in the first member's order.

    Raises:
        ValueError: no members, other classes or another order of classes, or ids that one member lacks.
    """
    if not members:
        raise ValueError("nothing to blend")
    first = members[0]
    total = np.zeros(first.values.shape, np.float64)
    for member in members:
        if member.outputs != first.outputs:
            raise ValueError("members disagree about the classes or their order")
        if len(member.ids) != len(first.ids):
            raise ValueError(f"one member predicts {len(first.ids)} ids, another {len(member.ids)}")
        total += member.aligned_to(first.ids).values
    return Predictions(ids=first.ids, outputs=first.outputs, values=(total / len(members)).astype(np.float32))


def blend_known(members: Sequence[Predictions]) -> Predictions:
    """As `blend`, where some members lack some ids: each id's mean is over the members that have it, ids sorted.

    Raises:
        ValueError: no members, or other classes or another order of classes.
    """
    if not members or all(set(member.ids) == set(members[0].ids) for member in members):
        return blend(members)
    if any(member.outputs != members[0].outputs for member in members):
        raise ValueError("members disagree about the classes or their order")
    ids = sorted({picture_id for member in members for picture_id in member.ids})
    place = {picture_id: row for row, picture_id in enumerate(ids)}
    total = np.zeros((len(ids), len(members[0].outputs)), np.float64)
    count = np.zeros((len(ids), 1))
    for member in members:
        rows = [place[picture_id] for picture_id in member.ids]  # no id twice in a member
        total[rows] += member.values
        count[rows] += 1
    return Predictions(ids=tuple(ids), outputs=members[0].outputs, values=(total / count).astype(np.float32))


def concatenate(folds: Sequence[Predictions]) -> Predictions:
    """Out-of-fold predictions of one model: each fold's validation pictures, in sorted order of id.

    Raises:
        ValueError: no folds, other classes, or an id in two folds.
    """
    if not folds:
        raise ValueError("nothing to join")
    if any(fold.outputs != folds[0].outputs for fold in folds):
        raise ValueError("folds disagree about the classes or their order")
    joined = Predictions(
        ids=tuple(picture_id for fold in folds for picture_id in fold.ids),
        outputs=folds[0].outputs,
        values=np.concatenate([fold.values for fold in folds]),
    )
    return joined.aligned_to(sorted(joined.ids))
