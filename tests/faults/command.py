"""The real command line on a small competition, in a process of its own that something is done to."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

from faults.forked import PATIENCE, fork_context, hear_signals
from pipeline.small_competition import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "04_training" / "grandmaster_train.py"
NOBODY, NAMELESS = 65534, 54321


def arguments(data: Path, results: Path, *changes: str, flags: Sequence[str] = ()) -> list[str]:
    """Flags of a run of seconds, `results/run`."""
    named = ["--mode", "quick_test", "--data_path", str(data), "--output", str(results)]
    settings = [word for setting in (*SETTINGS, *changes) for word in ("--set", setting)]
    return [*named, "--experiment_name", "run", "--plain", *settings, *flags]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    error: str


def start(argv: Sequence[str], place: Path, inject: Callable[[], None] | None = None) -> BaseProcess:
    """The command, forked from a process that has imported everything.

    Args:
        place: gets `out.txt` and `error.txt`.
        inject: called in that process before the command begins.
    """
    place.mkdir(parents=True, exist_ok=True)
    process = fork_context().Process(target=_command, args=(list(argv), place, inject))
    process.start()
    return process


def end_of(process: BaseProcess, place: Path, seconds: float = PATIENCE) -> Ended:
    """Wait for it.

    Raises:
        AssertionError: it hangs.
    """
    try:
        process.join(seconds)
    finally:
        hangs = process.is_alive()
        process.kill()
        process.join()
    ended = Ended(
        code=process.exitcode,
        out=(place / "out.txt").read_text(errors="replace"),
        error=(place / "error.txt").read_text(errors="replace"),
    )
    assert not hangs, f"it hangs:\n{ended.out}\n{ended.error}"
    return ended


def run(argv: Sequence[str], place: Path, inject: Callable[[], None] | None = None) -> Ended:
    """The command to its end."""
    return end_of(start(argv, place, inject), place)


def _command(argv: list[str], place: Path, inject: Callable[[], None] | None) -> None:
    for number, name in ((1, "out.txt"), (2, "error.txt")):
        handle = os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(handle, number)
        os.close(handle)
    hear_signals()
    os.environ["GRANDMASTER_LANG"] = "en"
    import grandmaster_train

    if inject is not None:
        inject()
    sys.exit(grandmaster_train.main(argv))


def at_stage(name: str, act: Callable[[], None], after: float = 0.0) -> Callable[[], None]:
    """To inject: `act` when the run comes to a stage, or some seconds later."""
    return partial(_at_stage, name, act, after)


def _at_stage(name: str, act: Callable[[], None], after: float) -> None:
    from grandmaster.pipeline import run as run_module

    stage = run_module.STAGE_FUNCTIONS[name]

    def disturbed(context: object) -> None:
        if after:
            threading.Timer(after, act).start()
        else:
            act()
        stage(context)  # type: ignore[arg-type]

    run_module.STAGE_FUNCTIONS[name] = disturbed


def signal_self(number: int) -> None:
    """What somebody else sends, too."""
    os.kill(os.getpid(), number)


def signal_group(number: int) -> None:
    """This process and all below it, which are a group of their own (see `own_group`)."""
    os.killpg(os.getpgrp(), number)


def own_group(then: Callable[[], None]) -> None:
    """To inject before `then`: what is sent to the group does not reach the tests."""
    os.setsid()
    then()


@contextmanager
def as_nobody(*, reads: bool = False):  # type: ignore[no-untyped-def]
    """Without root's right to read and write everything; nothing else where the tests are not run by root.

    Args:
        reads: everything may still be read where that can be had: Python imports as it goes, maybe from root's own folder.
    """
    if os.geteuid() != 0:
        yield
        return
    permitted = _permitted()
    os.seteuid(NOBODY)
    try:
        if reads and permitted >> _READ_SEARCH & 1:
            _set_capabilities(1 << _READ_SEARCH, permitted)
        yield
    finally:
        os.seteuid(0)


def _permitted() -> int:
    """Capabilities that this process may have, a bit each; 0: no Linux."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapPrm:")), 0)


def _set_capabilities(effective: int, permitted: int) -> None:
    low = 2**32 - 1
    # Effective, permitted, inheritable of the first 32; then those of the others.
    sets = (effective & low, permitted & low, 0, effective >> 32, permitted >> 32, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capset(header, (ctypes.c_uint32 * 6)(*sets)) == 0, os.strerror(ctypes.get_errno())


def can_become_nobody() -> bool:
    """Whether `become_nobody` leaves a process that can still import: the interpreter may lie in root's own folder."""
    if os.geteuid() != 0:
        return True
    return bool(_permitted() >> _READ_SEARCH & 1)


def become_nobody() -> None:
    """To inject: the command is run by a user without a name, who may read everything and write nothing that is root's.

    Where the tests are not run by root, who they are run by has no right to write what is read-only anyway.
    """
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(_KEEP_CAPABILITIES, 1, 0, 0, 0) == 0
    os.setgroups([])
    os.setgid(NAMELESS)
    os.setuid(NAMELESS)
    _set_capabilities(1 << _READ_SEARCH, 1 << _READ_SEARCH)


# <linux/capability.h>, <linux/prctl.h>
_READ_SEARCH, _CAPABILITIES_VERSION, _KEEP_CAPABILITIES = 2, 0x20080522, 8
KILL, TERM = getattr(signal, "SIGKILL", signal.SIGTERM), signal.SIGTERM  # Windows has no SIGKILL
