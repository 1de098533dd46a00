"""What the wall time of a run goes into: training steps, prediction steps, waiting for pictures, and the rest.

Work deep inside says what it is doing (`with spending("prediction"): ...`) without knowing who counts. Only one thing is done
at a time: what begins inside of something else takes the time from it, so the parts add up to the whole. Threads other than the
one that counts are not counted; they work beside it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeVar, get_args

Kind = Literal["training", "prediction", "waiting"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Item = TypeVar("Item")


class Stopwatch:
    """Counts seconds by kind while it is in use (`with watch.counting(): ...`).

    Attributes:
        seconds: of each kind that occurred, those of what began inside of it not counted.
    """

    def __init__(self) -> None:
        self.seconds: dict[Kind, float] = {}
        self._doing: list[Kind] = []
        self._since = 0.0

    @contextmanager
    def counting(self) -> Iterator[Stopwatch]:
        """From here to the end of the block, `spending` anywhere below counts here."""
        before = _WATCH.set(self)
        try:
            yield self
        finally:
            _WATCH.reset(before)

    def begin(self, kind: Kind) -> None:
        """`kind` is done from now on."""
        self._settle()
        self._doing.append(kind)

    def end(self) -> None:
        """What began last is over; what it began inside of goes on."""
        self._settle()
        self._doing.pop()

    def _settle(self) -> None:
        now = time.perf_counter()
        if self._doing:
            kind = self._doing[-1]
            self.seconds[kind] = self.seconds.get(kind, 0.0) + now - self._since
        self._since = now


_WATCH: ContextVar[Stopwatch | None] = ContextVar("stopwatch", default=None)


@contextmanager
def spending(kind: Kind) -> Iterator[None]:
    """The block is time of this kind, where anybody counts."""
    watch = _WATCH.get()
    if watch is None:
        yield
        return
    watch.begin(kind)
    try:
        yield
    finally:
        watch.end()


def waiting_for(items: Iterable[Item]) -> Iterator[Item]:
    """The same items; what it takes until each is there counts as waiting."""
    watch, iterator = _WATCH.get(), iter(items)
    if watch is None:
        yield from iterator
        return
    while True:
        watch.begin("waiting")
        try:
            item = next(iterator)
        except StopIteration:
            return
        finally:
            watch.end()
        yield item
