"""What is told of how models are blended: `blend.json`, and the line of what blending was worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grandmaster.competition.metrics import METRICS
from grandmaster.competition.predictions import Predictions
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.joining import Joined
from grandmaster.pipeline.judging import Judge
from grandmaster.pipeline.techniques import Technique, record, scored_on
from grandmaster.prediction.blend_choice import BlendChoice
from grandmaster.prediction.blend_methods import METHODS
from grandmaster.prediction.weights import equal
from grandmaster.storage import write_json
from grandmaster.texts import counted

Values = npt.NDArray[np.float32]
NAME = "ensemble"


def report_mean(
    context: RunContext, models: Sequence[Joined], path: Path, *, fitted_on: str, why: str
) -> None:
    """Where nothing was chosen.

    Args:
        why: in a clause.
    """
    shares = equal(len(models)).tolist()
    write_json(path, _facts(context, models, "mean", shares, fitted_on) | {"why": why})
    line = Technique(
        name=NAME,
        title=_title(models),
        scored_on=scored_on(fitted_on),
        kept=True,
        why=f"The mean of all, with nothing chosen, as {why}.",
    )
    record(context, line)


def report_choice(
    context: RunContext,
    models: Sequence[Joined],
    choice: BlendChoice,
    path: Path,
    *,
    ids: tuple[str, ...],
    part_of: npt.NDArray[np.int64],
    fitted_on: str,
    why: str | None,
) -> None:
    """Nested scores of all candidates with intervals, and the line that compares the chosen with the best single model.

    Args:
        ids, part_of: of the pictures that the choice was made on.
        fitted_on: the kind of predictions that it was made on.
        why: another method than the wanted one was chosen; None: it was not.
    """

    def predictions(values: Values) -> Predictions:
        return Predictions(ids=ids, outputs=context.competition.outputs, values=values)

    judge, tried = Judge(context), {name: predictions(values) for name, values in choice.tried.items()}
    candidates: dict[str, Any] = {name: judge.interval(found) for name, found in tried.items()}
    for name in [name for name in tried if name != "mean"]:
        candidates[name]["gain_on_mean"] = judge.gain(tried["mean"], tried[name])
    weights = choice.fitted.weights
    shares = [None] * len(models) if weights is None else weights.tolist()
    found = {
        "candidates": candidates,
        "not_tried": choice.skipped,
        "why": why,
        "chosen_without_part": {part: taken for part, (taken, _) in choice.by_part.items()},
    }
    write_json(path, _facts(context, models, choice.name, shares, fitted_on) | found)
    blended = predictions(choice.chosen(part_of))
    on_mean = judge.compare(tried["mean"], blended)
    line = Technique.of(
        judge.compare(tried["best_single"], blended),
        name=NAME,
        title=_title(models),
        kept=choice.name != "best_single",
        why=f"{METHODS[choice.name].title.capitalize()}, against the best single model, each part's chosen on the others; "
        f"against the mean {on_mean.gain:+.4f} ({on_mean.low:+.4f} to {on_mean.high:+.4f}).",
        scored_on=scored_on(fitted_on),
    )
    record(context, line)


def _title(models: Sequence[Joined]) -> str:
    return f"Ensemble of {counted(len(models), 'model')}"


def _facts(
    context: RunContext,
    models: Sequence[Joined],
    name: str,
    shares: Sequence[float | None],
    fitted_on: str,
) -> dict[str, Any]:
    return {
        "method": name,
        "title": METHODS[name].title,
        "metric": METRICS[context.competition.metric].title,
        "chosen_on": fitted_on,
        "rule": "from simple to complex, a method is taken where its paired gain exceeds one standard error",
        "models": [
            {
                "model": model.name,
                "fits": len(model.members),
                "weight": None if share is None else round(share, 6),
            }
            for model, share in zip(models, shares, strict=True)
        ],
        "candidates": {},
        "not_tried": {},
    }
