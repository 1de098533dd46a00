"""The stage that trains: every backbone on every fold, each fit done once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from grandmaster.competition.metrics import METRICS, corruption_gap
from grandmaster.errors import UserError
from grandmaster.models.head import make_head
from grandmaster.models.passes import Passes, is_out_of_memory
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.disk import FitSize, free_bytes, need
from grandmaster.pipeline.fold_pictures import Teaching, fold_data, store_size
from grandmaster.pipeline.held_out import out_of_fold
from grandmaster.pipeline.manifest import is_done, mark_done, read_manifest
from grandmaster.pipeline.memory import compare_peak
from grandmaster.pipeline.pacing import REMEMBERED, Fit, FitBrake, Pace
from grandmaster.pipeline.plan import ModelPlan, TrainingAugmentation
from grandmaster.pipeline.recipe import fractions, make_loss, rate_groups
from grandmaster.pipeline.revisions import fit_name
from grandmaster.pipeline.speed import BUSY_WHEN_PROBED, ProbeCache
from grandmaster.pipeline.workers import with_workers
from grandmaster.prediction.views import views_path
from grandmaster.storage import plain, read_json, read_jsonl, write_json
from grandmaster.texts import counted
from grandmaster.training.as_loaded import take_as_loaded
from grandmaster.training.brake import Brake
from grandmaster.training.checkpoint import has_state, remove_state
from grandmaster.training.divergence import FitFailed
from grandmaster.training.fit import FitResult, fit_fold
from grandmaster.training.moved import tell_weight_change
from grandmaster.training.spec import FitSpec


def fit_folder(context: RunContext, model: ModelPlan, fold: int) -> Path:
    """Folder of one fit."""
    return context.folder / f"fold_{fold}" / model.backbone


def make_spec(
    context: RunContext,
    model: ModelPlan,
    fold: int,
    *,
    augmentation: TrainingAugmentation | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    teaching: Teaching | None = None,
) -> FitSpec:
    """Everything that the fit depends on, from the plan and the settings.

    Args:
        augmentation, epochs: instead of the plan's, or what won the trial.
        learning_rate: instead of the plan's, or of the rate that was found.
        teaching: what is learnt beside or instead of the labels.
    """
    augmentation = augmentation or context.augmentation
    decided, settings = context.plan.decisions, context.config.training
    frame, competition = context.trainable, context.competition
    learnt = context.targets()[frame["fold"].to_numpy() != fold]
    loss, epochs = (
        make_loss(decided, settings, competition, learnt),
        epochs or context.revisions.epochs(model, fold),
    )
    if teaching is not None:
        loss = msgspec.structs.replace(loss, temperature=teaching.temperature, true_share=teaching.true_share)
    learning_rate = learning_rate or context.found_rates.get(model.backbone, model.learning_rate)
    return FitSpec(
        backbone=model.backbone,
        timm_name=model.timm_name,
        weights=model.weights,
        fold=fold,
        head=make_head(competition.kind, competition.outputs, learnt, one_vs_all=loss.name == "bce"),
        classes_hash=competition.classes_hash,
        pictures_hash=context.pictures_hash,
        teaching_hash="" if teaching is None else teaching.hash(context),
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
        half_weights=decided.keep_weights.value == "half",
    )


def planned_fits(context: RunContext) -> list[Fit]:
    """Every model and fold of the plan, in the order in which they are trained, and those that were added to it.

    All folds of a model one after the other: they share the decoded pictures.
    """
    fits = [(model, fold) for model in context.plan.models for fold in range(context.plan.folds_trained)]
    return fits + context.revisions.added(context.plan.models)


def finished_fits(context: RunContext) -> list[Fit]:
    """Those of the planned fits that have a result: all of them, unless time ran out."""
    return [(model, fold) for model, fold in planned_fits(context) if _has_result(context, model, fold)]


def _has_result(context: RunContext, model: ModelPlan, fold: int) -> bool:
    known = read_manifest(fit_folder(context, model, fold) / "manifest.json")
    return known is not None and known.inputs == {"fit": make_spec(context, model, fold).digest}


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
        if failed_before := _failed(context, model, fold):
            context.progress.message(
                f"{fit_name(model, fold)} failed before and is left out: {failed_before}", "warn"
            )
            context.progress.finish(f"train {fit_name(model, fold)}", "failed before")
            continue
        if (model, fold) in closed:
            done = read_json(fit_folder(context, model, fold) / "result.json")
            if not _was_cut(done):  # a kill right after the manifest may have left it
                remove_state(fit_folder(context, model, fold) / "checkpoint")
            context.progress.finish(
                f"train {fit_name(model, fold)}", f"done before: {score_line(context, done)}"
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
            except FitFailed as failed:
                _fail(context, model, fold, failed, more=len(waiting) > 1 or bool(done_fits))
                continue
        after_fit(model, fold)
        another = pace.another(fits, finished_fits(context)) if (model, fold) == fits[-1] else None
        if another is not None and _has_room(context, another[0]):
            context.revisions.add(*another)
            fits.append(another)  # and this loop comes to it
    finished = finished_fits(context)
    if not finished:
        raise UserError(
            f"no fit could be carried out: {'; '.join(context.failures.lines())}",
            where=context.folder,
            fix="Lower training.learning_rate or choose other backbones, with another --experiment_name.",
        )
    missing = [
        fit_name(model, fold)
        for model, fold in fits
        if (model, fold) not in finished and not _failed(context, model, fold)
    ]
    if missing:
        context.revisions.say(
            f"gave up {len(missing)} of {counted(len(fits), 'fit')}: they could not end in time, or not be trained enough to help "
            f"({', '.join(missing)})"
        )
    results = [read_json(fit_folder(context, model, fold) / "result.json") for model, fold in finished]
    write_json(context.folder / "training_results.json", {"fits": results, "seconds": context.seconds()})


def _failed(context: RunContext, model: ModelPlan, fold: int) -> str | None:
    """Why this very fit could not be carried out."""
    name = fit_name(model, fold)
    return context.failures.of(name, make_spec(context, model, fold).digest)


def _fail(context: RunContext, model: ModelPlan, fold: int, failed: FitFailed, *, more: bool) -> None:
    """Name a fit that cannot be carried out; the run goes on without it."""
    name = fit_name(model, fold)
    context.failures.add(name, make_spec(context, model, fold).digest, str(failed))
    rest = "; the run goes on without it" if more else ""
    context.progress.message(f"{name} failed{rest}: {failed}", "error")
    for task in ("train", "predict"):
        context.progress.finish(f"{task} {name}", "failed")


def _has_room(context: RunContext, model: ModelPlan) -> bool:
    """Whether the disk has room for a fit that the plan did not count."""
    free = free_bytes(context.folder)
    size = FitSize(
        backbone=model.backbone,
        parameters=round(model.million_parameters * 1e6),
        averaged=model.ema_decay > 0,
        predictions=0,
    )
    return free is None or need([size], context.plan.keep_weights).total <= free


def _last_epochs(context: RunContext, fits: Sequence[Fit]) -> dict[str, list[dict[str, Any]]]:
    """The last epochs of every fit that was begun before, by backbone."""
    found: dict[str, list[dict[str, Any]]] = {}
    for model, fold in fits:
        path = fit_folder(context, model, fold) / "metrics.jsonl"
        if path.exists():
            with suppress(UserError):  # what a damaged file could have told is measured again
                lines = [line for line in read_jsonl(path)[-REMEMBERED:] if isinstance(line, dict)]
                found.setdefault(model.backbone, []).extend(lines)
    return found


def _was_cut(result: dict[str, Any]) -> bool:
    return result.get("stopped") == "time"


def _closed(context: RunContext, pace: Pace, model: ModelPlan, fold: int) -> bool:
    """Whether there is nothing to train: it is done, and was not cut short or cannot be gone on with now."""
    folder = fit_folder(context, model, fold)
    if not is_done(folder / "manifest.json", {"fit": make_spec(context, model, fold).digest}):
        return False
    return not _was_cut(read_json(folder / "result.json")) or not pace.can_continue(model)


def _begin(context: RunContext, model: ModelPlan, fold: int, epochs: int) -> None:
    """Settle the epochs of a fit that is about to begin; one that has a state goes on with those it has."""
    if has_state(fit_folder(context, model, fold) / "checkpoint"):
        return
    if epochs != model.epochs:
        _say_epochs(context, model, fold, model.epochs, epochs)
    context.revisions.set_epochs(model, fold, epochs)


def _say_epochs(context: RunContext, model: ModelPlan, fold: int, before: int, epochs: int) -> None:
    context.revisions.say(
        f"{fit_name(model, fold)}: {counted(before, 'epoch')} -> {epochs}, by what an epoch takes"
    )


def _train_one(context: RunContext, pace: Pace, model: ModelPlan, fold: int, *, waiting: int) -> None:
    spec = make_spec(context, model, fold)
    brake = FitBrake(pace, model, waiting=waiting)

    def choose_views(fitted: FitResult) -> int:
        pace.learn(model.backbone, fitted.history[-1])
        views = brake.views()
        if fitted.planned_epochs != spec.epochs:
            _say_epochs(context, model, fold, spec.epochs, fitted.planned_epochs)
        if fitted.out_of_time:
            context.revisions.say(
                f"{fit_name(model, fold)}: ended in epoch {fitted.epochs} of {fitted.planned_epochs}"
            )
        if views < spec.tta_views:
            context.revisions.say(f"{fit_name(model, fold)}: {counted(spec.tta_views, 'view')} -> {views}")
        return views

    result = fit(
        context,
        model,
        spec,
        fit_folder(context, model, fold),
        name=fit_name(model, fold),
        choose_views=choose_views,
        known=_known_passes(context, model, fold),
        brake=brake,
    )
    planned = 60 * (model.minutes_per_fold - model.test_minutes_per_fold) * result["epochs"]
    if result["seconds"] * model.epochs < BUSY_WHEN_PROBED * planned:
        ProbeCache(context.cache_folder).forget(model.timm_name)


def fit(
    context: RunContext,
    model: ModelPlan,
    spec: FitSpec,
    folder: Path,
    *,
    name: str,
    choose_views: Callable[[FitResult], int],
    teaching: Teaching | None = None,
    known: Passes | None = None,
    brake: Brake | None = None,
) -> dict[str, Any]:
    """Fit one model on one fold and judge it: `result.json`, curves, out-of-fold predictions, best weights, `spec.json`.

    Args:
        name: for messages.
        choose_views: asked when the fit has ended: views of its predictions. What it raises leaves the fit as it is, to
            be gone on with.
        teaching: that the spec was made with.
        known, brake: as `fit_fold` takes them.

    Returns:
        The content of `result.json`.

    Raises:
        FitFailed: as `fit_fold`; or memory ran out outside of training.
        UserError: as `fit_fold`.
    """
    task = f"train {name}"
    data, precision = fold_data(context, spec, teaching), context.make_precision()
    try:

        def work(workers: int) -> FitResult:
            how: dict[str, Any] = {"workers": workers, "progress": context.progress, "task": task}
            if spec.epochs == 0:
                return take_as_loaded(spec, data, folder, precision, **how)
            return fit_fold(spec, data, folder, precision, **how, known=known, brake=brake)

        fitted = with_workers(context, task, work)
    except (RuntimeError, MemoryError) as error:
        # That of training passes is recovered from inside; this is the model itself, or the machine.
        if not is_out_of_memory(error):
            raise
        raise FitFailed(
            "memory ran out outside of training passes, where smaller ones do not help",
            where=f"{spec.backbone}, fold {spec.fold}",
            fix="Free memory that other processes hold, or choose a smaller backbone, with another --experiment_name.",
        ) from error
    views = choose_views(fitted)
    result = {
        "backbone": model.backbone,
        "fold": spec.fold,
        "best_epoch": fitted.best_epoch,
        "part_epochs": list(fitted.part_epochs),
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
        "precision": fitted.ease.precision,
        "rate_factor": fitted.ease.rate,
        "parameters": fitted.parameters,
        "weights": model.weights.source,
        "licence": model.licence,
        "adaptation": plain(model.adaptation),
    }
    if spec.device == "cuda":
        context.progress.message(f"{task}: {compare_peak(model.memory_gb, fitted.memory_gb)}")
    if fitted.ease.precision != spec.precision:
        precision = context.make_precision(fitted.ease.precision)
    result |= out_of_fold(context, spec, fitted, precision, data, folder, views=views)
    # No part of what makes a fit done: it is only told to people.
    if spec.epochs and (untold := tell_weight_change(spec, fitted.model, folder)):
        context.progress.message(f"{task}: {untold}", "warn")
    write_json(folder / "result.json", result)
    write_json(folder / "spec.json", spec)
    kept = folder / "checkpoint"
    outputs = ["result.json", "spec.json", "metrics.jsonl", "oof.npz", "oof_plain.npz"]
    files = [folder / file for file in outputs] + [kept / "best.safetensors", kept / "best.json"]
    if data.corrupted is not None:
        files.append(folder / "oof_corrupted.npz")
    files += [
        path for name in ("oof", "oof_corrupted") if (path := views_path(folder / f"{name}.npz")).exists()
    ]
    mark_done(folder / "manifest.json", {"fit": spec.digest}, files)
    if not fitted.out_of_time:  # what was cut short may be gone on with
        remove_state(kept)
    context.progress.finish(task, score_line(context, result))
    return result


def _known_passes(context: RunContext, model: ModelPlan, fold: int) -> Passes | None:
    """The smallest passes that earlier folds of this model came down to: memory need not run out in every fold."""
    paths = [fit_folder(context, model, earlier) / "result.json" for earlier in range(fold)]
    if model == context.plan.models[0]:  # the one that a trial of the augmentation is held with
        paths += sorted((context.folder / "trial").glob("*/passes.json"))
    before = [read_json(path) for path in paths if path.exists()]  # a fit that was given up has none
    if not before:
        return None
    return Passes(
        micro_batch=min(result["micro_batch"] for result in before),
        grad_checkpointing=any(result["grad_checkpointing"] for result in before),
    )


def score_line(context: RunContext, result: dict[str, Any]) -> str:
    """The clean score, and where it was measured the corrupted one with the gap between them."""
    metric = METRICS[context.plan.decisions.metric.value]
    line = f"{metric.title} {result['score']:.4f}"
    corrupted = result["score_corrupted"]
    gap = corruption_gap(result["score"], corrupted, higher_is_better=metric.higher_is_better)
    return line if gap is None else f"{line}, corrupted {corrupted:.4f}, gap {gap:+.4f}"
