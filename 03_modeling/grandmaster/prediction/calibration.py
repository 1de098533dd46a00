"""Probabilities that mean what they say: one temperature, fitted on out-of-fold predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from grandmaster.competition.objective import Objective
from grandmaster.competition.table import TargetKind

Values = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Temperatures = dict[int | None, float]

# Metrics that the temperature changes; a decision or an order of pictures it leaves as it is, or nearly.
CALIBRATED_METRICS = ("log_loss", "pf1")
LOWEST, HIGHEST = 0.1, 10.0
SMALLEST = 1e-12
BINS = 15
# Numbers: above the first nothing is calibrated (memory), above the second one of several pictures is fitted to.
MOST_CALIBRATED, MOST_FITTED = 16_000_000, 2_000_000


def has_probabilities(kind: TargetKind) -> bool:
    """Whether there is anything to calibrate."""
    return kind in ("multiclass", "multilabel")


def tempered(kind: TargetKind, values: npt.NDArray[np.floating], temperature: float) -> Values:
    """Probabilities (n, c) whose logits are divided by the temperature: above 1 less sure, below 1 surer.

    Guo, Pleiss, Sun & Weinberger, On Calibration of Modern Neural Networks (ICML 2017). The order of a picture's classes,
    and of the pictures for a label, stays.
    """
    return np.exp(_log_chances(kind, values, temperature)[0]).astype(np.float32)


def fit_temperature(kind: TargetKind, truth: npt.NDArray[Any], values: npt.NDArray[np.floating]) -> float:
    """The temperature of least log loss, 0.1 to 10."""

    def loss(log_temperature: float) -> float:
        chance, other = _log_chances(kind, values, float(np.exp(log_temperature)))
        if kind == "multiclass":
            return -float(chance[np.arange(len(truth)), truth].mean())
        return -float(np.where(truth > 0, chance, other).mean())

    found = minimize_scalar(
        loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded", options={"xatol": 1e-3}
    )
    return float(np.exp(found.x))


def nested_temperatures(objective: Objective, values: Values) -> Temperatures:
    """For every part the temperature that fits the others; under None the one that fits all."""
    kind, step = objective.competition.kind, -(-values.size // MOST_FITTED)
    targets, values, part_of = objective.targets[::step], values[::step], objective.part[::step]
    found: Temperatures = {None: fit_temperature(kind, targets, values)}
    for part in objective.parts:
        others = part_of != part
        found[part] = fit_temperature(kind, targets[others], values[others])
    return found


def calibrated(
    kind: TargetKind, values: Values, temperatures: Temperatures, part_of: npt.NDArray[Any]
) -> Values:
    """Every part's values (n, c) by its own temperature."""
    found = values.copy()
    for part in np.unique(part_of):
        inside = part_of == part
        found[inside] = tempered(kind, values[inside], temperatures[int(part)])
    return found


def calibration_error(kind: TargetKind, truth: npt.NDArray[Any], values: npt.NDArray[np.floating]) -> float:
    """Expected calibration error: how far, on average, the share that is right lies from the probability that was said.

    Of the most probable class, or of every label, in 15 bins of equal width (Guo et al. 2017, section 2).
    """
    if kind == "multiclass":
        said, right = values.max(axis=1), values.argmax(axis=1) == truth
    else:
        said, right = values.ravel(), truth.ravel() > 0
    place = np.minimum((said * BINS).astype(np.int64), BINS - 1)
    apart = np.bincount(place, weights=right - said.astype(np.float64), minlength=BINS)
    return float(np.abs(apart).sum() / len(said))


def _log_chances(
    kind: TargetKind, values: npt.NDArray[np.floating], temperature: float
) -> tuple[Floats, Floats]:
    """Logarithms of the tempered probabilities, and of what is left of 1 (labels only)."""
    wide = np.clip(values.astype(np.float64), SMALLEST, 1.0)
    if kind == "multiclass":
        logs = np.log(wide) / temperature
        logs -= logs.max(axis=1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
        return logs, logs
    wide = np.minimum(wide, 1 - 1e-9)
    logits = (np.log(wide) - np.log1p(-wide)) / temperature
    return -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
