"""Weights of what is averaged: not negative, adding up to 1, of least log loss or squared error; and drawn to equal ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from grandmaster.competition.table import TargetKind

Floats = npt.NDArray[np.float64]
MOST_STEPS, SETTLED = 300, 1e-6
SMALLEST = 1e-12


def equal(count: int) -> Floats:
    """(count,)."""
    return np.full(count, 1 / count)


def drawn_to_equal(weights: Floats, share: float) -> Floats:
    """`share` 1: equal weights; 0: the weights as they are."""
    found: Floats = (1 - share) * weights + share / len(weights)
    return found


def fitted_weights(kind: TargetKind, truth: npt.NDArray[Any], values: npt.NDArray[np.floating]) -> Floats:
    """The weights with which the mean of m predictions fits best.

    Probabilities: by log loss, with the steps of expectation maximisation for the shares of a mixture (Dempster, Laird &
    Rubin 1977), each of which lowers it. Numbers: by squared error, with exponentiated gradient steps (Kivinen &
    Warmuth 1997). Neither leaves the simplex, and both begin at equal weights.

    Args:
        truth: of n pictures, as `Competition.targets`.
        values: (m, n, c).

    Returns:
        (m,).
    """
    if kind == "multiclass":
        return _mixture(values[:, np.arange(len(truth)), truth].astype(np.float64))
    if kind == "multilabel":
        chance = np.where(truth > 0, values, 1 - values)
        return _mixture(chance.reshape(len(values), -1).astype(np.float64))
    wrong = (values.astype(np.float64) - truth).reshape(len(values), -1)
    return _least_squares(wrong @ wrong.T / wrong.shape[1])


def _mixture(chance: Floats) -> Floats:
    """`chance`: (m, k) probabilities of what came true."""
    chance = np.maximum(chance, SMALLEST)
    weights = equal(len(chance))
    for _ in range(MOST_STEPS):
        step = weights * (chance / (weights @ chance)).mean(axis=1)
        if np.abs(step - weights).max() < SETTLED:
            break
        weights = step
    return weights


def _least_squares(products: Floats) -> Floats:
    """`products`: (m, m) mean products of errors."""
    weights = equal(len(products))
    rate = 1 / max(float(np.abs(products).max()), SMALLEST)
    for _ in range(10 * MOST_STEPS):
        step = weights * np.exp(-rate * (products @ weights))
        step /= step.sum()
        if np.abs(step - weights).max() < SETTLED / 10:
            break
        weights = step
    return weights
