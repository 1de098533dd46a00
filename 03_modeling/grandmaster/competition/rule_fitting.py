"""Thresholds and cut points, fitted to the metric on out-of-fold predictions; and decisions that are not flattered by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold

from grandmaster.competition import metric_formulas as formulas
from grandmaster.competition.decisions import DecisionRule, plain_rule
from grandmaster.competition.metric_table import METRICS, Metric
from grandmaster.competition.table import Competition, SubmissionFormat

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# A label's own threshold counts as much as the common one when this many pictures bear the label: the best threshold
# of a handful of positives is mostly chance.
DRAWN_TO_COMMON = 20
MOST_CANDIDATES = 200
"""Thresholds, or places of a cut point, that are tried at once."""
MOST_BY_PICTURE = 64
"""The same where every candidate costs a look at all pictures."""
MOST_ROUNDS = 10


def hands_in_decisions(submission_format: SubmissionFormat) -> bool:
    """Whether our rule, not the competition's, turns values into what is scored."""
    return submission_format in ("hard_label", "label_set", "ordinal_label")


def fit_rule(
    competition: Competition, truth: npt.NDArray[Any], values: npt.NDArray[np.floating]
) -> DecisionRule:
    """The rule that scores best on these predictions, by the competition's metric.

    Fitted where decisions are handed in. Where values are, the plain rule: whatever fixed rule the competition applies
    to them is not ours to fit. For multiclass targets it is always the most probable class.

    Args:
        competition: its kind, classes, format and metric count.
        truth: as `Competition.targets`, of n rows.
        values: (n, outputs), predicted by models that did not see them.
    """
    kind, outputs = competition.kind, len(competition.outputs)
    plain = plain_rule(kind, outputs, len(competition.classes))
    if kind not in ("multilabel", "ordinal") or not hands_in_decisions(competition.submission_format):
        return plain
    wide = values.astype(np.float64)
    metric = METRICS[competition.metric]
    if kind == "multilabel":
        # Decisions to a metric of values, such as log loss, cannot be fitted: then to what a label set is judged by.
        fitted_to = metric if metric.needs_labels_only else METRICS["sample_f1"]
        return _fit_thresholds(fitted_to, truth > 0, wide)
    return _fit_cut_points(metric, truth[:, 0].astype(np.int64), wide[:, 0], len(competition.classes))


def nested_decisions(
    fit: Callable[[npt.NDArray[np.intp]], DecisionRule],
    values: npt.NDArray[np.floating],
    folds: Sequence[int] | npt.ArrayLike,
    groups: Sequence[Any] | npt.ArrayLike,
) -> npt.NDArray[np.generic]:
    """Decisions on every row by a rule that was not fitted on it, so that their score is not flattered.

    A fold is decided by the rule of the other folds. Where there is one fold only, it is cut in two halves by group,
    and each is decided by the rule of the other; one group alone is decided by the rule fitted on nothing but itself.

    Args:
        fit: rows -> a rule.
        values: (n, outputs).
        folds: (n,) fold of each row.
        groups: (n,) rows that belong together.

    Returns:
        As `DecisionRule.decide`.
    """
    parts, names = np.asarray(folds), np.asarray(groups)
    if len(np.unique(parts)) < 2 and len(np.unique(names)) > 1:
        halves = GroupKFold(n_splits=2).split(values, groups=names)
        parts = np.zeros(len(values), np.int64)
        parts[next(halves)[1]] = 1
    decided: npt.NDArray[Any] | None = None
    for part in np.unique(parts):
        inside = parts == part
        outside = np.flatnonzero(~inside)
        found = fit(outside if len(outside) else np.arange(len(values))).decide(values[inside])
        if decided is None:
            decided = np.empty((len(values), *found.shape[1:]), found.dtype)
        decided[inside] = found
    assert decided is not None, "there is nothing to decide on"
    return decided


# Thresholds

# (threshold of every label, a label or None for all, m candidates for it) -> (m,) values of the metric.
Worth = Callable[[Floats, int | None, Floats], Floats]


