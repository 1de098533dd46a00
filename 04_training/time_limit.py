"""`--time_limit 9h`: how it is written, and what ends the process when nothing else did."""

from __future__ import annotations

import faulthandler
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from grandmaster.errors import UserError

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_FORM = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
SHORTEST = 5.0  # seconds: importing alone takes that long


def read_time_limit(written: str) -> float:
    """Minutes of `9h`, `45m`, `90s`, `1h30m`.

    Raises:
        UserError: not of that form, or shorter than `SHORTEST`.
    """
    found = _FORM.fullmatch(written.strip().lower())
    parts = (
        []
        if found is None
        else [(number, unit) for number, unit in zip(found.groups(), "hms", strict=True) if number]
    )
    if not parts:
        raise UserError(
            f"{written!r} is no length of time",
            where="--time_limit",
            fix="Hours, minutes or seconds with their letter: 9h, 45m, 1h30m, 90s",
        )
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds < SHORTEST:
        raise UserError(
            f"{written} is too short",
            where="--time_limit",
            fix=f"Give {SHORTEST:.0f}s or more; a run needs minutes",
        )
    return seconds / 60


def process_start() -> float:
    """When this process was created, on the scale of `time.monotonic`: imports count too."""
    import psutil

    # The second more: on Linux the time of creation rests on that of booting, which is known to the second.
    return time.monotonic() - max(0.0, time.time() - psutil.Process().create_time()) - 1.0


@contextmanager
def watchdog(ends: float | None, last_words: Callable[[], str], code: int) -> Iterator[None]:
    """End the process shortly before its limit, if it has not ended by itself: some step was slower than could be known.

    All files are written whole or not at all, so that what was there stays. The process ends at once, without unwinding;
    should even that be held up (a library that does not return to Python), faulthandler ends it a moment later, with
    exit code 1.

    Args:
        ends: the limit, by `time.monotonic`; None: there is none, nothing is watched.
        last_words: text for standard error.
        code: exit code.
    """
    if ends is None:
        yield
        return
    over = threading.Event()
    bite = ends - min(30.0, 0.4 + 0.01 * max(0.0, ends - time.monotonic()))

    def watch() -> None:
        if not over.wait(max(0.0, bite - time.monotonic())):
            # Not `print`: the stuck thread may hold the lock of the stream.
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"\n{last_words()}\n".encode())
            os._exit(code)

    threading.Thread(target=watch, name="time limit", daemon=True).start()
    held_up = max(0.1, ends - 0.1 - time.monotonic())
    faulthandler.dump_traceback_later(held_up, exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        over.set()
        faulthandler.cancel_dump_traceback_later()
