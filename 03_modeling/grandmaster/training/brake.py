"""How a fit is told to end before its last epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Brake(Protocol):
    """Asked by a fit how long it may go on; a fit without one does the epochs of its spec."""

    def before_epoch(self, last: Mapping[str, Any], epochs: int) -> int:
        """Epochs that the fit is to have in all, asked after every epoch.

        Where they change, the schedule is bent so that the rate is at its end in the last of them. No more than are done:
        the fit stops as it is.

        Args:
            last: line of `metrics.jsonl`.
            epochs: that it was to have until now.
        """

    def in_epoch(self, pictures: int, seconds: float, *, has_best: bool) -> bool:
        """Whether to stop at once, with so many pictures trained in this epoch in so many seconds.

        Args:
            has_best: an earlier epoch was judged, so that nothing has to be validated any more.
        """


class OutOfTime(Exception):
    """Leaves an epoch in its middle."""
