"""Processes that end when the one that started them is gone, however it went."""

from __future__ import annotations

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """Called in a process of `multiprocessing`'s making: it ends at once when its parent does, also by `kill -9`.

    A pool's process waits for its next piece of work on a pipe whose other end it holds itself, so that it would wait for
    ever: with its memory, and with what it holds of a GPU.
    """
    parent = multiprocessing.parent_process()
    if parent is None:  # this is no such process
        return

    def wait() -> None:
        parent.join()
        os._exit(1)  # nobody is there to be told, and the main thread is where it cannot be interrupted

    threading.Thread(target=wait, name="ends with its parent", daemon=True).start()
