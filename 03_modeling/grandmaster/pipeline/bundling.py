"""From a finished run to a bundle: the fits of its blend that have a say, and everything that was chosen."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import nn

from grandmaster.competition.decisions import DecisionRule
from grandmaster.competition.description import described
from grandmaster.config import DataConfig
from grandmaster.errors import UserError
from grandmaster.images.dataset import PictureDataset
from grandmaster.images.store import PictureStore
from grandmaster.models.half import rounded
from grandmaster.models.memory_format import to_memory_format
from grandmaster.pipeline.blending import APPLIED
from grandmaster.pipeline.bundle import FACTS, SPEC, Bundle, BundledMember
from grandmaster.pipeline.channels import extra_files
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.finished import FinishedRun
from grandmaster.pipeline.fitted import load_fitted
from grandmaster.pipeline.judging import Judge, mean_target
from grandmaster.pipeline.members import (
    Member,
    blended,
    compared_on,
    finished_members,
    member_spec,
    standing_members,
    student_member,
)
from grandmaster.pipeline.outcome import read_rule
from grandmaster.pipeline.plan import ModelPlan
from grandmaster.prediction.applied import AppliedBlend, AppliedModel
from grandmaster.prediction.predict import predict
from grandmaster.progress import Progress
from grandmaster.storage import read_json, write_json
from grandmaster.texts import counted
from grandmaster.training.checkpoint import save_best, weights_of
from grandmaster.training.precision import Precision
from grandmaster.training.spec import FitSpec

# Rounded weights are taken where no probability (no value, in units of its spread) of the tried pictures moves further.
HALF_TOLERANCE = 2e-3
TRIED_PICTURES = 8


def write_bundle(run: FinishedRun, target: Path, *, student: bool, full: bool, progress: Progress) -> Bundle:
    """Write `bundle.json` and `members/` to a folder.

    Args:
        student: the exported student alone, instead of the blend.
        full: no weights are rounded; False: they are where that was seen to change next to nothing.

    Raises:
        UserError: the run is of an earlier version, has no student, kept no weights, or blends with specialists.
    """
    context = run.context
    if student:
        members, blend, rule = _student(context)
    else:
        members, blend, rule = _chosen(context)
    written: dict[str, BundledMember] = {}
    progress.start("bundle", len(members))
    for number, member in enumerate(members):
        place = f"members/{number:02d}_{re.sub(r'[^a-z0-9]+', '_', member.name.lower()).strip('_')}"
        written[member.name] = _write_member(context, member, target, place, full=full)
        progress.advance("bundle")
    competition = context.competition
    bundle = Bundle(
        experiment=run.name,
        competition=competition.name,
        data=_data(context),
        kind=competition.kind,
        submission_format=competition.submission_format,
        outputs=competition.outputs,
        classes=competition.classes,
        target_columns=competition.target_columns,
        prior=tuple(mean_target(context).tolist()),
        blend=blend,
        rule=rule,
        members=written,
        facts={name: run.results.get(name) for name in ("metric", "cross_validation", "created")},
    )
    write_json(target / FACTS, msgspec.to_builtins(bundle))
    progress.finish("bundle", counted(len(members), "model"))
    return bundle


def _chosen(context: RunContext) -> tuple[list[Member], AppliedBlend, DecisionRule]:
    """The run's blend, without the fits that have no say in it."""
    path = context.folder / "ensemble" / APPLIED
    if not path.exists():
        raise UserError(
            "this run does not tell how its blend is applied: it was made by an earlier version",
            where=path,
            fix="Delete its folder ensemble/ and repeat its command; nothing is trained again.",
        )
    blend = msgspec.convert(read_json(path), AppliedBlend)
    if blend.specialists:
        raise UserError(
            "this run's blend listens to specialists for pairs of classes, which a bundle cannot carry",
            where=path,
            fix="Repeat the run with --set specialist.mode=off and another --experiment_name.",
        )
    known = {member.name: member for member in finished_members(context)}
    names = [name for place in blend.needed() for name in blend.models[place].members]
    missing = [name for name in names if name not in known]
    if missing:
        raise UserError(f"fits of the blend are gone: {', '.join(missing)}", where=context.folder)
    return [known[name] for name in names], blend, read_rule(context)[0]


def _student(context: RunContext) -> tuple[list[Member], AppliedBlend, DecisionRule]:
    """The student of the first fold, which is the one that is exported, with a rule of all students' predictions."""
    path = context.folder / "distill" / "students.json"
    if not path.exists():
        raise UserError("this run has no student", where=path, fix="Train one with --set distill.on=true.")
    plan = msgspec.convert(read_json(path)["student"], ModelPlan)
    folds = sorted({member.fold for member in standing_members(context)})
    students = [student_member(context, plan, fold) for fold in folds]
    first = students[0]
    blend = AppliedBlend(
        kind=context.competition.kind,
        models=(AppliedModel(name=first.name, members=(first.name,), views=None),),
        weights=(1.0,),
    )
    return [first], blend, Judge(context).rule(blended(students, compared_on(context)))


def _data(context: RunContext) -> DataConfig:
    """How the competition was read, so that nothing has to be found out again; labels are not read from it any more."""
    settings, _ = described(context.competition.root, context.config.data)
    layout, metric = context.competition.layout, context.competition.metric
    return msgspec.convert(
        msgspec.to_builtins(settings) | {"layout": layout, "metric": metric, "label_fixes": None}, DataConfig
    )


def _write_member(
    context: RunContext, member: Member, target: Path, place: str, *, full: bool
) -> BundledMember:
    own = member_spec(context, member)
    net = load_fitted(own, member.folder)
    difference, half = 0.0, own.half_weights  # stored rounded already
    if not full and not half:
        difference = _half_difference(context, own, net)
        half = difference <= HALF_TOLERANCE
    # Where its first weights came from is a path of this machine, and not needed any more.
    spec = msgspec.structs.replace(own, weights=own.weights.unloaded())
    save_best(target / place / "checkpoint", weights_of(net, half=half), {"fit": spec.digest})
    write_json(target / place / SPEC, spec)
    result = read_json(member.folder / "result.json")
    return BundledMember(
        folder=place,
        views=result.get("views", own.tta_views),
        half=half,
        half_difference=difference,
        precision=result.get("precision"),
        parameters=result["parameters"],
    )


def _half_difference(context: RunContext, spec: FitSpec, net: nn.Module) -> float:
    """The most that rounding the weights changes of what is said of some test pictures; infinite where there are none."""
    frame = context.competition.test.iloc[context.readable_test_rows[:TRIED_PICTURES]]
    if not len(frame):
        return float("inf")
    store = PictureStore(
        [Path(path) for path in frame["path"]],
        spec.store_size,
        memory_budget=2**31,
        extras=extra_files(context.competition, frame),
    )
    small = copy.deepcopy(net)
    small.load_state_dict(rounded(net.state_dict(), net))
    pair: Sequence[nn.Module] = (net, small)
    first, second = (_say(spec, each, store) for each in pair)
    spread = np.array(spec.head.std or (1.0,), np.float64)
    return float((np.abs(first - second) / spread).max())


def _say(
    spec: FitSpec, net: nn.Module, store: PictureStore
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = Precision(device, "fp32")
    model = to_memory_format(precision.fabric.to_device(net), spec.memory_format)
    found = predict(
        precision.fabric,
        model,
        PictureDataset(store, None, None, spec.input_size, spec.seed),
        spec.weights,
        spec.head,
        device=device,
        memory_format=spec.memory_format,
        batch_size=spec.prediction_batch,
        views=1,
    )
    net.to("cpu")
    return found.plain
