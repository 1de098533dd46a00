"""What was done to made-up test pictures is read back."""

from __future__ import annotations

import numpy as np
import pytest
from eda_pictures import photo

from grandmaster.eda.adversarial import separate
from grandmaster.eda.appearance import NAMES
from grandmaster.eda.corruption_reading import (
    CorruptionReading,
    _expectation_maximisation,
    _without,
    measure_squares,
    read_corruption,
    simulations,
)
from grandmaster.images.corruption import KINDS, corrupt, draw

TRAIN = [photo(seed, 200, 160) for seed in range(100)]
TEST = [photo(seed, 200, 160) for seed in range(100, 200)]
# Told apart surely on this few simulated pictures; flips, patches and exposure are not.
READABLE = ("mixup", "rotation", "noise", "blur")


def read(test: list[np.ndarray]) -> CorruptionReading:
    clean, rows = measure_squares(TRAIN), measure_squares(test)
    steps: list[int] = []
    reading = read_corruption(
        TRAIN, rows, plain=separate(clean, rows, NAMES), scale=0.15, on_progress=steps.append
    )
    assert sum(steps) == reading.simulated == simulations(len(rows), 0.15)
    return reading


def test_planted_shares_are_read_back_and_make_train_look_like_test() -> None:
    prevalence = {name: np.array([1.0, *[0.0] * len(kind.bins)]) for name, kind in KINDS.items()}
    prevalence |= {
        "rotation": np.array([0.4, 0.0, 0.3, 0.3]),
        "frame": np.array([0.4, 0.6, 0.0]),
        "noise": np.array([0.5, 0.0, 0.0, 0.25, 0.25]),
        "colour": np.array([0.5, 0.0, 0.0, 0.5]),
    }
    rng = np.random.default_rng(3)
    draws = [draw(prevalence, rng) for _ in TEST]
    reading = read([corrupt(own, own, drawn) for own, drawn in zip(TEST, draws, strict=True)])
    for name in ("rotation", "noise"):
        planted = np.mean([name in drawn.strengths for drawn in draws])
        found = reading.kinds[name]
        assert found.share == pytest.approx(planted, abs=0.15), name
        assert found.low <= found.share <= found.high
        assert found.auc > 0.9
    for name in ("mixup", "blur"):
        assert reading.kinds[name].share < 0.15, name
    strong = sum(weight for low, _, weight in reading.kinds["noise"].levels if low >= 11)
    assert strong > 0.8, "strong noise is read as strong"
    (_, _, kept), (_, _, enlarged) = reading.kinds["frame"].levels
    assert kept > 2 * enlarged
    assert reading.plain.auc > 0.8
    assert reading.fitted.auc < reading.plain.auc - 0.05
    assert reading.simulated == 300 + 225 + 3 * 200, "never fewer than 200 at a time"
    assert set(reading.kinds) == set(reading.prevalence) == set(KINDS)
    for shares in reading.prevalence.values():
        assert shares.sum() == pytest.approx(1)
        assert shares.min() >= -1e-9


@pytest.mark.slow
def test_pictures_to_which_nothing_was_done_read_as_nothing() -> None:
    reading = read(TEST)
    for name in READABLE:
        assert reading.kinds[name].share < 0.15, name
        assert reading.kinds[name].low < 0.05, name


def test_expectation_maximisation_finds_another_share_than_it_was_trained_with() -> None:
    rng, truth = np.random.default_rng(0), np.array([0.2, 0.7, 0.1])
    prior = np.array([0.6, 0.2, 0.2])
    value = rng.normal(np.array([0.0, 1.5, 3.0])[rng.choice(3, 5000, p=truth)])
    likelihood = np.exp(-((value[:, None] - np.array([0.0, 1.5, 3.0])) ** 2) / 2)
    chances = (
        likelihood * prior / (likelihood * prior).sum(axis=1, keepdims=True)
    )  # calibrated under the prior
    found = _expectation_maximisation(chances, prior, np.ones(5000))
    np.testing.assert_allclose(found, truth, atol=0.04)
    assert np.abs(chances.mean(axis=0) - truth).max() > 0.15, "the plain mean does not"
    halves = _expectation_maximisation(chances, prior, np.repeat([2.0, 0.0], 2500))
    np.testing.assert_allclose(halves, _expectation_maximisation(chances[:2500], prior, np.ones(2500)))


def test_what_clean_pictures_show_too_is_taken_off() -> None:
    shares = np.array([0.4, 0.4, 0.2])
    np.testing.assert_allclose(_without(shares, 0.2), [0.5, 1 / 3, 1 / 6])
    np.testing.assert_allclose(_without(shares, 0.0), shares)
    for clean in (0.7, 1.0):
        np.testing.assert_allclose(_without(shares, clean), [1, 0, 0])
    np.testing.assert_allclose(_without(np.array([1.0, 0.0, 0.0]), 0.1), [1, 0, 0])


def test_pictures_of_any_size_are_measured_in_their_order_on_any_number_of_threads() -> None:
    pictures = [photo(1), photo(2, 50, 300), np.full((1, 1, 3), 9, np.uint8)]
    rows = measure_squares(pictures)
    assert rows.shape == (3, len(NAMES))
    np.testing.assert_allclose(rows, measure_squares(pictures, threads=3), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(rows[1:2], measure_squares(pictures[1:2]), rtol=1e-5, atol=1e-5)
