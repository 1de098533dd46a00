"""Words for differences, with thresholds tested at both sides."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from grandmaster.eda.shift import (
    LARGE,
    MAX_DIFFERENCE,
    MEDIUM,
    SMALL,
    describe_shift,
    shift_size,
    standardised_difference,
)
from grandmaster.eda.statistics import NAMES


def normal(mean: float, std: float) -> dict[str, float]:
    """Summary of a normal distribution."""
    steps = {"q05": -1.645, "q25": -0.6745, "q50": 0.0, "q75": 0.6745, "q95": 1.645}
    return {"mean": mean, "std": std} | {name: mean + step * std for name, step in steps.items()}


def fingerprint(count: int = 10_000, **test: dict[str, float]) -> dict[str, Any]:
    """All statistics with mean 100 and standard deviation 10, but for those given for test."""
    train = {name: normal(100.0, 10.0) for name in NAMES}
    return {
        "train": {"count": count, "statistics": train},
        "test": {"count": count, "statistics": copy.deepcopy(train) | test},
    }


@pytest.mark.parametrize(
    ("threshold", "below", "above"),
    [(SMALL, "none", "small"), (MEDIUM, "small", "medium"), (LARGE, "medium", "large")],
)
def test_sizes_at_both_sides_of_each_threshold(threshold, below, above):
    for sign in (1, -1):
        assert shift_size(sign * (threshold - 1e-6)) == below
        assert shift_size(sign * threshold) == above
        shifted = fingerprint(brightness=normal(100 + sign * 10 * (threshold + 0.01), 10.0))
        assert describe_shift(shifted)[0].size == above
        shifted = fingerprint(brightness=normal(100 + sign * 10 * (threshold - 0.01), 10.0))
        assert describe_shift(shifted)[0].size == below


def test_every_statistic_is_described_in_order_and_in_words():
    shifts = describe_shift(fingerprint(sharpness=normal(80.0, 10.0), brightness=normal(105.0, 10.0)))
    assert tuple(shift.name for shift in shifts) == NAMES
    by_name = {shift.name: shift for shift in shifts}
    sharpness = by_name["sharpness"]
    assert (sharpness.train_mean, sharpness.test_mean) == (100.0, 80.0)
    assert sharpness.difference == pytest.approx(-2.0, rel=1e-3)
    assert sharpness.sentence == (
        "Test pictures are blurrier: sharpness 100 in train, 80 in test, a large shift (d = -2.00)."
    )
    assert by_name["brightness"].sentence == (
        "Test pictures are brighter: brightness 100 in train, 105 in test, a medium shift (d = +0.50)."
    )
    assert by_name["noise"].sentence == "No shift worth acting on: noise 100 in train, 100 in test."


def test_a_difference_that_may_be_chance_is_none():
    """At 100 pictures a side three standard errors are 0.42 standard deviations."""
    assert describe_shift(fingerprint(count=100, brightness=normal(104.0, 10.0)))[0].size == "none"
    assert describe_shift(fingerprint(count=100, brightness=normal(104.4, 10.0)))[0].size == "small"
    assert describe_shift(fingerprint(count=10_000, brightness=normal(104.0, 10.0)))[0].size == "small"


def test_extreme_pictures_do_not_hide_a_shift_of_the_bulk():
    train, test = normal(1.0, 0.5), normal(2.0, 0.5)
    train["std"] = test["std"] = 30.0  # a few extreme pictures
    assert standardised_difference(train, test) == pytest.approx(2.0, rel=1e-3)


def test_the_sign_is_that_of_the_means():
    train, test = normal(1.0, 0.5), normal(0.5, 0.5) | {"mean": 1.2}
    assert standardised_difference(train, test) == pytest.approx(0.4)
    train["mean"] = 1.2
    assert standardised_difference(train, test) == 0.0


def test_a_shift_of_a_part_shows_where_the_quartiles_are_equal():
    train = dict.fromkeys(("q05", "q25", "q50", "q75", "q95"), 0.0) | {"mean": 0.0, "std": 0.0}
    test = train | {"mean": 0.15, "std": 0.3, "q95": 0.9}
    assert standardised_difference(train, test) == pytest.approx(0.15 / (0.3 / 2**0.5))


def test_without_any_spread_the_difference_is_bounded():
    assert standardised_difference(normal(240.0, 0.0), normal(240.0, 0.0)) == 0.0
    assert standardised_difference(normal(240.0, 0.0), normal(241.0, 0.0)) == MAX_DIFFERENCE
    assert standardised_difference(normal(241.0, 0.0), normal(240.0, 0.0)) == -MAX_DIFFERENCE


def test_one_pixel_of_width_is_no_shift_where_others_differ_far_more():
    train, test = normal(240.0, 0.0) | {"std": 30.0}, normal(241.0, 0.0) | {"std": 30.0}
    assert standardised_difference(train, test) == pytest.approx(1 / 30)


def test_a_statistic_without_values_is_left_out():
    nothing = dict.fromkeys(normal(0.0, 0.0))
    shifts = describe_shift(fingerprint(axis_alignment=nothing))
    assert [shift.name for shift in shifts] == [name for name in NAMES if name != "axis_alignment"]


def test_the_fingerprint_is_left_as_it_was():
    given = fingerprint(brightness=normal(120.0, 10.0))
    before = copy.deepcopy(given)
    describe_shift(given)
    assert given == before
