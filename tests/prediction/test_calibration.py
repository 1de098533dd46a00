"""The temperature makes probabilities mean what they say, and is scored on pictures it was not fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from grandmaster.prediction.calibration import (
    calibrated,
    calibration_error,
    fit_temperature,
    nested_temperatures,
    tempered,
)
from prediction.made_objective import made


def honest(metric, count=4000):
    """Probabilities that are just as sure as they are right."""
    objective = made(metric, count=count)
    rng = np.random.default_rng(3)
    chance = rng.dirichlet(np.ones(4), count)
    if metric == "log_loss":
        truth = (chance.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    else:
        truth = (rng.random((count, 4)) < chance).astype(np.float32)
    objective.targets[:] = truth
    return objective, chance.astype(np.float32)


@pytest.mark.parametrize("metric", ["log_loss", "macro_roc_auc"])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_is_found_again(metric, temperature):
    objective, chance = honest(metric)
    kind = objective.competition.kind
    off = tempered(kind, chance, 1 / temperature)
    found = fit_temperature(kind, objective.targets, off)
    assert found == pytest.approx(temperature, rel=0.05)
    again = tempered(kind, off, found)
    assert calibration_error(kind, objective.targets, again) < 0.03
    if temperature != 1.0:
        assert calibration_error(kind, objective.targets, off) > 0.06
    assert np.array_equal(again.argmax(axis=1), chance.argmax(axis=1))
    if kind == "multiclass":
        assert again.sum(axis=1) == pytest.approx(np.ones(len(again)), abs=1e-5)


def test_probabilities_of_nothing_and_of_all_stay_numbers():
    values = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], np.float32)
    for kind, truth in (("multiclass", np.array([1, 1])), ("multilabel", np.array([[0, 1, 0], [0, 1, 0.0]]))):
        found = fit_temperature(kind, truth, values)
        assert 0.1 <= found <= 10
        assert np.isfinite(tempered(kind, values, found)).all()


def test_a_part_has_its_temperature_from_the_others():
    objective, chance = honest("log_loss", 500)
    inside = objective.part == 1
    chance[inside] = tempered("multiclass", chance[inside], 0.2)
    temperatures = nested_temperatures(objective, chance)
    assert set(temperatures) == {None, 0, 1, 2, 3, 4}
    assert temperatures[1] == pytest.approx(1, abs=0.25)
    assert temperatures[0] > 1.2
    found = calibrated("multiclass", chance, temperatures, objective.part)
    assert np.array_equal(found[inside], tempered("multiclass", chance[inside], temperatures[1]))


def test_the_calibration_error_by_hand():
    said = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.3, 0.7]], np.float32)
    assert calibration_error("multiclass", np.array([0, 1, 1, 1]), said) == pytest.approx(0.35)
    assert calibration_error("multilabel", said > 0.5, said) == pytest.approx(0.2)
