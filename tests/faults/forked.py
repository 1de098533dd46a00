"""Processes that are forked from one which has imported everything: they begin at once, on a busy machine, too."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from unittest.mock import patch

PATIENCE = 3000.0  # seconds after which something hangs, on however busy a machine; the tests' own time limit comes first
IMPORTED = ["faults.killing", "grandmaster.report.html", "grandmaster_train", "live_view", "screens"]


def fork_context() -> ForkServerContext:
    """Of the one process that all are forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    # It imports what it finds: before Python 3.12.3 nobody tells it where the tests' own packages are.
    with patch.dict(os.environ, {"PYTHONPATH": os.pathsep.join(sys.path)}):
        forkserver.ensure_running()
    return context


def hear_signals() -> None:
    """As a process that a person starts: those of a shell's background ignore Ctrl-C and the end of a terminal."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGHUP", "SIGTERM"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


def hear_signals_from_the_start() -> None:
    """The same between fork and exec: the new program's Python then sets its own handler for Ctrl-C."""
    hear_signals()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
