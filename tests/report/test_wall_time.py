"""Where the time went: parts add up, whatever the file says."""

from __future__ import annotations

import math

import pytest

from grandmaster.report.wall_time import wall_time


def test_parts_add_up_to_the_whole():
    found = wall_time(
        {"inspect": 10.0, "train": 80.0, "predict": 10.0},
        {"train": {"training": 60.0, "prediction": 10.0, "waiting": 5.0}, "predict": {"prediction": 9.0}},
    )
    assert found is not None
    assert found.shares is not None
    assert found.seconds == 100
    assert found.shares == pytest.approx({"training": 0.6, "prediction": 0.19, "waiting": 0.05, "own": 0.16})
    assert found.overhead == pytest.approx(0.21)
    assert sum(part.percent for stage in found.stages for part in stage.parts) == pytest.approx(100)
    train = found.stages[1]
    assert [(part.kind, part.percent) for part in train.parts] == [
        ("training", 60.0),
        ("prediction", 10.0),
        ("waiting", 5.0),
        ("own", 5.0),
    ]


def test_without_steps_no_share_is_claimed():
    found = wall_time({"train": 50.0}, None)
    assert found is not None
    assert (found.shares, found.overhead, found.seconds) == (None, None, 50)


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -4.0, None])
def test_numbers_that_mean_nothing_are_not_counted(nonsense):
    found = wall_time({"train": 50.0, "plan": nonsense}, {"train": {"training": nonsense, "waiting": 1e9}})
    assert found is not None
    assert found.shares is not None
    assert found.seconds == 50
    assert found.shares == {"training": 0.0, "prediction": 0.0, "waiting": 1.0, "own": 0.0}


def test_no_times_are_no_wall_time():
    assert wall_time({}, None) is None
    assert wall_time({"train": None}, None) is None
