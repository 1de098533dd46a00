"""The plan under a time limit: what fits into the time left, and what is given up for it."""

from __future__ import annotations

from typing import Any

import msgspec

from grandmaster.competition.table import Competition
from grandmaster.config import Config
from grandmaster.models.registry import SMALL
from grandmaster.pipeline import planner
from grandmaster.pipeline.augmenting import TRIAL_FITS, trial_epochs
from grandmaster.pipeline.clock import Clock
from grandmaster.pipeline.hardware import Hardware
from grandmaster.pipeline.plan import Decision, ModelPlan, Plan
from grandmaster.pipeline.schedule import Candidate, Schedule, SizeCost, choose_schedule, given_up
from grandmaster.pipeline.training_modes import trains

# Of the time left. Not less: what the planner's speeds leave out is in its estimates already, the first epoch shows what
# is wrong with them, and a fit that turns out too long is shortened.
PLANNED_SHARE = 0.9
# Building a model, loading weights and writing checkpoints, seconds a fit.
FIT_START = 2.0
# What comes after the last prediction: blend, doubtful labels, intervals, report. Seconds, and seconds a picture.
END_SECONDS, END_PICTURE_SECONDS = 5.0, 2e-3
PICTURE_SECONDS = 0.01  # to read one, on one core
# Two short fits that try the augmentation may take this share of what there is for training.
TRIAL_SHARE_OF_TIME = 0.15
# Speeds may be measured this many times more where that takes no more than a share of the time left.
PROBES, PROBING_SHARE = 3, 0.1
SMALLER_SIDES = (128, 96)  # px, for small backbones; transformers with fixed windows keep theirs


def end_seconds(pictures: int) -> float:
    """Seconds to keep for what comes after the last prediction, with this many training pictures."""
    return END_SECONDS + END_PICTURE_SECONDS * pictures


def make_timed_plan(
    competition: Competition,
    fingerprint: dict[str, Any],
    shift: dict[str, Any],
    hardware: Hardware,
    config: Config,
    *,
    clock: Clock,
    **how: Any,
) -> Plan:
    """`planner.make_plan`, held within the clock's limit where it has one.

    What is set (epochs, size, folds, views) is then the most that is done. Arguments, also those in `how`, and errors
    as there.
    """

    def planned(settings: Config) -> Plan:
        return planner.make_plan(competition, fingerprint, shift, hardware, settings, **how)

    if not clock.limited or not trains(config):
        return planned(config)
    pictures = len(competition.train) + len(competition.test)
    before = clock.left()
    whole = planned(_once(config))
    # Each further plan measures speeds anew, which on a slow or busy machine takes long.
    quick = PROBES * (before - clock.left()) <= PROBING_SHARE * clock.left()
    candidates = [
        _candidate(model, whole, competition, config, planned if quick else None) for model in whole.models
    ]
    left = clock.left()  # only now: measuring the speeds took time, too
    if config.run.minutes is not None:
        left = min(left, 60 * config.run.minutes)
    reading = pictures * PICTURE_SECONDS / hardware.cores
    seconds = max(0.0, PLANNED_SHARE * (left - end_seconds(len(competition.train)) - reading))
    folds, views = whole.folds_trained, config.prediction.tta_views
    schedule = choose_schedule(candidates, folds=folds, views=views, seconds=seconds)
    trial, why_no_trial = config.augmentation.trial, ""
    cost = _trial_seconds(candidates[0], schedule)
    may_try = whole.decisions.augmentation.value == "test_like" and config.augmentation.policy == "auto"
    if may_try and trial is None and schedule.models * schedule.folds >= TRIAL_FITS:
        trial = cost <= TRIAL_SHARE_OF_TIME * seconds
        why_no_trial = "" if trial else f"two short fits of {cost:.0f} s are too much beside {seconds:.0f} s"
    if may_try and trial:
        schedule = choose_schedule(candidates, folds=folds, views=views, seconds=seconds - cost)
    plans = [
        planned(settings)
        if quick
        else _as_measured(whole, model, candidate, schedule, epochs=epochs, side=side)
        for settings, model, candidate, epochs, side in zip(
            _settled(config, schedule, candidates, trial=trial),
            whole.models,
            candidates,
            schedule.epochs,
            schedule.sides,
            strict=False,
        )
    ]
    reason = (
        f"{left:.0f} s were left of the time limit, {seconds:.0f} s of them for training and predicting: "
        "the most valuable of what fits"
    )
    decided = plans[0].decisions
    changed: dict[str, Any] = {
        "backbones": Decision(
            value=tuple(candidate.name for candidate in candidates[: schedule.models]),
            reason=whole.decisions.backbones.reason if schedule.models == len(candidates) else reason,
        )
    }
    if schedule.folds < folds:
        changed["folds_trained"] = Decision(value=schedule.folds, reason=reason)
    else:
        changed["folds_trained"] = whole.decisions.folds_trained
    changed["tta_views"] = (
        Decision(value=schedule.views, reason=reason)
        if schedule.views < views
        else Decision(value=views, reason="prediction.tta_views")
    )
    policies = plans[0].class_policies
    if trial and config.augmentation.trial is None:
        changed["trial"] = whole.decisions.trial  # of all fits; the plans are for one model each
    elif not trial and (why_no_trial or decided.trial.value):
        why_no_trial = why_no_trial or "two short fits would cost too much beside the few that are left"
        changed["trial"] = Decision(value=False, reason=why_no_trial)
        if config.augmentation.class_groups is None and policies:
            changed["class_groups"] = Decision(value=False, reason="no trial to tell whether they win")
            policies = ()
    return msgspec.structs.replace(
        plans[0],
        made_for=planner.plan_inputs(competition, fingerprint, shift, config, how["models_wanted"]),
        decisions=msgspec.structs.replace(decided, **changed),
        class_policies=policies,
        models=tuple(_with_reason(plan.models[0], config, reason) for plan in plans),
        notes=_notes(plans, left, schedule, given_up(candidates, folds, views, schedule)),
    )


