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
from grandmaster.competition.decisions import DecisionRule
from grandmaster.competition.metric_table import METRICS, Metric, why_not
from grandmaster.competition.table import TargetKind

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
    return METRICS[metric].point(*_prepared(metric, truth, values, rule, decisions, top_k, positive))


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
    prepared = _prepared(metric, truth, values, rule, decisions, top_k, positive)
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
        _prepared(metric, truth, values, None, decided, top_k, positive)
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


def _prepared(
    metric: str,
    truth: npt.ArrayLike,
    values: npt.ArrayLike,
    rule: DecisionRule | None,
    decisions: npt.ArrayLike | None,
    top_k: int,
    positive: int,
) -> tuple[Array, Array]:
    """What the metric's formulas compare."""
    entry = METRICS[metric]
    known, said = _checked(truth, values)
    kind = _kind(entry, known, rule, decisions)
    problem = why_not(metric, kind, said.shape[1])
    if problem is not None:
        raise ValueError(problem)
    if kind == "multilabel" and not np.isin(known, (0.0, 1.0)).all():
        raise ValueError("the truth of independent labels must be 0 or 1")
    if entry.takes == "decisions":
        return _decided(kind, known, said, rule, decisions)
    if kind == "regression":
        if decisions is None and rule is not None and rule.name == "cut_points":
            decisions = rule.decide(said)
        return known, said if decisions is None else np.asarray(decisions, np.float64).reshape(known.shape)
    no_chance = kind == "multiclass" and (said.sum(axis=1) <= 0).any()
    if (said < 0).any() or no_chance or (kind == "multilabel" and (said > 1).any()):
        raise ValueError("probabilities must not be negative nor above 1, and no row all zero")
    if entry.takes == "positive":
        return (known == positive)[:, None], said[:, [positive]]
    if entry.takes == "ranking":
        return _credit(known, said, top_k), said
    return known, said


def _kind(
    entry: Metric, truth: Array, rule: DecisionRule | None, decisions: npt.ArrayLike | None
) -> TargetKind:
    """What the truth must be, from its form and what it is compared with."""
    if truth.ndim == 1:
        return "multiclass"
    if "regression" in entry.kinds:
        return "regression"
    sets = rule is not None and rule.name == "thresholds" if decisions is None else np.ndim(decisions) == 2
    return "ordinal" if "ordinal" in entry.kinds and truth.shape[1] == 1 and not sets else "multilabel"


def _decided(
    kind: TargetKind,
    truth: Array,
    values: Floats,
    rule: DecisionRule | None,
    decisions: npt.ArrayLike | None,
) -> tuple[Array, Array]:
    """Two int64 (n,), or two bool (n, c) for label sets."""
    if decisions is not None:
        decided = np.asarray(decisions)
    elif rule is not None and rule.name != "none":
        decided = rule.decide(values)
    elif kind == "multiclass":
        decided = values.argmax(axis=1)
    else:
        decided = values >= 0.5 if kind == "multilabel" else np.floor(values[:, 0] + 0.5).clip(0)
    if kind == "multilabel":
        return truth > 0, decided.astype(bool)
    grades = truth if kind == "multiclass" else truth[:, 0]
    if (grades < 0).any() or (grades != np.floor(grades)).any():
        raise ValueError("grades must be whole numbers from 0 on")
    return grades.astype(np.int64), decided.astype(np.int64)


def _credit(truth: Labels, values: Floats, top_k: int) -> Floats:
    """1 / rank of the true class, 0 beyond `top_k`; of equal values the class that comes first ranks higher."""
    own = values[np.arange(len(truth)), truth][:, None]
    before = np.arange(values.shape[1]) < truth[:, None]
    rank = 1 + ((values > own) | ((values == own) & before)).sum(axis=1)
    credit: Floats = np.where(rank <= top_k, 1 / rank, 0.0)
    return credit


def _checked(truth: npt.ArrayLike, values: npt.ArrayLike) -> tuple[Array, Floats]:
    known, said = np.asarray(truth), np.asarray(values, dtype=np.float64)
    if said.ndim != 2 or known.shape[:1] != said.shape[:1] or (known.ndim == 2 and known.shape != said.shape):
        raise ValueError(f"labels of shape {known.shape} do not fit probabilities of shape {said.shape}")
    if not len(known):
        raise ValueError("there is nothing to score")
    if not np.isfinite(said).all():
        raise ValueError(f"row {int((~np.isfinite(said)).any(axis=1).argmax())} is not finite")
    if known.ndim == 2:
        known = known.astype(np.float64)
        if not np.isfinite(known).all():
            raise ValueError(f"the truth of row {int((~np.isfinite(known)).any(axis=1).argmax())} is missing")
        return known, said
    if not np.issubdtype(known.dtype, np.integer):
        raise ValueError(f"labels must be whole numbers, not {known.dtype}")
    outside = (known < 0) | (known >= said.shape[1])
    if outside.any():
        raise ValueError(
            f"label {known[outside][0]} is outside the {said.shape[1]} classes (row {outside.argmax()})"
        )
    return known, said


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
    truth, checked = _checked(labels, probabilities)
    if checked.shape[1] != n_classes:
        raise ValueError(f"probabilities have {checked.shape[1]} columns for {n_classes} classes")
    return truth, checked.argmax(axis=1)


def corruption_gap(clean: float | None, corrupted: float | None, *, higher_is_better: bool) -> float | None:
    """How much a score loses on pictures corrupted like the test set, in the metric's units.

    Positive where the corrupted pictures score worse, whichever way the metric goes; None where a score is missing.
    """
    if clean is None or corrupted is None:
        return None
    return clean - corrupted if higher_is_better else corrupted - clean


def compared(
    metric: str,
    truth: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    decisions: npt.ArrayLike | None = None,
    top_k: int = 1,
    positive: int = 1,
) -> tuple[Array, Array]:
    """What the formulas of a `Metric` take: truth and predictions, checked and decided.

    Args:
        metric, truth, values, decisions, top_k, positive: as `score`.

    Raises:
        ValueError: as `score`.
    """
    return _prepared(metric, truth, values, None, decisions, top_k, positive)
