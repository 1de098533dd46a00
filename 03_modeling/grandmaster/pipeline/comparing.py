"""Comparing train with test, with no more effort than the time limit leaves for it."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from grandmaster.config import InspectConfig
from grandmaster.eda.corruption_reading import measure_squares, simulations
from grandmaster.eda.shift_reading import READING_TASK, TASK, at_working_side, compare_with_test
from grandmaster.images.corruption import WORKING_SIDE
from grandmaster.images.decode import PictureError, read_picture
from grandmaster.pipeline.clock import Clock
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.embedding import find_embedder
from grandmaster.progress import Level, Progress

# Of the time left, for comparing train with test; when it took this many times as long it is broken off.
# An augmentation that fits the test set is often worth more than whatever else the time could buy.
SHARE, BREAK_OFF = 0.2, 1.5
# Seconds of a simulated picture, in those of reading and measuring a real one, with the trees that learn from it.
TREES = 2.2
PROBED = 8  # pictures that are read and measured to learn how fast this machine is
SMALLEST_EFFORT, FEWEST_PICTURES = 0.1, 100


class _OutOfBudget(Exception):
    """The comparison took too long."""


class _Budgeted:
    """The run's progress, which breaks off what reports to it once the time is spent."""

    def __init__(self, progress: Progress, clock: Clock, until: float) -> None:
        self._progress, self._clock, self._until = progress, clock, until

    def expect(self, tasks: dict[str, float]) -> None:
        self._progress.expect(tasks)

    def start(self, task: str, total: int) -> None:
        self._progress.start(task, total)

    def advance(self, task: str, units: int = 1, **facts: str | int | float) -> None:
        self._progress.advance(task, units, **facts)
        if self._clock.elapsed() > self._until:
            self._progress.finish(task, "broken off: the time limit leaves no more for it")
            raise _OutOfBudget

    def finish(self, task: str, note: str = "") -> None:
        self._progress.finish(task, note)

    def message(self, text: str, level: Level = "info") -> None:
        self._progress.message(text, level)


def compare(context: RunContext) -> dict[str, Any]:
    """`eda.shift_reading.compare_with_test` of the run's pictures.

    Under a time limit with less effort, or not at all, where it would take more than `SHARE` of the time left; the result
    then has a "reason", and that is said.
    """
    config, clock = context.config.inspect, context.clock
    progress: Progress = context.progress
    if clock.limited:
        budget = SHARE * clock.left()
        fitting = within(
            config, len(context.competition.train), len(context.competition.test), budget, _unit(context)
        )
        if fitting is None:
            return _left_out(context, f"it would take more than {budget:.0f} s of {clock.left():.0f} s")
        if fitting != config:
            progress.message(
                f"Time limit: train and test are compared with effort {fitting.shift_effort:.2g} instead of "
                f"{config.shift_effort:.2g} and at most {fitting.shift_pictures} pictures, to take no more than about "
                f"{budget:.0f} s.",
                "warn",
            )
        config = fitting
        progress = _Budgeted(progress, clock, clock.elapsed() + BREAK_OFF * budget)
    embedder = find_embedder(context.config, context.hardware.device)
    try:
        return compare_with_test(
            context.competition,
            context.fingerprint,
            config,
            progress,
            threads=context.hardware.cores,
            embed=embedder,
            embedding_name="" if embedder is None else embedder.name,
        )
    except _OutOfBudget:
        return _left_out(context, "it took longer than it was to take")


def within(config: InspectConfig, train: int, test: int, budget: float, unit: float) -> InspectConfig | None:
    """The most effort that fits; None: not even the least does.

    Args:
        train, test: pictures there are.
        budget: seconds.
        unit: seconds for a picture to be read and measured, with all threads at work.
    """
    efforts = sorted({config.shift_effort * share for share in (1.0, 0.7, 0.5, 0.35, 0.25, 0.15)})
    for effort in [effort for effort in reversed(efforts) if effort >= SMALLEST_EFFORT]:
        for pictures in sorted(
            {config.shift_pictures, min(config.shift_pictures, FEWEST_PICTURES)}, reverse=True
        ):
            looked_at = min(train, pictures) + min(test, pictures)
            seconds = TREES * unit * (looked_at + simulations(min(test, pictures), effort))
            if seconds <= budget:
                return msgspec.structs.replace(config, shift_effort=effort, shift_pictures=pictures)
    return None


def _unit(context: RunContext) -> float:
    """Seconds for one picture to be read and measured."""
    paths = context.competition.test["path"].tolist()
    chosen = paths[:: max(1, len(paths) // PROBED)][:PROBED]
    began = time.perf_counter()
    squares = []
    for path in chosen:
        try:
            squares.append(at_working_side(read_picture(path, at_least=WORKING_SIDE)))
        except PictureError:
            continue
    if not squares:
        return 0.0
    measure_squares(squares)
    return (time.perf_counter() - began) / len(squares) / context.hardware.cores


def _left_out(context: RunContext, why: str) -> dict[str, Any]:
    reason = f"the time limit leaves too little for comparing train with test: {why}"
    context.progress.message(
        f"Time limit: train and test are not compared, so no augmentation is fitted: {why}.", "warn"
    )
    for task in (TASK, READING_TASK):
        context.progress.finish(task, "left out")
    return {"adversarial": None, "embedding": None, "reading": None, "reason": reason}
