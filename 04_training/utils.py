"""Console, log file and facts about the place this runs in."""

from __future__ import annotations

import os
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

from rich.console import Console

# Without a terminal there is no width to read; tables then get this many columns.
_WIDTH_WITHOUT_TERMINAL = 120


def make_console(stream: TextIO | None = None) -> Console:
    """A console on a stream (default: standard output).

    A stream whose encoding lacks a sign shows "?" instead of ending the run; one that nobody reads any more is written to
    no longer. A notebook gets lines of text too, not a block of HTML for each.
    """
    target = stream or sys.stdout
    reconfigure = getattr(target, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    wide = None if target.isatty() or "COLUMNS" in os.environ else _WIDTH_WITHOUT_TERMINAL
    steady = cast(TextIO, _SteadyStream(target))
    return Console(file=steady, width=wide, highlight=False, emoji=False, force_jupyter=False)


class _SteadyStream:
    """A stream whose reader may go away (`| head`, a terminal that is closed): from then on nobody is shown anything.

    A run of hours must not end for that (Rich would end it, with exit code 1); what it says is in its log, too.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            self._silence()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._silence()

    def _silence(self) -> None:
        silence(self._stream)


_silenced: set[int] = set()


def silence(stream: TextIO) -> None:
    """Show nobody anything more on a stream whose reader has gone away."""
    # The descriptor itself, so that what is left in buffers, and who else writes there, meets no closed pipe either.
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        _silenced.add(stream.fileno())


def has_reader(stream: TextIO) -> bool:
    """Whether somebody may still read a stream."""
    try:
        return stream.fileno() not in _silenced
    except (OSError, ValueError):  # a notebook's stream has no number
        return True


def say_error(text: str) -> None:
    """A line on standard error, if anybody is there to read it."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def is_interactive() -> bool:
    """A person sits at a terminal that can move its cursor."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def has_display() -> bool:
    """A browser can show a window."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def duration(seconds: float) -> str:
    """`42s`, `3m 05s`, `2h 07m`, `1d 03h`."""
    whole = round(max(0.0, seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"


class RunLog:
    """Appends timestamped lines to a file as soon as its folder exists; until then it keeps them.

    So a run that ends before its folder is made (bad input) leaves nothing behind.
    """

    def __init__(self, path: Path | None) -> None:
        """`path`: the log file; None keeps no log."""
        self.path = path
        self._waiting: list[str] = []

    def write(self, text: str, *, later: bool = False) -> None:
        """Add a text; each of its lines gets the time. `later`: with the next one, if there is any."""
        if self.path is None:
            return
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        self._waiting += [f"{stamp} {line}\n" for line in text.splitlines()]
        if not later and self.path.parent.is_dir():
            try:
                with self.path.open("a", encoding="utf-8") as file:
                    file.writelines(self._waiting)
            except OSError:  # a full disk must not end the training that it would report on
                return
            self._waiting.clear()

    def write_exception(self, error: BaseException) -> None:
        """Add a traceback, making the folder if need be: here it is the only record.

        Raises:
            OSError: the folder cannot be made.
        """
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self.write("".join(traceback.format_exception(error)))
