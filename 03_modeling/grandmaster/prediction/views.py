"""Values of every view of test-time augmentation, kept so that which views to average can be chosen afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grandmaster.competition.predictions import Predictions, load_values, save_values
from grandmaster.prediction.weights import equal

# Numbers of a file, 64 MB: above it only the mean over the views is kept, and with it the usual mean is used.
# Half precision would hold twice as much, but turns small probabilities to 0, which log loss never forgives.
MOST_VALUES = 16_000_000


def are_kept(views: int, pictures: int, outputs: int) -> bool:
    """Whether every view's values are kept of so many pictures."""
    return views * pictures * outputs <= MOST_VALUES


def views_path(predictions: Path) -> Path:
    """Where the values of every view lie, beside the file of their mean."""
    return predictions.with_name(f"{predictions.stem}_views.npz")


@dataclass(frozen=True, kw_only=True)
class ViewValues:
    """What one fit says of n pictures under each of v views.

    Attributes:
        ids, outputs: as `Predictions`.
        values: float32 (v, n, c), in the order of `tta.views`; the first is the picture as it is.
    """

    ids: tuple[str, ...]
    outputs: tuple[str, ...]
    values: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.values.shape[1:] != (len(self.ids), len(self.outputs)):
            raise ValueError(f"values have shape {self.values.shape}: {len(self.ids)} ids of each view?")

    def save(self, path: Path) -> None:
        """Write as `.npz` without pickle, atomically."""
        save_values(path, self.ids, self.outputs, self.values)

    @classmethod
    def load(cls, path: Path) -> ViewValues:
        """Read what `save` wrote.

        Raises:
            UserError: missing or not such a file.
        """
        return load_values(path, cls, "file of views")

    def averaged(self, weights: npt.NDArray[np.float64]) -> Predictions:
        """The weighted mean of the views.

        Args:
            weights: of at least v views. Where a time limit left this fit fewer, those it has share all the weight in
                proportion; equally, where they have none.
        """
        return Predictions(ids=self.ids, outputs=self.outputs, values=_mean(self.values, weights))


class JoinedViews:
    """The fits of one model, joined over folds: n pictures in sorted order of id.

    Args:
        fits: with no picture in two of them.
    """

    def __init__(self, fits: Sequence[ViewValues]) -> None:
        self.ids = tuple(sorted(picture_id for fit in fits for picture_id in fit.ids))
        self.outputs = fits[0].outputs
        place = {picture_id: row for row, picture_id in enumerate(self.ids)}
        assert len(place) == len(self.ids), "a picture is in two folds"
        self._places = [np.array([place[picture_id] for picture_id in fit.ids], np.int64) for fit in fits]
        self._values = [fit.values for fit in fits]
        self.views = max(len(values) for values in self._values)

    def averaged(self, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """(n, c); `weights` (views,), as `ViewValues.averaged`."""
        found = np.empty((len(self.ids), len(self.outputs)), np.float32)
        for places, values in zip(self._places, self._values, strict=True):
            found[places] = _mean(values, weights)
        return found

    def whole(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Places and values (views, m, c) of the pictures that were seen under every view."""
        full = [number for number, values in enumerate(self._values) if len(values) == self.views]
        return (
            np.concatenate([self._places[number] for number in full]),
            np.concatenate([self._values[number] for number in full], axis=1),
        )


def _mean(values: npt.NDArray[np.float32], weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    own = weights[: len(values)]
    own = own / own.sum() if own.sum() > 0 else equal(len(values))
    return np.einsum("v,vnc->nc", own, values).astype(np.float32)
