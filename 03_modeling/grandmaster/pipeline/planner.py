"""From what the pictures are like and what the machine can do to a plan."""

from __future__ import annotations

from typing import Any

import msgspec

from grandmaster.competition.table import Competition
from grandmaster.config import Config
from grandmaster.images.loader import plan_workers
from grandmaster.models.builder import count_cost
from grandmaster.models.registry import SMALL, Backbone, frozen_args
from grandmaster.models.weights import Weights
from grandmaster.pipeline.augmenting import choose_augmentation, choose_class_policies, choose_trial
from grandmaster.pipeline.channels import channels_reason
from grandmaster.pipeline.choosing_backbones import choose_backbones, choose_folds
from grandmaster.pipeline.hardware import Hardware
from grandmaster.pipeline.memory import fit_memory, memory_room
from grandmaster.pipeline.parts import PARTS
from grandmaster.pipeline.plan import Decision, Decisions, ModelPlan, Plan
from grandmaster.pipeline.recipe import batch_norm_mode, choose_recipe, choose_training_loss
from grandmaster.pipeline.speed import ProbeCache, choose_step, images_per_second
from grandmaster.pipeline.starts import find_start, start_facts, start_notes, start_reason
from grandmaster.pipeline.targets import choose_mixing, require_fitting_metric, row_notes
from grandmaster.pipeline.training_modes import (
    choose_mode,
    refuse_unsupported,
    registered,
    registered_hash,
    require_classifier,
    trained_size,
    trains,
)
from grandmaster.storage import digest
from grandmaster.teaching_config import DistillConfig, PseudoLabelConfig, SpecialistConfig
from grandmaster.training.timed_step import StepCase

# Settings for speed and time, and for what is made of finished fits: they may differ when a run is resumed. (Another
# number of threads adds in another order, so the last bits may differ.) What comes after the planned fits may also be
# asked for when they are done: its stages look at their settings themselves.
FREE_SETTINGS = frozenset(
    {
        ("hardware", "workers"),
        ("hardware", "threads"),
        ("hardware", "picture_cache_gb"),
        ("run", "time_limit"),
        ("run", "allow_test_training"),
        ("run", "trackers"),
        ("prediction", "choose_views"),
        ("ensemble", "method"),
        *(("pseudo_label", name) for name in PseudoLabelConfig.__struct_fields__),
        *(("distill", name) for name in DistillConfig.__struct_fields__),
        *(("specialist", name) for name in SpecialistConfig.__struct_fields__),
    }
)
PROBED_BATCH = 32  # most pictures in a step whose speed is measured
# Of a fold's time, what is spent in steps as they were measured; the rest: reading pictures, checkpoints, the report, and
# on a CPU augmentation, which takes cores from the steps (make demo: 98 images/s of 121 measured).
STEPS_SHARE = {"cuda": 0.9, "cpu": 0.75}
# Time that a run on a CPU may take when nobody says otherwise, minutes: one model on one fold; the full run.
CPU_MINUTES = {1: 8.0, 7: 60.0}
# (fewest, enough, most) epochs under a time limit: with fewer than enough, a smaller picture is tried first. Pixels are
# worth more than epochs once loaded weights have settled; from random weights it is the other way round.
EPOCHS_FINE_TUNE, EPOCHS_SCRATCH = (4, 8, 20), (12, 36, 60)


