"""How long a run of known tasks still takes, learned from how fast it has been."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# A task's own pace replaces the estimate gradually, over this many advances: the first ones say little.
_ADVANCES_TO_TRUST = 8
# What one kind of task teaches about another is damped as if this many seconds had gone exactly as estimated.
_DAMPING_SECONDS = 30.0
# Units that all arrive sooner than this (seconds) were done in an earlier run and say nothing about speed.
_SHORTEST_WORK = 0.2


@dataclass
class TaskState:
    """One task of the run; times are seconds of the clock, `done` and `total` units of the task."""

    name: str
    estimate: float = 0.0
    total: int = 0
    done: int = 0
    advances: int = 0
    started: float | None = None
    first: float | None = None
    first_units: int = 0
    last: float = 0.0
    ended: float | None = None

    @property
    def kind(self) -> str:
        """Tasks of one kind ("train", "predict") go at a like multiple of their estimates."""
        return self.name.partition(" ")[0]

    @property
    def running(self) -> bool:
        return self.started is not None and self.ended is None

    @property
    def share(self) -> float:
        """Part done, 0 to 1."""
        if self.ended is not None:
            return 1.0
        return min(1.0, self.done / self.total) if self.total else 0.0

    def seconds(self, now: float) -> float:
        """Time spent on it."""
        if self.started is None:
            return 0.0
        return (now if self.ended is None else self.ended) - self.started

    def full_seconds(self) -> float | None:
        """Time that all of it takes at the measured pace; None while that is unknown.

        The pace is taken after the first advance: that one holds either the warm-up (workers, kernels) or, in a
        resumed task, units that were done long ago. A warm-up is added once.
        """
        if self.started is None or self.first is None or not self.total:
            return None
        wait = self.first - self.started
        later = self.done - self.first_units
        if later > 0 and self.last > self.first:
            per_unit = (self.last - self.first) / later
            return per_unit * self.total + max(0.0, wait - per_unit * self.first_units)
        if wait >= _SHORTEST_WORK and self.done:
            return wait / self.done * self.total
        return None


class Eta:
    """Remaining time of a whole run.

    remaining = sum over tasks of estimate x ratio, where ratio (measured / estimated) is learned from the tasks
    of the same kind that have run, or from all where none has; a running task goes by its own pace.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.began = clock()
        self.tasks: dict[str, TaskState] = {}

    def expect(self, tasks: dict[str, float]) -> None:
        """Add tasks, or give better estimates (seconds; 0: unknown) of those known."""
        for name, seconds in tasks.items():
            self._task(name).estimate = max(0.0, float(seconds))

    def start(self, name: str, total: int) -> None:
        """A task begins; one that ran before begins anew."""
        estimate = self._task(name).estimate
        self.tasks[name] = TaskState(name, estimate=estimate, total=max(0, total), started=self._clock())

    def advance(self, name: str, units: int) -> None:
        task = self._task(name)
        now = self._clock()
        if task.started is None:
            task.started = now
        task.done += units
        task.last = now  # work without units (a validation) slows the pace, too
        if units == 0:
            return
        task.advances += 1
        if task.first is None:
            task.first, task.first_units = now, units

    def finish(self, name: str) -> None:
        """It is over: all done, stopped early, or (never started) done in an earlier run."""
        task = self._task(name)
        task.ended = self._clock()
        if task.started is None:
            task.started = task.ended

    def running(self) -> list[TaskState]:
        return [task for task in self.tasks.values() if task.running]

    def finished(self) -> int:
        """How many tasks are over."""
        return sum(task.ended is not None for task in self.tasks.values())

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self.began

    def task_remaining(self, task: TaskState) -> float | None:
        """Seconds that a task still takes; None where nothing is known."""
        if task.ended is not None:
            return 0.0
        prior = self._prior(task)
        now = self._clock()
        spent = task.seconds(now)
        own = task.full_seconds()
        if own is None:
            return None if prior is None else max(0.0, prior * (1.0 - task.share) - spent)
        # Since the last advance the next one has been under way, but no more than one is credited.
        units_left = max(0, task.total - task.done)
        per_unit = own / task.total
        by_pace = max(0.0, units_left * per_unit - min(per_unit, now - task.last))
        if prior is None:
            return by_pace
        trust = min(1.0, task.advances / _ADVANCES_TO_TRUST)
        return trust * by_pace + (1.0 - trust) * prior * (1.0 - task.share)

    def remaining(self) -> float | None:
        """Seconds until the run's end; None while no task has an estimate or a pace."""
        parts = [self.task_remaining(task) for task in self.tasks.values() if task.ended is None]
        known = [part for part in parts if part is not None]
        if parts and not known:
            return None
        return sum(known)

    def share(self) -> float:
        """Part of the run's time that is over, 0 to 1; what earlier runs did counts with the time it would take now."""
        left = self.remaining()
        if left is None:
            return self.finished() / len(self.tasks)
        if not self.tasks:
            return 0.0
        spent = self.elapsed() + sum(self._earlier(task) for task in self.tasks.values())
        return 1.0 if left == 0 and not self.running() else spent / max(spent + left, 1e-9)

    def _earlier(self, task: TaskState) -> float:
        """Seconds that the part of a task that was done in an earlier run would take at today's pace."""
        if task.started is None:
            return 0.0
        if task.first is None:
            found_done = task.ended is not None and task.ended - task.started < _SHORTEST_WORK
            return (self._prior(task) or 0.0) if found_done else 0.0
        if task.first - task.started >= _SHORTEST_WORK or not task.total:
            return 0.0
        whole = task.full_seconds() or self._prior(task) or 0.0
        return whole * min(1.0, task.first_units / task.total)

    def _task(self, name: str) -> TaskState:
        return self.tasks.setdefault(name, TaskState(name))

    def _prior(self, task: TaskState) -> float | None:
        """What a task takes by its estimate and what was learned; without one, as long as others of its kind."""
        if task.estimate > 0:
            return task.estimate * self._ratio(task.kind)
        alike = [
            full
            for other in self.tasks.values()
            if other.kind == task.kind and other is not task and (full := other.full_seconds()) is not None
        ]
        return sum(alike) / len(alike) if alike else None

    def _ratio(self, kind: str) -> float:
        measured, estimated = self._measured(task for task in self.tasks.values() if task.kind == kind)
        if estimated > 0:
            return measured / estimated
        measured, estimated = self._measured(self.tasks.values())
        return (measured + _DAMPING_SECONDS) / (estimated + _DAMPING_SECONDS)

    @staticmethod
    def _measured(tasks: Iterable[TaskState]) -> tuple[float, float]:
        """Measured and estimated seconds of what has been done of these tasks.

        A task stopped early counts with the part it did; one that was found done already teaches nothing.
        """
        measured = estimated = 0.0
        for task in tasks:
            full = task.full_seconds()
            settled = task.ended is not None or task.advances >= _ADVANCES_TO_TRUST
            if full is None or task.estimate <= 0 or not settled:
                continue
            share = min(1.0, task.done / task.total)
            measured += full * share
            estimated += task.estimate * share
        return measured, estimated
