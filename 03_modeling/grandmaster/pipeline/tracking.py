"""Experiment trackers beside a run, which can neither stop nor delay it.

What a run measures stands in its own files (`metrics.jsonl`, `final_results.json`). A thread for each tracker reads those files as
they grow and passes on what is new, so the trainer knows nothing of trackers; a run that is gone on with passes on what was
missed. A tracker that raises is given up and said; one that hangs is left behind when the run ends.
"""

from __future__ import annotations

import importlib.util
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeGuard

import msgspec

from grandmaster.errors import UserError
from grandmaster.machine_config import TrackerName
from grandmaster.pipeline.trackers import TRACKERS, Subject, Tracker
from grandmaster.progress import Progress
from grandmaster.storage import read_json, write_json

FOLDER = "tracking"
SECONDS = 5.0  # between two looks at the files
GRACE = 20.0  # seconds at most that the trackers together have to end when the run has
# Keys of `metrics.jsonl` that are passed on.
NUMBERS = ("train_loss", "learning_rate", "val_loss", "val_score", "val_score_corrupted", "images_per_second")


class Told(msgspec.Struct, kw_only=True):
    """What a tracker knows already.

    Attributes:
        known: its own name of the run.
        epochs: by fit, how many of its epochs.
    """

    known: str | None = None
    epochs: dict[str, int] = {}


class Follower:
    """Follows the files of a run and passes them on to one tracker.

    Attributes:
        trouble: why it gave up; empty while it has not.
    """

    def __init__(
        self, name: TrackerName, folder: Path, competition: str, settings: Mapping[str, str]
    ) -> None:
        self.name, self.trouble = name, ""
        self._folder, self._competition, self._settings = folder, competition, settings
        self._memory = folder / FOLDER / f"{name}.json"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"tracker {name}", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def end(self) -> None:
        """The run is over: one last look, then close."""
        self._over.set()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within so many seconds."""
        self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive()

    def _follow(self) -> None:
        try:
            told = self._told()
            subject = Subject(
                competition=self._competition,
                experiment=self._folder.name,
                folder=self._folder / FOLDER / self.name,
                known=told.known,
                settings=self._settings,
            )
            tracker = TRACKERS[self.name][0](subject)
            told.known = tracker.known
            over = False
            while not over:
                over = self._over.wait(SECONDS)
                self._pass_on(tracker, told)
            if results := self._results():
                tracker.results(results)
            tracker.close()
        except Exception as error:  # noqa: BLE001  whatever a tracker does, it ends the tracker and not the run
            line = next(iter(str(error).splitlines()), "")
            self.trouble = f"{type(error).__name__}: {line}"[:300]

    def _told(self) -> Told:
        try:
            return msgspec.convert(read_json(self._memory), Told) if self._memory.exists() else Told()
        except (UserError, msgspec.ValidationError):
            return Told()

    def _pass_on(self, tracker: Tracker, told: Told) -> None:
        """Epochs that are new; of a fit that was begun anew, all."""
        before = dict(told.epochs)
        for path in sorted(self._folder.rglob("metrics.jsonl")):
            fit = path.parent.relative_to(self._folder).as_posix()
            lines = _whole_lines(path)
            if len(lines) < told.epochs.get(fit, 0):
                told.epochs[fit] = 0
            for number, line in enumerate(
                lines[told.epochs.get(fit, 0) :], start=told.epochs.get(fit, 0) + 1
            ):
                values = {name: line[name] for name in NUMBERS if _is_number(line.get(name))}
                tracker.numbers(fit, int(line.get("epoch", number)), values)
                told.epochs[fit] = number
        if told.epochs != before or not self._memory.exists():
            write_json(self._memory, told)

    def _results(self) -> dict[str, float]:
        """Scores of a run that came to its end."""
        path = self._folder / "final_results.json"
        try:
            found = read_json(path) if path.exists() else {}
        except UserError:
            return {}
        values: dict[str, float] = {}
        for name in ("cross_validation", "corrupted_validation"):
            for end in ("score", "low", "high"):
                value = (found.get(name) or {}).get(end)
                if _is_number(value):
                    values[f"{name}/{end}"] = value
        return values


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """The epochs of a fit; the file is replaced as a whole, so it is never half a line, but it may be gone or damaged."""
    lines = []
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        for text in path.read_text(encoding="utf-8").splitlines():
            line = msgspec.json.decode(text)
            if isinstance(line, dict):
                lines.append(line)
    return lines


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@contextmanager
def tracked(
    names: tuple[TrackerName, ...],
    folder: Path,
    competition: str,
    settings: Mapping[str, Any],
    progress: Progress,
    *,
    left: Callable[[], float] = lambda: math.inf,
) -> Iterator[None]:
    """While the block runs, what it measures is passed on to these trackers; what they do wrong is said, and that is all.

    Args:
        folder: of the run.
        settings: of the run, by section.
        left: seconds that are left of the run's time limit when it has ended.
    """
    flat = {
        f"{section}.{name}": str(value)
        for section, values in settings.items()
        if isinstance(values, Mapping)
        for name, value in values.items()
        if value is not None
    }
    followers = []
    for name in dict.fromkeys(names):
        _, module, package = TRACKERS[name]
        if importlib.util.find_spec(module) is None:
            progress.message(
                f"{name} is not installed (pip install {package}); the run goes on without it, its numbers are in its "
                "own files.",
                "warn",
            )
            continue
        followers.append(Follower(name, folder, competition, flat))
        followers[-1].start()
    try:
        yield
    finally:
        _end(followers, progress, min(GRACE, max(1.0, left() - 1.0)))


def _end(followers: list[Follower], progress: Progress, grace: float) -> None:
    for follower in followers:
        follower.end()
    latest = time.monotonic() + grace
    for follower in followers:
        ended = follower.wait(latest - time.monotonic())
        if not ended or follower.trouble:
            why = follower.trouble or f"it did not end within {grace:.0f} s and is left behind"
            progress.message(
                f"{follower.name} gave up ({why}). The run is whole; its numbers are in metrics.jsonl and "
                "final_results.json, and the same command passes on what is missing.",
                "warn",
            )