def make_plan(
    competition: Competition,
    fingerprint: dict[str, Any],
    shift: dict[str, Any],
    hardware: Hardware,
    config: Config,
    *,
    models_wanted: int,
    cache: ProbeCache | None = None,
) -> Plan:
    """Decide everything that the settings leave open.

    Args:
        fingerprint: as `eda.fingerprint.make_fingerprint` returns it.
        shift: as `eda.shift_reading.compare_with_test` returns it.
        models_wanted: 1 or 7, from the mode; counts only where `model.backbones` is open.
        cache: speeds measured before; None: all are measured now.

    Raises:
        UserError: unknown backbones, a weights folder that does not exist, or a metric for other targets.
    """
    require_fitting_metric(competition)
    loss, class_balance = choose_training_loss(config, competition)
    notes = row_notes(competition)
    added = registered(config, competition)
    chosen = choose_backbones(hardware, config, models_wanted, added)
    refuse_unsupported(chosen.value, config, added)
    augmentation, operations, corruption = choose_augmentation(shift, config)
    starts = {backbone.name: find_start(backbone, config) for backbone in chosen.value}
    notes += start_notes(chosen.value, starts, config)
    training_mode, mode_notes = choose_mode(chosen.value, starts, config, competition, added)
    notes += mode_notes
    train_pictures = len(competition.train) * (config.folds.count - 1) // config.folds.count
    test_like = augmentation.value == "test_like"
    folds = choose_folds(config)
    folds_trained = folds.value
    fits = len(chosen.value) * folds_trained
    trial = choose_trial(config, test_like=test_like, fits=fits)
    if not trains(config):
        trial = Decision(value=False, reason="nothing is trained")
    grouped, class_policies = choose_class_policies(
        fingerprint, config, competition.kind, operations, trial=trial.value
    )
    decisions = Decisions(
        metric=Decision(value=competition.metric, reason=competition.metric_reason),
        device=Decision(value=hardware.device, reason=hardware.device_reason),
        precision=Decision(value=hardware.precision, reason=hardware.precision_reason),
        folds_total=Decision(value=config.folds.count, reason="folds.count"),
        folds_trained=folds,
        backbones=Decision(value=tuple(backbone.name for backbone in chosen.value), reason=chosen.reason),
        augmentation=augmentation,
        trial=trial,
        class_groups=grouped,
        mix_probability=choose_mixing(config, competition.kind, operations),
        loss=loss,
        class_balance=class_balance,
        selection=Decision(
            value="corrupted" if test_like and corruption else "clean",
            reason="validation pictures corrupted like the test set tell more about it than clean ones"
            if test_like and corruption
            else "train and test look alike",
        ),
        tta_views=Decision(value=config.prediction.tta_views, reason="prediction.tta_views"),
        workers=choose_workers(
            hardware,
            config,
            [b.input_size for b in chosen.value],
            competition.channels,
            requested=config.hardware.workers,
        ),
        channels=Decision(value=competition.channels, reason=channels_reason(competition)),
        training_mode=training_mode,
    )
    budget = _budget_minutes(hardware, config, models_wanted)
    models = tuple(
        _plan_model(
            backbone,
            starts[backbone.name],
            competition,
            hardware,
            config,
            train_pictures=train_pictures,
            views=config.prediction.tta_views,
            validations=2 if corruption else 1,
            minutes=None if budget is None else budget / fits,
            cache=cache or ProbeCache(),
        )
        for backbone in chosen.value
    )
    room = memory_room(hardware)
    notes += [
        f"{model.backbone} may not fit: about {model.memory_gb:.1f} GiB of {room:.1f} GiB; "
        "take a smaller model.image_size or another backbone."
        for model in models
        if model.memory_gb > room
    ]
    if hardware.absent:
        notes.append(
            f"Planned for {hardware.device_reason}: memory is counted, times are those of an RTX 3090. "
            "This plan cannot be trained on this machine."
        )
    planned_minutes = sum(model.minutes_per_fold for model in models) * decisions.folds_trained.value
    if config.run.minutes is not None and planned_minutes > 1.15 * config.run.minutes:
        epochs = "the fewest epochs" if config.training.epochs is None else "the epochs that are set"
        notes.append(
            f"about {planned_minutes:.1f} minutes are needed for {epochs}, run.minutes gives {config.run.minutes:g}: the run "
            f"trains them all the same and takes longer. Give --time_limit {config.run.minutes:g}m for a limit that is kept."
        )
    return Plan(
        made_for=plan_inputs(competition, fingerprint, shift, config, models_wanted),
        decisions=decisions,
        operations=operations,
        corruption=corruption,
        class_policies=class_policies,
        models=models,
        notes=tuple(notes),
    )


