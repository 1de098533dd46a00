"""Which epoch is kept, and which epochs predict the held-out pictures: none that a picture helped to choose.

The best epoch of a fit is chosen by the score of its held-out pictures. Were these then predicted by that epoch, their
score would be the highest of many noisy ones, and too good (Cawley and Talbot 2010, "On over-fitting in model selection
and subsequent selection bias in performance evaluation"). So the held-out pictures fall into parts, and each part is
predicted by the epoch that the other parts choose; new pictures are predicted by the epoch that all of them choose.

What is chosen by is the mean score of an epoch and the two before it. A single epoch of few pictures stands out by chance,
and under a falling rate it is seldom an early one that is best; a model that really becomes worse shows it for longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from grandmaster.competition.metrics import METRICS, score
from grandmaster.competition.rows import Rows
from grandmaster.training.spec import FitSpec

# Epochs whose mean score is what an epoch is judged by.
SMOOTHED = 3


class Leader(msgspec.Struct, frozen=True, kw_only=True):
    """The best epoch so far.

    Attributes:
        score: by which it leads, a mean over `SMOOTHED` epochs; None before there is an epoch that can be scored.
        epoch: counted from 1; 0: none.
        recent: scores of the newest epochs, at most `SMOOTHED` - 1; of those that could be scored.
    """

    score: float | None = None
    epoch: int = 0
    recent: tuple[float, ...] = ()

    def after(self, score: float, epoch: int, *, higher_is_better: bool) -> Leader:
        """Who leads when this epoch has been scored: of equals the earlier, and never what is not finite."""
        if not np.isfinite(score):
            return self
        seen = (*self.recent, float(score))
        mean, recent = float(np.mean(seen)), seen[-(SMOOTHED - 1) :]
        if self.score is None or (mean > self.score if higher_is_better else mean < self.score):
            return Leader(score=mean, epoch=epoch, recent=recent)
        return Leader(score=self.score, epoch=self.epoch, recent=recent)


@dataclass(frozen=True, kw_only=True)
class Validated:
    """Held-out pictures as a model predicts them, gathered to r rows of a submission.

    Attributes:
        loss: mean over the pictures.
        truth: as `Competition.targets`, of the rows.
        values: float32 (r, outputs).
        parts: int64 (r,) part of each row; None: they are one.
    """

    spec: FitSpec
    loss: float
    truth: npt.NDArray[Any]
    values: npt.NDArray[np.float32]
    parts: npt.NDArray[np.int64] | None = None

    def score(self, *, without: int | None = None) -> float:
        """The competition's metric; nan where no row is left.

        Args:
            without: a part that has no say.
        """
        truth, values = self.truth, self.values
        if without is not None and self.parts is not None:
            counted = self.parts != without
            truth, values = truth[counted], values[counted]
        if not len(truth):
            return float("nan")
        # By the plain rule (labels at 0.5, the nearest grade): a rule fitted to these pictures in every epoch would choose
        # the epoch whose noise suits it, and out-of-fold predictions of the other folds are not there yet.
        spec = self.spec
        return score(spec.metric, truth, values, top_k=spec.top_k, positive=spec.positive_class)

    def leaders(self, before: Sequence[Leader], parts: int, epoch: int) -> list[Leader]:
        """Who leads for each of the parts when the others have seen this epoch."""
        known = list(before) if len(before) == parts else [Leader()] * parts
        higher = METRICS[self.spec.metric].higher_is_better
        return [
            leader.after(self.score(without=part), epoch, higher_is_better=higher)
            for part, leader in enumerate(known)
        ]


def validated(
    spec: FitSpec,
    places: npt.NDArray[np.int64],
    truth: npt.NDArray[Any],
    values: npt.NDArray[np.float32],
    loss: float,
    *,
    row_of: npt.NDArray[Any] | None,
    parts: npt.NDArray[np.int64] | None,
) -> Validated:
    """From predictions of pictures.

    Args:
        places: rows of the store, (n,).
        truth, values: of the pictures, (n, ...) and (n, outputs).
        row_of, parts: of every row of the store, as in `FoldData`.
    """
    rows = Rows.of(places if row_of is None else row_of[places])
    return Validated(
        spec=spec,
        loss=loss,
        truth=rows.truth(spec.head.kind, truth),
        values=rows.mean(values),
        parts=None if parts is None else rows.first(parts[places]),
    )
