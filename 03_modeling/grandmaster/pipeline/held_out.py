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
from grandmaster.prediction.predict import ViewPredictions, joined_predictions, predict
from grandmaster.prediction.views import ViewValues, views_path
from grandmaster.texts import counted
from grandmaster.training.checkpoint import load_best, load_leader
from grandmaster.training.fit import FitResult, FoldData
from grandmaster.training.precision import Precision
from grandmaster.training.spec import FitSpec

# The score must not come from the draws on which the best epoch was chosen.
SCORING_SEED = 104_729


def smaller_passes(context: RunContext, task: str) -> Callable[[int], None]:
    """What to say when memory ran out while predicting."""

    def say(pictures: int) -> None:
        text = f"{task}: memory ran out; {counted(pictures, 'picture')} a pass from here on, which predict the same"
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
    of: int | None = None,
) -> ViewPredictions:
    """Predict held-out pictures with a fit's model.

    Args:
        of: as many pictures as are predicted in all, of which these are a part.
    """
    task = f"predict {spec.backbone} fold {spec.fold}, held-out pictures"
    return predict_pictures(context, spec, model, precision, dataset, views=views, task=task, of=of)


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
    of: int | None = None,
) -> ViewPredictions:
    """Predict any pictures with a fit's model, which is on its device in its memory format.

    Args:
        task: for messages.
        on_batch: called with the number of pictures after every batch; with less than nothing where they are predicted anew.
        of: as `predict` takes it.
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
            of=of,
        )

    return with_workers(context, task, work)


def of_pictures(context: RunContext, found: ViewPredictions, values: npt.NDArray[np.float32]) -> Predictions:
    """Values of trainable pictures (n, outputs) under their ids."""
    ids = context.trainable["id"].to_numpy()
    return Predictions(ids=tuple(ids[found.rows]), outputs=context.competition.outputs, values=values)


def out_of_fold(
    context: RunContext,
    spec: FitSpec,
    fitted: FitResult,
    precision: Precision,
    data: FoldData,
    folder: Path,
    *,
    views: int,
) -> dict[str, float | None]:
    """Predict the validation pictures, each with the weights of the epoch that others chose (see `epoch_choice`).

    They are written by id; returned are their scores. The fit's model has its best weights afterwards.
    """
    judge = Judge(context)
    datasets = {"oof": data.validation}
    if data.corrupted is not None:
        datasets["oof_corrupted"] = data.corrupted.with_seed(spec.seed + SCORING_SEED)
    found: dict[str, list[ViewPredictions]] = {name: [] for name in datasets}
    for epoch, positions in _by_epoch(fitted, data):
        if epoch != fitted.best_epoch:
            load_leader(folder / "checkpoint", fitted.model, epoch)
        for name, dataset in datasets.items():
            part = dataset.only(positions)
            found[name].append(
                predict_held(context, spec, fitted.model, precision, part, views=views, of=len(dataset))
            )
    if len(set(fitted.part_epochs) | {fitted.best_epoch}) > 1:
        load_best(folder / "checkpoint", fitted.model, fit_digest=spec.digest)
    scores: dict[str, float | None] = {"score": None, "score_plain": None, "score_corrupted": None}
    for name, dataset in datasets.items():
        joined = joined_predictions(found[name], dataset.rows)
        path = views_path(folder / f"{name}.npz")
        path.unlink(missing_ok=True)  # of a fit of this folder that was to be another
        if joined.by_view is not None:
            ids = of_pictures(context, joined, joined.averaged).ids
            ViewValues(ids=ids, outputs=context.competition.outputs, values=joined.by_view).save(path)
        kept = [(name, "score" if name == "oof" else "score_corrupted", joined.averaged)]
        if name == "oof":
            kept.append(("oof_plain", "score_plain", joined.plain))
        for file, title, values in kept:
            predictions = of_pictures(context, joined, values)
            predictions.save(folder / f"{file}.npz")
            scores[title] = judge.score(predictions)
    return scores


def _by_epoch(fitted: FitResult, data: FoldData) -> list[tuple[int, npt.NDArray[np.intp]]]:
    """Which epoch predicts which positions of the validation pictures; the best first, whose weights are loaded."""
    rows = data.validation.rows
    if data.parts is None or not fitted.part_epochs:
        return [(fitted.best_epoch, np.arange(len(rows)))]
    epochs = np.asarray(fitted.part_epochs)[data.parts[rows]]
    order = sorted(set(epochs.tolist()), key=lambda epoch: (epoch != fitted.best_epoch, epoch))
    return [(epoch, np.flatnonzero(epochs == epoch)) for epoch in order]
