"""A linear model on top of models: its numbers, which a file can hold, and how they are applied.

What is fitted and what is applied are kept apart, so that a blend that was fitted in a run predicts elsewhere without the
library that fitted it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from grandmaster.competition.table import TargetKind

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.float32]
Row = tuple[float, ...]

# Inverse of the L2 penalty of a logistic regression on standardised log-probabilities; of a ridge, a row.
LOGISTIC_STRENGTH, RIDGE_STRENGTH = 0.1, 0.1
SMALLEST = 1e-6


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One output as a weighted sum of what every model says of it.

    Attributes:
        slopes: (m,) on what is told, divided by `scale`.
    """

    slopes: Row
    intercept: float
    scale: float

    def of(self, told: Floats) -> Floats:
        """(n, m) -> (n,)."""
        found: Floats = told / self.scale @ np.array(self.slopes) + self.intercept
        return found


class StackedClasses(msgspec.Struct, frozen=True, kw_only=True, tag="classes"):
    """A logistic regression on the log-probabilities of all models.

    Attributes:
        seen: the classes that pictures bore; none: there was one at most, and the mean is used.
        slopes: a row for each of `seen`, or one alone, of the second, where there are two; on m c log-probabilities.
        classes: c.
    """

    seen: tuple[int, ...]
    slopes: tuple[Row, ...]
    intercepts: Row
    scale: float
    classes: int
    weights: None = None

    def apply(self, members: Values) -> Values:
        """(m, n, c) -> (n, c)."""
        if not self.seen:
            return members.mean(axis=0)
        logits = _logs(members) / self.scale @ np.array(self.slopes).T + np.array(self.intercepts)
        if len(self.seen) == 2:
            second = expit(logits[:, 0])
            chances = np.stack([1 - second, second], axis=1)
        else:
            chances = softmax(logits, axis=1)
        # A class that no picture bore keeps a chance as small as may be.
        found = np.full((members.shape[1], self.classes), SMALLEST)
        found[:, list(self.seen)] = chances
        return (found / found.sum(axis=1, keepdims=True)).astype(np.float32)


class StackedLabels(msgspec.Struct, frozen=True, kw_only=True, tag="labels"):
    """A logistic regression for each label; None: every picture bore it, or none, and the mean is used."""

    lines: tuple[Line | None, ...]
    weights: None = None

    def apply(self, members: Values) -> Values:
        """(m, n, c) -> (n, c)."""
        found = members.mean(axis=0)
        for label, line in enumerate(self.lines):
            if line is not None:
                found[:, label] = expit(line.of(_logits(members[:, :, label])))
        return found


class StackedNumbers(msgspec.Struct, frozen=True, kw_only=True, tag="numbers"):
    """A ridge regression for each target, of how far it is from the models' mean."""

    lines: tuple[Line, ...]
    weights: None = None

    def apply(self, members: Values) -> Values:
        """(m, n, c) -> (n, c)."""
        columns = []
        for target, line in enumerate(self.lines):
            mean, apart = _apart(members[:, :, target])
            columns.append(mean + line.of(apart))
        return np.stack(columns, axis=1).astype(np.float32)


Stacked = StackedClasses | StackedLabels | StackedNumbers


def fit_stacked(kind: TargetKind, members: Values, truth: npt.NDArray[Any]) -> Stacked:
    """Wolpert, Stacked Generalization (1992): logistic regression on log-probabilities, ridge on numbers, strong L2.

    The ridge corrects the mean by the models' deviations from it, so that its penalty draws to equal weights.

    Args:
        members: (m, n, c).
        truth: of the n pictures, as `Competition.targets`.
    """
    fits: dict[str, Callable[[Values, npt.NDArray[Any]], Stacked]] = {
        "multiclass": _fit_classes,
        "multilabel": _fit_labels,
    }
    return fits.get(kind, _fit_numbers)(members, truth)


def _fit_classes(members: Values, truth: npt.NDArray[Any]) -> StackedClasses:
    scale, classes = _scale(_logs(members)), members.shape[2]
    if len(np.unique(truth)) < 2:
        return StackedClasses(seen=(), slopes=(), intercepts=(), scale=scale, classes=classes)
    model = _logistic(_logs(members) / scale, truth)
    return StackedClasses(
        seen=tuple(model.classes_.tolist()),
        slopes=tuple(map(tuple, model.coef_.tolist())),
        intercepts=tuple(model.intercept_.tolist()),
        scale=scale,
        classes=classes,
    )


def _fit_labels(members: Values, truth: npt.NDArray[Any]) -> StackedLabels:
    lines: list[Line | None] = []
    for label in range(members.shape[2]):
        own = truth[:, label] > 0
        told = _logits(members[:, :, label])
        scale = _scale(told)
        if own.all() or not own.any():
            lines.append(None)
            continue
        model = _logistic(told / scale, own)
        slopes, intercept = tuple(model.coef_[0].tolist()), float(model.intercept_[0])
        lines.append(Line(slopes=slopes, intercept=intercept, scale=scale))
    return StackedLabels(lines=tuple(lines))


def _fit_numbers(members: Values, truth: npt.NDArray[Any]) -> StackedNumbers:
    lines = []
    for target in range(members.shape[2]):
        mean, apart = _apart(members[:, :, target])
        scale = _scale(apart)
        ridge = Ridge(alpha=RIDGE_STRENGTH * len(truth)).fit(apart / scale, truth[:, target] - mean)
        lines.append(Line(slopes=tuple(ridge.coef_.tolist()), intercept=float(ridge.intercept_), scale=scale))
    return StackedNumbers(lines=tuple(lines))


def _logistic(told: Floats, truth: npt.NDArray[Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # strong L2: the last digits do not matter
        return LogisticRegression(C=LOGISTIC_STRENGTH, max_iter=100, tol=1e-3).fit(told, truth)


def _logs(members: Values) -> Floats:
    """(m, n, c) probabilities -> (n, m c) logarithms about the mean of the classes."""
    logs = np.log(np.maximum(members.astype(np.float64), SMALLEST))
    logs -= logs.mean(axis=2, keepdims=True)
    return logs.transpose(1, 0, 2).reshape(members.shape[1], -1)


def _logits(chance: Values) -> Floats:
    """(m, n) -> (n, m)."""
    safe = np.clip(chance.astype(np.float64), SMALLEST, 1 - SMALLEST)
    logits: Floats = (np.log(safe) - np.log1p(-safe)).T
    return logits


def _apart(values: Values) -> tuple[Floats, Floats]:
    """(m, n) -> the mean (n,), and what each says beyond it (n, m)."""
    wide = values.astype(np.float64)
    mean = wide.mean(axis=0)
    return mean, (wide - mean).T


def _scale(told: Floats) -> float:
    return max(float(told.std()), 1e-12)
