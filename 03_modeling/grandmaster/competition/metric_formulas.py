"""The arithmetic of the metrics: each as a value, and as weighted sums over pictures so that it can be resampled.

What comes in has been checked and decided by `metrics`. Labels: two int64 arrays (n,), classes or grades. Label sets:
two boolean arrays (n, c). Everything else is said where it differs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sklearn_metrics

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

# Kaggle's clip: a sure and wrong answer costs 34.5 instead of infinity.
SMALLEST_PROBABILITY = 1e-15


# F1 in its averages, balanced accuracy: all from how often a label is hit, true and taken.


def f1_point(average: str, truth: Array, taken: Array) -> float:
    """scikit-learn's F1 over the labels that appear in the truth or among the predictions."""
    if truth.ndim == 1:
        return float(sklearn_metrics.f1_score(truth, taken, average=average, zero_division=0))
    present = np.flatnonzero((truth | taken).any(axis=0))
    if not len(present):
        return 0.0
    return float(
        sklearn_metrics.f1_score(truth, taken, average=average, labels=present.tolist(), zero_division=0)
    )


def label_terms(truth: Array, taken: Array) -> Floats:
    """(n, 3c): whether the picture is a hit of, belongs to, is taken for each label."""
    if truth.ndim == 1:
        count = int(max(truth.max(), taken.max())) + 1
        truth, taken = np.eye(count)[truth], np.eye(count)[taken]
    truth, taken = truth.astype(np.float64), taken.astype(np.float64)
    return np.concatenate([truth * taken, truth, taken], axis=1)


def _f1_of_labels(sums: Floats) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """F1 = 2 hits / (true + taken) of each label, its true pictures, and whether it appears."""
    hits, true, taken = np.split(sums, 3, axis=1)
    total = true + taken
    present = total > 0
    return np.divide(2 * hits, total, out=np.zeros_like(total), where=present), true, present


def macro_f1(sums: Floats) -> Floats:
    """Averaged over the labels that a resample holds or predicts."""
    f1, _, present = _f1_of_labels(sums)
    return _ratio(f1.sum(axis=1), present.sum(axis=1))


def weighted_f1(sums: Floats) -> Floats:
    """Averaged with the number of true pictures of each label."""
    f1, true, _ = _f1_of_labels(sums)
    return _ratio((f1 * true).sum(axis=1), true.sum(axis=1))


def micro_f1(sums: Floats) -> Floats:
    """Of all labels together."""
    hits, true, taken = (part.sum(axis=1) for part in np.split(sums, 3, axis=1))
    return _ratio(2 * hits, true + taken)


def balanced_accuracy_point(truth: Array, taken: Array) -> float:
    """scikit-learn's mean recall over the classes of the truth (it warns of classes that are only predicted)."""
    classes = np.unique(truth)
    recalls = sklearn_metrics.recall_score(truth, taken, labels=classes, average=None, zero_division=0)
    return float(np.mean(recalls))


def balanced_accuracy(sums: Floats) -> Floats:
    """Mean recall over the classes that a resample holds."""
    hits, true, _ = np.split(sums, 3, axis=1)
    present = true > 0
    recall = np.divide(hits, true, out=np.zeros_like(true), where=present)
    return _ratio(recall.sum(axis=1), present.sum(axis=1))


# Means over pictures.


def mean(sums: Floats) -> Floats:
    """Of the contributions in column 0."""
    return _ratio(sums[:, 0], sums[:, 1])


def _mean_terms(contributions: Array) -> Floats:
    return np.stack([contributions.astype(np.float64), np.ones(len(contributions))], axis=1)


def accuracy_point(truth: Array, taken: Array) -> float:
    """Of whole label sets where a picture has several labels."""
    return float(sklearn_metrics.accuracy_score(truth, taken))


def accuracy_terms(truth: Array, taken: Array) -> Floats:
    """Whether everything about a picture is right."""
    right = truth == taken
    return _mean_terms(right if right.ndim == 1 else right.all(axis=1))


def sample_f1_point(truth: Array, taken: Array) -> float:
    """Mean F1 of the label sets; nothing to find and nothing said is right."""
    return float(sklearn_metrics.f1_score(truth, taken, average="samples", zero_division=1))


