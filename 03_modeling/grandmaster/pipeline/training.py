"""The stage that trains: every backbone on every fold, each fit done once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from grandmaster.competition.metrics import METRICS, corruption_gap
from grandmaster.competition.predictions import Predictions
from grandmaster.errors import UserError
from grandmaster.images.augment import build_augmentation
from grandmaster.images.dataset import PictureDataset
from grandmaster.images.operation import Operation
from grandmaster.models.head import make_head
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.judging import Judge
from grandmaster.pipeline.manifest import is_done, mark_done
from grandmaster.pipeline.pacing import BeginAnew, Fit, FitBrake, Pace
from grandmaster.pipeline.plan import ModelPlan
from grandmaster.pipeline.revisions import fit_name
from grandmaster.prediction.predict import predict
from grandmaster.storage import digest, read_json, write_json
from grandmaster.training.checkpoint import has_state, remove_state
from grandmaster.training.fit import FoldData, fit_fold
from grandmaster.training.precision import Precision
from grandmaster.training.spec import FitSpec

# Pictures are kept a little larger than the input, so that crops and rotations do not enlarge.
STORE_MARGIN = 1.15
# The corrupted validation pictures must not be corrupted by the draws that training saw.
CORRUPTION_SEED = 7_919
# And the score must not come from the draws on which the best epoch was chosen.
SCORING_SEED = 104_729


def fit_folder(context: RunContext, model: ModelPlan, fold: int) -> Path:
    """Folder of one fit."""
    return context.folder / f"fold_{fold}" / model.backbone


def store_size(model: ModelPlan) -> int:
    """Side at which pictures are kept for this model, px."""
    return round(model.input_size * STORE_MARGIN)


def workers_for(context: RunContext) -> int:
    """Picture-loading processes: as set now, which may differ from when the plan was made."""
    wanted = context.config.hardware.workers
    return context.plan.decisions.workers.value if wanted is None else wanted


def make_spec(
    context: RunContext,
    model: ModelPlan,
    fold: int,
    *,
    operations: tuple[Operation, ...] | None = None,
    epochs: int | None = None,
) -> FitSpec:
    """Everything that the fit depends on, from the plan and the settings.

    Args:
        operations, epochs: instead of the plan's.
    """
    decided, settings = context.plan.decisions, context.config.training
    frame, competition = context.trainable, context.competition
    learnt = frame["fold"].to_numpy() != fold
    return FitSpec(
        backbone=model.backbone,
        timm_name=model.timm_name,
        weights=model.weights,
        fold=fold,
        head=make_head(competition.kind, competition.outputs, context.targets()[learnt]),
        classes_hash=competition.classes_hash,
        pictures_hash=digest(
            [frame[["id", "row", "fold"]].to_numpy().tolist(), context.targets().tolist(), context.file_sizes]
        ),
        metric=decided.metric.value,
        top_k=competition.top_k,
        positive_class=competition.positive_class,
        selection=decided.selection.value if context.plan.corruption else "clean",
        input_size=model.input_size,
        store_size=store_size(model),
        operations=context.operations if operations is None else operations,
        corruption=context.plan.corruption,
        mix_probability=decided.mix_probability.value,
        epochs=epochs or model.epochs,
        micro_batch=model.micro_batch,
        accumulation=model.accumulation,
        learning_rate=model.learning_rate,
        layer_decay=model.layer_decay,
        weight_decay=settings.weight_decay,
        warmup_fraction=settings.warmup_fraction,
        final_rate_fraction=settings.final_rate_fraction,
        label_smoothing=settings.label_smoothing,
        clip_norm=settings.clip_norm,
        ema_decay=model.ema_decay,
        freeze_batch_norm=model.freeze_batch_norm,
        drop_rate=context.config.model.drop_rate,
        drop_path=context.config.model.drop_path,
        grad_checkpointing=model.grad_checkpointing,
        patience=settings.patience,
        device=decided.device.value,
        precision=decided.precision.value,
        prediction_batch=model.prediction_batch,
        tta_views=decided.tta_views.value,
        seed=settings.seed,
    )


def planned_fits(context: RunContext) -> list[Fit]:
    """Every model and fold of the plan, in the order in which they are trained.

    All folds of a model one after the other: they share the decoded pictures.
    """
    return [(model, fold) for model in context.plan.models for fold in range(context.plan.folds_trained)]


def finished_fits(context: RunContext) -> list[Fit]:
    """Those of the planned fits that have a result: all of them, unless time ran out."""
    return [(model, fold) for model, fold in planned_fits(context) if _has_result(context, model, fold)]


def _has_result(context: RunContext, model: ModelPlan, fold: int) -> bool:
    folder = fit_folder(context, model, fold)
    known = folder / "manifest.json"
    if not known.exists() or not (folder / "result.json").exists():
        return False
    found = read_json(known)
    return isinstance(found, dict) and found.get("inputs") == {"fit": make_spec(context, model, fold).digest}


def train(context: RunContext, after_fit: Callable[[ModelPlan, int], None] = lambda *_: None) -> None:
    """Fit what is not fitted yet -> `fold_<k>/<backbone>/` with best weights, curves and out-of-fold predictions.

    Under a time limit, fits that cannot end in time are shortened or left out, and that is said.

    Args:
        after_fit: called with model and fold after every fit.
    """
    fits = planned_fits(context)
    pace = Pace(context, _histories(context, fits))
    for place, (model, fold) in enumerate(fits):
        done = [fit for fit in fits if _has_result(context, *fit)]
        if not _is_open(context, pace, model, fold):
            _train_one(context, pace, model, fold, may_train=False)
        elif (model, fold) in done:
            if pace.can_continue(model):
                _train_one(context, pace, model, fold)
        else:
            remaining = [fit for fit in fits[place:] if fit not in done]
            count, epochs = pace.decide(remaining, done)
            if count == 0:
                continue
            _begin(context, model, fold, epochs)
            _train_one(context, pace, model, fold)
        after_fit(model, fold)
    finished = finished_fits(context)
    left_out = [fit_name(model, fold) for model, fold in fits if (model, fold) not in finished]
    if left_out:
        context.revisions.say(
            f"{len(left_out)} of {len(fits)} fits were not begun ({', '.join(left_out)}): "
            "they could not end in time, or would have been trained too little to help"
        )
    results = [read_json(fit_folder(context, model, fold) / "result.json") for model, fold in finished]
    write_json(context.folder / "training_results.json", {"fits": results, "seconds": context.seconds()})


def _histories(context: RunContext, fits: Sequence[Fit]) -> dict[str, list[dict[str, Any]]]:
    """The last epochs of fits that were begun before."""
    found: dict[str, list[dict[str, Any]]] = {}
    for model, fold in fits:
        path = fit_folder(context, model, fold) / "metrics.jsonl"
        if path.exists():
            found.setdefault(model.backbone, []).append(
                msgspec.json.decode(path.read_text(encoding="utf-8").splitlines()[-1])
            )
    return found


def _begin(context: RunContext, model: ModelPlan, fold: int, epochs: int) -> None:
    """Settle the epochs of a fit that is about to begin; one that has begun goes on with those it has."""
    if has_state(fit_folder(context, model, fold) / "checkpoint"):
        return
    if epochs != model.epochs:
        context.revisions.say(
            f"{fit_name(model, fold)}: {model.epochs} epochs -> {epochs}, by what epochs were seen to take"
        )
    context.revisions.set_epochs(model, fold, epochs)


def _is_open(context: RunContext, pace: Pace, model: ModelPlan, fold: int) -> bool:
    """Whether there is something to train: no result yet, or one of a fit that was cut short."""
    spec = make_spec(context, model, fold)
    folder = fit_folder(context, model, fold)
    if not is_done(folder / "manifest.json", {"fit": spec.digest}):
        return True
    return read_json(folder / "result.json").get("stopped") == "time"


def _train_one(context: RunContext, pace: Pace, model: ModelPlan, fold: int) -> None:
    spec = make_spec(context, model, fold)
    folder = fit_folder(context, model, fold)
    task = f"train {model.backbone} fold {fold}"
    manifest, inputs = folder / "manifest.json", {"fit": spec.digest}
    data, precision = fold_data(context, spec), context.make_precision()
    try:
        fitted = fit_fold(
            spec,
            data,
            folder,
            precision,
            workers=workers_for(context),
            progress=context.progress,
            task=task,
            brake=FitBrake(pace, model, spec.epochs, may_begin_anew=may_begin_anew),
        )
    except torch.cuda.OutOfMemoryError as error:
        raise UserError(
            f"GPU memory ran out with {spec.micro_batch} pictures of {spec.input_size} px a pass",
            where=f"{spec.backbone}, fold {spec.fold}",
            fix="Set training.micro_batch lower or training.grad_checkpointing=true, with another --experiment_name.",
        ) from error
    if fitted.out_of_time:
def fold_data(context: RunContext, spec: FitSpec) -> FoldData:
    """Pictures of the fit's fold, under its operations and corruption."""
    store, targets = context.store("train", spec.store_size), context.targets()
    in_fold = context.trainable["fold"].to_numpy() == spec.fold
    train_rows, held_rows = np.flatnonzero(~in_fold), np.flatnonzero(in_fold)
    augmentation = build_augmentation(spec.operations, spec.input_size)
    corrupted = None
    if spec.corruption:
        corrupted = PictureDataset(
            store,
            targets,
            build_augmentation(spec.corruption, spec.input_size),
            spec.input_size,
            spec.seed + CORRUPTION_SEED,
            rows=held_rows,
        )
    return FoldData(
        train=PictureDataset(store, targets, augmentation, spec.input_size, spec.seed, rows=train_rows),
        validation=PictureDataset(store, targets, None, spec.input_size, spec.seed, rows=held_rows),
        corrupted=corrupted,
        row_of=context.trainable["row"].to_numpy(object),
    )


