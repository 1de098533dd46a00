"""Out-of-fold predictions of several labels a picture: how each label is found, and the sets that are furthest off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from grandmaster.competition.decisions import DecisionRule, plain_rule
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.table import Competition
from grandmaster.language import Speaker
from grandmaster.report.pictures import thumbnail
from grandmaster.report.truth import set_text, target_places

MOST_LABEL_ROWS = 60
MOST_WORST = 24


@dataclass(frozen=True, kw_only=True)
class LabelScore:
    """One line of the table of labels; None where nothing can be said (all pictures have the label, or none)."""

    name: str
    pictures: int
    auc: float | None
    average_precision: float | None
    f1: float | None
    threshold: float


@dataclass(frozen=True, kw_only=True)
class JudgedSet:
    """One validation picture; `loss` is the mean binary cross-entropy of its labels."""

    id: str
    truth: str
    said: str
    missed: int
    wrongly_said: int
    loss: float
    picture: str | None


@dataclass(frozen=True, kw_only=True)
class LabelsOutOfFold:
    """The section about out-of-fold predictions of label sets."""

    images: int
    right: int
    labels: tuple[LabelScore, ...]
    labels_left_out: int
    fitted: bool
    worst: tuple[JudgedSet, ...]


def judge_labels(
    predictions: Predictions, competition: Competition, rule: DecisionRule | None, say: Speaker
) -> LabelsOutOfFold:
    """Compare blended out-of-fold probabilities with the label sets.

    Args:
        rule: with its thresholds; None: 0.5 for all. Fitted thresholds were fitted on these very predictions, so
            what is shown here is a little better than the nested score.

    Raises:
        UserError: the predictions are of another competition.
    """
    places = target_places(predictions, competition)
    truth = competition.targets[places] > 0
    chance = predictions.values.astype(np.float64)
    count = truth.shape[1]
    if rule is None or len(rule.thresholds) != count:
        rule = plain_rule("multilabel", count, count)
    taken = chance >= np.array(rule.thresholds)
    rows = []
    for place, name in enumerate(competition.class_names):
        both = 0 < truth[:, place].sum() < len(truth)
        rows.append(
            LabelScore(
                name=name,
                pictures=int(truth[:, place].sum()),
                auc=float(roc_auc_score(truth[:, place], chance[:, place])) if both else None,
                average_precision=float(average_precision_score(truth[:, place], chance[:, place]))
                if both
                else None,
                f1=float(f1_score(truth[:, place], taken[:, place], zero_division=0)) if both else None,
                threshold=rule.thresholds[place],
            )
        )
    rows.sort(key=lambda row: 2.0 if row.average_precision is None else row.average_precision)
    clipped = np.clip(chance, 1e-15, 1 - 1e-15)
    loss = -np.where(truth, np.log(clipped), np.log1p(-clipped)).mean(axis=1)
    wrong = (taken != truth).any(axis=1)
    ids = np.array(predictions.ids, dtype=object)
    # ids break ties, so that the same predictions always give the same page
    worst = [int(row) for row in np.lexsort((ids, -loss)) if wrong[row]][:MOST_WORST]
    paths = competition.train["path"].to_numpy(object)
    return LabelsOutOfFold(
        images=len(truth),
        right=int((~wrong).sum()),
        labels=tuple(rows[:MOST_LABEL_ROWS]),
        labels_left_out=max(0, len(rows) - MOST_LABEL_ROWS),
        fitted=len(set(rule.thresholds)) > 1,
        worst=tuple(
            JudgedSet(
                id=predictions.ids[row],
                truth=set_text(competition, truth[row], say),
                said=set_text(competition, taken[row], say),
                missed=int((truth[row] & ~taken[row]).sum()),
                wrongly_said=int((taken[row] & ~truth[row]).sum()),
                loss=float(loss[row]),
                picture=thumbnail(paths[places[row]]),
            )
            for row in worst
        ),
    )
