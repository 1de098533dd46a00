"""The stage that trains a small model to say what the others say, to be used alone: distillation (Hinton et al. 2015)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import torch

from grandmaster.competition.comparison import Comparison
from grandmaster.competition.metrics import METRICS
from grandmaster.competition.table import Competition
from grandmaster.config import Config
from grandmaster.errors import UserError, did_you_mean
from grandmaster.images.normalise import to_input
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.exporting import export_fit
from grandmaster.pipeline.fitted import fitted_on_device
from grandmaster.pipeline.fold_pictures import Teaching
from grandmaster.pipeline.judging import Judge
from grandmaster.pipeline.manifest import is_done, mark_done
from grandmaster.pipeline.members import (
    Member,
    blended,
    compared_on,
    member_spec,
    set_students,
    standing_members,
    student_member,
)
from grandmaster.pipeline.pacing import SHARE_OF_TIME, StageBrake
from grandmaster.pipeline.plan import ModelPlan
from grandmaster.pipeline.planner import make_plan
from grandmaster.pipeline.speed import ProbeCache
from grandmaster.pipeline.teachers import teach
from grandmaster.pipeline.techniques import Technique, forget, record, scored_on
from grandmaster.pipeline.timed_plan import end_seconds
from grandmaster.pipeline.training import fit, make_spec, score_line
from grandmaster.pipeline.training_modes import backbone_of, registered
from grandmaster.storage import file_sha256, read_json, write_json
from grandmaster.training.brake import OutOfTime
from grandmaster.training.checkpoint import remove_state
from grandmaster.training.divergence import FitFailed
from grandmaster.training.spec import FitSpec
from grandmaster.training.timed_step import wait_for

NAME = "distill"
TIMED_BATCH, TIMED_PASSES = 8, 5


def check_student(config: Config, competition: Competition) -> None:
    """Refuse a student that nobody knows, before anything is trained.

    Raises:
        UserError: names the nearest that there is.
    """
    if config.distill.on and config.distill.student is not None:
        backbone_of(config.distill.student, registered(config, competition))


def distill(context: RunContext) -> None:
    """Train a student on every fold -> `distill/fold_<k>/<student>/`, and export that of the first fold -> `export/`."""
    forget(context, NAME)
    if not context.config.distill.on:
        return
    teachers = _teachers(context)
    if not teachers:
        return
    student = _student(context, teachers)
    try:
        students = _train(context, teachers, student)
    except OutOfTime:
        why = "the time limit leaves too little for it"
        context.revisions.say(f"gave up distillation: {why}")
        record(context, Technique(name=NAME, title="Distillation", kept=False, why=why))
        return
    except FitFailed as failed:
        context.progress.message(f"Distillation failed: {failed}", "warn")
        record(context, Technique(name=NAME, title="Distillation", kept=False, why=f"it failed: {failed}"))
        return
    set_students(context, student)
    _compare(context, teachers, students)
    first = students[0]
    target = context.folder / "export" / first.model.backbone
    manifest = target / "manifest.json"
    inputs = {"weights": file_sha256(first.folder / "checkpoint" / "best.safetensors")}
    if not is_done(manifest, inputs):
        try:
            said = export_fit(first.folder, target)
        except UserError as error:  # nothing that was handed in depends on it
            context.progress.message(f"The student was not exported: {error}", "warn")
            return
        mark_done(manifest, inputs, [path for path in target.glob("model.*") if path.suffix != ".part"])
        context.progress.message(f"Exported {first.name} to export/{first.model.backbone}: {said}.", "good")


def _teachers(context: RunContext) -> list[Member]:
    """The standing members, or those of one backbone.

    Raises:
        UserError: there is no such backbone in the plan.
    """
    members, wanted = standing_members(context), context.config.distill.teacher
    if wanted is None:
        return members
    planned = [model.backbone for model in context.plan.models]
    if wanted not in planned:
        raise UserError(
            f"no planned model is called {wanted!r}",
            where="distill.teacher",
            fix=did_you_mean(wanted, planned),
        )
    return [member for member in members if member.model.backbone == wanted]


def _student(context: RunContext, teachers: Sequence[Member]) -> ModelPlan:
    """How the student is trained: as planned where it is one of the plan's models, else planned now, once."""
    wanted = context.config.distill.student
    planned = {model.backbone: model for model in context.plan.models}
    if wanted is None:
        return min(planned.values(), key=lambda model: model.million_parameters)
    if wanted in planned:
        return planned[wanted]
    path = context.folder / "distill" / "student.json"
    manifest, inputs = (
        path.with_name("student.manifest.json"),
        {"student": wanted, "plan": context.plan.made_for},
    )
    if not is_done(manifest, inputs):
        config = context.config
        alone = msgspec.structs.replace(
            config, model=msgspec.structs.replace(config.model, backbones=(wanted,))
        )
        made = make_plan(
            context.competition,
            context.fingerprint,
            context.shift,
            context.hardware,
            alone,
            models_wanted=1,
            cache=ProbeCache(context.cache_folder),
        )
        write_json(path, made.models[0])
        mark_done(manifest, inputs, [path])
    return msgspec.convert(read_json(path), ModelPlan)


