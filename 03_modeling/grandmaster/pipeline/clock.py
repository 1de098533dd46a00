"""How much time a run has left before its limit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Counts from the start of the command to its limit; without a limit there is always time.

    Attributes:
        limit: seconds after which the command has ended; None: no limit.
        started: when it began, on `now`'s scale.
        now: seconds of a clock that never goes back.
    """

    limit: float | None = None
    now: Callable[[], float] = time.monotonic
    started: float = field(default_factory=time.monotonic)

    @property
    def limited(self) -> bool:
        return self.limit is not None

    @property
    def margin(self) -> float:
        """Seconds kept free before the limit: for what no estimate knows, and for leaving."""
        return 0.0 if self.limit is None else min(300.0, 1.0 + 0.03 * self.limit)

    def elapsed(self) -> float:
        """Seconds since the command began."""
        return self.now() - self.started

    def left(self) -> float:
        """Seconds in which work may go on; below 0 once the margin is being used, infinite without a limit."""
        return math.inf if self.limit is None else self.limit - self.margin - self.elapsed()
