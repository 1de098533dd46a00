"""Trainings that the page started: each in a process group of its own, so that they outlive the page."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil

from grandmaster.errors import UserError
from grandmaster.language import Language
from grandmaster.page.application import Application
from grandmaster.pipeline import heartbeat
from grandmaster.storage import read_bytes, write_json
from grandmaster.texts import JSON_DAMAGE

FOLDER = ".page"
"""Beside the runs: what was started from here, and what it printed."""
_SAME_START = 2.0  # seconds: the time of a process's start is known that well
_children: list[subprocess.Popen[bytes]] = []
Kept = TypeVar("Kept", bound=msgspec.Struct)


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """A process that was started for a run; `created` (seconds) tells it from a later one of the same number."""

    pid: int
    created: float


def record_of(results: Path, name: str) -> Path:
    """Where it is kept which process works for a run."""
    return results / FOLDER / f"{name}.json"


def output_of(results: Path, name: str) -> Path:
    """What the process printed: before a run has its folder that is all there is."""
    return results / FOLDER / f"{name}.txt"


def start(application: Application, name: str, flags: Sequence[str], language: Language) -> int:
    """Start a training and return its process's number.

    Args:
        name: of the run's folder, which `flags` name too.
        flags: of the command line, without those about output.
        language: of what the run says at its end, and of its report.

    Raises:
        UserError: the flags are wrong, a process works for this run already, or nothing can be written.
    """
    whole = [*flags, "--output", str(application.results)]
    application.check(whole)
    if process_of(application.results, name) is not None:
        raise UserError(f"{name} is being trained already", fix="Look at it, stop it, or give another name.")
    output = output_of(application.results, name)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("wb") as printed:
            child = subprocess.Popen(
                [*application.train, *whole, "--plain"],
                cwd=application.root,
                env=os.environ | {"GRANDMASTER_LANG": language},
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                # A group of its own: Ctrl-C where the page runs ends the page, not the training.
                start_new_session=sys.platform != "win32",
            )
    except OSError as error:
        raise UserError(f"cannot start: {error.strerror or error}", where=output) from error
    _children.append(child)
    write_json(
        record_of(application.results, name),
        Started(pid=child.pid, created=psutil.Process(child.pid).create_time()),
    )
    return child.pid


def stop(results: Path, name: str) -> bool:
    """Ask the process of a run to end, which it does cleanly; False: there is none."""
    process = process_of(results, name)
    if process is None:
        return False
    try:
        process.send_signal(signal.SIGTERM)
    except psutil.NoSuchProcess:
        return False
    return True


def process_of(results: Path, name: str) -> psutil.Process | None:
    """The process that works for a run, whoever started it; None: there is none."""
    _reap()
    started = _read(record_of(results, name), Started)
    if started is not None:
        process = _alive(started.pid)
        if process is not None and abs(process.create_time() - started.created) < _SAME_START:
            return process
    beat = _read(results / name / heartbeat.FILE_NAME, heartbeat.Beat)
    process = None if beat is None else _alive(beat.pid)
    if process is None or process.pid == os.getpid():
        return None
    try:
        # The number may have gone to another program since.
        ours = any("grandmaster_train" in word for word in process.cmdline())
    except psutil.Error:
        return None
    return process if ours else None


def at_work(results: Path, names: Iterable[str]) -> list[str]:
    """Those of the runs, and of what was started from here, for which a process works."""
    started = [path.stem for path in (results / FOLDER).glob("*.json")]
    return [name for name in dict.fromkeys([*started, *names]) if process_of(results, name) is not None]


def printed(results: Path, name: str, *, lines: int = 12) -> list[str]:
    """The last lines that the process of a run printed."""
    return last_lines(output_of(results, name), lines)


def last_lines(path: Path, count: int) -> list[str]:
    """Of a text file that may be long; none where there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 400 * count))
            content = file.read()
    except OSError:
        return []
    return content.decode("utf-8", errors="replace").splitlines()[-count:]


def _read(path: Path, kind: type[Kept]) -> Kept | None:
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(read_bytes(path), type=kind)
    except (UserError, *JSON_DAMAGE):
        return None  # being replaced, or damaged: as if it were not there


def _alive(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.Error:
        return None


def _reap() -> None:
    """Let go of children that have ended."""
    _children[:] = [child for child in _children if child.poll() is None]
