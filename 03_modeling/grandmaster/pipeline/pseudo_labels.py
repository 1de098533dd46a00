"""The stage that learns from test pictures whose label the models are sure of, where the competition allows it.

Lee 2013, and its rounds as in Xie et al. 2020 (noisy student). What keeps it honest: fold k's model learns only from labels
that fold k's models gave. None of them ever saw a label of fold k's validation pictures, in no round, so nothing of them
can come back through the test set; with labels given by the models of all folds it would, for those of the other folds
have learnt fold k's pictures by heart.

A test picture may be a near-duplicate of a validation picture of fold k. That is no leak either: its label is what models
without fold k believe, which may be wrong, and is learnt as wrong as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pandas as pd

from grandmaster.competition.comparison import Comparison
from grandmaster.competition.predictions import Predictions
from grandmaster.config import Config
from grandmaster.errors import UserError
from grandmaster.models.passes import Passes
from grandmaster.pipeline.choosing_labels import PseudoLabels, choose, why_not
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.fold_pictures import Teaching, labels_as_rows, operations_of_test
from grandmaster.pipeline.judging import Judge
from grandmaster.pipeline.manifest import is_done, mark_done
from grandmaster.pipeline.members import (
    Member,
    blended,
    compared_on,
    member_spec,
    planned_members,
    round_member,
    set_standing_round,
)
from grandmaster.pipeline.pacing import SHARE_OF_TIME, StageBrake
from grandmaster.pipeline.predicting import predict_member
from grandmaster.pipeline.releasing import release
from grandmaster.pipeline.techniques import Technique, forget, record, scored_on
from grandmaster.pipeline.timed_plan import end_seconds
from grandmaster.pipeline.training import fit, make_spec, score_line
from grandmaster.pipeline.training_modes import trains
from grandmaster.prediction.ensemble import blend
from grandmaster.storage import file_sha256, read_json, write_csv, write_json
from grandmaster.training.brake import OutOfTime
from grandmaster.training.checkpoint import remove_state
from grandmaster.training.divergence import FitFailed
from grandmaster.training.spec import FitSpec


def rounds_wanted(config: Config) -> int:
    """How many rounds are asked for.

    Raises:
        UserError: some, and training on test pictures is not allowed.
    """
    rounds, allowed = config.pseudo_label.rounds, config.run.allow_test_training
    if rounds and not allowed:
        raise UserError(
            "pseudo-labels are labels of test pictures, and training on those is not allowed here",
            where=f"pseudo_label.rounds={rounds}",
            fix="If the competition's rules allow it, add --allow_test_training; many forbid it.",
        )
    if rounds is None:
        return 1 if allowed and trains(config) else 0
    return rounds


def pseudo_label(context: RunContext) -> None:
    """Rounds of pseudo-labels -> `pseudo_label/round_<r>/`; the last that won stands."""
    forget(context, "pseudo_label_round_")
    wanted, kind = rounds_wanted(context.config), context.competition.kind
    planned = planned_members(context)
    if not wanted or not planned:
        return
    if why_not(kind) is not None:
        context.progress.message(f"No pseudo-labels: {why_not(kind)}.", "warn")
        return
    standing, stands = planned, 0
    for number in range(1, wanted + 1):
        try:
            if not _round(context, number, standing):
                break
        except OutOfTime:
            _give_up(context, number, "its fits could not end in time")
            break
        except FitFailed as failed:
            context.progress.message(f"Pseudo-labels, round {number}, failed: {failed}", "warn")
            record(context, _line(number, kept=False, why=f"it failed: {failed}"))
            break
        standing = [round_member(context, member.model, member.fold, number) for member in planned]
        stands = number
    set_standing_round(context, planned, stands)


def _round(context: RunContext, number: int, standing: Sequence[Member]) -> bool:
    """One round: label, train, compare; whether it won.

    Raises:
        OutOfTime: the time limit ended it.
    """
    for member in standing:
        predict_member(context, member, member_spec(context, member))
    folds = sorted({member.fold for member in standing})
    labels = {fold: labels_of_fold(context, standing, fold) for fold in folds}
    name = f"pseudo-labels, round {number}"
    if not any(len(found.rows) for found in labels.values()):
        least = context.config.pseudo_label.confidence
        why = f"no test picture is predicted with a confidence of {least:g} or more, so there is nothing to learn"
        context.progress.message(f"{name[0].upper()}{name[1:]}: {why}.", "warn")
        record(context, _line(number, kept=False, why=why))
        return False
    for fold, found in labels.items():
        _write_labels(context, number, fold, found)
    teachings = {fold: _teaching(context, found) for fold, found in labels.items()}
    made = [
        (member, round_member(context, member.model, member.fold, number), teachings[member.fold])
        for member in standing
    ]
    specs = {own.name: _spec(context, own, teaching) for _, own, teaching in made}
    undone = [
        (before, own, teaching)
        for before, own, teaching in made
        if not is_done(own.folder / "manifest.json", {"fit": specs[own.name].digest})
    ]
    for _, own, _ in [each for each in made if each not in undone]:
        remove_state(own.folder / "checkpoint")  # a kill right after the manifest may have left it
        line = score_line(context, read_json(own.folder / "result.json"))
        context.progress.finish(f"train {own.name}", f"done before: {line}")
        release(context, own)
    _expect(context, undone, specs)
    for before, own, teaching in undone:
        _fit(context, before, own, teaching, specs[own.name])
        release(context, own)
    return _compare(context, number, standing, [own for _, own, _ in made], specs, labels)


def labels_of_fold(context: RunContext, members: Sequence[Member], fold: int) -> PseudoLabels:
    """Pseudo-labels for the model of a fold, by the mean of that fold's members and of nobody else."""
    own = [Predictions.load(member.test) for member in members if member.fold == fold]
    mean = blend(own).aligned_to(context.competition.test["id"].tolist())
    learnt = context.targets()[context.trainable["fold"].to_numpy() != fold]
    kind, settings = context.competition.kind, context.config.pseudo_label
    return choose(mean.values, learnt, context.readable_test_rows, kind, settings)