def _train(context: RunContext, teachers: Sequence[Member], student: ModelPlan) -> list[Member]:
    """The students of all folds.

    Raises:
        OutOfTime: the time limit ended it, or leaves too little for it.
    """
    folds = sorted({member.fold for member in teachers})
    _require_time(context, [student_member(context, student, fold) for fold in folds])
    # All teachers first: they may need pictures of other sizes than the student.
    teachings = {fold: teach(context, teachers, fold) for fold in folds}
    return [_fit(context, teachers, student, fold, teachings[fold]) for fold in folds]


def _fit(
    context: RunContext, teachers: Sequence[Member], student: ModelPlan, fold: int, teaching: Teaching
) -> Member:
    """Train the student of a fold, unless that is done."""
    own = student_member(context, student, fold)
    epochs = max(1, round(context.config.distill.epochs_share * student.epochs))
    spec = make_spec(context, student, fold, epochs=epochs, teaching=teaching)
    if is_done(own.folder / "manifest.json", {"fit": spec.digest}):
        remove_state(own.folder / "checkpoint")  # a kill right after the manifest may have left it
        line = score_line(context, read_json(own.folder / "result.json"))
        context.progress.finish(f"train {own.name}", f"done before: {line}")
        return own
    views = min(read_json(member.folder / "result.json")["views"] for member in teachers)

    def choose_views(fitted: Any) -> int:
        if fitted.out_of_time:
            raise OutOfTime
        return views

    keep = end_seconds(len(context.trainable))
    fit(
        context,
        student,
        spec,
        own.folder,
        name=own.name,
        choose_views=choose_views,
        teaching=teaching,
        brake=StageBrake(context.clock, keep),
    )
    return own


def _require_time(context: RunContext, students: Sequence[Member]) -> None:
    """Tell how long those that were never trained will take.

    Raises:
        OutOfTime: longer than the time limit leaves.
    """
    share = context.config.distill.epochs_share
    tasks = {
        f"train {own.name}": 60 * own.model.minutes_per_fold * share
        for own in students
        if not (own.folder / "manifest.json").exists()
    }
    context.progress.expect(tasks)
    left = context.clock.left() - end_seconds(len(context.trainable))
    if tasks and sum(tasks.values()) > SHARE_OF_TIME * left:
        raise OutOfTime


def _compare(context: RunContext, teachers: Sequence[Member], students: Sequence[Member]) -> None:
    """Student against teachers on the same out-of-fold pictures: scores, sizes and times -> `distill/distill.json`."""
    kind, judge, settings = compared_on(context), Judge(context), context.config.distill
    path = context.folder / "distill" / "distill.json"
    manifest = path.with_name("distill.manifest.json")
    inputs = {
        "predictions": [file_sha256(each.folder / f"{kind}.npz") for each in (*teachers, *students)],
        "compared_by": [context.competition.metric, context.config.ensemble],
    }
    if not is_done(manifest, inputs):
        before, after = blended(teachers, kind), blended(students, kind)
        timed = {member.group: _seconds_a_picture(context, member) for member in (*teachers, students[0])}
        write_json(
            path,
            {
                "scored_on": kind,
                "teachers": judge.interval(before),
                "student": judge.interval(after),
                "compared": judge.compare(before, after),
                "parameters": [_parameters(teachers), _parameters(students[:1])],
                "seconds": [sum(timed[member.group] for member in teachers), timed[students[0].group]],
            },
        )
        mark_done(manifest, inputs, [path])
    found = read_json(path)
    compared = msgspec.convert(found["compared"], Comparison)
    (many, one), (slow, fast) = found["parameters"], found["seconds"]
    title = METRICS[context.competition.metric].title
    teacher = settings.teacher or ("the ensemble" if len(teachers) > 1 else teachers[0].model.backbone)
    why = (
        f"one {students[0].model.backbone} instead of {teacher}: {title} {compared.before:.4f} -> "
        f"{compared.after:.4f} ({compared.low:+.4f} to {compared.high:+.4f} against it), {_millions(many)} -> "
        f"{_millions(one)} million parameters, {1000 * slow:.1f} -> {1000 * fast:.1f} ms a picture and view"
    )
    context.progress.message(f"Distillation: {why}.", "good")
    record(
        context,
        Technique.of(
            compared,
            name=NAME,
            title=f"Distillation into {students[0].model.backbone}",
            kept=settings.in_blend,
            why=why,
            scored_on=scored_on(kind),
        ),
    )


def _millions(parameters: float) -> str:
    return f"{parameters / 1e6:.3g}"


def _parameters(members: Sequence[Member]) -> int:
    return sum(read_json(member.folder / "result.json")["parameters"] for member in members)


def _seconds_a_picture(context: RunContext, member: Member) -> float:
    """Measured: one forward pass of one view, in batches of `TIMED_BATCH`, from bytes to values; the median of some."""
    spec: FitSpec = member_spec(context, member)
    net, precision = fitted_on_device(context, spec, member.folder)
    shape = (TIMED_BATCH, spec.in_channels, spec.input_size, spec.input_size)
    pictures = torch.zeros(shape, dtype=torch.uint8)
    took = []
    with torch.inference_mode():
        for _ in range(1 + TIMED_PASSES):
            started = time.perf_counter()
            inputs = to_input(
                pictures,
                spec.weights.mean,
                spec.weights.std,
                device=spec.device,
                channels_last=spec.memory_format == "channels_last",
            )
            with precision.fabric.autocast():
                spec.head.activate(net(inputs)).cpu()
            wait_for(spec.device)
            took.append(time.perf_counter() - started)
    return float(np.median(took[1:])) / TIMED_BATCH
