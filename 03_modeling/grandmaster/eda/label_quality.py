"""Labels that are probably wrong: those that models which never saw the picture contradict, and those of duplicates
that contradict each other.

The first by confident learning (Northcutt et al., "Confident Learning: Estimating Uncertainty in Dataset Labels",
JAIR 2021) as cleanlab does it. Nothing is changed here: a person decides, see `competition.label_fixes`.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from grandmaster.competition.label_fixes import label_delimiter
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.table import Competition

COLUMNS = ("id", "label", "suggested", "quality", "p_label", "p_suggested", "reason")
NUMBERS = ("quality", "p_label", "p_suggested")
CLEANLAB = "cleanlab"
DIGITS = 4
# Of cleanlab's filters and scores; compared in benchmarks/label_errors.py.
FILTER = "low_self_confidence"
SCORE = "self_confidence"
SMALLEST = 1e-7  # a probability of 0 has no logarithm

Floats = npt.NDArray[np.float64]
# What a picture is labelled as: a row of `Competition.targets`.
Key = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class LabelQuality:
    """What there is to say about the labels.

    Attributes:
        suspects: the least credible first; columns `id`, `label` (as it is), `suggested` (empty where nothing decides
            between duplicates), `quality` (0: surely wrong, 1: surely right), `p_label` and `p_suggested`
            (out-of-fold probabilities; multilabel: the mean over the labels in dispute), `reason`. Numbers are NaN
            where the picture has no out-of-fold prediction.
        judged: pictures whose label was compared with an out-of-fold prediction.
        notes: what could not be judged, and why.
    """

    suspects: pd.DataFrame
    judged: int
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Doubt:
    """What speaks against one label; `suggested` is None where nothing says what is right."""

    suggested: Key | None
    reason: str


def find_label_suspects(
    competition: Competition, out_of_fold: Predictions, conflicts: Sequence[Sequence[str]]
) -> LabelQuality:
    """Find labels that are probably wrong.

    Args:
        competition: its labels are judged; multiclass and multilabel by cleanlab, every kind by its duplicates.
        out_of_fold: of any part of the training pictures, each by models that did not see it.
        conflicts: groups of ids of duplicates with different labels (`duplicates.label_conflicts` of the fingerprint).

    Raises:
        ValueError: predictions of other outputs, or of pictures that are not in the training set.
    """
    if out_of_fold.outputs != competition.outputs:
        raise ValueError("the predictions are of other outputs than the competition's")
    row_of = {picture_id: row for row, picture_id in enumerate(competition.train["id"])}
    unknown = [picture_id for picture_id in out_of_fold.ids if picture_id not in row_of]
    if unknown:
        raise ValueError(
            f"{len(unknown)} predicted ids are no training pictures, the first is {unknown[0]!r}"
        )
    rows = competition.targets.reshape(len(row_of), -1).tolist()
    keys: dict[str, Key] = {picture_id: tuple(rows[row]) for picture_id, row in row_of.items()}

    notes: list[str] = []
    qualities: dict[str, float] = {}
    chances: dict[str, Floats] = {}
    doubts: dict[str, list[_Doubt]] = {}
    if competition.kind in ("multiclass", "multilabel"):
        values = out_of_fold.values.astype(np.float64)
        truth = competition.targets[[row_of[picture_id] for picture_id in out_of_fold.ids]]
        judge = _judge_classes if competition.kind == "multiclass" else _judge_sets
        quality, suggested = judge(values, truth, notes)
        chances = dict(zip(out_of_fold.ids, values, strict=True))
        qualities = dict(zip(out_of_fold.ids, quality, strict=True)) if len(quality) else {}
        for place, key in suggested.items():
            doubts[out_of_fold.ids[place]] = [_Doubt(suggested=key, reason=CLEANLAB)]
    else:
        notes.append(
            f"the target is of kind {competition.kind}: predictions are values, not probabilities, so only "
            "duplicates with different labels are listed"
        )
    for picture_id, doubt in _contradictions(competition, conflicts, keys, chances):
        doubts.setdefault(picture_id, []).append(doubt)

    found = []
    for picture_id, against in doubts.items():
        given, chance = keys[picture_id], chances.get(picture_id)
        # Where both speak, two pictures that are the same say more than a model does.
        better = next((doubt.suggested for doubt in reversed(against) if doubt.suggested is not None), None)
        found.append(
            (
                picture_id,
                label_text(competition, given),
                "" if better is None else label_text(competition, better),
                qualities.get(picture_id, math.nan),
                _probability(competition, chance, given, better),
                math.nan if better is None else _probability(competition, chance, better, given),
                "; ".join(doubt.reason for doubt in against),
            )
        )
    table = pd.DataFrame(found, columns=list(COLUMNS)).astype(dict.fromkeys(NUMBERS, np.float64))
    table = table.sort_values(["quality", "id"], kind="stable", na_position="last", ignore_index=True)
    return LabelQuality(suspects=table.round(DIGITS), judged=len(qualities), notes=tuple(notes))


def label_text(competition: Competition, key: Sequence[float]) -> str:
    """A target as `label_fixes.csv` takes it."""
    if competition.kind == "regression":
        return " ".join(f"{value:.9g}" for value in key)
    if competition.kind == "multilabel":
        labels = [label for label, there in zip(competition.classes, key, strict=True) if there]
        return label_delimiter(competition.classes).join(labels)
    return competition.classes[int(key[0])]


def _judge_classes(values: Floats, truth: npt.NDArray, notes: list[str]) -> tuple[Floats, dict[int, Key]]:
    """Quality of every label and, by position, the class that is suggested instead; (n, c) and int (n,)."""
    # Here because it takes seconds to load, and most commands do without.
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    labels = truth.astype(np.int64)
    counts = np.bincount(labels, minlength=values.shape[1])
    if (counts > 0).sum() < 2:
        notes.append(
            "the pictures with out-of-fold predictions are of fewer than two classes: none was judged"
        )
        return np.empty(0), {}
    if (counts == 0).any():
        notes.append(f"{int((counts == 0).sum())} classes have no picture with an out-of-fold prediction")
    probabilities = values / values.sum(axis=1, keepdims=True)  # a blend sums to 1 in float32 only
    with warnings.catch_warnings():
        # Of classes with hardly a picture; the note above says so in our own words.
        warnings.filterwarnings("ignore", message="May not flag all label issues", category=UserWarning)
        wrong = find_label_issues(labels, probabilities, filter_by=FILTER, n_jobs=1)
    quality = get_label_quality_scores(labels, probabilities, method=SCORE)
    best = probabilities.argmax(axis=1)
    return quality, {int(row): (float(best[row]),) for row in np.flatnonzero(wrong & (best != labels))}


def _judge_sets(values: Floats, truth: npt.NDArray, notes: list[str]) -> tuple[Floats, dict[int, Key]]:
    """The same for sets of labels, each label by itself; (n, c) and 0 or 1 (n, c)."""
    from cleanlab.multilabel_classification import get_label_quality_scores
    from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class

    given = truth > 0
    both = given.any(axis=0) & ~given.all(axis=0)
    if not both.any():
        notes.append("no label is both there and not among the judged pictures: none was judged")
        return np.empty(0), {}
    if not both.all():
        notes.append(f"{int((~both).sum())} labels are on all or on none of the judged pictures")
    sets = [np.flatnonzero(row).tolist() for row in given[:, both]]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="May not flag all label issues", category=UserWarning)
        found = find_multilabel_issues_per_class(sets, values[:, both], filter_by=FILTER, n_jobs=1)
    wrong = np.zeros(given.shape, np.bool_)
    wrong[:, both] = found
    quality = get_label_quality_scores(sets, values[:, both], method=SCORE)
    flipped = (given ^ wrong).astype(np.float64)
    return quality, {int(row): tuple(flipped[row].tolist()) for row in np.flatnonzero(wrong.any(axis=1))}


def _contradictions(
    competition: Competition,
    conflicts: Sequence[Sequence[str]],
    keys: dict[str, Key],
    chances: dict[str, Floats],
) -> list[tuple[str, _Doubt]]:
    """Of every group of duplicates the pictures whose label is not the group's.

    The group's label is that of most of its pictures; where they tie, the one that the models find likelier. Where
    nothing decides, every picture of the group is in doubt.
    """
    found = []
    for group in conflicts:
        members = [picture_id for picture_id in group if picture_id in keys]
        votes = Counter(keys[picture_id] for picture_id in members)
        if len(votes) < 2:
            continue
        leading = [key for key, count in votes.items() if count == max(votes.values())]
        seen = [chances[picture_id] for picture_id in members if picture_id in chances]
        if len(leading) > 1 and seen:
            likely = [sum(_log_likelihood(competition, chance, key) for chance in seen) for key in leading]
            leading = [key for key, value in zip(leading, likely, strict=True) if value == max(likely)]
        right = leading[0] if len(leading) == 1 else None
        for picture_id in members:
            if keys[picture_id] != right:
                other = next(
                    one
                    for one in members
                    if keys[one] == right or (right is None and keys[one] != keys[picture_id])
                )
                text = label_text(competition, keys[other])
                found.append(
                    (picture_id, _Doubt(suggested=right, reason=f"duplicate of {other} with label {text}"))
                )
    return found


def _log_likelihood(competition: Competition, chance: Floats, key: Key) -> float:
    if competition.kind == "multiclass":
        return math.log(max(SMALLEST, chance[int(key[0])]))
    of_state = np.where(np.array(key) > 0, chance, 1 - chance)
    return float(np.log(np.maximum(SMALLEST, of_state)).sum())


def _probability(competition: Competition, chance: Floats | None, key: Key, other: Key | None) -> float:
    """Out-of-fold probability of a target; for sets of labels the mean over those in which it differs from `other`."""
    if chance is None:
        return math.nan
    if competition.kind == "multiclass":
        return float(chance[int(key[0])])
    state = np.array(key) > 0
    differs = np.ones(len(state), np.bool_) if other is None else state != (np.array(other) > 0)
    return float(np.where(state, chance, 1 - chance)[differs].mean())
