"""The remaining time, on a clock that the test turns."""

from __future__ import annotations

import pytest

from eta import Eta


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def work(eta: Eta, clock: Clock, task: str, *, units: int, each: float, total: int | None = None) -> None:
    """`units` units of `each` seconds."""
    eta.start(task, units if total is None else total)
    for _ in range(units):
        clock.now += each
        eta.advance(task, 1)


def test_nothing_known(clock: Clock) -> None:
    eta = Eta(clock)
    assert eta.remaining() == 0
    eta.expect({"train a": 0.0})
    assert eta.remaining() is None
    assert eta.share() == 0
    eta.expect({"inspect": 0.0})
    eta.finish("inspect")
    assert eta.share() == 0.5


def test_estimates_count_before_anything_ran(clock: Clock) -> None:
    eta = Eta(clock)
    eta.expect({"inspect": 5.0, "train a": 60.0, "train b": 60.0})
    assert eta.remaining() == pytest.approx(125.0)


def test_learns_how_far_off_the_estimates_are(clock: Clock) -> None:
    eta = Eta(clock)
    eta.expect({"train a": 100.0, "train b": 100.0, "train c": 100.0})
    work(eta, clock, "train a", units=50, each=4.0)
    eta.finish("train a")
    assert eta.remaining() == pytest.approx(400.0)
    assert eta.share() == pytest.approx(200 / 600)


def test_current_task_goes_by_its_own_pace(clock: Clock) -> None:
    eta = Eta(clock)
    eta.expect({"train a": 100.0})
    work(eta, clock, "train a", units=20, each=3.0, total=50)
    assert eta.remaining() == pytest.approx(90.0)
    clock.now += 2.0
    assert eta.remaining() == pytest.approx(88.0)
    clock.now += 500.0
    assert eta.remaining() == pytest.approx(87.0)  # a unit that hangs is counted once


def test_first_advances_weigh_little(clock: Clock) -> None:
    eta = Eta(clock)
    eta.expect({"train a": 100.0})
    eta.start("train a", 100)
    clock.now += 1.0
    eta.advance("train a", 1)
    clock.now += 10.0
    eta.advance("train a", 1)
    left = eta.remaining()
    assert left is not None
    assert 98.0 < left < 980.0


def test_kinds_are_learned_apart(clock: Clock) -> None:
    eta = Eta(clock)
    eta.expect({"inspect": 10.0, "train a": 100.0, "predict a": 10.0, "predict b": 10.0})
    work(eta, clock, "inspect", units=10, each=10.0)
    eta.finish("inspect")
    work(eta, clock, "train a", units=100, each=0.5)
    eta.finish("train a")
    work(eta, clock, "predict a", units=10, each=2.0)
    eta.finish("predict a")
    assert eta.remaining() == pytest.approx(20.0)


def test_an_unmeasured_kind_takes_the_ratio_of_the_others_damped(clock: Clock) -> None:
    eta = Eta(clock)
    eta.expect({"train a": 30.0, "predict a": 10.0})
    work(eta, clock, "train a", units=30, each=3.0)
    eta.finish("train a")
    assert eta.remaining() == pytest.approx(10.0 * (90 + 30) / (30 + 30))


def test_what_was_done_in_an_earlier_run_teaches_nothing(clock: Clock) -> None:
    eta = Eta(clock)
    eta.expect({"train a": 100.0, "train b": 100.0, "train c": 100.0, "train d": 100.0})
    eta.finish("train a")
    eta.start("train b", 50)
    eta.finish("train b")
    eta.start("train c", 50)
    clock.now += 0.01
    eta.advance("train c", 50)
    eta.finish("train c")
    assert eta.remaining() == pytest.approx(100.0)


def test_a_resumed_task_is_not_thought_fast(clock: Clock) -> None:
    eta = Eta(clock)
    eta.expect({"train a": 100.0, "train b": 100.0})
    eta.start("train a", 100)
    clock.now += 0.01
    eta.advance("train a", 80)
    for _ in range(10):
        clock.now += 1.0
        eta.advance("train a", 1)
    assert eta.remaining() == pytest.approx(110.0, rel=0.01)


def test_a_task_stopped_early_counts_with_what_it_did(clock: Clock) -> None:
    eta = Eta(clock)
    eta.expect({"train a": 100.0, "train b": 100.0})
    work(eta, clock, "train a", units=40, each=1.0, total=100)
    eta.finish("train a")
    assert eta.remaining() == pytest.approx(100.0)


def test_a_task_without_estimate_takes_as_long_as_its_like(clock: Clock) -> None:
    eta = Eta(clock)
    eta.expect({"train a": 0.0, "train b": 0.0})
    work(eta, clock, "train a", units=10, each=2.0)
    eta.finish("train a")
    assert eta.remaining() == pytest.approx(20.0)


def test_warm_up_is_counted_once(clock: Clock) -> None:
    eta = Eta(clock)
    eta.expect({"train a": 0.0, "train b": 0.0})
    eta.start("train a", 20)
    clock.now += 10.0
    work_units = 19
    eta.advance("train a", 1)
    for _ in range(work_units):
        clock.now += 1.0
        eta.advance("train a", 1)
    assert eta.tasks["train a"].full_seconds() == pytest.approx(29.0)


def test_a_restarted_task_begins_anew(clock: Clock) -> None:
    eta = Eta(clock)
    eta.expect({"train a": 10.0})
    work(eta, clock, "train a", units=5, each=1.0, total=10)
    eta.start("train a", 10)
    assert eta.tasks["train a"].done == 0
    assert eta.tasks["train a"].estimate == 10.0


def test_work_without_units_slows_the_pace(clock: Clock) -> None:
    """A fit announces what it resumes (nothing, at first) and validates after each epoch."""
    eta = Eta(clock)
    eta.expect({"train a": 1.0})
    eta.start("train a", 40)
    eta.advance("train a", 0)
    for _ in range(20):
        clock.now += 1.0
        eta.advance("train a", 1)
    assert eta.remaining() == pytest.approx(20.0)
    clock.now += 19.0
    eta.advance("train a", 0)
    assert eta.remaining() == pytest.approx(40.0)


def test_what_was_done_before_a_resume_counts_in_the_whole_run(clock: Clock) -> None:
    eta = Eta(clock)
    eta.expect({"train a": 100.0, "train b": 100.0, "train c": 100.0, "train d": 100.0})
    eta.finish("train a")  # "done before"
    eta.start("train b", 10)
    eta.advance("train b", 5)  # resumed in its middle
    assert eta.share() == pytest.approx(150 / 400)
    for _ in range(5):
        clock.now += 10.0
        eta.advance("train b", 1)
    eta.finish("train b")
    assert eta.share() == pytest.approx(0.5)


def test_all_done(clock: Clock) -> None:
    eta = Eta(clock)
    eta.expect({"train a": 10.0})
    work(eta, clock, "train a", units=10, each=1.0)
    eta.finish("train a")
    assert eta.remaining() == 0
    assert eta.share() == 1.0
    assert eta.finished() == 1