def _fit_thresholds(metric: Metric, truth: Flags, values: Floats) -> DecisionRule:
    """One threshold for all labels first; then each label's own by turns, drawn back to the common one.

    Coordinate ascent: with the other labels' decisions held, a label's threshold is the best of its candidates. For
    macro and weighted F1 labels do not depend on each other, and one round finds the optimum.
    """
    count = truth.shape[1]
    by_label = metric.terms is formulas.label_terms
    make_worth = _worth_by_label if by_label else _worth_by_picture
    most = MOST_CANDIDATES if by_label else MOST_BY_PICTURE
    worth = make_worth(metric, truth, values)
    positives = truth.sum(axis=0)
    # An average over labels would let the luck of one with two positives decide for all: the others decide.
    usual = positives >= DRAWN_TO_COMMON
    if not by_label or not usual.any():
        usual[:] = True
    tried = _candidates(truth[:, usual].ravel(), values[:, usual].ravel(), most)
    of_usual = make_worth(metric, truth[:, usual], values[:, usual])
    common = float(tried[int(of_usual(np.zeros(int(usual.sum())), None, tried).argmax())])
    own = np.full(count, common)
    best = float(worth(own, None, np.array([common]))[0])
    for _ in range(1 if metric.name in ("macro_f1", "weighted_f1") else MOST_ROUNDS):
        before = best
        for label in range(count):
            tried = _candidates(truth[:, label], values[:, label], most)
            found = worth(own, label, tried)
            if found.max() > best + 1e-12:
                best, own[label] = float(found.max()), tried[int(found.argmax())]
        if best <= before + 1e-12:
            break
    weight = positives / (positives + DRAWN_TO_COMMON)
    drawn = weight * own + (1 - weight) * common
    rare = int((positives < DRAWN_TO_COMMON).sum())
    why = f"fitted to {metric.title} on {len(truth):,} out-of-fold rows; common threshold {common:.3g}"
    if rare:
        why += (
            f"; {rare} of {count} labels with under {DRAWN_TO_COMMON} positives stay close to it, because the best "
            "threshold of so few is mostly chance"
        )
    return DecisionRule(name="thresholds", thresholds=tuple(float(cut) for cut in drawn), why=why)


def _candidates(truth: Flags, values: Floats, most: int) -> Floats:
    """Thresholds worth trying, at most `most`: just below each positive, and above all.

    Between two positives a higher threshold only drops wrong answers, so nothing better lies elsewhere.
    """
    different, place = np.unique(values, return_inverse=True)
    bears = np.bincount(place, weights=truth) > 0
    lower = np.concatenate([[different[0] - 2e-6], different[:-1]])
    cuts = np.concatenate([((lower + different) / 2)[bears], [different[-1] + 1e-6]])
    if len(cuts) > most:
        cuts = cuts[np.linspace(0, len(cuts) - 1, most).round().astype(int)]
    return cuts


def _worth_by_label(metric: Metric, truth: Flags, values: Floats) -> Worth:
    """For metrics of how often each label is hit, true and taken: read off running counts of the sorted values."""
    rows, count = truth.shape
    order = np.argsort(values, axis=0, kind="stable")
    ordered = np.take_along_axis(values, order, axis=0)
    passed = np.zeros((rows + 1, count))
    np.cumsum(np.take_along_axis(truth, order, axis=0), axis=0, out=passed[1:])
    true = passed[-1]

    def counts(label: int, cuts: Floats) -> tuple[Floats, Floats]:
        below = np.searchsorted(ordered[:, label], cuts)
        return true[label] - passed[below, label], (rows - below).astype(np.float64)

    def worth(own: Floats, label: int | None, cuts: Floats) -> Floats:
        hits, taken = np.zeros((len(cuts), count)), np.zeros((len(cuts), count))
        for place in range(count):
            at = cuts if label in (None, place) else own[[place]]
            hits[:, place], taken[:, place] = counts(place, at)
        return metric.from_sums(np.concatenate([hits, np.tile(true, (len(cuts), 1)), taken], axis=1))

    return worth


def _worth_by_picture(metric: Metric, truth: Flags, values: Floats) -> Worth:
    """For metrics of whole label sets: what the other labels make of each picture is counted once."""
    wanted = truth.sum(axis=1)

    def worth(own: Floats, label: int | None, cuts: Floats) -> Floats:
        if label is None:
            return np.array([_mean_term(metric, truth, values >= cut) for cut in cuts])
        others = values >= own
        others[:, label] = False
        more = values[:, label] >= cuts[:, None]
        hits = (others & truth).sum(axis=1) + (more & truth[:, label])
        taken = others.sum(axis=1) + more
        if metric.name == "accuracy":
            right: Floats = ((hits == wanted) & (taken == wanted)).mean(axis=1)
            return right
        total = taken + wanted
        f1: Floats = np.divide(2.0 * hits, total, out=np.ones(total.shape), where=total > 0).mean(axis=1)
        return f1

    return worth


