"""How a fit is told to end before its last epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Brake(Protocol):
    """Asked by a fit whether it has to stop for want of time; a fit without one never has to."""

    def before_epoch(self, last: Mapping[str, Any]) -> bool:
        """Whether not to start another epoch, after the last one's line of `metrics.jsonl`."""

    def in_epoch(self, pictures: int, seconds: float, *, has_best: bool) -> bool:
        """Whether to stop at once, with so many pictures trained in this epoch in so many seconds.

        Args:
            has_best: an earlier epoch was judged, so that nothing has to be validated any more.
        """


class OutOfTime(Exception):
    """Leaves an epoch in its middle."""
