"""The competition's metrics, with the spread of every value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import metrics as sklearn_metrics

Labels = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]

# Kaggle's clip: a sure and wrong answer costs 34.5 instead of infinity.
SMALLEST_PROBABILITY = 1e-15
# Weights of one block of resamples: 64 MB, however many pictures there are.
BLOCK_ELEMENTS = 8_000_000


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One way to score.

    Attributes:
        name: the key in `METRICS`.
        title: for people.
        higher_is_better: False for a loss.
        needs_labels_only: whether the most probable class is all that counts.
        point: (labels, probabilities) -> value.
        terms: (labels, probabilities) -> (n, k) contributions of the pictures, whose weighted sums decide.
        from_sums: (r, k) weighted sums of the terms -> (r,) values.
    """

    name: str
    title: str
    higher_is_better: bool
    needs_labels_only: bool
    point: Callable[[Labels, Floats], float]
    terms: Callable[[Labels, Floats], Floats]
    from_sums: Callable[[Floats], Floats]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value and where it may lie.

    Attributes:
        value: on the data as they are.
        low, high: bounds of the interval.
        level: its nominal coverage.
        rounds: resamples behind it.
    """

    value: float
    low: float
    high: float
    level: float
    rounds: int


def _macro_f1(labels: Labels, probabilities: Floats) -> float:
    predicted = probabilities.argmax(axis=1)
    return float(sklearn_metrics.f1_score(labels, predicted, average="macro", zero_division=0))


def _macro_f1_terms(labels: Labels, probabilities: Floats) -> Floats:
    """(n, 3c): whether the picture is a hit of, belongs to, is taken for each class."""
    n, c = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    truth, taken = np.zeros((n, c)), np.zeros((n, c))
    truth[np.arange(n), labels] = 1
    taken[np.arange(n), predicted] = 1
    return np.concatenate([truth * taken, truth, taken], axis=1)


def _macro_f1_from_sums(sums: Floats) -> Floats:
    """F1 = 2 hits / (true + predicted), averaged over the classes that a resample holds or predicts."""
    hits, true, predicted = np.split(sums, 3, axis=1)
    total = true + predicted
    present = total > 0
    f1 = np.divide(2 * hits, total, out=np.zeros_like(total), where=present)
    mean: Floats = f1.sum(axis=1) / present.sum(axis=1)
    return mean


def _accuracy(labels: Labels, probabilities: Floats) -> float:
    return float(sklearn_metrics.accuracy_score(labels, probabilities.argmax(axis=1)))


def _accuracy_terms(labels: Labels, probabilities: Floats) -> Floats:
    hit = probabilities.argmax(axis=1) == labels
    return np.stack([hit.astype(np.float64), np.ones(len(labels))], axis=1)


def _mean_from_sums(sums: Floats) -> Floats:
    mean: Floats = sums[:, 0] / sums[:, 1]
    return mean


def _log_loss(labels: Labels, probabilities: Floats) -> float:
    classes = range(probabilities.shape[1])
    return float(sklearn_metrics.log_loss(labels, _clipped(probabilities), labels=list(classes)))


def _log_loss_terms(labels: Labels, probabilities: Floats) -> Floats:
    losses = -np.log(_clipped(probabilities)[np.arange(len(labels)), labels])
    return np.stack([losses, np.ones(len(labels))], axis=1)


def _clipped(probabilities: Floats) -> Floats:
    """Rows scaled to sum 1, kept away from 0, and scaled again."""
    scaled = probabilities / probabilities.sum(axis=1, keepdims=True)
    scaled = np.clip(scaled, SMALLEST_PROBABILITY, 1.0)
    clipped: Floats = scaled / scaled.sum(axis=1, keepdims=True)
    return clipped


METRICS: dict[str, Metric] = {
    "macro_f1": Metric(
        name="macro_f1",
        title="macro F1",
        higher_is_better=True,
        needs_labels_only=True,
        point=_macro_f1,
        terms=_macro_f1_terms,
        from_sums=_macro_f1_from_sums,
    ),
    "accuracy": Metric(
        name="accuracy",
        title="accuracy",
        higher_is_better=True,
        needs_labels_only=True,
        point=_accuracy,
        terms=_accuracy_terms,
        from_sums=_mean_from_sums,
    ),
    "log_loss": Metric(
        name="log_loss",
        title="log loss",
        higher_is_better=False,
        needs_labels_only=False,
        point=_log_loss,
        terms=_log_loss_terms,
        from_sums=_mean_from_sums,
    ),
}


def score(metric: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """The value of a metric, as scikit-learn computes it.

    Macro F1 is the mean over the classes that appear in the truth or in the predictions. Log loss is taken of
    rows scaled to sum 1 and clipped at 1e-15, as Kaggle does. Ties go to the class that comes first.

    Args:
        metric: a key of `METRICS`.
        labels: (n,) indices of the true classes.
        probabilities: (n, c), not negative, no row all zero.

    Raises:
        ValueError: shapes that do not fit, no rows, a label outside 0..c-1, or a value that is not finite.
    """
    checked = _checked(labels, probabilities, needs_labels_only=METRICS[metric].needs_labels_only)
    return METRICS[metric].point(*checked)


def bootstrap_interval(
    metric: str,
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    *,
    groups: Sequence[Any] | npt.ArrayLike | None = None,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """A metric with its percentile bootstrap interval.

    Whole groups are drawn with replacement (as many as there are), so that near-duplicates do not pass for
    independent pictures; each drawing is scored, and the interval runs between the quantiles of these scores.
    Every metric here depends on weighted sums over pictures only, so all drawings are two matrix products.
    Method: percentile interval, Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; of
    clusters: Davison & Hinkley, Bootstrap Methods and their Application (1997), section 3.8. It covers the
    choice of the pictures only, not the randomness of training, and is too narrow for few (below 30) groups.

    Args:
        metric: a key of `METRICS`.
        labels: (n,) indices of the true classes.
        probabilities: (n, c).
        groups: (n,) group of each picture; None: each its own.
        rounds: drawings.
        level: nominal coverage, between 0 and 1.
        seed: of the drawings.

    Raises:
        ValueError: as `score`; groups of another length; rounds or level out of range.
    """
    entry = METRICS[metric]
    checked = _checked(labels, probabilities, needs_labels_only=entry.needs_labels_only)
    if rounds < 1 or not 0 < level < 1:
        raise ValueError(f"rounds {rounds} must be positive and level {level} between 0 and 1")
    terms = entry.terms(*checked)
    if groups is not None:
        terms = _sums_of_groups(terms, groups)
    values = np.concatenate(
        [
            entry.from_sums(weights @ terms)
            for weights in resample_weights(len(terms), rounds=rounds, seed=seed)
        ]
    )
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value=entry.point(*checked), low=float(low), high=float(high), level=level, rounds=rounds)


def resample_weights(count: int, *, rounds: int, seed: int) -> Iterator[Floats]:
    """How often each of `count` groups is drawn, block by block of at most 64 MB.

    Yields:
        Arrays (r, count) whose r add up to `rounds`; each row is one draw from a multinomial with equal
        probabilities and sums to `count`.
    """
    random = np.random.default_rng(seed)
    block = max(1, BLOCK_ELEMENTS // count)
    for start in range(0, rounds, block):
        size = min(block, rounds - start)
        # Counting drawn places is several times faster than Generator.multinomial, and the same distribution.
        drawn = random.integers(0, count, size=(size, count)) + count * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * count)
        yield counts.reshape(size, count).astype(np.float64)


def _sums_of_groups(terms: Floats, groups: Sequence[Any] | npt.ArrayLike) -> Floats:
    codes, names = pd.factorize(np.asarray(groups))
    if codes.shape != (len(terms),):
        raise ValueError(f"{codes.shape} groups for {len(terms)} pictures")
    if (codes < 0).any():
        raise ValueError("a picture's group is missing")
    sums = np.zeros((len(names), terms.shape[1]))
    np.add.at(sums, codes, terms)
    return sums


def _checked(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, *, needs_labels_only: bool
) -> tuple[Labels, Floats]:
    truth, predicted = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if predicted.ndim != 2 or truth.shape != predicted.shape[:1]:
        raise ValueError(f"labels of shape {truth.shape} do not fit probabilities of shape {predicted.shape}")
    if not len(truth):
        raise ValueError("there is nothing to score")
    if not np.issubdtype(truth.dtype, np.integer):
        raise ValueError(f"labels must be whole numbers, not {truth.dtype}")
    classes = predicted.shape[1]
    outside = (truth < 0) | (truth >= classes)
    if outside.any():
        raise ValueError(
            f"label {truth[outside][0]} is outside the {classes} classes (row {outside.argmax()})"
        )
    if not np.isfinite(predicted).all():
        raise ValueError(f"row {int((~np.isfinite(predicted)).any(axis=1).argmax())} is not finite")
    if not needs_labels_only and ((predicted < 0).any() or (predicted.sum(axis=1) <= 0).any()):
        raise ValueError("probabilities must not be negative, and no row all zero")
    return truth, predicted


def per_class_scores(labels: npt.ArrayLike, probabilities: npt.ArrayLike, n_classes: int) -> pd.DataFrame:
    """Precision, recall and F1 of each class.

    Args:
        labels: (n,) indices of the true classes.
        probabilities: (n, n_classes).
        n_classes: number of classes.

    Returns:
        One row for each class, in order; columns `precision`, `recall`, `f1` (0 where undefined), `support` (true
        pictures).

    Raises:
        ValueError: as `score`.
    """
    truth, predicted = _labels_of(labels, probabilities, n_classes)
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(
        truth, predicted, labels=list(range(n_classes)), zero_division=0
    )
    return pd.DataFrame({"precision": precision, "recall": recall, "f1": f1, "support": support})


def confusion(labels: npt.ArrayLike, probabilities: npt.ArrayLike, n_classes: int) -> npt.NDArray[np.int64]:
    """Counts (n_classes, n_classes): rows are the truth, columns the predictions.

    Raises:
        ValueError: as `score`.
    """
    truth, predicted = _labels_of(labels, probabilities, n_classes)
    matrix: npt.NDArray[np.int64] = sklearn_metrics.confusion_matrix(
        truth, predicted, labels=list(range(n_classes))
    ).astype(np.int64)
    return matrix


def _labels_of(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, n_classes: int
) -> tuple[Labels, npt.NDArray[np.int64]]:
    truth, checked = _checked(labels, probabilities, needs_labels_only=True)
    if checked.shape[1] != n_classes:
        raise ValueError(f"probabilities have {checked.shape[1]} columns for {n_classes} classes")
    return truth, checked.argmax(axis=1)