def _write_labels(context: RunContext, number: int, fold: int, found: PseudoLabels) -> None:
    """`pseudo_labels.csv` of a fold, to look at."""
    ids = context.competition.test["id"].to_numpy(object)[found.rows]
    table = pd.DataFrame({"id": ids, "confidence": found.confidence.round(4)})
    for column, output in enumerate(context.competition.outputs):
        table[output] = found.taught[:, column].round(4)
    path = context.folder / "pseudo_label" / f"round_{number}" / f"fold_{fold}" / "pseudo_labels.csv"
    write_csv(path, table)


def _teaching(context: RunContext, found: PseudoLabels) -> Teaching:
    return Teaching(
        train=labels_as_rows(context),
        test_rows=found.rows,
        test=found.taught,
        test_weight=context.config.pseudo_label.weight,
        test_operations=operations_of_test(context),
    )


def _spec(context: RunContext, member: Member, teaching: Teaching) -> FitSpec:
    share = context.config.pseudo_label.epochs_share
    epochs = max(1, round(share * context.revisions.epochs(member.model, member.fold)))
    return make_spec(context, member.model, member.fold, epochs=epochs, teaching=teaching)


def _fit(context: RunContext, before: Member, own: Member, teaching: Teaching, spec: FitSpec) -> None:
    known = read_json(before.folder / "result.json")

    def choose_views(fitted: Any) -> int:
        if fitted.out_of_time:
            raise OutOfTime
        views: int = known.get("views", spec.tta_views)  # both are compared by predictions of one kind
        return views

    fit(
        context,
        own.model,
        spec,
        own.folder,
        name=own.name,
        choose_views=choose_views,
        teaching=teaching,
        known=Passes(micro_batch=known["micro_batch"], grad_checkpointing=known["grad_checkpointing"]),
        brake=StageBrake(context.clock, end_seconds(len(context.trainable))),
    )


