"""Pairs of classes that are taken for each other, and how their probabilities are shared anew."""

from __future__ import annotations

import numpy as np
import pytest

from grandmaster.prediction.pairs import confused_pairs, fit_pair, resplit, top_two


def likely(*order: int, classes: int = 4) -> list[float]:
    """Probabilities whose likeliest classes come in this order."""
    values = [0.05] * classes
    for place, label in enumerate(order):
        values[label] = 0.5 - 0.15 * place
    return values


def test_a_pair_is_where_the_second_likeliest_is_right():
    told = [
        (3, likely(1, 3)),
        (1, likely(3, 1)),
        (3, likely(1, 3)),
        (0, likely(2, 0)),
        (0, likely(2, 0)),
        (2, likely(1, 0, 2)),  # no specialist for 0 and 1 brings a 2 back
        (2, likely(1, 0, 2)),
        (2, likely(1, 0, 2)),
        (2, likely(1, 0, 2)),
        (2, likely(3, 2)),  # once is no pattern
        (1, likely(1, 2)),
        (1, likely(1, 2)),
    ]
    truth = np.array([label for label, _ in told])
    values = np.array([row for _, row in told], np.float32)
    assert confused_pairs(truth, values, 5) == ((1, 3), (0, 2))
    assert confused_pairs(truth, values, 1) == ((1, 3),)
    assert confused_pairs(truth, np.eye(4, dtype=np.float32)[truth], 5) == ()


def test_the_two_likeliest_of_equals_are_the_first():
    assert top_two(np.array([[0.25, 0.25, 0.25, 0.25], [0.0, 0.1, 0.0, 0.9]], np.float32)).tolist() == [
        [0, 1],
        [1, 3],
    ]


def test_what_both_have_is_shared_anew_where_they_are_the_two_likeliest():
    values = np.array(
        [[0.5, 0.1, 0.4], [0.5, 0.4, 0.1], [0.2, 0.2, 0.6], [0.4, 0.1, 0.5], [0.3, 0.0, 0.7]], np.float32
    )
    chances = {(0, 2): np.array([0.1, 0.1, 0.1, 0.9, np.nan])}
    found = resplit(values, chances, 1.0)
    assert found[0] == pytest.approx([0.09, 0.1, 0.81])
    assert found[1].tolist() == values[1].tolist()  # 0 and 1 are its likeliest
    assert found[2] == pytest.approx([0.08, 0.2, 0.72])  # 0 and 1 are equal behind 2: the first counts
    assert found[3] == pytest.approx([0.81, 0.1, 0.09])
    assert found[4].tolist() == values[4].tolist()  # nobody says
    assert found.sum(axis=1) == pytest.approx(values.sum(axis=1))
    half = resplit(values, chances, 0.5)
    assert half[0, 0] == pytest.approx(0.9 * (0.5 * 0.5 / 0.9 + 0.5 * 0.1))
    assert np.array_equal(resplit(values, chances, 0.0), values)


def separable(count: int, *, first: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of which the second tells the classes apart, the third is always the same."""
    rng = np.random.default_rng(seed)
    is_first = np.arange(count) < first
    features = rng.normal(size=(count, 6)) * [1, 1, 0, 100, 1, 0.01] + [5, 0, 3, 0, 0, 0]
    features[:, 1] += np.where(is_first, 3.0, -3.0)
    return features, is_first


def test_a_regression_on_features_as_they_are():
    features, is_first = separable(200, first=100)
    fitted = fit_pair(features, is_first, np.ones(200), balanced=False)
    assert fitted is not None
    others, truth = separable(200, first=60, seed=1)
    assert (((others @ fitted[0] + fitted[1]) > 0) == truth).mean() > 0.98
    assert abs(fitted[0][2]) < 1e-9


def test_weights_count_and_classes_may_count_alike():
    features, is_first = separable(100, first=10)
    middle = np.array([5.0, 0.0, 3.0, 0.0, 0.0, 0.0])
    said = {}
    for balanced in (False, True):
        fitted = fit_pair(features, is_first, np.ones(100), balanced=balanced)
        assert fitted is not None
        said[balanced] = float(middle @ fitted[0] + fitted[1])
    assert said[False] < -0.5
    assert abs(said[True]) < 0.25
    doubled = np.concatenate([features, features[:10]]), np.concatenate([is_first, is_first[:10]])
    by_weight = fit_pair(features, is_first, 1 + is_first.astype(float), balanced=False)
    by_rows = fit_pair(*doubled, np.ones(110), balanced=False)
    assert by_weight is not None
    assert by_rows is not None
    assert by_weight[0] == pytest.approx(by_rows[0], abs=1e-4)
    assert by_weight[1] == pytest.approx(by_rows[1], abs=1e-3)


@pytest.mark.parametrize("first", [0, 20])
def test_one_class_alone_teaches_nothing(first):
    features, is_first = separable(20, first=first)
    assert fit_pair(features, is_first, np.ones(20), balanced=True) is None