def sample_f1_terms(truth: Array, taken: Array) -> Floats:
    """F1 of each picture's label set."""
    hits, total = (truth & taken).sum(axis=1), truth.sum(axis=1) + taken.sum(axis=1)
    return _mean_terms(np.divide(2.0 * hits, total, out=np.ones(len(hits)), where=total > 0))


def log_loss_point(truth: Array, probabilities: Floats) -> float:
    """Of class probabilities (truth (n,)), or the mean of the columns' (truth (n, c))."""
    if truth.ndim == 1:
        classes = list(range(probabilities.shape[1]))
        return float(sklearn_metrics.log_loss(truth, _clipped_rows(probabilities), labels=classes))
    columns = zip(truth.T, _clipped(probabilities).T, strict=True)
    return float(np.mean([sklearn_metrics.log_loss(one, chance, labels=[0, 1]) for one, chance in columns]))


def log_loss_terms(truth: Array, probabilities: Floats) -> Floats:
    """Loss of each picture."""
    if truth.ndim == 1:
        return _mean_terms(-np.log(_clipped_rows(probabilities)[np.arange(len(truth)), truth]))
    chance = _clipped(probabilities)
    return _mean_terms(-np.where(truth > 0, np.log(chance), np.log1p(-chance)).mean(axis=1))


def _clipped(probabilities: Floats) -> Floats:
    return np.clip(probabilities, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)


def _clipped_rows(probabilities: Floats) -> Floats:
    """Rows scaled to sum 1, kept away from 0, and scaled again."""
    scaled = probabilities / probabilities.sum(axis=1, keepdims=True)
    scaled = np.clip(scaled, SMALLEST_PROBABILITY, 1.0)
    clipped: Floats = scaled / scaled.sum(axis=1, keepdims=True)
    return clipped


def precision_at_rank_point(credit: Array, _: Array) -> float:
    """MAP@k of pictures with one true label each is the mean of 1 / its rank, 0 beyond k: `credit` (n,)."""
    return float(credit.mean())


def precision_at_rank_terms(credit: Array, _: Array) -> Floats:
    """As `precision_at_rank_point`."""
    return _mean_terms(credit)


# Estimated values: truth and predictions float64 (n, t); with several columns the mean of theirs.


def rmse_point(truth: Array, values: Floats) -> float:
    """Root of the mean squared error."""
    return float(sklearn_metrics.root_mean_squared_error(truth, values))


def rmse_terms(truth: Array, values: Floats) -> Floats:
    """Squared errors, and the picture itself."""
    return np.concatenate([(truth - values) ** 2, np.ones((len(truth), 1))], axis=1)


def rmse(sums: Floats) -> Floats:
    """Mean of the columns' roots."""
    found: Floats = np.sqrt(sums[:, :-1] / sums[:, -1:]).mean(axis=1)
    return found


def mae_point(truth: Array, values: Floats) -> float:
    """Mean absolute error."""
    return float(sklearn_metrics.mean_absolute_error(truth, values))


def mae_terms(truth: Array, values: Floats) -> Floats:
    """Absolute error of each picture."""
    return _mean_terms(np.abs(truth - values).mean(axis=1))


# Agreement of grades.


def kappa_point(truth: Array, taken: Array) -> float:
    """scikit-learn's Cohen's kappa with quadratic weights; 0 where all is one and the same grade."""
    if len(np.union1d(truth, taken)) < 2:
        return 0.0  # 0 / 0
    # Named in full: scikit-learn takes the distance of two grades from their places among those that occur.
    grades = list(range(int(max(truth.max(), taken.max())) + 1))
    return float(sklearn_metrics.cohen_kappa_score(truth, taken, labels=grades, weights="quadratic"))


def kappa_terms(truth: Array, taken: Array) -> Floats:
    """Six moments: kappa = 1 - sum (t - p)^2 / (sum t^2 + sum p^2 - 2 sum t sum p / n), whatever the grades."""
    t, p = truth.astype(np.float64), taken.astype(np.float64)
    return np.stack([(t - p) ** 2, t * t, p * p, t, p, np.ones(len(t))], axis=1)


