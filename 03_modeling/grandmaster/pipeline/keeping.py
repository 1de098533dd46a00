"""What fits leave on the disk: decided with the plan by the space that is free, and checked before anything is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from grandmaster.config import Config
from grandmaster.errors import UserError
from grandmaster.models.builder import count_cost
from grandmaster.pipeline.choosing_labels import why_not
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.disk import (
    TIERS,
    FitSize,
    Kept,
    choose_tier,
    free_bytes,
    gigabytes,
    need,
    prediction_bytes,
)
from grandmaster.pipeline.members import round_member, student_member
from grandmaster.pipeline.plan import Decision, ModelPlan, Plan
from grandmaster.pipeline.pseudo_labels import rounds_wanted
from grandmaster.pipeline.training import fit_folder
from grandmaster.pipeline.training_modes import backbone_of, registered

_WHAT_TO_DO = "Free some, choose another folder with --output, or train fewer models (--backbones) or folds (--set folds.train=...)"


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """A fit that the run is to make."""

    folder: Path
    size: FitSize


def refuse_clash(config: Config) -> None:
    """Refuse settings of which one removes what the other needs.

    Raises:
        UserError: distillation or specialists without weights to ask.
    """
    if config.run.keep_weights == "predictions":
        _refuse_what_asks(config)


def with_kept_weights(context: RunContext, plan: Plan) -> Plan:
    """The plan with what its fits leave on the disk: as set, or the first of `disk.TIERS` that fits, else the last.

    Where not even that fits there is a note; `require_room` refuses it.
    """
    config, asked = context.config, context.config.run.keep_weights
    tiers: tuple[Kept, ...] = TIERS if asked == "auto" else (asked,)
    if _asking(config):
        tiers = tuple(tier for tier in tiers if tier != "predictions")
    sizes = [one.size for one in _wanted(context, plan, ())]
    chosen, why, fits = choose_tier([need(sizes, tier) for tier in tiers], free_bytes(context.folder))
    decision = Decision[Kept](value=chosen.tier, reason=why if asked == "auto" else f"as set; {why}")
    note = () if fits else (f"The disk has too little room: {why}.",)
    return msgspec.structs.replace(
        plan,
        decisions=msgspec.structs.replace(plan.decisions, keep_weights=decision),
        notes=(*plan.notes, *note),
    )


def require_room(context: RunContext, plan: Plan) -> None:
    """Refuse a run that would fill the disk, before it trains; of one that is resumed what is left of it counts.

    What unfinished fits hold already is taken for free: it is part of what they need.

    Raises:
        UserError: there is too little room for what the plan keeps, or it keeps no weights and others ask for them.
    """
    tier = plan.decisions.keep_weights.value
    if tier == "predictions":
        _refuse_what_asks(context.config)
    wanted = _wanted(context, plan, context.revisions.added(plan.models))
    left = [one for one in wanted if not (one.folder / "manifest.json").exists()]
    free = free_bytes(context.folder)
    if not left or free is None:
        return
    free += sum(_bytes_in(one.folder / "checkpoint") for one in left)
    needed = need([one.size for one in left], tier)
    if needed.total <= free:
        context.disk_needed = needed.total
        return
    raise UserError(
        f"too little room on the disk: this run needs {gigabytes(needed.total)}, {gigabytes(free)} are free ({needed})",
        where=context.folder,
        fix=f"{_WHAT_TO_DO}{_less(context, tier)}.",
    )


def _less(context: RunContext, tier: Kept) -> str:
    """What could be kept instead."""
    asking = _asking(context.config)
    less = [each for each in TIERS[TIERS.index(tier) + 1 :] if each != "predictions" or not asking]
    if (context.folder / "plan.json").exists():  # what is decided stays decided
        return ""
    said = f", or keep less: --set run.keep_weights={less[-1]}" if less else ""
    return said + "".join(f", or leave out {setting}, which needs weights" for setting in asking)


def _asking(config: Config) -> list[str]:
    """Settings of stages that ask trained models about further pictures."""
    return ["distill.on"] * config.distill.on + ["specialist.mode"] * (config.specialist.mode != "off")


def _refuse_what_asks(config: Config) -> None:
    if asking := _asking(config):
        raise UserError(
            f"{' and '.join(asking)} ask the trained models about pictures, and this run keeps no weights",
            where=f"{', '.join(asking)}, keep_weights: predictions",
            fix="Leave one of them out, or keep weights with --set run.keep_weights=half and another --experiment_name.",
        )


def _wanted(context: RunContext, plan: Plan, added: Sequence[tuple[ModelPlan, int]]) -> list[_Wanted]:
    """All fits: of the plan, of rounds of pseudo-labels, and students."""
    config, kind = context.config, context.competition.kind
    planned = [(model, fold) for model in plan.models for fold in range(plan.folds_trained)]
    planned += [fit for fit in added if fit not in planned]
    found = [
        _Wanted(folder=fit_folder(context, model, fold), size=_size(context, plan, model))
        for model, fold in planned
    ]
    rounds = rounds_wanted(config) if why_not(kind) is None else 0
    for number in range(1, rounds + 1):
        members = [round_member(context, model, fold, number) for model, fold in planned]
        found += [_Wanted(folder=one.folder, size=_size(context, plan, one.model)) for one in members]
    if config.distill.on:
        student = _student(context, plan)
        for fold in range(plan.folds_trained):
            size = _size(context, plan, student)
            if fold == 0:  # exported, as weights and as ONNX
                size = dataclasses.replace(size, extra=2 * size.weights("full"))
            found.append(_Wanted(folder=student_member(context, student, fold).folder, size=size))
    return found


def _student(context: RunContext, plan: Plan) -> ModelPlan:
    """The student as far as its size goes: it is planned only when its turn comes."""
    wanted = context.config.distill.student
    smallest = min(plan.models, key=lambda model: model.million_parameters)
    known = next((model for model in plan.models if model.backbone == wanted), None)
    if wanted is None or known is not None:
        return known or smallest
    competition = context.competition
    backbone = backbone_of(wanted, registered(context.config, competition))
    cost = count_cost(
        backbone.timm_name,
        backbone.input_size,
        len(competition.outputs),
        competition.channels,
        backbone.model_args,
    )
    return msgspec.structs.replace(
        smallest, backbone=backbone.name, million_parameters=round(cost.parameters / 1e6, 1)
    )


def _size(context: RunContext, plan: Plan, model: ModelPlan) -> FitSize:
    competition = context.competition
    ids = (*competition.train["id"], *competition.test["id"])
    return FitSize(
        backbone=model.backbone,
        parameters=round(model.million_parameters * 1e6),
        averaged=model.ema_decay > 0,
        predictions=prediction_bytes(
            held=-(-len(competition.train) // plan.folds_total),
            test=len(competition.test),
            outputs=len(competition.outputs),
            views=plan.decisions.tta_views.value,
            corrupted=bool(plan.corruption),
            id_length=max(map(len, ids), default=0),
        ),
    )


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
