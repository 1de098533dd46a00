"""Which views of test-time augmentation to average, and with what weights: chosen on out-of-fold predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grandmaster.competition.objective import EVERYTHING, Objective, Out, Scored
from grandmaster.prediction.views import JoinedViews
from grandmaster.prediction.weights import drawn_to_equal, equal, fitted_weights

Floats = npt.NDArray[np.float64]
# Weights of least loss go half of the way back to equal ones: a few hundred pictures do not tell views apart well.
DRAWN = 0.5


@dataclass(frozen=True, kw_only=True)
class ViewChoice:
    """What was chosen for one model.

    Attributes:
        name: of the candidate that is used for the test pictures.
        weights: (views,) of it, fitted on all.
        by_part: candidate and weights for each part, chosen and fitted on the others.
        scores: of every candidate, in the metric's units; what is fitted was fitted on other parts.
        views: that there are.
    """

    name: str
    weights: Floats
    by_part: dict[int, tuple[str, Floats]]
    scores: dict[str, float]
    views: int

    def without(self, part: int | None) -> Floats:
        """The weights for a part that was not looked at; None: for test pictures."""
        return self.weights if part is None else self.by_part[part][1]


def choose_views(seen: JoinedViews, objective: Objective) -> ViewChoice:
    """Choose for the test pictures on all parts, and for every part on the others.

    Candidates, from simple to complex: the picture alone; the first 2, 4 and 8 views, equally; all views but those whose
    absence helps (dropped one by one); weights of least loss, half drawn to equal. A later one is taken where it gains
    beyond the uncertainty (`Objective.better`); what is fitted is compared by values that it was not fitted on.

    Args:
        objective: of the pictures of `seen`, in its order, with parts enough to choose.
    """
    return _Chooser(seen, objective).choice()


class _Chooser:
    def __init__(self, seen: JoinedViews, objective: Objective) -> None:
        self._seen, self._objective, self._steering = seen, objective, objective.steering()
        self._places, self._whole = seen.whole()
        self._subsets: dict[tuple[int, ...], Scored] = {}
        self._fitted: dict[tuple[str, Out], Floats] = {}
        self._tried: dict[tuple[str, Out], Scored] = {}
        sets = {f"{count} views": count for count in (2, 4, 8) if count <= seen.views}
        self._fixed = {"picture alone": self._first(1)} | {
            name: self._first(count) for name, count in sets.items()
        }
        # Of two views either is dropped, or none: there is nothing that the mirrored one alone would be good for.
        self._names = [*self._fixed, *(["views dropped", "views weighted"] if seen.views > 2 else [])]

    def choice(self) -> ViewChoice:
        name, weights = self._choose(EVERYTHING)
        sign = 1.0 if self._objective.metric.higher_is_better else -1.0
        return ViewChoice(
            name=name,
            weights=weights,
            by_part={part: self._choose(frozenset({part})) for part in self._objective.parts},
            scores={
                name: sign * self._candidate(name, EVERYTHING).without(EVERYTHING) for name in self._names
            },
            views=self._seen.views,
        )

    def _first(self, count: int) -> Floats:
        return np.where(np.arange(self._seen.views) < count, 1 / count, 0.0)

    def _choose(self, out: Out) -> tuple[str, Floats]:
        tried = [self._candidate(name, out) for name in self._names]
        name = self._names[self._objective.better(tried, out)]
        return name, self._weights(name, out)

    def _candidate(self, name: str, out: Out) -> Scored:
        """Its values for the other parts: of what is fitted, each by weights that neither `out` nor that part had a say in."""
        key = (name, EVERYTHING if name in self._fixed else out)
        if key not in self._tried:
            if name in self._fixed:
                values = self._seen.averaged(self._fixed[name])
            else:
                values = np.empty((len(self._seen.ids), len(self._seen.outputs)), np.float32)
                for part in self._objective.parts:
                    inside = self._objective.part == part
                    values[inside] = self._seen.averaged(self._weights(name, out | {part}))[inside]
            self._tried[key] = self._objective.scored(values)
        return self._tried[key]

    def _weights(self, name: str, out: Out) -> Floats:
        if name in self._fixed:
            return self._fixed[name]
        if (name, out) not in self._fitted:
            self._fitted[name, out] = self._dropped(out) if name == "views dropped" else self._weighted(out)
        return self._fitted[name, out]

    def _dropped(self, out: Out) -> Floats:
        kept = tuple(range(self._seen.views))
        best = self._of(kept).without(out)
        while len(kept) > 1:
            fewer = [tuple(view for view in kept if view != dropped) for dropped in kept]
            scores = [self._of(subset).without(out) for subset in fewer]
            place = int(np.argmax(scores))
            if scores[place] <= best:
                break
            kept, best = fewer[place], scores[place]
        return np.isin(np.arange(self._seen.views), kept) / len(kept)

    def _of(self, subset: tuple[int, ...]) -> Scored:
        if subset not in self._subsets:
            weights = np.isin(np.arange(self._seen.views), subset) / len(subset)
            self._subsets[subset] = self._steering.scored(self._seen.averaged(weights)).slim()
        return self._subsets[subset]

    def _weighted(self, out: Out) -> Floats:
        chosen = self._objective.inside(out)[self._places]
        if not chosen.any():
            return equal(self._seen.views)
        truth = self._objective.targets[self._places[chosen]]
        found = fitted_weights(self._objective.competition.kind, truth, self._whole[:, chosen])
        return drawn_to_equal(found, DRAWN)
