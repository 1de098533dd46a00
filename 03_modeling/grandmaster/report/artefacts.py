"""The files of a run folder, read into typed values.

Every file may be missing (a run that was stopped, or has not come so far), and every number may be null. Fields
that the report does not show are ignored, so that a run of a later version can still be shown.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pandas as pd

from grandmaster.competition.decisions import DecisionRule
from grandmaster.competition.predictions import Predictions
from grandmaster.errors import UserError
from grandmaster.report.fingerprint import Artefact, Fingerprint
from grandmaster.report.planned import Plan, Trial
from grandmaster.report.shift import Shift
from grandmaster.report.techniques import Technique
from grandmaster.storage import file_sha256, read_json


class Score(Artefact, frozen=True, kw_only=True):
    """A score with its bootstrap interval."""

    score: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    images: int | None = None
    folds_trained: int | None = None
    folds_total: int | None = None
    gap: float | None = None
    left_out: tuple[str, ...] = ()


class FitScore(Artefact, frozen=True, kw_only=True):
    """One line of `final_results.json` about a model and fold."""

    backbone: str
    fold: int
    score: float | None = None
    low: float | None = None
    high: float | None = None
    score_corrupted: float | None = None
    gap: float | None = None
    best_epoch: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    weights: str | None = None


class Ensemble(Artefact, frozen=True, kw_only=True):
    """How the models were blended."""

    method: str | None = None
    members: tuple[str, ...] = ()


class DecisionMade(Artefact, frozen=True, kw_only=True):
    """How values became decisions in the submission.

    Attributes:
        fitted_on: "oof" or "oof_corrupted".
        thresholds: by label.
        nested: whether the score is of decisions by rules that were fitted on other folds.
    """

    rule: str | None = None
    why: str | None = None
    fitted_on: str | None = None
    thresholds: dict[str, float] = msgspec.field(default_factory=dict)
    cut_points: tuple[float, ...] = ()
    nested: bool | None = None


class Tta(Artefact, frozen=True, kw_only=True):
    """Test-time augmentation, scored with and without.

    Attributes:
        views: that pictures were seen in.
        chosen: which of them are averaged was chosen; False: all are.
    """

    views: int | None = None
    chosen: bool = False
    score_without: float | None = None
    score_with: float | None = None


class Baseline(Artefact, frozen=True, kw_only=True):
    """The score of an answer that looks at no picture."""

    name: str = "majority class"
    score: float | None = None


class Submission(Artefact, frozen=True, kw_only=True):
    """The submission file and the verdict of the gate."""

    file: str | None = None
    rows: int | None = None
    format: str | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class TimeLimit(Artefact, frozen=True, kw_only=True):
    """What a time limit made of the plan."""

    limit_seconds: float | None = None
    used_seconds: float | None = None
    gave_up: tuple[str, ...] = ()


class FinalResults(Artefact, frozen=True, kw_only=True):
    """`final_results.json`."""

    experiment: str | None = None
    mode: str | None = None
    competition: str | None = None
    layout: str | None = None
    metric: str | None = None
    metric_title: str | None = None
    higher_is_better: bool | None = None
    cross_validation: Score | None = None
    corrupted_validation: Score | None = None
    models: tuple[FitScore, ...] | None = None
    ensemble: Ensemble | None = None
    decision: DecisionMade | None = None
    tta: Tta | None = None
    baseline: Baseline | None = None
    submission: Submission | None = None
    training_pictures: int | None = None
    test_pictures: int | None = None
    quarantined: int | None = None
    seconds: dict[str, float | None] | None = None
    steps: dict[str, dict[str, float | None]] | None = None
    total_seconds: float | None = None
    time: TimeLimit | None = None
    failed: tuple[str, ...] = ()
    command: str | None = None
    created: str | None = None


class Gpu(Artefact, frozen=True, kw_only=True):
    """The graphics card."""

    name: str | None = None
    memory_gb: float | None = None


class Environment(Artefact, frozen=True, kw_only=True):
    """`environment.json`."""

    python: str | None = None
    platform: str | None = None
    cpu: str | None = None
    cores: int | None = None
    memory_gb: float | None = None
    gpu: Gpu | None = None
    versions: dict[str, str | None] = msgspec.field(default_factory=dict)
    command: str | None = None
    mode: str | None = None


class Epoch(Artefact, frozen=True, kw_only=True):
    """One line of `metrics.jsonl`."""

    epoch: int
    train_loss: float | None = None
    learning_rate: float | None = None
    val_loss: float | None = None
    val_score: float | None = None
    val_score_corrupted: float | None = None
    best: bool = False


class FitResult(Artefact, frozen=True, kw_only=True):
    """`result.json` of one model and fold."""

    backbone: str
    fold: int
    score: float | None = None
    best_epoch: int | None = None
    part_epochs: tuple[int, ...] = ()
    epochs: int | None = None
    seconds: float | None = None
    weights: str | None = None
    parameters: int | None = None
    images_per_second: float | None = None
    stopped_early: bool | None = None
    memory_gb: float | None = None
    micro_batch: int | None = None
    accumulation: int | None = None
    grad_checkpointing: bool | None = None


class TrainingResults(Artefact, frozen=True, kw_only=True):
    """`training_results.json`, of which the report needs the time only; the fits come from their folders."""

    seconds: dict[str, float | None] = msgspec.field(default_factory=dict)


class LookLine(Artefact, frozen=True, kw_only=True):
    """One picture of `looks/looks.json`."""

    id: str
    file: str
    output: int
    value: float | None = None
    right: bool = False
    fit: str = ""
    method: str = ""


class Looks(Artefact, frozen=True, kw_only=True):
    """`looks/looks.json`."""

    looks: tuple[LookLine, ...] = ()


class LabelQuality(Artefact, frozen=True, kw_only=True):
    """`label_quality.json`."""

    judged: int | None = None
    training_pictures: int | None = None
    notes: tuple[str, ...] = ()


class Suspect(Artefact, frozen=True, kw_only=True):
    """A line of `label_suspects.csv`."""

    id: str
    label: str
    suggested: str
    quality: float | None = None
    p_label: float | None = None
    p_suggested: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One model on one fold: its curve, and its result once it is finished."""

    backbone: str
    fold: int
    epochs: tuple[Epoch, ...]
    result: FitResult | None