def _score_line(context: RunContext, result: dict[str, Any]) -> str:
    """The clean score, and where it was measured the corrupted one with the gap between them."""
    metric = METRICS[context.plan.decisions.metric.value]
    line = f"{metric.title} {result['score']:.4f}"
    corrupted = result["score_corrupted"]
    gap = corruption_gap(result["score"], corrupted, higher_is_better=metric.higher_is_better)
    return line if gap is None else f"{line}, corrupted {corrupted:.4f}, gap {gap:+.4f}"


def _out_of_fold(
    context: RunContext, spec: FitSpec, model: Any, precision: Precision, data: FoldData, folder: Path
) -> dict[str, float | None]:
    """Predict the validation pictures with the best weights; write them by id; return their scores."""
    ids, judge = context.trainable["id"].to_numpy(), Judge(context)
    scores: dict[str, float | None] = {"score": None, "score_plain": None, "score_corrupted": None}
    for dataset, name, key in (
        (data.validation, "oof", "score"),
        (data.corrupted, "oof_corrupted", "score_corrupted"),
    ):
        if dataset is None:
            continue
        if key == "score_corrupted":
            dataset = dataset.with_seed(spec.seed + SCORING_SEED)
        found = predict(
            precision.fabric,
            model,
            dataset,
            spec.weights,
            spec.head,
            device=spec.device,
            batch_size=spec.prediction_batch,
            views=spec.tta_views,  # type: ignore[arg-type]  # checked when the plan was read
            workers=workers_for(context),
        )
        kept = [(name, key, found.averaged)]
        if key == "score":
            kept.append(("oof_plain", "score_plain", found.plain))
        for file, title, values in kept:
            predictions = Predictions(
                ids=tuple(ids[found.rows]), outputs=context.competition.outputs, values=values
            )
            predictions.save(folder / f"{file}.npz")
            scores[title] = judge.score(predictions)
    return scores
