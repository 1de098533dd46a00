"""What fits into a time, and what is given up first."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from grandmaster.config import InspectConfig
from grandmaster.pipeline.comparing import within
from grandmaster.pipeline.schedule import (
    Candidate,
    SizeCost,
    blend_value,
    choose_schedule,
    fit_value,
    given_up,
    revise_epochs,
)


def large(count: int = 7) -> list[Candidate]:
    """Pretrained models of one size; a fit of 8 epochs takes 10 to 16 minutes."""
    return [
        Candidate(
            name=f"large{number}",
            sizes=(SizeCost(side=384, epoch=60.0 + 10 * number, view=10.0),),
            enough=8,
            highest=20,
            start=5.0,
            pretrained=True,
        )
        for number in range(count)
    ]


def small() -> list[Candidate]:
    """One model that starts from random weights, at three sizes."""
    sizes = tuple(SizeCost(side=side, epoch=2.0 * (side / 128) ** 2, view=0.5) for side in (160, 128, 96))
    return [Candidate(name="small", sizes=sizes, enough=36, highest=60, start=2.0, pretrained=False)]


LIMITS = [1, 5, 20, 60, 90, 200, 400, 900, 1800, 3600, 7200, 14400, 32400, 100_000]


@pytest.mark.parametrize("wanted", [large(), small(), large(3) + small()], ids=["large", "small", "mixed"])
def test_more_time_never_plans_less_value_and_nothing_takes_longer_than_there_is(wanted):
    found = [choose_schedule(wanted, folds=5, views=8, seconds=seconds) for seconds in LIMITS]
    for earlier, later in itertools.pairwise(found):
        assert later.value >= earlier.value
    for seconds, schedule in zip(LIMITS, found, strict=True):
        assert schedule.seconds <= seconds or not schedule.fits
    assert found[0].value < found[5].value < found[-1].value
    assert [schedule.fits for schedule in found] == sorted(schedule.fits for schedule in found)


def test_with_time_for_all_nothing_is_given_up():
    schedule = choose_schedule(large(), folds=5, views=8, seconds=1e7)
    assert (schedule.models, schedule.folds, schedule.views) == (7, 5, 8)
    assert schedule.epochs == (20,) * 7
    assert given_up(large(), 5, 8, schedule) == []


def test_models_go_first_then_folds_then_epochs_and_views_last():
    """As the time shrinks, that is the order in which they begin to go; of views, the last but one is meant."""
    begun: dict[str, float] = {}
    for seconds in [60_000 * 0.93**step for step in range(100)]:
        schedule = choose_schedule(large(), folds=5, views=8, seconds=seconds)
        lost = {
            "models": schedule.models < 7,
            "folds": schedule.folds < 5,
            "needed epochs": schedule.epochs[0] < 8,
            "views": schedule.views == 1,
        }
        for name in [name for name, gone in lost.items() if gone]:
            begun.setdefault(name, seconds)
    assert list(begun) == ["models", "folds", "needed epochs", "views"]


def test_from_random_weights_one_fit_trained_well_beats_five_trained_little():
    schedule = choose_schedule(small(), folds=5, views=8, seconds=130.0)
    assert schedule.folds == 1
    assert schedule.epochs[0] >= 36


def test_a_smaller_picture_where_the_large_one_leaves_too_few_epochs():
    assert choose_schedule(small(), folds=1, views=8, seconds=40.0).sides == (96,)
    assert choose_schedule(small(), folds=1, views=8, seconds=400.0).sides == (160,)


def test_the_least_where_nothing_fits():
    schedule = choose_schedule(small(), folds=5, views=8, seconds=0.5)
    assert not schedule.fits
    assert (schedule.models, schedule.folds, schedule.epochs, schedule.views) == (1, 1, (1,), 1)
    assert schedule.sides == (96,)


def test_what_was_given_up_is_said():
    schedule = choose_schedule(large(), folds=5, views=8, seconds=500.0)
    lines = given_up(large(), 5, 8, schedule)
    assert "6 of 7 models" in lines
    assert f"large0 20 epochs -> {schedule.epochs[0]}" in lines
    assert any(line.endswith("of 5 folds") for line in lines)
    lowest = choose_schedule(small(), folds=1, views=8, seconds=0.5)
    assert given_up(small(), 1, 8, lowest) == ["small 60 epochs -> 1", "small 160 px -> 96", "8 views -> 1"]


def test_values_rise_with_everything_that_costs_time():
    assert blend_value(fits=5, models=1, views=8) > blend_value(fits=1, models=1, views=8)
    assert blend_value(fits=10, models=2, views=8) > blend_value(fits=10, models=1, views=8)
    assert blend_value(fits=1, models=1, views=2) > blend_value(fits=1, models=1, views=1)
    assert fit_value(8, enough=8, pretrained=True) > fit_value(4, enough=8, pretrained=True)
    assert fit_value(8, enough=8, pretrained=True) > fit_value(8, enough=8, pretrained=True, side_share=0.5)


# --- while running ----------------------------------------------------------------------------------


def fold(epoch: float, highest: int = 20) -> Candidate:
    size = SizeCost(side=384, epoch=epoch, view=5.0)
    return Candidate(name="a", sizes=(size,), enough=8, highest=highest, start=2.0, pretrained=True)


def revised(
    left: float, epoch: float, *, folds: int = 4, done: int = 1, highest: int = 10
) -> tuple[int, int]:
    return revise_epochs(
        left, [fold(epoch, highest)] * folds, [10] * folds, views=8, done=done, done_models=["a"] * done
    )


def test_as_planned_where_it_still_fits():
    assert revised(4 * (2 + 40 + 10 * 60) + 1, 60.0) == (4, 10)


def test_fewer_fits_or_epochs_where_it_does_not():
    count, epochs = revised(1300.0, 60.0)
    assert 1 <= count < 4
    assert count * (2 + 40 + epochs * 60) <= 1300


def test_epochs_beyond_the_plan_where_time_is_left():
    assert revised(10_000.0, 60.0, highest=20) == (4, 20)


def test_no_other_fit_is_begun_that_cannot_end_or_would_do_harm():
    assert revised(30.0, 60.0) == (0, 0)
    assert revised(105.0, 60.0) == (0, 0), "one epoch of ten would pull the blend down"


def test_the_first_fit_is_begun_however_little_time_there_is():
    assert revised(1.0, 60.0, done=0) == (1, 1)


# --- comparing train with test ----------------------------------------------------------------------


def test_less_effort_for_comparing_where_time_is_short():
    config = InspectConfig()
    assert within(config, 10_000, 10_000, 1e6, 0.02) == config
    efforts = []
    for budget in (400, 120, 60, 30, 12):
        found = within(config, 10_000, 10_000, budget, 0.01)
        efforts.append(0.0 if found is None else found.shift_effort)
    assert efforts == sorted(efforts, reverse=True)
    assert efforts[0] > efforts[-1]
    assert within(config, 10_000, 10_000, 1.0, 0.02) is None
    less = within(config, 10_000, 10_000, 60, 0.01)
    assert less is not None
    assert msgspec.structs.replace(less, shift_effort=1.0, shift_pictures=800) == config
