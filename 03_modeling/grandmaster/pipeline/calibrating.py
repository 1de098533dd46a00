"""A temperature for the blend's probabilities: tried on other parts than it was fitted on, applied where the metric gains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grandmaster.competition.metrics import METRICS, score
from grandmaster.competition.objective import Objective
from grandmaster.competition.predictions import Predictions
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.judging import Judge
from grandmaster.pipeline.techniques import Technique, record, scored_on
from grandmaster.prediction.calibration import (
    CALIBRATED_METRICS,
    MOST_CALIBRATED,
    Temperatures,
    calibrated,
    calibration_error,
    has_probabilities,
)
from grandmaster.storage import write_json

Values = npt.NDArray[np.float32]
NAME, TITLE = "calibration", "Temperature of the probabilities"


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A temperature for each part, and where it is applied.

    Attributes:
        applied: to these parts, and under None to test pictures.
    """

    temperatures: Temperatures
    applied: dict[int | None, bool]

    @property
    def used(self) -> Temperatures:
        """The temperatures, 1 where they are not applied."""
        return {part: value if self.applied[part] else 1.0 for part, value in self.temperatures.items()}


def why_not_calibrated(context: RunContext, objective: Objective) -> str | None:
    """Why no temperature can be fitted to the pictures of the objective, in a clause; None where it can."""
    kind, pictures = context.competition.kind, len(objective.targets)
    if not has_probabilities(kind):
        return f"{kind} targets have no probabilities"
    if not objective.can_choose:
        return "there are too few groups of pictures to fit on some and try on others"
    if pictures * len(context.competition.outputs) > MOST_CALIBRATED:
        return f"the probabilities are more than {MOST_CALIBRATED:,} numbers"
    return None


def leave_uncalibrated(context: RunContext, why: str, fitted_on: str, path: Path) -> None:
    """Write `calibration.json` and the line where there is nothing to try."""
    write_json(path, {"applied": False, "why": why})
    line = Technique(
        name=NAME, title=TITLE, scored_on=scored_on(fitted_on), kept=False, why=f"Not tried: {why}."
    )
    record(context, line)


def calibrate(
    context: RunContext,
    objective: Objective,
    plain: Predictions,
    temperatures: Temperatures,
    *,
    fitted_on: str,
    path: Path,
) -> Calibration:
    """Decide where temperatures are applied -> `calibration.json`, and the line of what that is worth.

    Args:
        objective: of the pictures of `plain`, in their order.
        plain: out-of-fold predictions of the blend as they are.
        temperatures: of every part by the others, and under None that of all.
        fitted_on: the kind of `plain`.
    """
    kind = context.competition.kind
    soft = calibrated(kind, plain.values, temperatures, objective.part)
    counts = context.competition.metric in CALIBRATED_METRICS
    pair = [objective.scored(plain.values), objective.scored(soft)]
    applied: dict[int | None, bool] = {
        part: counts and objective.better(pair, frozenset({part})) == 1 for part in objective.parts
    }
    applied[None] = counts and objective.better(pair) == 1
    errors = [calibration_error(kind, objective.targets, values) for values in (plain.values, soft)]
    losses = [score("log_loss", objective.targets, values) for values in (plain.values, soft)]
    write_json(
        path,
        {
            "temperature": temperatures[None],
            "temperature_without_part": {
                part: value for part, value in temperatures.items() if part is not None
            },
            "applied": applied[None],
            "fitted_on": fitted_on,
            "log_loss": {"before": losses[0], "after": losses[1]},
            "expected_calibration_error": {"before": errors[0], "after": errors[1]},
        },
    )
    why = (
        f"Temperature {temperatures[None]:.2f}, fitted on other folds than those scored: log loss {losses[0]:.4f} before, "
        f"{losses[1]:.4f} after, expected calibration error {errors[0]:.3f} before, {errors[1]:.3f} after; "
    )
    after = Predictions(ids=plain.ids, outputs=plain.outputs, values=soft)
    record(context, _line(context, plain, after, why, kept=applied[None], counts=counts, fitted_on=fitted_on))
    return Calibration(temperatures=temperatures, applied=applied)


def _line(
    context: RunContext,
    before: Predictions,
    after: Predictions,
    why: str,
    *,
    kept: bool,
    counts: bool,
    fitted_on: str,
) -> Technique:
    on = scored_on(fitted_on)
    if not counts:
        title = METRICS[context.competition.metric].title
        why += f"not applied, as {title} does not ask how sure a prediction is."
        return Technique(name=NAME, title=TITLE, scored_on=on, kept=kept, why=why)
    why += "applied." if kept else "not applied: it gains no more than the uncertainty."
    compared = Judge(context).compare(before, after)
    return Technique.of(compared, name=NAME, title=TITLE, kept=kept, why=why, scored_on=on)
