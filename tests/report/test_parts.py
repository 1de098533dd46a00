"""Small parts of the report whose rules are easier to see alone."""

from __future__ import annotations

import math

import pytest

from grandmaster.report import values
from grandmaster.report.data import shift_strength, standardised_shift
from grandmaster.report.headline import in_mode


def test_shift_is_in_pooled_standard_deviations() -> None:
    shift = standardised_shift({"mean": 10.0, "std": 3.0}, {"mean": 15.0, "std": 4.0})
    assert shift == pytest.approx(5 / math.sqrt((9 + 16) / 2))
    assert standardised_shift({"mean": 1.0, "std": 0.0}, {"mean": 2.0, "std": 0.0}) is None
    assert standardised_shift({"mean": 1.0, "std": None}, {"mean": 2.0, "std": 1.0}) is None
    assert standardised_shift({}, {"mean": 2.0, "std": 1.0}) is None


@pytest.mark.parametrize(
    ("shift", "word"),
    [(0.1, ""), (-0.2, "small"), (0.5, "medium"), (-0.79, "medium"), (0.8, "large"), (None, "")],
)
def test_strength_of_a_shift(shift: float | None, word: str) -> None:
    assert shift_strength(shift) == word


@pytest.mark.parametrize(
    ("command", "longer"),
    [
        ("python t.py --mode quick_test", "python t.py --mode full_training"),
        ("python t.py --mode=quick_test --seed 1", "python t.py --mode full_training --seed 1"),
        ("python t.py", "python t.py --mode full_training"),
        (
            "python t.py --mode quick_test --data_path 'a b' --experiment_name x",
            "python t.py --mode full_training --data_path 'a b' --experiment_name x_full_training",
        ),
        (
            "python t.py --mode quick_test --folds 2 --models=a,b --set run.minutes=4 --set training.epochs=3 --time_limit 6m",
            "python t.py --mode full_training --set training.epochs=3",
        ),
        (
            "python t.py --experiment_name=x_quick_test --mode quick_test",
            "python t.py --experiment_name x_full_training --mode full_training",
        ),
    ],
)
def test_command_in_another_mode(command: str, longer: str) -> None:
    assert in_mode(command, "full_training") == longer


@pytest.mark.parametrize("command", ["python t.py 'open", "python t.py --mode"])
def test_command_that_cannot_be_taken_apart_gives_no_advice(command: str) -> None:
    assert in_mode(command, "full_training") is None


NUMBERS = (
    "text",
    "score",
    "signed_score",
    "count",
    "percent",
    "number",
    "shift",
    "size",
    "duration",
    "minutes",
    "gigabytes",
)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_number_that_is_missing_is_a_dash(name: str, value: float | None) -> None:
    assert values.FILTERS[name](value) == "–"


def test_moment_is_written_to_the_minute_in_its_own_zone() -> None:
    assert values.moment("2026-03-14T15:09:26+09:00") == "2026-03-14 15:09"
    assert values.moment("last week") == "last week"
    assert values.moment(None) == "–"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.42, "0.4 s"),
        (61.5, "62 s"),
        (150, "2.5 min"),
        (596, "9.9 min"),
        (1800, "30 min"),
        (12_240, "3 h 24 min"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert values.duration(seconds) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.00342, "0.00342"),
        (0, "0"),
        (0.0, "0.00"),
        (149.93, "149.9"),
        (1446.4, "1,446"),
        (224, "224"),
        (48_000, "48,000"),
    ],
)
def test_numbers(value: float, said: str) -> None:
    assert values.number(value) == said


def test_words_for_values_of_a_plan() -> None:
    assert values.text(True) == "yes"
    assert values.text(["a", 0.25, None]) == "a, 0.25, –"
    assert values.text({"a": 1}) == "a: 1"
    assert values.size(61_300.0) == "61.3 kB"
    assert values.signed_score(-0.00451) == "−0.0045"