def plan_inputs(
    competition: Competition,
    fingerprint: dict[str, Any],
    shift: dict[str, Any],
    config: Config,
    models_wanted: int,
) -> str:
    """Hash of what a plan is made from, machine aside: a resumed run keeps its plan on another machine.

    Settings count where they are not as by default, so that a plan outlives an update that brings new settings.
    """
    told, compared = (
        {key: value for key, value in content.items() if key != "seconds"} for content in (fingerprint, shift)
    )
    settings, defaults = msgspec.to_builtins(config), msgspec.to_builtins(Config())
    changed = {
        f"{section}.{name}": value
        for section, values in settings.items()
        for name, value in values.items()
        if (section, name) not in FREE_SETTINGS and value != defaults[section][name]
    }
    added = registered_hash(config, competition)
    made_of = {"fingerprint": told, "shift": compared, "config": changed, "models": models_wanted}
    return digest(made_of | ({"added": added} if added else {}))


def choose_workers(
    hardware: Hardware,
    config: Config,
    sizes: list[int],
    channels: int,
    *,
    requested: int | None,
    open_files: int | None = None,
) -> Decision[int]:
    """Picture-loading processes for models of these input sizes; the rest as `plan_workers` takes it."""
    largest = max(sizes)
    batch = config.training.micro_batch or 64
    chosen = plan_workers(
        cores=hardware.cores,
        shm_bytes=None if hardware.shm_gb is None else int(hardware.shm_gb * 2**30),
        batch_bytes=batch * largest * largest * channels,
        pictures_in_memory=True,
        requested=requested,
        open_files=open_files,
    )
    return Decision(value=chosen.count, reason=chosen.reason)


def _budget_minutes(hardware: Hardware, config: Config, models_wanted: int) -> float | None:
    if config.run.minutes is not None:
        return config.run.minutes
    return CPU_MINUTES[models_wanted] if hardware.device == "cpu" else None


