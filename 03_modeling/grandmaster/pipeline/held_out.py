"""Predictions of pictures that a fit was not trained on, by id, and what they are worth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grandmaster.competition.predictions import Predictions
from grandmaster.images.dataset import PictureDataset
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.judging import Judge
from grandmaster.pipeline.workers import with_workers
from grandmaster.prediction.predict import ViewPredictions, predict
from grandmaster.prediction.views import ViewValues, views_path
from grandmaster.training.fit import FoldData
from grandmaster.training.precision import Precision
from grandmaster.training.spec import FitSpec

# The score must not come from the draws on which the best epoch was chosen.
SCORING_SEED = 104_729


def smaller_passes(context: RunContext, task: str) -> Callable[[int], None]:
    """What to say when memory ran out while predicting."""

    def say(pictures: int) -> None:
        text = f"{task}: memory ran out; {pictures} pictures a pass from here on, which predict the same"
        context.progress.message(text, "warn")

    return say


def predict_held(
    context: RunContext,
    spec: FitSpec,
    model: Any,
    precision: Precision,
    dataset: PictureDataset,
    *,
    views: int,
) -> ViewPredictions:
    """Predict held-out pictures with a fit's model."""
    task = f"predict {spec.backbone} fold {spec.fold}, held-out pictures"
    return predict_pictures(context, spec, model, precision, dataset, views=views, task=task)


def predict_pictures(
    context: RunContext,
    spec: FitSpec,
    model: Any,
    precision: Precision,
    dataset: PictureDataset,
    *,
    views: int,
    task: str,
    on_batch: Callable[[int], None] = lambda _: None,
) -> ViewPredictions:
    """Predict any pictures with a fit's model, which is on its device in its memory format.

    Args:
        task: for messages.
        on_batch: called with the number of pictures after every batch; with less than nothing where they are predicted anew.
    """
    done = 0

    def count(pictures: int) -> None:
        nonlocal done
        done += pictures
        on_batch(pictures)

    def work(workers: int) -> ViewPredictions:
        if done:
            count(-done)  # begun anew
        return predict(
            precision.fabric,
            model,
            dataset,
            spec.weights,
            spec.head,
            device=spec.device,
            memory_format=spec.memory_format,
            batch_size=spec.prediction_batch,
            views=views,  # type: ignore[arg-type]  # the plan's, checked when it was read, or fewer
            workers=workers,
            on_batch=count,
            on_smaller=smaller_passes(context, task),
        )

    return with_workers(context, task, work)


def of_pictures(context: RunContext, found: ViewPredictions, values: npt.NDArray[np.float32]) -> Predictions:
    """Values of trainable pictures (n, outputs) under their ids."""
    ids = context.trainable["id"].to_numpy()
    return Predictions(ids=tuple(ids[found.rows]), outputs=context.competition.outputs, values=values)


def out_of_fold(
    context: RunContext,
    spec: FitSpec,
    model: Any,
    precision: Precision,
    data: FoldData,
    folder: Path,
    *,
    views: int,
) -> dict[str, float | None]:
    """Predict the validation pictures with the best weights; write them by id; return their scores."""
    judge = Judge(context)
    scores: dict[str, float | None] = {"score": None, "score_plain": None, "score_corrupted": None}
    for dataset, name, key in (
        (data.validation, "oof", "score"),
        (data.corrupted, "oof_corrupted", "score_corrupted"),
    ):
        if dataset is None:
            continue
        if key == "score_corrupted":
            dataset = dataset.with_seed(spec.seed + SCORING_SEED)
        found = predict_held(context, spec, model, precision, dataset, views=views)
        path = views_path(folder / f"{name}.npz")
        path.unlink(missing_ok=True)  # of a fit of this folder that was to be another
        if found.by_view is not None:
            ids = of_pictures(context, found, found.averaged).ids
            ViewValues(ids=ids, outputs=context.competition.outputs, values=found.by_view).save(path)
        kept = [(name, key, found.averaged)]
        if key == "score":
            kept.append(("oof_plain", "score_plain", found.plain))
        for file, title, values in kept:
            predictions = of_pictures(context, found, values)
            predictions.save(folder / f"{file}.npz")
            scores[title] = judge.score(predictions)
    return scores
