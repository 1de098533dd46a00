"""Stages before training: inspect the pictures, decide the plan, split the folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from grandmaster.eda.fingerprint import TASK as INSPECT_TASK
from grandmaster.eda.fingerprint import Inspection, inspect_pictures
from grandmaster.eda.shift_reading import TASK as COMPARE_TASK
from grandmaster.errors import UserError
from grandmaster.images.policy import test_like_policy
from grandmaster.pipeline.augmenting import trial_epochs
from grandmaster.pipeline.channels import check_channels
from grandmaster.pipeline.comparing import compare
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.finding_rate import rate_task
from grandmaster.pipeline.folds import make_folds
from grandmaster.pipeline.hardware import planning_hardware
from grandmaster.pipeline.keeping import require_room, with_kept_weights
from grandmaster.pipeline.later import later_work
from grandmaster.pipeline.manifest import is_done, mark_done, read_manifest
from grandmaster.pipeline.plan import ModelPlan, Plan, read_plan, write_plan
from grandmaster.pipeline.planner import plan_inputs
from grandmaster.pipeline.seen_pictures import tell_of_seen_pictures
from grandmaster.pipeline.speed import ProbeCache
from grandmaster.pipeline.timed_plan import make_timed_plan
from grandmaster.report.policy_sheet import FILE_NAME as SHEET
from grandmaster.report.policy_sheet import policy_sheet
from grandmaster.storage import file_sha256, write_atomic, write_csv, write_json
from grandmaster.texts import counted
from grandmaster.training.rate_finder import STEPS


def inspect(context: RunContext) -> None:
    """Measure every picture -> `fingerprint.json`, `picture_statistics.npz`."""
    manifest = context.folder / "fingerprint.manifest.json"
    inputs = {"data": context.data_hash, "settings": msgspec.to_builtins(context.config.inspect)}
    if is_done(manifest, inputs):
        context.progress.finish(INSPECT_TASK, "done before")
        return
    if changed := _changed_since(context, manifest):
        context.progress.message(changed, "warn")
    inspection = _look_at_pictures(context)
    fingerprint = inspection.fingerprint
    path, table = context.folder / "fingerprint.json", context.folder / "picture_statistics.npz"
    write_json(path, fingerprint)
    inspection.table.save(table)
    mark_done(manifest, inputs, [path, table])
    for split in ("train", "test"):
        broken = [entry for entry in fingerprint["unreadable"] if entry["split"] == split]
        if broken:
            what = "left out" if split == "train" else "predicted by the mean target of the training set"
            told = counted(len(broken), f"unreadable {split} picture", "is", "are")
            named = ", ".join(entry["id"] for entry in broken[:3])
            context.progress.message(f"{told} {what}: {named} ...", "warn")


def _changed_since(context: RunContext, manifest: Path) -> str:
    """What to say where the data are not those that this run began with; empty: they are, or it has not begun."""
    then = read_manifest(manifest)
    if then is None or then.inputs.get("data") == context.data_hash:
        return ""
    since = manifest.stat().st_mtime_ns
    frames = (context.competition.train, context.competition.test)
    newer = [
        picture_id
        for frame in frames
        for picture_id, path in zip(frame["id"], frame["path"], strict=True)
        if Path(path).exists() and Path(path).stat().st_mtime_ns > since
    ]
    named = (
        f" ({len(newer)} newer pictures: {', '.join(newer[:3])}{' ...' if len(newer) > 3 else ''})"
        if newer
        else ""
    )
    return f"The data changed since this run began{named}: it is looked at anew, and what depends on it is done again."


def shift(context: RunContext) -> None:
    """Compare train with test, and read what was done to test -> `shift.json`, `policy_sheet.jpg`."""
    manifest = context.folder / "shift.manifest.json"
    inputs = {"data": context.data_hash, "settings": msgspec.to_builtins(context.config.inspect)}
    if is_done(manifest, inputs):
        context.progress.finish(COMPARE_TASK, "done before")
        return
    path, sheet = context.folder / "shift.json", context.folder / SHEET
    content = _compared(context)
    write_json(path, content)
    if len(context.competition.test):
        write_atomic(sheet, policy_sheet(context.competition, test_like_policy(content)))
    mark_done(manifest, inputs, [path, *([sheet] if sheet.exists() else [])])


def _look_at_pictures(context: RunContext) -> Inspection:
    """What any run or dry run beside this one has measured is taken from their cache, and kept there."""
    for note in check_channels(context.competition, threads=context.hardware.cores):
        context.progress.message(note, "warn")
    return inspect_pictures(
        context.competition,
        context.config.inspect,
        context.progress,
        cache_folder=context.cache_folder,
    )


def plan(context: RunContext) -> None:
    """Decide -> `plan.json`, `folds.csv`, `environment.json`; an existing plan, edited or not, is obeyed."""
    path, manifest = context.folder / "plan.json", context.folder / "plan.manifest.json"
    inputs = {
        "made_for": plan_inputs(
            context.competition, context.fingerprint, context.shift, context.config, context.models_wanted
        )
    }
    if path.exists() and read_plan(path, context.competition).made_for == inputs["made_for"]:
        context.progress.message(
            "Plan: as edited in plan.json." if _is_edited(path, manifest) else "Plan: decided before.", "good"
        )
        require_room(context, context.plan)
    elif path.exists() and _is_edited(path, manifest):
        raise UserError(
            "plan.json was edited, but the data or the settings it was made for have changed",
            where=path,
            fix="Delete it to have it made anew, or choose another --experiment_name.",
        )
    else:
        made = _make(context)
        require_room(context, made)  # before there is a plan: settings can still be changed then
        write_plan(path, made)
        mark_done(manifest, inputs, [path])
    for note in context.plan.notes:
        context.progress.message(note, "warn")
    if context.clock.limited:
        for later in later_work(context.plan, context.competition, context.config):
            context.progress.message(f"After the planned fits, if the time left allows: {later.line}.")
    _split(context)
    tell_of_seen_pictures(context)
    fits = [(model, fold) for model in context.plan.models for fold in range(context.plan.folds_trained)]
    tasks: dict[str, float] = {}
    if context.config.training.find_rate:
        pictures = len(context.competition.train) * (context.plan.folds_total - 1) / context.plan.folds_total
        for model in context.plan.models:
            epoch = _fit_seconds(model) / model.epochs
            tasks[rate_task(model)] = epoch * STEPS * model.micro_batch * model.accumulation / pictures
    if context.plan.decisions.trial.value:
        model = context.plan.models[0]
        short = _fit_seconds(model) * trial_epochs(model.epochs) / model.epochs
        tasks |= {f"try {name} augmentation": short for name in context.plan.candidates()}
    tasks |= {f"train {model.backbone} fold {fold}": _fit_seconds(model) for model, fold in fits}
    tasks |= {
        f"predict {model.backbone} fold {fold}": 60 * model.test_minutes_per_fold for model, fold in fits
    }
    tasks["report"] = 3.0
    context.progress.expect(tasks)


def _is_edited(path: Path, manifest: Path) -> bool:
    """Whether a person changed the plan after it was made."""
    made = read_manifest(manifest)
    return made is not None and made.outputs != {path.name: file_sha256(path)}


def _fit_seconds(model: ModelPlan) -> float:
    """Estimate for training one fold, without predicting the test set."""
    return 60 * (model.minutes_per_fold - model.test_minutes_per_fold)


def planned(context: RunContext) -> Plan:
    """The plan without a run: that of an existing one, or one made now. What was measured for it is kept, nothing else."""
    read = ("plan.json", "fingerprint.json", "shift.json")
    if all((context.folder / name).exists() for name in read):
        asked_for = plan_inputs(
            context.competition, context.fingerprint, context.shift, context.config, context.models_wanted
        )
        if context.plan.made_for == asked_for:
            return context.plan
    return _make(context)


def _make(context: RunContext) -> Plan:
    if not (context.folder / "fingerprint.json").exists():
        context.fingerprint = _look_at_pictures(context).fingerprint
    if not (context.folder / "shift.json").exists():
        context.shift = _compared(context)
    made = make_timed_plan(
        context.competition,
        context.fingerprint,
        context.shift,
        planning_hardware(context.hardware, context.config.hardware),
        context.config,
        clock=context.clock,
        models_wanted=context.models_wanted,
        cache=ProbeCache(context.cache_folder),
    )
    return with_kept_weights(context, made)


def _compared(context: RunContext) -> dict[str, Any]:
    return compare(context)


def _split(context: RunContext) -> None:
    """Write `folds.csv` once; a plan edited to another number of folds gets a new split."""
    path, manifest = context.folder / "folds.csv", context.folder / "folds.manifest.json"
    inputs = {
        "data": context.data_hash,
        "count": context.plan.folds_total,
        "seed": context.config.folds.seed,
        "groups": context.fingerprint["duplicates"]["groups"],
    }
    if is_done(manifest, inputs):
        return
    folds, notes = make_folds(
        context.competition.train,
        context.fingerprint["duplicates"]["groups"],
        count=context.plan.folds_total,
        seed=context.config.folds.seed,
        kind=context.competition.kind,
        targets=context.competition.targets,
    )
    write_csv(path, folds)
    mark_done(manifest, inputs, [path])
    for note in notes:
        context.progress.message(note, "warn")
