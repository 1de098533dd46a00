"""How values of pictures that nobody was trained on come about: everything that was chosen, in a form that a file holds.

A run applies it to its test pictures, and whoever has the models applies the same to other pictures elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from grandmaster.competition.table import TargetKind
from grandmaster.prediction.blend_methods import Fitted, RankMean
from grandmaster.prediction.calibration import tempered
from grandmaster.prediction.stacking import Stacked
from grandmaster.prediction.weights import equal

Values = npt.NDArray[np.float32]


class AppliedModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model of the blend.

    Attributes:
        name: for people.
        members: names of its fits; their mean is what the model says.
        views: weights of the views, in the order of `tta.views`; None: the mean over all that were predicted.
    """

    name: str
    members: tuple[str, ...]
    views: tuple[float, ...] | None


class AppliedBlend(msgspec.Struct, frozen=True, kw_only=True):
    """Everything between what fits say and what is decided.

    Attributes:
        models: in the order of the weights.
        weights: of the models, for a weighted mean; None: it is none.
        ranks: for a mean of ranks: whether rows are scaled to sum 1.
        stacked: a model on top of the models.
        temperature: that probabilities are divided by; None: they stay.
        specialists: pairs of classes are split anew afterwards, by specialists that are not told of here.
    """

    kind: TargetKind
    models: tuple[AppliedModel, ...]
    weights: tuple[float, ...] | None = None
    ranks: bool | None = None
    stacked: Stacked | None = None
    temperature: float | None = None
    specialists: bool = False

    @classmethod
    def of(
        cls,
        kind: TargetKind,
        models: Sequence[AppliedModel],
        fitted: Fitted | None,
        *,
        temperature: float | None,
        specialists: bool,
    ) -> AppliedBlend:
        """Of what was fitted on all; None: models count the same."""
        weights = equal(len(models)) if fitted is None else fitted.weights
        return cls(
            kind=kind,
            models=tuple(models),
            weights=None if weights is None else tuple(weights.tolist()),
            ranks=fitted.shares if isinstance(fitted, RankMean) else None,
            stacked=fitted if isinstance(fitted, Stacked) else None,
            temperature=temperature,
            specialists=specialists,
        )

    def needed(self) -> tuple[int, ...]:
        """Places of the models that have a say, those first that have the largest."""
        if self.weights is None:
            return tuple(range(len(self.models)))
        order = sorted(range(len(self.models)), key=lambda place: -self.weights[place])  # type: ignore[index]
        return tuple(place for place in order if self.weights[place] > 0)

    def apply(self, said: Mapping[int, Values], fits: Mapping[int, int]) -> Values:
        """Blend and temper.

        Where a model is missing, for want of time, the others share its say; instead of a model on top of the models their
        mean is used.

        Args:
            said: place of a model -> float32 (n, c), the mean over its fits.
            fits: place of a model -> how many these were.

        Returns:
            (n, c), of the same rows.
        """
        places = sorted(said)
        values = self._blended([said[place] for place in places], places, fits)
        return values if self.temperature is None else tempered(self.kind, values, self.temperature)

    def _blended(self, said: list[Values], places: list[int], fits: Mapping[int, int]) -> Values:
        if self.ranks is not None:
            return RankMean(shares=self.ranks).apply(np.stack(said))
        if self.stacked is not None and len(places) == len(self.models):
            return self.stacked.apply(np.stack(said))
        counted = np.array([fits[place] for place in places], np.float64)
        weights = (
            equal(len(places))
            if self.weights is None
            else np.array([self.weights[place] for place in places], np.float64)
        )
        if not (weights > 0).any():
            weights = equal(len(places))
        # A model counts as often as it has fits: a mean over fewer is less sure.
        shares = weights * counted / (weights * counted).sum()
        total = np.zeros(said[0].shape)
        for share, values in zip(shares, said, strict=True):
            total += share * values
        return total.astype(np.float32)