def kappa(sums: Floats) -> Floats:
    """From the moments."""
    apart, tt, pp, t, p, n = sums.T
    expected = tt + pp - 2 * t * p / n
    found: Floats = np.where(expected > 1e-9, 1 - apart / np.where(expected > 1e-9, expected, 1), 0.0)
    return found


# One probability of a binary target: truth bool (n, 1), probabilities float64 (n, 1).


def pf1_point(truth: Array, probabilities: Floats) -> float:
    """Probabilistic F1 (Yacouby & Axman 2020, as in RSNA breast cancer detection): counts replaced by probabilities."""
    return float(pf1(pf1_terms(truth, probabilities).sum(axis=0, keepdims=True))[0])


def pf1_terms(truth: Array, probabilities: Floats) -> Floats:
    """Probability of the true positives, all probability, and the positives."""
    chance = probabilities[:, 0]
    positive = truth[:, 0].astype(np.float64)
    return np.stack([chance * positive, chance, positive], axis=1)


def pf1(sums: Floats) -> Floats:
    """2 P R / (P + R) = 2 hits / (said + true); 0 where nothing is hit."""
    return _ratio(2 * sums[:, 0], sums[:, 1] + sums[:, 2])


def _ratio(over: Array, under: Array) -> Floats:
    """0 where there is nothing under the line."""
    under = np.asarray(under, np.float64)
    return np.divide(over, under, out=np.zeros_like(under), where=under > 0)


# Area under the ROC curve: truth (n,) classes or boolean (n, c), one-vs-rest by column.


def as_columns(truth: Array, count: int) -> npt.NDArray[np.bool_]:
    """Whether each picture has each label, bool (n, count)."""
    return truth[:, None] == np.arange(count) if truth.ndim == 1 else truth > 0


def one_sided_columns(truth: Array, count: int) -> npt.NDArray[np.intp]:
    """Columns that only have pictures with, or only without their label: no curve can be drawn of them."""
    share = as_columns(truth, count).mean(axis=0)
    return np.flatnonzero((share == 0) | (share == 1))


def auc_point(truth: Array, values: Floats) -> float:
    """Mean of scikit-learn's areas over the columns that have both sides; nan where none has."""
    columns = as_columns(truth, values.shape[1])
    areas = [
        sklearn_metrics.roc_auc_score(columns[:, place], values[:, place])
        for place in range(values.shape[1])
        if 0 < columns[:, place].sum() < len(columns)
    ]
    return float(np.mean(areas)) if areas else float("nan")


def auc_resampled(truth: Array, values: Floats, weights: Floats) -> Floats:
    """The same for every resample.

    Args:
        truth: (n,) or (n, c).
        values: (n, c).
        weights: (n, r), how often resample r holds each picture.

    Returns:
        (r,); a column that a resample has one side of only is left out of its mean, nan where none is left.
    """
    columns = as_columns(truth, values.shape[1])
    total, known = np.zeros(weights.shape[1]), np.zeros(weights.shape[1])
    for place in range(values.shape[1]):
        area = _weighted_auc(columns[:, place], values[:, place], weights)
        there = np.isfinite(area)
        total[there] += area[there]
        known += there
    return np.divide(total, known, out=np.full(len(total), np.nan), where=known > 0)


def _weighted_auc(positive: Array, scores: Array, weights: Floats) -> Floats:
    """Chance that a positive drawn with its weight scores above a negative, ties counting half (Mann & Whitney 1947).

    One sort serves all resamples: how many negatives lie below a positive is a difference of running sums of their
    weights, read off at its place among them.
    """
    if positive.mean() > 0.5:  # the shorter side is looked up: turned round, the area is the same
        positive, scores = ~positive, -scores
    negatives = np.flatnonzero(~positive)
    negatives = negatives[np.argsort(scores[negatives], kind="stable")]
    running = np.zeros((len(negatives) + 1, weights.shape[1]))
    np.cumsum(weights[negatives], axis=0, out=running[1:])
    below, up_to = (
        np.searchsorted(scores[negatives], scores[positive], side=side) for side in ("left", "right")
    )
    drawn = weights[positive]
    won: Floats = np.einsum("pr,pr->r", drawn, running[below]) + np.einsum("pr,pr->r", drawn, running[up_to])
    pairs = drawn.sum(axis=0) * running[-1]
    return np.divide(won / 2, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