def _plan_model(
    backbone: Backbone,
    weights: Weights,
    competition: Competition,
    hardware: Hardware,
    config: Config,
    *,
    train_pictures: int,
    views: int,
    validations: int,
    minutes: float | None,
    cache: ProbeCache,
) -> ModelPlan:
    reasons: dict[str, str] = {}
    settings = config.training
    on_cpu = hardware.device == "cpu"
    outputs = len(competition.outputs)
    size = config.model.image_size or backbone.input_size
    if not trains(config):
        size = config.model.image_size or trained_size(weights) or backbone.input_size
    args = frozen_args(weights.model_args)
    small = (
        backbone.name in SMALL
        or count_cost(backbone.timm_name, size, outputs, model_args=args).training_gflop < 30
    )
    # A CPU gains nothing from large batches, and a short run needs many steps, from random weights most of all.
    effective = settings.effective_batch or (
        64 if not (on_cpu and small) else 32 if weights.pretrained else 16
    )
    lowest, enough, highest = EPOCHS_FINE_TUNE if weights.pretrained else EPOCHS_SCRATCH

    # Work of one fold in forward passes of one picture: training counts three.
    validation_pictures = len(competition.train) // config.folds.count
    once = (len(competition.test) + validations * validation_pictures) * views / 3

    def per_epoch(pictures: int) -> float:
        return pictures + validations * validation_pictures / 3

    def speed(side: int) -> float:
        return images_per_second(
            backbone,
            weights,
            hardware,
            size=side,
            classes=outputs,
            channels=competition.channels,
            batch=min(effective, PROBED_BATCH),
            small=small,
            cache=cache,
        )

    rate = speed(size)
    epochs = settings.epochs or highest
    if not trains(config):
        epochs, reasons["epochs"] = 0, "nothing is trained"
    elif minutes is not None and settings.epochs is None:
        seconds = minutes * 60 * STEPS_SHARE[hardware.device]
        sizes = [size] if config.model.image_size else _sizes_below(backbone, size)
        for smaller in sizes:
            # Measured at each size: a small picture costs more than its share of pixels.
            rate = rate if smaller == size else speed(smaller)
            epochs = int((seconds * rate - once) / per_epoch(train_pictures))
            if epochs >= enough or smaller == sizes[-1]:
                size = smaller
                break
        epochs = max(lowest, min(highest, epochs))
        reasons["epochs"] = f"{minutes:.3g} minutes a fold at {rate:.3g} images/s, {lowest} to {highest}"
        reasons["input_size"] = f"largest of {', '.join(map(str, sizes))} px that leaves enough epochs"
    elif settings.epochs is None:
        epochs = 15 if weights.pretrained else 60
        reasons["epochs"] = (
            "fine-tuning converges in about 15" if weights.pretrained else "from random weights"
        )

    cost = count_cost(backbone.timm_name, size, outputs, competition.channels, args)
    start = start_facts(backbone, weights, competition, size, keep_classifier=not trains(config))
    if not trains(config):
        require_classifier(backbone, weights, start["adaptation"], config, competition)
    reasons = {"weights": start_reason(weights, start)} | reasons
    memory = fit_memory(
        backbone.timm_name,
        cost,
        hardware,
        config,
        input_size=size,
        effective=effective,
        batch_norm_learns=batch_norm_mode(weights, config) != "frozen",
        model_args=args,
    )
    micro, accumulation, checkpointing = memory.micro_batch, memory.accumulation, memory.grad_checkpointing
    reasons |= memory.reasons
    steps = max(1, -(-train_pictures // (micro * accumulation)))
    recipe = choose_recipe(
        backbone, weights, config, batch=micro * accumulation, steps=steps, classes=outputs, size=size
    )
    test_forwards = len(competition.test) * views / 3
    case = StepCase(
        timm_name=backbone.timm_name,
        weights=weights,
        size=size,
        classes=outputs,
        channels=competition.channels,
        micro_batch=min(micro, PROBED_BATCH),
        accumulation=min(accumulation, 2),
        grad_checkpointing=checkpointing,
        device=hardware.device,
        precision=hardware.precision,
    )
    step = choose_step(case, hardware, small=small, steps=steps * epochs, cache=cache)
    reasons |= step.reasons
    rate = step.images_per_second or rate
    # Recomputing activations costs a second forward pass; where a step was measured, that is in it.
    recomputing = 4 / 3 if checkpointing and step.images_per_second is None else 1.0
    forwards = epochs * per_epoch(train_pictures) * recomputing + once
    return ModelPlan(
        backbone=backbone.name,
        timm_name=backbone.timm_name,
        weights=weights,
        **start,
        input_size=size,
        micro_batch=micro,
        accumulation=accumulation,
        grad_checkpointing=checkpointing,
        memory_format=step.settings.memory_format,
        fused=step.settings.fused,
        compile=step.settings.compile,
        epochs=epochs,
        learning_rate=recipe.learning_rate,
        layer_decay=recipe.layer_decay,
        ema_decay=recipe.ema_decay,
        batch_norm=recipe.batch_norm,
        prediction_batch=config.prediction.batch_size or max(16, micro),
        million_parameters=round(cost.parameters / 1e6, 1),
        minutes_per_fold=round(forwards / rate / 60 / STEPS_SHARE[hardware.device], 4),
        test_minutes_per_fold=round(test_forwards / rate / 60 / STEPS_SHARE[hardware.device], 4),
        memory_gb=round(memory.memory_gb, 1),
        # Best weights, those of epochs that predict held-out pictures, and twice (while it is replaced) weights, average
        # and two moments of AdamW.
        disk_gb=round(cost.parameters * 4 * ((9 if recipe.ema_decay > 0 else 7) + PARTS / 2) / 2**30, 2),
        reasons=reasons | recipe.reasons,
    )


def _sizes_below(backbone: Backbone, size: int) -> list[int]:
    """Input sizes to fall back to when time is short, multiples of 32 px; transformers with fixed windows keep theirs."""
    if backbone.name not in SMALL:
        return [size]
    return list(dict.fromkeys(side for side in (size, 128, 96) if side <= size))
