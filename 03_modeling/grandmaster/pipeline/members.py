"""The fits whose predictions are blended, wherever they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from grandmaster.competition.predictions import Predictions
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.plan import ModelPlan
from grandmaster.pipeline.revisions import fit_name
from grandmaster.pipeline.training import finished_fits, fit_folder, make_spec
from grandmaster.prediction.ensemble import blend_known, concatenate
from grandmaster.storage import digest, file_sha256, read_json, write_json
from grandmaster.training.spec import FitSpec


@dataclass(frozen=True, kw_only=True)
class Member:
    """One fit with its predictions.

    Attributes:
        model: its plan.
        fold: whose pictures it was not trained on.
        variant: what sets it apart from the planned fit of this model and fold; empty: it is that fit. Members of equal
            model and variant are joined over folds.
        folder: `checkpoint/`, `result.json` and out-of-fold predictions.
        test: its predictions of the test pictures.
    """

    model: ModelPlan
    fold: int
    variant: str
    folder: Path
    test: Path

    @property
    def name(self) -> str:
        """As messages and files call it."""
        return fit_name(self.model, self.fold) + (f" ({self.variant})" if self.variant else "")

    @property
    def group(self) -> tuple[str, str]:
        """Equal for members that are joined over folds."""
        return self.model.backbone, self.variant


def planned_member(context: RunContext, model: ModelPlan, fold: int) -> Member:
    """The planned fit of this model and fold."""
    return Member(
        model=model,
        fold=fold,
        variant="",
        folder=fit_folder(context, model, fold),
        test=context.folder / "test" / f"{model.backbone}_fold{fold}.npz",
    )


def variant_member(context: RunContext, model: ModelPlan, fold: int, *, place: str, variant: str) -> Member:
    """A fit beside the plan.

    Args:
        place: its folder within the run's: `<place>/fold_<k>/<backbone>/`, test predictions in `<place>/test/`.
    """
    folder = context.folder / place
    return Member(
        model=model,
        fold=fold,
        variant=variant,
        folder=folder / f"fold_{fold}" / model.backbone,
        test=folder / "test" / f"{model.backbone}_fold{fold}.npz",
    )


def round_member(context: RunContext, model: ModelPlan, fold: int, number: int) -> Member:
    """The fit of this model and fold that learnt pseudo-labels in round `number`, from 1."""
    place, variant = f"pseudo_label/round_{number}", f"pseudo-label round {number}"
    return variant_member(context, model, fold, place=place, variant=variant)


def member_spec(context: RunContext, member: Member) -> FitSpec:
    """What the member was fitted to: of a planned fit as it would be made now, of others as it was."""
    if not member.variant:
        return make_spec(context, member.model, member.fold)
    return msgspec.convert(read_json(member.folder / "spec.json"), FitSpec)


def planned_members(context: RunContext) -> list[Member]:
    """The planned fits that have a result, in the order of the plan."""
    return [planned_member(context, model, fold) for model, fold in finished_fits(context)]


def finished_members(context: RunContext) -> list[Member]:
    """Every fit that has a result and is part of the blend: those that stand, in the order of the plan, then students."""
    return standing_members(context) + _blended_students(context)


def standing_members(context: RunContext) -> list[Member]:
    """The planned fits that have a result, or what took their places."""
    planned = planned_members(context)
    number = standing_round(context, planned)
    if number == 0:
        return planned
    return [round_member(context, member.model, member.fold, number) for member in planned]


def set_standing_round(context: RunContext, planned: Sequence[Member], number: int) -> None:
    """Say which round of pseudo-labels the blend is made of from now on; 0: of the planned fits."""
    path = context.folder / "pseudo_label" / "standing.json"
    write_json(path, {"round": number, "made_from": _made_from(context, planned)})


def standing_round(context: RunContext, planned: Sequence[Member]) -> int:
    """What `set_standing_round` said of these very fits, data and settings; else 0."""
    path = context.folder / "pseudo_label" / "standing.json"
    if not context.config.run.allow_test_training or not path.exists():
        return 0
    known = read_json(path)
    if known.get("made_from") != _made_from(context, planned):
        return 0  # of other fits: the stage will come to it
    number: int = known["round"]
    return number


def student_member(context: RunContext, student: ModelPlan, fold: int) -> Member:
    """The fit of this fold that learnt from the others."""
    return variant_member(context, student, fold, place="distill", variant="student")


def set_students(context: RunContext, student: ModelPlan) -> None:
    """Say that a student was trained on every fold of those that stand now."""
    content = {"student": student, "made_from": _students_from(context)}
    write_json(context.folder / "distill" / "students.json", content)


def _blended_students(context: RunContext) -> list[Member]:
    path = context.folder / "distill" / "students.json"
    if not (context.config.distill.on and context.config.distill.in_blend and path.exists()):
        return []
    known = read_json(path)
    if known.get("made_from") != _students_from(context):
        return []  # of other teachers: the stage will come to it
    student = msgspec.convert(known["student"], ModelPlan)
    folds = sorted({member.fold for member in standing_members(context)})
    return [student_member(context, student, fold) for fold in folds]


def _students_from(context: RunContext) -> str:
    standing = [
        (member.name, file_sha256(member.folder / "manifest.json")) for member in standing_members(context)
    ]
    return digest([standing, context.config.distill, context.config.run.allow_test_training])


def _made_from(context: RunContext, planned: Sequence[Member]) -> str:
    return digest(
        [
            [(member.name, file_sha256(member.folder / "manifest.json")) for member in planned],
            context.data_hash,
            context.config.pseudo_label,
        ]
    )


def blended(members: Sequence[Member], kind: str) -> Predictions:
    """The plain mean of the members' out-of-fold predictions, those of one model joined over folds first.

    Args:
        kind: oof, oof_plain or oof_corrupted.
    """
    groups = dict.fromkeys(member.group for member in members)
    joined = [
        concatenate(
            [Predictions.load(member.folder / f"{kind}.npz") for member in members if member.group == group]
        )
        for group in groups
    ]
    return blend_known(joined)


def compared_on(context: RunContext) -> str:
    """The out-of-fold predictions by which fits are compared: of the pictures on which epochs were chosen."""
    corrupted = context.plan.corruption and context.plan.decisions.selection.value == "corrupted"
    return "oof_corrupted" if corrupted else "oof"
