"""The competition's metrics, with the spread of every value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import metrics as sklearn_metrics

from grandmaster.competition import metric_formulas as formulas
from grandmaster.competition.compared import checked, compared
from grandmaster.competition.decisions import DecisionRule
from grandmaster.competition.metric_table import METRICS

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]

# Weights of one block of resamples: 64 MB, however many pictures there are.
BLOCK_ELEMENTS = 8_000_000


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


def score(
    metric: str,
    truth: npt.ArrayLike,
    values: npt.ArrayLike,
    rule: DecisionRule | None = None,
    *,
    decisions: npt.ArrayLike | None = None,
    top_k: int = 1,
    positive: int = 1,
) -> float:
    """The value of a metric, as scikit-learn computes it.

    F1 is averaged over the labels that appear in the truth or in the predictions. Log loss is taken of rows scaled
    to sum 1 and clipped at 1e-15, as Kaggle does. Ties go to the class that comes first. The mean ROC AUC leaves
    out columns that have one side only (`left_out` names them) and is nan where no column has both.

    Args:
        metric: a key of `METRICS`.
        truth: (n,) indices of the true classes (multiclass), or (n, c) 0 and 1 (multilabel), (n, 1) grades
            (ordinal), (n, t) numbers (regression).
        values: what a model says: (n, c) probabilities, not negative (no row all zero, where they are of classes);
            or numbers shaped as the truth.
        rule: how values become decisions. None: the most probable class, labels at 0.5 or more, the nearest grade.
            RMSE and MAE are taken of the decided grades where it has cut points.
        decisions: what was decided, instead of a rule: as `DecisionRule.decide` returns it.
        top_k: labels that count, for "map_at_k".
        positive: index of the positive class of a binary target.

    Raises:
        ValueError: shapes that do not fit, no rows, a label outside 0..c-1, a value that is not finite, or a metric
            that does not score such targets.
    """
    return METRICS[metric].point(
        *compared(metric, truth, values, rule, decisions=decisions, top_k=top_k, positive=positive)
    )


def bootstrap_interval(
    metric: str,
    truth: npt.ArrayLike,
    values: npt.ArrayLike,
    rule: DecisionRule | None = None,
    *,
    decisions: npt.ArrayLike | None = None,
    top_k: int = 1,
    positive: int = 1,
    groups: Sequence[Any] | npt.ArrayLike | None = None,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """A metric with its percentile bootstrap interval.

    Whole groups are drawn with replacement (as many as there are), so that near-duplicates do not pass for
    independent pictures; each drawing is scored, and the interval runs between the quantiles of these scores.
    Most metrics depend on weighted sums over pictures only, so that all drawings are two matrix products; the area
    under the ROC curve takes one sort for all drawings. Drawings that cannot be scored (nan) are left out.
    Method: percentile interval, Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; of
    clusters: Davison & Hinkley, Bootstrap Methods and their Application (1997), section 3.8. It covers the
    choice of the pictures only, not the randomness of training, and is too narrow for few (below 30) groups.

    Args:
        metric, truth, values, rule, decisions, top_k, positive: as `score`.
        groups: (n,) group of each picture; None: each its own.
        rounds: drawings.
        level: nominal coverage, between 0 and 1.
        seed: of the drawings.

    Raises:
        ValueError: as `score`; groups of another length; rounds or level out of range.
    """
    prepared = compared(metric, truth, values, rule, decisions=decisions, top_k=top_k, positive=positive)
    _check_bootstrap(rounds, level)
    drawn = _drawn(metric, prepared, groups, rounds, seed)
    low, high = ends(drawn, level)
    return Interval(value=METRICS[metric].point(*prepared), low=low, high=high, level=level, rounds=rounds)


def paired_gain(
    metric: str,
    truth: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    decisions: tuple[npt.ArrayLike | None, npt.ArrayLike | None] = (None, None),
    top_k: int = 1,
    positive: int = 1,
    groups: Sequence[Any] | npt.ArrayLike | None = None,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """By how much the second predictions are better than the first of the same pictures; below 0: worse.

    Both are scored on the same drawings (paired bootstrap, Efron & Tibshirani 1993, chapter 16), so what makes both
    easy or hard cancels. The sign of a loss is turned.

    Args:
        first, second: as `values` of `score`, rows in the order of `truth`.
        decisions: of the first and of the second, where a rule was fitted.
        metric, truth, top_k, positive, groups, rounds, level, seed: as `bootstrap_interval`.

    Raises:
        ValueError: as `bootstrap_interval`.
    """
    _check_bootstrap(rounds, level)
    value, drawn = drawn_gains(
        metric,
        truth,
        first,
        second,
        decisions=decisions,
        top_k=top_k,
        positive=positive,
        groups=groups,
        rounds=rounds,
        seed=seed,
    )
    low, high = ends(drawn, level)
    return Interval(value=value, low=low, high=high, level=level, rounds=rounds)


def drawn_gains(
    metric: str,
    truth: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    decisions: tuple[npt.ArrayLike | None, npt.ArrayLike | None] = (None, None),
    top_k: int = 1,
    positive: int = 1,
    groups: Sequence[Any] | npt.ArrayLike | None = None,
    rounds: int = 1000,
    seed: int = 0,
) -> tuple[float, Floats]:
    """The gain of `paired_gain`, and that of every drawing, (rounds,).

    For the same groups, rounds and seed the same groups are drawn, whatever is compared: gains of several pairs on the
    same pictures may be averaged drawing by drawing.

    Raises:
        ValueError: as `bootstrap_interval`.
    """
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    both = [
        compared(metric, truth, values, decisions=decided, top_k=top_k, positive=positive)
        for values, decided in zip((first, second), decisions, strict=True)
    ]
    before, after = (_drawn(metric, prepared, groups, rounds, seed) for prepared in both)
    points = [METRICS[metric].point(*prepared) for prepared in both]
    return sign * (points[1] - points[0]), sign * (after - before)


def _check_bootstrap(rounds: int, level: float) -> None:
    if rounds < 1 or not 0 < level < 1:
        raise ValueError(f"rounds {rounds} must be positive and level {level} between 0 and 1")


def ends(drawn: Floats, level: float) -> tuple[float, float]:
    """Ends of the percentile interval of the drawings that could be scored; nan where none could."""
    finite = drawn[np.isfinite(drawn)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _drawn(
    metric: str,
    prepared: tuple[Array, Array],
    groups: Sequence[Any] | npt.ArrayLike | None,
    rounds: int,
    seed: int,
) -> Floats:
    """The score of every drawing, (rounds,); the same groups are drawn for the same seed and number of them."""
    entry = METRICS[metric]
    count = len(prepared[0])
    codes, number = (np.arange(count), count) if groups is None else _group_codes(groups, count)
    blocks = resample_weights(number, rounds=rounds, seed=seed)
    if entry.terms is not None:
        terms = entry.terms(*prepared)
        if groups is not None:
            sums = np.zeros((number, terms.shape[1]))
            np.add.at(sums, codes, terms)
            terms = sums
        found = [entry.from_sums(weights @ terms) for weights in blocks]
    else:
        assert entry.resampled is not None, f"{metric} cannot be resampled"
        found = [entry.resampled(*prepared, np.ascontiguousarray(weights.T)[codes]) for weights in blocks]
    return np.concatenate(found)


def left_out(metric: str, truth: npt.ArrayLike, outputs: Sequence[str]) -> tuple[str, ...]:
    """Outputs that a metric cannot judge on this truth and leaves out of its mean: say so beside the score."""
    if METRICS[metric].resampled is None:
        return ()
    places = formulas.one_sided_columns(np.asarray(truth), len(outputs))
    return tuple(outputs[place] for place in places)


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


def _group_codes(groups: Sequence[Any] | npt.ArrayLike, count: int) -> tuple[npt.NDArray[np.intp], int]:
    codes, names = pd.factorize(np.asarray(groups))
    if codes.shape != (count,):
        raise ValueError(f"{codes.shape} groups for {count} pictures")
    if (codes < 0).any():
        raise ValueError("a picture's group is missing")
    return codes, len(names)


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
    truth, values = checked(labels, probabilities)
    if values.shape[1] != n_classes:
        raise ValueError(f"probabilities have {values.shape[1]} columns for {n_classes} classes")
    return truth, values.argmax(axis=1)


def corruption_gap(clean: float | None, corrupted: float | None, *, higher_is_better: bool) -> float | None:
    """How much a score loses on pictures corrupted like the test set, in the metric's units.

    Positive where the corrupted pictures score worse, whichever way the metric goes; None where a score is missing.
    """
    if clean is None or corrupted is None:
        return None
    return clean - corrupted if higher_is_better else corrupted - clean