def _once(config: Config) -> Config:
    """The same at one epoch, one view and full size: what one of each costs."""
    return msgspec.structs.replace(
        config,
        training=msgspec.structs.replace(config.training, epochs=1),
        prediction=msgspec.structs.replace(config.prediction, tta_views=1),
        run=msgspec.structs.replace(config.run, minutes=None),
    )


def _candidate(
    model: ModelPlan, whole: Plan, competition: Competition, config: Config, planned: Any
) -> Candidate:
    """What the plan of one epoch and one view says that this model costs, at each of its sizes."""
    validations = 2 if whole.corruption else 1
    held = validations * len(competition.train) / whole.folds_total
    # In forward passes: training counts three.
    epoch, view = (
        3 * len(competition.train) * (1 - 1 / whole.folds_total) + held,
        held + len(competition.test),
    )

    def cost(at_size: ModelPlan) -> SizeCost:
        seconds = 60 * at_size.minutes_per_fold
        share = epoch / (epoch + view)
        return SizeCost(side=at_size.input_size, epoch=seconds * share, view=seconds * (1 - share))

    sizes = [cost(model)]
    smaller = SMALLER_SIDES if config.model.image_size is None and model.backbone in SMALL else ()
    for side in [side for side in smaller if side < model.input_size]:
        if planned is None:
            # By pixels a smaller picture would be quicker than it is.
            share = (side / model.input_size) ** 1.5
            sizes.append(SizeCost(side=side, epoch=share * sizes[0].epoch, view=share * sizes[0].view))
            continue
        at_side = msgspec.structs.replace(
            _once(config),
            model=msgspec.structs.replace(config.model, backbones=(model.backbone,), image_size=side),
        )
        sizes.append(cost(planned(at_side).models[0]))
    table = planner.EPOCHS_FINE_TUNE if model.weights.pretrained else planner.EPOCHS_SCRATCH
    _, enough, highest = table
    return Candidate(
        name=model.backbone,
        sizes=tuple(sizes),
        enough=enough,
        highest=config.training.epochs or highest,
        start=FIT_START,
        pretrained=model.weights.pretrained,
    )


def _as_measured(
    whole: Plan, model: ModelPlan, candidate: Candidate, schedule: Schedule, *, epochs: int, side: int
) -> Plan:
    """The plan of one model from that of one epoch and one view, without measuring its speed once more.

    Where the input is smaller than what was measured, its memory is that of the larger one: no less than it needs.
    """
    size = next(size for size in candidate.sizes if size.side == side)
    shrunk = size.view / candidate.sizes[0].view if candidate.sizes[0].view else 1.0
    timed = msgspec.structs.replace(
        model,
        input_size=side,
        epochs=epochs,
        minutes_per_fold=round((epochs * size.epoch + schedule.views * size.view) / 60, 4),
        test_minutes_per_fold=round(schedule.views * shrunk * model.test_minutes_per_fold, 4),
    )
    return msgspec.structs.replace(whole, models=(timed,))


def _trial_seconds(candidate: Candidate, schedule: Schedule) -> float:
    """Two short fits of the first model, scored with one view."""
    size = next(size for size in candidate.sizes if size.side == schedule.sides[0])
    return 2 * (candidate.start + trial_epochs(schedule.epochs[0]) * size.epoch + size.view)


def _settled(
    config: Config, schedule: Schedule, candidates: list[Candidate], *, trial: bool | None
) -> list[Config]:
    """The settings with everything that the schedule decides written in, one for each model."""
    return [
        msgspec.structs.replace(
            config,
            folds=msgspec.structs.replace(config.folds, train=schedule.folds),
            model=msgspec.structs.replace(
                config.model,
                backbones=(candidate.name,),
                image_size=config.model.image_size if side == candidate.sizes[0].side else side,
            ),
            augmentation=msgspec.structs.replace(config.augmentation, trial=trial),
            training=msgspec.structs.replace(config.training, epochs=epochs),
            prediction=msgspec.structs.replace(config.prediction, tta_views=schedule.views),
            run=msgspec.structs.replace(config.run, minutes=None),
        )
        for candidate, epochs, side in zip(candidates, schedule.epochs, schedule.sides, strict=False)
    ]


def _with_reason(model: ModelPlan, config: Config, reason: str) -> ModelPlan:
    reasons = dict(model.reasons)
    if config.training.epochs != model.epochs:
        reasons["epochs"] = reason
    if config.model.image_size is None and model.backbone in SMALL:
        reasons["input_size"] = reason
    return msgspec.structs.replace(model, reasons=reasons)


def _notes(plans: list[Plan], left: float, schedule: Schedule, lost: list[str]) -> tuple[str, ...]:
    notes = list(dict.fromkeys(note for plan in plans for note in plan.notes))
    if lost:
        notes.append(f"Time limit, {left:.0f} s left: gave up {', '.join(lost)}.")
    if not schedule.fits:
        notes.append("Time limit: not even one epoch is sure to end in time; training may be cut short.")
    return tuple(notes)
