"""Seconds by kind: nested kinds take from one another, and nobody counts where nobody asked."""

from __future__ import annotations

import time

import pytest

from grandmaster.stopwatch import Stopwatch, spending, waiting_for


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> FakeClock:
    fake = FakeClock()
    monkeypatch.setattr(time, "perf_counter", fake)
    return fake


def test_what_begins_inside_takes_the_time_from_what_is_around_it(clock):
    watch = Stopwatch()
    with watch.counting():
        clock.now += 1  # of no kind
        with spending("training"):
            clock.now += 2
            with spending("prediction"):
                clock.now += 4
            clock.now += 8
        clock.now += 16
        with spending("training"):
            clock.now += 32
    assert watch.seconds == {"training": 42.0, "prediction": 4.0}


def test_waiting_is_the_time_until_an_item_is_there_and_not_what_is_done_with_it(clock):
    def slow():
        for item in range(3):
            clock.now += 5
            yield item
        clock.now += 7  # finding out that there are no more

    watch, seen = Stopwatch(), []
    with watch.counting(), spending("training"):
        for item in waiting_for(slow()):
            seen.append(item)
            clock.now += 1
    assert seen == [0, 1, 2]
    assert watch.seconds == {"training": 3.0, "waiting": 22.0}


def test_an_error_ends_what_was_begun(clock):
    def fails_after_a_second():
        with spending("training"):
            clock.now += 1
            raise RuntimeError

    watch = Stopwatch()
    with watch.counting():
        with pytest.raises(RuntimeError):
            fails_after_a_second()
        clock.now += 50
        with spending("prediction"):
            clock.now += 2
    assert watch.seconds == {"training": 1.0, "prediction": 2.0}


def test_a_loader_that_fails_ends_the_waiting(clock):
    def broken():
        clock.now += 5
        raise OSError("gone")
        yield

    watch = Stopwatch()
    with watch.counting(), spending("training"):
        with pytest.raises(OSError, match="gone"):
            list(waiting_for(broken()))
        clock.now += 3
    assert watch.seconds == {"training": 3.0, "waiting": 5.0}


def test_nothing_is_counted_where_nobody_asked(clock):
    watch = Stopwatch()
    with watch.counting():
        pass
    with spending("training"):
        clock.now += 9
        assert list(waiting_for(iter("ab"))) == ["a", "b"]
    assert watch.seconds == {}


def test_the_inner_of_two_watches_counts(clock):
    outer, inner = Stopwatch(), Stopwatch()
    with outer.counting():
        with inner.counting(), spending("training"):
            clock.now += 2
        with spending("training"):
            clock.now += 3
    assert (inner.seconds, outer.seconds) == ({"training": 2.0}, {"training": 3.0})