def _mean_term(metric: Metric, truth: Flags, decided: Flags) -> float:
    assert metric.terms is not None, f"{metric.name} is no mean over pictures"
    return float(metric.terms(truth, decided)[:, 0].mean())


# Cut points


def _fit_cut_points(
    metric: Metric, truth: npt.NDArray[np.int64], values: Floats, grades: int
) -> DecisionRule:
    """Coordinate ascent over places between neighbouring values, from two starts: grades as frequent as in the truth,
    and the nearest grade.

    All a metric of grades needs are the counts of (truth, decided) pairs, and those of any cut come from running counts
    of the sorted values: every place of a cut is tried at once, without rounding to a grid where values are few.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    # below[i, g]: pictures of grade g among the i lowest values
    below = np.zeros((len(values) + 1, grades))
    np.cumsum(np.eye(grades)[truth[order]], axis=0, out=below[1:])
    # A cut stands below all, above all, or where the value changes: equal values cannot be told apart.
    places = np.concatenate([[0], 1 + np.flatnonzero(ordered[1:] > ordered[:-1]), [len(values)]])
    terms = _pair_terms(metric, grades)
    sign = 1.0 if metric.higher_is_better else -1.0

    def worth(cuts: npt.NDArray[np.int64]) -> Floats:
        """(m, grades - 1) places -> (m,) values of the metric, higher is better."""
        ends = np.concatenate([below[cuts], np.broadcast_to(below[-1], (len(cuts), 1, grades))], axis=1)
        counts = np.diff(ends, axis=1, prepend=0.0)  # (m, decided, truth)
        return sign * metric.from_sums(counts.transpose(0, 2, 1).reshape(len(cuts), -1) @ terms)

    shares = np.cumsum(np.bincount(truth, minlength=grades))[:-1]
    nearest = np.searchsorted(ordered, np.arange(grades - 1) + 0.5)
    best, value = nearest, -np.inf
    for start in (nearest, shares):
        cuts = places[np.searchsorted(places, start).clip(0, len(places) - 1)]
        found = float(worth(cuts[None])[0])
        for _ in range(MOST_ROUNDS):
            before = found
            for number in range(grades - 1):
                low = cuts[number - 1] if number else 0
                high = cuts[number + 1] if number < grades - 2 else len(values)
                free = places[(places >= low) & (places <= high)]
                if len(free) > MOST_CANDIDATES:
                    free = free[np.linspace(0, len(free) - 1, MOST_CANDIDATES).round().astype(int)]
                tried = np.repeat(cuts[None], len(free), axis=0)
                tried[:, number] = free
                worths = worth(tried)
                if worths.max() > found + 1e-12:
                    found, cuts = float(worths.max()), tried[int(worths.argmax())]
            if found <= before + 1e-12:
                break
        if found > value + 1e-12:
            best, value = cuts, found
    return DecisionRule(
        name="cut_points",
        cut_points=tuple(_value_at(ordered, int(place)) for place in best),
        why=f"fitted to {metric.title} on {len(values):,} out-of-fold rows",
    )


def _pair_terms(metric: Metric, grades: int) -> Floats:
    """(grades^2, k) contributions of a picture of each (truth, decided) pair."""
    truth, decided = (part.ravel() for part in np.indices((grades, grades)))
    assert metric.terms is not None, f"{metric.name} is no sum over pictures"
    if "regression" in metric.kinds:  # of numbers: the grades themselves
        return metric.terms(truth[:, None].astype(np.float64), decided[:, None].astype(np.float64))
    return metric.terms(truth, decided)


def _value_at(ordered: Floats, place: int) -> float:
    """The value of a cut below which `place` pictures lie."""
    if place == 0:
        return float(ordered[0]) - 1e-6
    if place == len(ordered):
        return float(ordered[-1]) + 1e-6
    return float((ordered[place - 1] + ordered[place]) / 2)
