"""A sign of life in the run folder: whoever finds it later knows that the run was killed, where, and how full memory was.

Nothing can be written when a process is killed (by the kernel for want of memory, by a session that ended, with the
machine). So the file is there while a run is at work and taken away when it ends, in whatever way it ends by itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil

from grandmaster.errors import UserError
from grandmaster.pipeline.machine import GB, free_memory_bytes
from grandmaster.progress import Progress
from grandmaster.storage import read_json, remove_leftovers, write_json

FILE_NAME = "heartbeat.json"
SECONDS = 15.0  # between two beats
# Less free memory than this (GB) at the last beat makes the kernel the likely killer.
SCARCE_GB = 1.0


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """One sign of life.

    Attributes:
        stage: of the run; empty before the first.
        seen: when, ISO 8601 in UTC.
        memory_gb: that this process holds.
        free_gb: that are free on the machine, or in the container.
    """

    pid: int
    stage: str
    seen: str
    memory_gb: float
    free_gb: float


class Heartbeat:
    """Writes `heartbeat.json` at every stage and every `SECONDS`; a disk that takes no more of them stops nothing."""

    def __init__(self, folder: Path) -> None:
        self._path, self._stage = folder / FILE_NAME, ""
        self._over = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._go_on, name="heartbeat", daemon=True)

    def start(self) -> None:
        """The first beat, and those that follow by themselves."""
        self._beat()
        self._thread.start()

    def enter(self, stage: str) -> None:
        """The run has come to this stage."""
        self._stage = stage
        self._beat()

    def stop(self) -> None:
        """The run ended by itself: the file goes."""
        self._over.set()
        self._thread.join()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _go_on(self) -> None:
        while not self._over.wait(SECONDS):
            self._beat()

    def _beat(self) -> None:
        beat = Beat(
            pid=os.getpid(),
            stage=self._stage,
            seen=datetime.now(UTC).isoformat(timespec="seconds"),
            memory_gb=round(psutil.Process().memory_info().rss / GB, 2),
            free_gb=round(free_memory_bytes() / GB, 2),
        )
        with self._writing, suppress(UserError):
            write_json(self._path, beat)


@contextmanager
def beating(folder: Path, progress: Progress) -> Iterator[Heartbeat]:
    """A heartbeat while a run is at work in its folder, which is its own; says so first where the last one was killed."""
    path = folder / FILE_NAME
    if path.exists():
        progress.message(_last_words(path), "warn")
        remove_leftovers(folder)
    heartbeat = Heartbeat(folder)
    heartbeat.start()
    try:
        yield heartbeat
    finally:
        heartbeat.stop()


def _last_words(path: Path) -> str:
    """What is known of a run that was killed."""
    try:
        last = msgspec.convert(read_json(path), Beat)
    except (UserError, msgspec.ValidationError):
        return "The run before was killed; it is gone on with from what it had finished."
    where = f"in stage {last.stage!r}" if last.stage else "before its first stage"
    memory = (
        f" Memory was nearly full ({last.free_gb:.1f} GB free): lower hardware.workers or training.micro_batch if it "
        "happens again."
        if last.free_gb < SCARCE_GB
        else ""
    )
    return f"The run before was killed {where}, last seen {last.seen}; it is gone on with from what it had finished.{memory}"
