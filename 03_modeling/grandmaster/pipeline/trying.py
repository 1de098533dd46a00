"""The stage that lets a fitted augmentation win before many models are trained with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from grandmaster.competition.metrics import METRICS
from grandmaster.competition.predictions import Predictions
from grandmaster.images.policy import light_policy
from grandmaster.pipeline.augmenting import trial_epochs
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.judging import Judge
from grandmaster.pipeline.manifest import is_done, mark_done
from grandmaster.pipeline.training import SCORING_SEED, fold_data, make_spec, workers_for
from grandmaster.prediction.predict import predict
from grandmaster.storage import write_json
from grandmaster.training.checkpoint import remove_state
from grandmaster.training.fit import fit_fold
from grandmaster.training.spec import FitSpec


def trial(context: RunContext) -> None:
    """Two short fits of the first model on fold 0, plain and fitted augmentation, all else equal -> `trial.json`.

    Both are scored on validation pictures that are corrupted as the test set was found to be, on the same draws. The
    fitted policy is kept unless it loses.
    """
    decided = context.plan.decisions
    if not decided.trial.value:
        return
    model = context.plan.models[0]
    epochs = trial_epochs(model.epochs)
    specs = {
        name: make_spec(context, model, 0, operations=operations, epochs=epochs)
        for name, operations in (("plain", light_policy()), ("fitted", context.plan.operations))
    }
    path, manifest = context.folder / "trial.json", context.folder / "trial.manifest.json"
    inputs = {name: spec.digest for name, spec in specs.items()}
    if is_done(manifest, inputs):
        context.progress.message("Trial of the augmentation: done before.", "good")
        return
    found = {name: _short_fit(context, spec, name) for name, spec in specs.items()}
    judge = Judge(context)
    scores = {name: judge.score(predictions) for name, predictions in found.items()}
    gain = judge.gain(found["plain"], found["fitted"])
    kept = bool(gain["score"] >= 0)
    title = METRICS[decided.metric.value].title
    text = (
        f"{title} on corrupted validation pictures {scores['plain']:.4f} with plain augmentation, "
        f"{scores['fitted']:.4f} with the fitted one: {gain['score']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"
    )
    write_json(
        path,
        {
            "backbone": model.backbone,
            "epochs": epochs,
            "scores": scores,
            "gain": gain,
            "kept": kept,
            "text": text,
        },
    )
    mark_done(manifest, inputs, [path])
    verdict = "The fitted augmentation is kept" if kept else "The fitted augmentation LOSES and is not used"
    context.progress.message(f"{verdict}: {text}.", "good" if kept else "warn")


def _short_fit(context: RunContext, spec: FitSpec, name: str) -> Predictions:
    """Out-of-fold predictions of the corrupted validation pictures after a short fit."""
    folder = context.folder / "trial" / name
    kept, manifest = folder / "oof_corrupted.npz", folder / "manifest.json"
    if is_done(manifest, {"fit": spec.digest}):
        return Predictions.load(kept)
    task = f"try {name} augmentation"
    data, precision = fold_data(context, spec), context.make_precision()
    fitted = fit_fold(
        spec, data, folder, precision, workers=workers_for(context), progress=context.progress, task=task
    )
    assert data.corrupted is not None, "a fitted policy has a corruption"
    seen = predict(
        precision.fabric,
        fitted.model,
        data.corrupted.with_seed(spec.seed + SCORING_SEED),
        spec.weights,
        spec.head,
        device=spec.device,
        memory_format=spec.memory_format,
        batch_size=spec.prediction_batch,
        views=1,
        workers=workers_for(context),
    )
    ids = context.trainable["id"].to_numpy()
    predictions = Predictions(
        ids=tuple(ids[seen.rows]), outputs=context.competition.outputs, values=seen.plain.astype(np.float32)
    )
    predictions.save(kept)
    mark_done(manifest, {"fit": spec.digest}, [kept])
    _clear(folder / "checkpoint")
    context.progress.finish(task)
    return predictions


def _clear(folder: Path) -> None:
    """Weights of a short fit are of no use afterwards."""
    remove_state(folder)
    for name in ("best.safetensors", "best.json"):
        (folder / name).unlink(missing_ok=True)
