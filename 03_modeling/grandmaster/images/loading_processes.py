"""Processes that load pictures: they tell when they fail, are given up when they hang, and are ended in the open.

Torch ends its processes when the object that reads from them is freed. An interrupt that comes just then is lost, what goes
wrong there is printed as a traceback that nobody asked for, and locks are waited for that a killed process may have held.
So they are ended here, by whoever started them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from typing import Any

import cv2
from torch.utils.data import DataLoader
from torch.utils.data._utils import signal_handling
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

# A process that hangs or was killed raises after this long instead of stopping the run for ever.
TIMEOUT_SECONDS = 300
# How torch begins when it says that one was lost, or that it can hand over no more files; the first is ours, too.
_LOST = (
    "DataLoader worker",
    "DataLoader timed out",
    "Too many open files",
    "received 0 items of ancdata",
)


class LoadingProcesses:
    """Those of one torch loader, from the first pass over it until `end`.

    Use: `with LoadingProcesses(loader) as processes: for batch in processes.batches(): ...`. Left by an exception, they are
    killed.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        """`loader`: with worker processes; persistent ones, where there is more than one pass."""
        self._loader = loader
        self._reader: _MultiProcessingDataLoaderIter | None = None
        _IN_USE.add(self)

    def __enter__(self) -> LoadingProcesses:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.end()
        else:
            self.kill()

    def batches(self) -> Iterator[Any]:
        """One pass. Processes are killed when the next batch is too long in coming.

        Torch's own time limit does not hold while it fetches the memory of a batch from the process that made it: it would
        wait for ever for one that hangs at that moment.
        """
        with self._watched():
            reader = self._start()
        while True:
            with self._watched():
                try:
                    batch = next(reader)
                except StopIteration:
                    return
                except (EOFError, ConnectionError) as error:
                    if str(error).startswith("Caught "):  # by the dataset, in a process
                        raise
                    # Of one that is about to die, which torch does not see yet.
                    raise RuntimeError(f"{_LOST[0]} closed its connection: {type(error).__name__}") from error
            yield batch

    def end(self) -> None:
        """Let them end."""
        if self._reader is not None:
            try:
                self._reader._shutdown_workers()
            finally:
                self.kill()  # what did not end in time

    def kill(self) -> None:
        """At once, whatever they are at; also what torch made of them when it was interrupted while it started them."""
        if self._reader is not None:
            _kill(self._reader)
            self._reader = None

    def _start(self) -> Iterator[Any]:
        try:
            with no_advice():
                reader = iter(self._loader)
        except BaseException as error:
            for frame, _ in traceback.walk_tb(error.__traceback__):
                begun = frame.f_locals.get("self")
                if isinstance(begun, _MultiProcessingDataLoaderIter):
                    _kill(begun)
            if isinstance(error, OSError):  # too few open files, shared memory or processes are allowed
                raise RuntimeError(f"{_LOST[0]} cannot be started: {error.strerror or error}") from error
            raise
        assert isinstance(reader, _MultiProcessingDataLoaderIter)
        self._reader = reader
        return reader

    @contextmanager
    def _watched(self) -> Iterator[None]:
        watchdog = threading.Timer(1.1 * TIMEOUT_SECONDS, self._kill_processes)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
        finally:
            watchdog.cancel()

    def _kill_processes(self) -> None:
        """From another thread: the main one then hears of it."""
        for process in [] if self._reader is None else self._reader._workers:
            process.kill()


_IN_USE: weakref.WeakSet[LoadingProcesses] = weakref.WeakSet()


def is_worker_lost(error: BaseException) -> bool:
    """Torch says that a loading process was killed, has ended, hangs, or cannot be started.

    It may say so anywhere in the main thread, not only where a batch is asked for: it listens to the end of its children.
    """
    return isinstance(error, RuntimeError) and str(error).startswith(_LOST)


def stop_workers() -> None:
    """Kill what is left of the loading processes, and hear no more of the lost ones."""
    for processes in list(_IN_USE):
        processes.kill()
    with _unheard():  # one that was forked when torch was interrupted is known to nobody else
        _end([process for process in multiprocessing.active_children() if process.daemon])


@contextmanager
def no_advice() -> Iterator[None]:
    """Without torch's warning of more processes than cores: somebody asked for them, and the plan says how many there are."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
        yield


def start_worker(_: int) -> None:
    """To be called in a loading process before it loads anything."""
    cv2.setNumThreads(0)  # the processes are the parallelism, and OpenCV's threads do not survive a fork
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the main process ends its own
    # Torch would print it and lose the batch; the main process would wait for it until the time limit.
    Queue._on_queue_feeder_error = staticmethod(_cannot_hand_over)  # type: ignore[attr-defined]


def _cannot_hand_over(error: Exception, item: object) -> None:
    os._exit(1)  # no shared memory, or no open file, is left for a batch; the main process hears of an end


def _kill(reader: _MultiProcessingDataLoaderIter) -> None:
    """Its processes, and what torch would do when the object is freed: that may wait for locks which they held."""
    with _unheard():
        _end(getattr(reader, "_workers", []))
        if getattr(reader, "_worker_pids_set", False):
            signal_handling._remove_worker_pids(id(reader))
    reader._worker_pids_set, reader._shutdown = False, True
    if hasattr(reader, "_pin_memory_thread_done_event"):
        reader._pin_memory_thread_done_event.set()
    for queue in getattr(reader, "_index_queues", []):
        queue.cancel_join_thread()
        queue.close()


def _end(processes: list[BaseProcess]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.join()


@contextmanager
def _unheard() -> Iterator[None]:
    """Torch would report each process that has died, wherever the main thread happens to be."""
    listens = hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread()
    listener = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if listens else None
    try:
        yield
    finally:
        if listener is not None:
            signal.signal(signal.SIGCHLD, listener)
