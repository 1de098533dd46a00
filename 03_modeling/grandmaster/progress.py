"""How work deep inside reports what it is doing, without knowing who shows it."""

from __future__ import annotations

from typing import Literal, Protocol

Level = Literal["info", "good", "warn", "error"]


class Progress(Protocol):
    """The run's one channel to whoever watches: a live view, plain log lines, or nobody.

    A run is a set of tasks ("inspect", "train fold 0 mobilenetv2_100", ...), each with an amount of work in
    units of its own (pictures, batches). `expect` announces all tasks with an estimate of their seconds as soon
    as the plan is known, so that the ETA covers the whole run from the first moment.
    """

    def expect(self, tasks: dict[str, float]) -> None:
        """Announce tasks, in order, with the estimated seconds of each (0: unknown)."""

    def start(self, task: str, total: int) -> None:
        """A task begins; `total` units of work lie before it."""

    def advance(self, task: str, units: int = 1, **facts: str | int | float) -> None:
        """`units` more are done; `facts` are shown beside the bar (epoch, loss, score, ...)."""

    def finish(self, task: str, note: str = "") -> None:
        """A task is over; `note` is its result in a few words ("macro F1 0.912", "already done")."""

    def message(self, text: str, level: Level = "info") -> None:
        """One line for the person and the log."""


class SilentProgress:
    """Shows nothing; the default of library calls and tests."""

    def expect(self, tasks: dict[str, float]) -> None: ...
    def start(self, task: str, total: int) -> None: ...
    def advance(self, task: str, units: int = 1, **facts: str | int | float) -> None: ...
    def finish(self, task: str, note: str = "") -> None: ...
    def message(self, text: str, level: Level = "info") -> None: ...
