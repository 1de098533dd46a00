"""Which way of blending: tried on parts of the pictures that it was not fitted on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grandmaster.competition.objective import Objective
from grandmaster.prediction.blend_methods import METHODS, Fitted
from grandmaster.prediction.calibration import (
    CALIBRATED_METRICS,
    calibrated,
    has_probabilities,
    nested_temperatures,
)

Values = npt.NDArray[np.float32]
# Tried in any case, to compare with.
COMPARED = ("mean", "best_single")
# part, or None for test pictures -> (m, n, c) predictions in which that part had no say
Members = Callable[[int | None], Values]


@dataclass(frozen=True, kw_only=True)
class BlendChoice:
    """What was chosen.

    Attributes:
        name: of the method for test pictures, a key of `METHODS`.
        fitted: on all parts.
        by_part: for every part the method that does best on the others, fitted on the others.
        tried: (n, c) of every method, each part by what was fitted on the others.
        skipped: method -> why it does not apply.
    """

    name: str
    fitted: Fitted
    by_part: dict[int, tuple[str, Fitted]]
    tried: dict[str, Values]
    skipped: dict[str, str]

    def chosen(self, part_of: npt.NDArray[np.int64]) -> Values:
        """Every part by its own choice (n, c), of the predictions that were tried: as `nested`, with nothing worked out anew."""
        found = np.empty_like(self.tried["mean"])
        for part, (name, _) in self.by_part.items():
            inside = part_of == part
            found[inside] = self.tried[name][inside]
        return found

    def nested(self, members: Members, part_of: npt.NDArray[np.int64]) -> Values:
        """Every part by its own choice (n, c), of other predictions of the same pictures."""
        return _by_part({part: fitted for part, (_, fitted) in self.by_part.items()}, members, part_of)


def choose_blend(members: Members, objective: Objective, names: Sequence[str]) -> BlendChoice:
    """Try methods, in the order of `METHODS`; a later one is taken where it gains beyond the uncertainty.

    Where the metric is one of how sure predictions are, all are compared with calibrated values: otherwise what is fitted
    to be surer would win where a temperature does as well.

    What a part's choice is made by are scores on the other parts. The fits behind those scores did see that part, as the
    folds' models in all stacking did; none that predicts it ever did.

    Args:
        names: methods to try.
        objective: of the n pictures, with parts enough to choose.
    """
    steering = objective.steering()
    skipped, tried, fits = {}, {}, {}
    for name in [name for name in METHODS if name in names or name in COMPARED]:
        method = METHODS[name]
        why = method.why_not(objective, len(members(None)))
        if why is not None:
            skipped[name] = why
            continue
        fits[name] = {
            part: method.fit(members(part), steering, frozenset({part})) for part in objective.parts
        }
        tried[name] = _by_part(fits[name], members, objective.part)
    wanted = [name for name in tried if name in names] or ["mean"]
    scored = [objective.scored(_comparable(objective, tried[name])) for name in wanted]
    by_part = {}
    for part in objective.parts:
        name = wanted[objective.better(scored, frozenset({part}))]
        by_part[part] = (name, fits[name][part])
    name = wanted[objective.better(scored)]
    return BlendChoice(
        name=name,
        fitted=METHODS[name].fit(members(None), steering, frozenset()),
        by_part=by_part,
        tried=tried,
        skipped=skipped,
    )


def _comparable(objective: Objective, values: Values) -> Values:
    kind = objective.competition.kind
    if objective.metric.name not in CALIBRATED_METRICS or not has_probabilities(kind):
        return values
    return calibrated(kind, values, nested_temperatures(objective, values), objective.part)


def _by_part(fitted: dict[int, Fitted], members: Members, part_of: npt.NDArray[np.int64]) -> Values:
    found: Values | None = None
    for part, blend in fitted.items():
        values = blend.apply(members(part))
        if found is None:
            found = np.empty(values.shape, np.float32)
        inside = part_of == part
        found[inside] = values[inside]
    assert found is not None, "there are no parts"
    return found
