"""What a run's models need to predict elsewhere: one file of facts, and a folder for each model's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from grandmaster.competition.csv_files import first_few
from grandmaster.competition.decisions import DecisionRule
from grandmaster.competition.table import Competition
from grandmaster.config import DataConfig, SubmissionFormat, TargetKind
from grandmaster.errors import UserError
from grandmaster.prediction.applied import AppliedBlend
from grandmaster.storage import read_json
from grandmaster.training.precision import PrecisionName
from grandmaster.training.spec import FitSpec

FACTS, SPEC = "bundle.json", "spec.json"
FORMAT = 1


class BundledMember(msgspec.Struct, frozen=True, kw_only=True):
    """One fit.

    Attributes:
        folder: below the bundle's: `checkpoint/`, and `spec.json` of what it was fitted to.
        views: that its predictions in the run are made of.
        half: its weights are rounded to half precision.
        half_difference: what rounding changed of the predictions of some test pictures, at most.
        precision: the number format that the fit was eased to; None: that of the plan.
        parameters: how many, to foretell by one model's time what another will take.
    """

    folder: str
    views: int
    half: bool
    half_difference: float
    precision: PrecisionName | None
    parameters: int


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `bundle.json`.

    Attributes:
        data: how the competition was read, with what its `competition.yaml` said.
        prior: (outputs,) what a picture is predicted to be that cannot be read.
        blend, rule: from what fits say to what is handed in.
        members: by name; those of the blend that have a say.
    """

    format: int = FORMAT
    experiment: str
    competition: str
    data: DataConfig
    kind: TargetKind
    submission_format: SubmissionFormat
    outputs: tuple[str, ...]
    classes: tuple[str, ...]
    target_columns: tuple[str, ...]
    prior: tuple[float, ...]
    blend: AppliedBlend
    rule: DecisionRule
    members: dict[str, BundledMember]
    facts: dict[str, Any]


def read_bundle(folder: Path) -> Bundle:
    """Read the facts of a bundle.

    Raises:
        UserError: there is none, or it was made by another version.
    """
    path = folder / FACTS
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError("not a bundle of this version", where=path, fix="Make it anew with kaggle_bundle.py.")
    try:
        return msgspec.convert(content, Bundle)
    except msgspec.ValidationError as error:
        raise UserError(f"damaged: {error}", where=path, fix="Make it anew with kaggle_bundle.py.") from error


def member_facts(folder: Path, member: BundledMember) -> FitSpec:
    """What a member was fitted to.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = folder / member.folder / SPEC
    try:
        return msgspec.convert(read_json(path), FitSpec)
    except msgspec.ValidationError as error:
        raise UserError(f"damaged: {error}", where=path, fix="Make the bundle anew.") from error


def require_same(bundle: Bundle, competition: Competition) -> None:
    """Refuse to predict for another competition than the run was made for.

    Raises:
        UserError: classes, outputs, or the form of the submission differ; says which.
    """
    pairs = {
        "kind of target": (bundle.kind, competition.kind),
        "form of the submission": (bundle.submission_format, competition.submission_format),
        "columns of the submission": (bundle.target_columns, competition.target_columns),
        "classes": (bundle.classes, competition.classes),
        "outputs": (bundle.outputs, competition.outputs),
    }
    for what, (then, now) in pairs.items():
        if then != now:
            told = [
                f"{len(value)}: {first_few(value)}" if isinstance(value, tuple) else value
                for value in (then, now)
            ]
            raise UserError(
                f"this is not the competition that the models were trained on: {what} were {told[0]}, now {told[1]}",
                where=competition.root,
                fix="Attach the competition of the run, or make a bundle of a run of this one.",
            )