@dataclass(frozen=True, kw_only=True)
class RunArtefacts:
    """All that a run folder holds; None or empty where a file is missing.

    Attributes:
        suspects: labels that are probably wrong, the least credible first.
        folds: columns id, group, fold.
        out_of_fold: blended predictions of the validation pictures of the folds that were trained.
        rule: that makes decisions of values.
        techniques: what was compared, by name of file.
        hashes: file (relative to the folder) -> hex SHA-256.
    """

    folder: Path
    final: FinalResults | None
    label_quality: LabelQuality | None
    suspects: tuple[Suspect, ...] | None
    fingerprint: Fingerprint | None
    shift: Shift | None
    plan: Plan | None
    trial: Trial | None
    environment: Environment | None
    training: TrainingResults | None
    fits: tuple[Fit, ...]
    folds: pd.DataFrame | None
    out_of_fold: Predictions | None
    rule: DecisionRule | None
    looks: tuple[LookLine, ...]
    techniques: tuple[Technique, ...]
    hashes: dict[str, str]


ArtefactType = TypeVar("ArtefactType", bound=Artefact)

HASHED = (
    "config.json",
    "fingerprint.json",
    "shift.json",
    "plan.json",
    "folds.csv",
    "ensemble/oof.npz",
    "ensemble/test.npz",
    "ensemble/decision_rule.json",
)
NUMBERS = frozenset(Suspect.__struct_fields__) - {"id", "label", "suggested", "reason"}
REPAIR = "Delete the file and run the same command again: only what is missing is made again."


