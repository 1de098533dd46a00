"""The stage that trains: every backbone on every fold, each fit done once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from grandmaster.competition.metrics import METRICS, corruption_gap
from grandmaster.competition.predictions import Predictions
from grandmaster.errors import UserError
from grandmaster.images.augment import build_augmentation
from grandmaster.images.dataset import PictureDataset
from grandmaster.models.head import make_head
from grandmaster.models.passes import Passes, is_out_of_memory
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.judging import Judge
from grandmaster.pipeline.manifest import is_done, mark_done
from grandmaster.pipeline.memory import compare_peak
from grandmaster.pipeline.pacing import BeginAnew, Fit, FitBrake, Pace
from grandmaster.pipeline.plan import ModelPlan, TrainingAugmentation
from grandmaster.pipeline.recipe import fractions, make_loss, rate_groups
from grandmaster.pipeline.revisions import fit_name
from grandmaster.prediction.predict import ViewPredictions, predict
from grandmaster.prediction.views import ViewValues, views_path
from grandmaster.storage import plain, read_json, write_json
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


def smaller_passes(context: RunContext, task: str) -> Callable[[int], None]:
    """What to say when memory ran out while predicting."""

    def say(pictures: int) -> None:
        text = f"{task}: memory ran out; {pictures} pictures a pass from here on, which predict the same"
        context.progress.message(text, "warn")

    return say


def make_spec(
    context: RunContext,
    model: ModelPlan,
    fold: int,
    *,
    augmentation: TrainingAugmentation | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
) -> FitSpec:
    """Everything that the fit depends on, from the plan and the settings.

    Args:
        augmentation, epochs: instead of the plan's, or what won the trial.
        learning_rate: instead of the plan's, or of the rate that was found.
    """
    augmentation = augmentation or context.augmentation
    decided, settings = context.plan.decisions, context.config.training
    frame, competition = context.trainable, context.competition
    learnt = context.targets()[frame["fold"].to_numpy() != fold]
    loss, epochs = (
        make_loss(decided, settings, competition, learnt),
        epochs or context.revisions.epochs(model, fold),
    )
    learning_rate = learning_rate or context.found_rates.get(model.backbone, model.learning_rate)
    return FitSpec(
        backbone=model.backbone,
        timm_name=model.timm_name,
        weights=model.weights,
        fold=fold,
        head=make_head(competition.kind, competition.outputs, learnt, one_vs_all=loss.name == "bce"),
        classes_hash=competition.classes_hash,
        pictures_hash=context.pictures_hash,
        metric=decided.metric.value,
        top_k=competition.top_k,
        positive_class=competition.positive_class,
        selection=decided.selection.value if context.plan.corruption else "clean",
        input_size=model.input_size,
        in_channels=competition.channels,
        store_size=store_size(model),
        operations=augmentation.operations,
        class_policies=augmentation.class_policies,
        corruption=context.plan.corruption,
        mix_probability=decided.mix_probability.value,
        epochs=epochs,
        micro_batch=model.micro_batch,
        accumulation=model.accumulation,
        learning_rate=learning_rate,
        layer_decay=model.layer_decay,
        rate_groups=rate_groups(settings),
        weight_decay=settings.weight_decay,
        **fractions(settings, epochs=epochs, learning_rate=learning_rate),
        loss=loss,
        balanced_sampling=decided.class_balance.value == "sampling",
        clip_norm=settings.clip_norm,
        ema_decay=model.ema_decay,
        batch_norm=model.batch_norm,
        drop_rate=context.config.model.drop_rate,
        drop_path=context.config.model.drop_path,
        grad_checkpointing=model.grad_checkpointing,
        patience=settings.patience,
        device=decided.device.value,
        precision=decided.precision.value,
        memory_format=model.memory_format,
        fused=model.fused,
        compile=model.compile,
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
    if not (folder / "manifest.json").exists():
        return False
    known = read_json(folder / "manifest.json")
    return isinstance(known, dict) and known.get("inputs") == {"fit": make_spec(context, model, fold).digest}


def train(context: RunContext, after_fit: Callable[[ModelPlan, int], None] = lambda *_: None) -> None:
    """Fit what is not fitted yet -> `fold_<k>/<backbone>/` with best weights, curves and out-of-fold predictions.

    Under a time limit, fits that cannot end in time are shortened or not begun, and that is said; what a limit cut short
    is gone on with from its last whole epoch when the run is resumed.

    Args:
        after_fit: called with model and fold after every fit that was done, also before.
    """
    fits = planned_fits(context)
    pace = Pace(context, _last_epochs(context, fits))
    closed = [fit for fit in fits if _closed(context, pace, *fit)]
    for model, fold in fits:
        if (model, fold) in closed:
            done = read_json(fit_folder(context, model, fold) / "result.json")
            if not _was_cut(done):  # a kill right after the manifest may have left it
                remove_state(fit_folder(context, model, fold) / "checkpoint")
            context.progress.finish(
                f"train {fit_name(model, fold)}", f"done before: {_score_line(context, done)}"
            )
        else:
            done_fits = finished_fits(context)
            waiting = [fit for fit in fits[fits.index((model, fold)) :] if fit not in closed]
            count, epochs = pace.decide(waiting, [fit for fit in done_fits if fit not in waiting])
            if count == 0:
                context.progress.finish(f"train {fit_name(model, fold)}", "given up for the time limit")
                context.progress.finish(f"predict {fit_name(model, fold)}", "given up for the time limit")
                continue
            _begin(context, model, fold, epochs)
            try:
                _train_one(context, pace, model, fold, waiting=count)
            except BeginAnew as fewer:
                _begin(context, model, fold, fewer.epochs, anew=True)
                _train_one(context, pace, model, fold, waiting=count, may_begin_anew=False)
        after_fit(model, fold)
    finished = finished_fits(context)
    missing = [fit_name(model, fold) for model, fold in fits if (model, fold) not in finished]
    if missing:
        context.revisions.say(
            f"gave up {len(missing)} of {len(fits)} fits: they could not end in time, or not be trained enough to help "
            f"({', '.join(missing)})"
        )
    results = [read_json(fit_folder(context, model, fold) / "result.json") for model, fold in finished]
    write_json(context.folder / "training_results.json", {"fits": results, "seconds": context.seconds()})


def _last_epochs(context: RunContext, fits: Sequence[Fit]) -> dict[str, list[dict[str, Any]]]:
    """The last epoch of every fit that was begun before, by backbone."""
    found: dict[str, list[dict[str, Any]]] = {}
    for model, fold in fits:
        path = fit_folder(context, model, fold) / "metrics.jsonl"
        if path.exists():
            last = path.read_text(encoding="utf-8").splitlines()[-1]
            found.setdefault(model.backbone, []).append(msgspec.json.decode(last))
    return found


def _was_cut(result: dict[str, Any]) -> bool:
    return result.get("stopped") == "time"


def _closed(context: RunContext, pace: Pace, model: ModelPlan, fold: int) -> bool:
    """Whether there is nothing to train: it is done, and was not cut short or cannot be gone on with now."""
    folder = fit_folder(context, model, fold)
    if not is_done(folder / "manifest.json", {"fit": make_spec(context, model, fold).digest}):
        return False
    return not _was_cut(read_json(folder / "result.json")) or not pace.can_continue(model)


def _begin(context: RunContext, model: ModelPlan, fold: int, epochs: int, *, anew: bool = False) -> None:
    """Settle the epochs of a fit that is about to begin; one that has a state goes on with those it has."""
    kept = fit_folder(context, model, fold) / "checkpoint"
    if anew:
        remove_state(kept)
    elif has_state(kept):
        return
    before = context.revisions.epochs(model, fold) if anew else model.epochs
    if epochs != before:
        begun = ", begun anew" if anew else ""
        context.revisions.say(
            f"{fit_name(model, fold)}: {before} epochs -> {epochs}{begun}, by what an epoch takes"
        )
    context.revisions.set_epochs(model, fold, epochs)


def _train_one(
    context: RunContext,
    pace: Pace,
    model: ModelPlan,
    fold: int,
    *,
    waiting: int,
    may_begin_anew: bool = True,
) -> None:
    spec = make_spec(context, model, fold)
    folder = fit_folder(context, model, fold)
    task = f"train {fit_name(model, fold)}"
    data, precision = fold_data(context, spec), context.make_precision()
    brake = FitBrake(pace, model, spec.epochs, waiting=waiting, may_begin_anew=may_begin_anew)
    try:
        fitted = fit_fold(
            spec,
            data,
            folder,
            precision,
            workers=workers_for(context),
            progress=context.progress,
            task=task,
            known=_known_passes(context, model, fold),
            brake=brake,
        )
    except (RuntimeError, MemoryError) as error:
        # That of training passes is recovered from inside; this is the model itself, or the machine.
        if not is_out_of_memory(error):
            raise
        raise UserError(
            "memory ran out outside of training passes, where smaller ones do not help",
            where=f"{spec.backbone}, fold {spec.fold}",
            fix="Free memory that other processes hold, or choose a smaller backbone, with another --experiment_name.",
        ) from error
    if fitted.out_of_time:
        pace.learn(model.backbone, fitted.history[-1])
    else:
        brake.before_epoch(fitted.history[-1])  # also after an only epoch: there may be time for more
    views = pace.views(model)
    if fitted.out_of_time:
        context.revisions.say(f"{fit_name(model, fold)}: ended in epoch {fitted.epochs} of {spec.epochs}")
    if views < spec.tta_views:
        context.revisions.say(f"{fit_name(model, fold)}: {spec.tta_views} views -> {views}")
    result = {
        "backbone": model.backbone,
        "fold": fold,
        "best_epoch": fitted.best_epoch,
        "selection_score": fitted.best_score,
        "epochs": fitted.epochs,
        "stopped_early": fitted.stopped_early,
        "stopped": "time" if fitted.out_of_time else None,
        "views": views,
        "seconds": fitted.seconds,
        "images_per_second": fitted.images_per_second,
        "memory_gb": fitted.memory_gb,
        "memory_planned_gb": model.memory_gb,
        "micro_batch": fitted.passes.micro_batch,
        "accumulation": -(-spec.micro_batch * spec.accumulation // fitted.passes.micro_batch),
        "grad_checkpointing": fitted.passes.grad_checkpointing,
        "parameters": fitted.parameters,
        "weights": model.weights.source,
        "licence": model.licence,
        "adaptation": plain(model.adaptation),
    }
    if spec.device == "cuda":
        context.progress.message(f"{task}: {compare_peak(model.memory_gb, fitted.memory_gb)}")
    result |= _out_of_fold(context, spec, fitted.model, precision, data, folder, views=views)
    write_json(folder / "result.json", result)
    kept = folder / "checkpoint"
    outputs = ["result.json", "metrics.jsonl", "oof.npz", "oof_plain.npz"]
    files = [folder / name for name in outputs] + [kept / "best.safetensors", kept / "best.json"]
    if data.corrupted is not None:
        files.append(folder / "oof_corrupted.npz")
    files += [
        path for name in ("oof", "oof_corrupted") if (path := views_path(folder / f"{name}.npz")).exists()
    ]
    mark_done(folder / "manifest.json", {"fit": spec.digest}, files)
    if not fitted.out_of_time:  # what was cut short may be gone on with
        remove_state(kept)
    context.progress.finish(task, _score_line(context, result))


def _known_passes(context: RunContext, model: ModelPlan, fold: int) -> Passes | None:
    """The smallest passes that earlier folds of this model came down to: memory need not run out in every fold."""
    paths = [fit_folder(context, model, earlier) / "result.json" for earlier in range(fold)]
    before = [read_json(path) for path in paths if path.exists()]  # a fit that was given up has none
    if not before:
        return None
    return Passes(
        micro_batch=min(result["micro_batch"] for result in before),
        grad_checkpointing=any(result["grad_checkpointing"] for result in before),
    )


def fold_data(context: RunContext, spec: FitSpec) -> FoldData:
    """Pictures of the fit's fold, under its operations and corruption."""
    store, targets = context.store("train", spec.store_size), context.targets()
    in_fold = context.trainable["fold"].to_numpy() == spec.fold
    train_rows, held_rows = np.flatnonzero(~in_fold), np.flatnonzero(in_fold)
    augmentation = build_augmentation(spec.operations, spec.input_size)
    classes = context.competition.classes
    by_class = {
        classes.index(label): own
        for policy in spec.class_policies
        for own in [build_augmentation(policy.operations, spec.input_size)]
        for label in policy.classes
    }
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
        train=PictureDataset(
            store, targets, augmentation, spec.input_size, spec.seed, rows=train_rows, by_class=by_class
        ),
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
        workers=workers_for(context),
        on_smaller=smaller_passes(context, f"predict {spec.backbone} fold {spec.fold}, held-out pictures"),
    )


def of_pictures(context: RunContext, found: ViewPredictions, values: npt.NDArray[np.float32]) -> Predictions:
    """Values of trainable pictures (n, outputs) under their ids."""
    ids = context.trainable["id"].to_numpy()
    return Predictions(ids=tuple(ids[found.rows]), outputs=context.competition.outputs, values=values)


def _out_of_fold(
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