def seconds_of(before: Member, spec: FitSpec, *, pictures: float = 1.0) -> float:
    """Estimate for a fit like an earlier one, of which the time is known.

    Args:
        pictures: how many there are to train on, in those of the earlier fit.
    """
    known = read_json(before.folder / "result.json")
    seconds: float = known["seconds"] / max(1, known["epochs"]) * spec.epochs * pictures
    return seconds


def _expect(
    context: RunContext, undone: Sequence[tuple[Member, Member, Teaching]], specs: Mapping[str, FitSpec]
) -> None:
    """Tell how long it will take.

    Raises:
        OutOfTime: longer than there is.
    """
    tasks = {}
    for before, own, teaching in undone:
        trained = (context.trainable["fold"] != own.fold).sum()
        more = 1 + len(teaching.test_rows) / max(1, trained)
        tasks[f"train {own.name}"] = seconds_of(before, specs[own.name], pictures=more)
    context.progress.expect(tasks)
    left = context.clock.left() - end_seconds(len(context.trainable))
    if tasks and sum(tasks.values()) > SHARE_OF_TIME * left:
        raise OutOfTime


def _compare(
    context: RunContext,
    number: int,
    standing: Sequence[Member],
    made: Sequence[Member],
    specs: Mapping[str, FitSpec],
    labels: Mapping[int, PseudoLabels],
) -> bool:
    """Whether the round is better than what stands, on the same out-of-fold pictures and beyond the uncertainty."""
    kind, judge = compared_on(context), Judge(context)
    path = context.folder / "pseudo_label" / f"round_{number}" / "round.json"
    manifest = path.with_name("round.manifest.json")
    ensemble = context.config.ensemble
    inputs = {
        "fits": {name: spec.digest for name, spec in specs.items()},
        "predictions": [file_sha256(each.folder / f"{kind}.npz") for each in (*standing, *made)],
        "by": [context.competition.metric, ensemble.bootstrap_rounds, ensemble.interval_level],
    }
    if not is_done(manifest, inputs):
        before, after = blended(standing, kind), blended(made, kind)
        compared = judge.compare(before, after)
        counts = {
            str(fold): {
                "sure": each.sure,
                "learnt": len(each.rows),
                "given_by": [member.name for member in standing if member.fold == fold],
            }
            for fold, each in labels.items()
        }
        kept = compared.verdict == "better"
        facts = {"kept": kept, "scored_on": kind, "compared": compared, "labels": counts}
        write_json(path, {"round": number, **facts})
        mark_done(manifest, inputs, [path])
    found = read_json(path)
    compared, kept = msgspec.convert(found["compared"], Comparison), bool(found["kept"])
    learnt = [len(each.rows) for each in labels.values()]
    span = f"{min(learnt)} to {max(learnt)}" if min(learnt) < max(learnt) else f"{learnt[0]}"
    why = (
        f"{span} of {len(context.competition.test)} test pictures a fold were learnt. "
        f"{compared.sentence('what stands', 'what learnt them')}"
    )
    verdict = "kept" if kept else "not kept, it does not win beyond the uncertainty"
    context.progress.message(f"Pseudo-labels, round {number}, {verdict}: {why}.", "good" if kept else "info")
    line = _line(number, kept=kept, why=f"{why}.")
    told = Technique.of(
        compared,
        name=line.name,
        title=line.title,
        kept=kept,
        why=line.why,
        scored_on=scored_on(kind),
    )
    record(context, told)
    return kept


def _line(number: int, *, kept: bool, why: str, **numbers: Any) -> Technique:
    title = f"Pseudo-labels, round {number}"
    return Technique(name=f"pseudo_label_round_{number}", title=title, kept=kept, why=why, **numbers)


def _give_up(context: RunContext, number: int, why: str) -> None:
    context.revisions.say(f"gave up round {number} of pseudo-labels: {why}")
    record(context, _line(number, kept=False, why=why))