def read_run(folder: Path) -> RunArtefacts:
    """Read what there is of a run.

    Raises:
        UserError: no such folder, or a file in it that is damaged; names the file.
    """
    if not folder.is_dir():
        raise UserError("no such run folder", where=folder, fix="Give a folder of training_results/.")
    final = _read(folder / "final_results.json", FinalResults)
    plan = _read(folder / "plan.json", Plan)
    oof_path = folder / "ensemble" / "oof.npz"
    hashed = list(HASHED)
    if final and final.submission and final.submission.file:
        hashed.append(Path(final.submission.file).name)
    return RunArtefacts(
        folder=folder,
        final=final,
        label_quality=_read(folder / "label_quality.json", LabelQuality),
        suspects=_read_suspects(folder / "label_suspects.csv"),
        fingerprint=_read(folder / "fingerprint.json", Fingerprint),
        shift=_read(folder / "shift.json", Shift),
        plan=plan,
        trial=_read(folder / "trial.json", Trial),
        environment=_read(folder / "environment.json", Environment),
        training=_read(folder / "training_results.json", TrainingResults),
        fits=_read_fits(folder, plan),
        folds=_read_folds(folder / "folds.csv"),
        out_of_fold=Predictions.load(oof_path) if oof_path.exists() else None,
        rule=_read_rule(folder / "ensemble" / "decision_rule.json"),
        techniques=_read_techniques(folder / "techniques"),
        looks=looks.looks if (looks := _read(folder / "looks" / "looks.json", Looks)) else (),
        hashes={name: file_sha256(folder / name) for name in hashed if (folder / name).is_file()},
    )


def _read(path: Path, kind: type[ArtefactType]) -> ArtefactType | None:
    if not path.exists():
        return None
    try:
        return msgspec.convert(read_json(path), kind)
    except msgspec.ValidationError as error:
        raise UserError(f"not what a run writes: {error}", where=path, fix=REPAIR) from error


def _read_techniques(folder: Path) -> tuple[Technique, ...]:
    found = [_read(path, Technique) for path in sorted(folder.glob("*.json"))]
    return tuple(line for line in found if line is not None)


def _read_rule(path: Path) -> DecisionRule | None:
    if not path.exists():
        return None
    try:
        return msgspec.convert(read_json(path)["rule"], DecisionRule)
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise UserError(f"not what a run writes: {error}", where=path, fix=REPAIR) from error


def _read_folds(path: Path) -> pd.DataFrame | None:
    if not path.exists():
        return None
    folds = pd.read_csv(path, dtype=str, keep_default_na=False)
    missing = [column for column in ("id", "group", "fold") if column not in folds.columns]
    if missing:
        raise UserError(f"no column {missing[0]!r}", where=path, fix=REPAIR)
    return folds


def _read_fits(folder: Path, plan: Plan | None) -> tuple[Fit, ...]:
    """Every fold_<k>/<backbone>/ that holds a curve or a result, in the plan's order of models, then by fold."""
    order = {model.backbone: place for place, model in enumerate(plan.models)} if plan else {}
    fits = []
    for place in folder.glob("fold_*/*/"):
        fold = place.parent.name.removeprefix("fold_")
        result = _read(place / "result.json", FitResult)
        epochs = _read_epochs(place / "metrics.jsonl")
        if fold.isdigit() and (result or epochs):
            fits.append(Fit(backbone=place.name, fold=int(fold), epochs=epochs, result=result))
    return tuple(sorted(fits, key=lambda fit: (order.get(fit.backbone, len(order)), fit.backbone, fit.fold)))


def _read_epochs(path: Path) -> tuple[Epoch, ...]:
    """One line an epoch. A torn last line (the run was killed while writing) is left out; an epoch that was
    repeated on resuming counts once, as it was last."""
    if not path.exists():
        return ()
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    epochs: dict[int, Epoch] = {}
    for number, line in enumerate(lines, start=1):
        try:
            epoch = msgspec.json.decode(line, type=Epoch)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if number == len(lines):
                break
            raise UserError(f"line {number} is damaged: {error}", where=path, fix=REPAIR) from error
        epochs[epoch.epoch] = epoch
    return tuple(epochs[number] for number in sorted(epochs))


def _read_suspects(path: Path) -> tuple[Suspect, ...] | None:
    if not path.exists():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    try:
        return tuple(
            # An empty cell is a number that is not known; an empty label is the empty set of labels.
            msgspec.convert(
                {key: None if value == "" and key in NUMBERS else value for key, value in row.items()},
                Suspect,
                strict=False,
            )
            for row in rows
        )
    except (msgspec.ValidationError, AttributeError) as error:
        raise UserError(f"not what a run writes: {error}", where=path, fix=REPAIR) from error
