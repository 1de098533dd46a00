"""A submission from the first moment on: whatever ends the run, the best one that was possible until then stands."""

from __future__ import annotations

import numpy as np

from grandmaster.competition.predictions import Predictions
from grandmaster.competition.submission import write_submission
from grandmaster.errors import UserError
from grandmaster.pipeline import training
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.judging import class_shares
from grandmaster.pipeline.members import finished_members, planned_member
from grandmaster.pipeline.outcome import read_rule, set_members, submission_path, submitted_members
from grandmaster.pipeline.plan import ModelPlan
from grandmaster.pipeline.predicting import ensemble, final_blend_stands, predict_member
from grandmaster.pipeline.releasing import release
from grandmaster.pipeline.training import make_spec


def without_pictures(context: RunContext) -> None:
    """Where there is a time limit and no submission yet: the same answer for every picture, which looks at none."""
    path, competition = submission_path(context), context.competition
    if not context.clock.limited or path.exists():
        return
    if competition.kind == "multiclass":
        answer = class_shares(competition.targets, len(competition.outputs))
    else:
        answer = competition.targets.astype(np.float64).mean(axis=0)
    same = Predictions(
        ids=tuple(competition.test["id"]),
        outputs=competition.outputs,
        values=np.tile(answer.astype(np.float32), (len(competition.test), 1)),
    )
    try:
        write_submission(path, same, competition)
    except UserError as error:  # it is a last resort, and need not be
        context.progress.message(f"No submission before the first model is trained: {error}", "warn")
        return
    context.progress.message("Submission so far: one answer for all pictures, until a model is trained.")


def train(context: RunContext) -> None:
    """The stage that trains; after the first fit, and with a time limit after every fit, there is a submission."""

    def after_fit(model: ModelPlan, fold: int) -> None:
        member = planned_member(context, model, fold)
        if not context.predicted or context.clock.limited:
            predict_member(context, member, make_spec(context, model, fold))
            _write(context)
        release(context, member)

    training.train(context, after_fit)


def _write(context: RunContext) -> None:
    """A submission of all fits whose test predictions are known to be there, unless a better one stands."""
    members = [member for member in finished_members(context) if member.test in context.predicted]
    if not members:
        return  # later stages made better members of these fits, which are still to be predicted with
    names = [member.name for member in members]
    if submission_path(context).exists() and len(names) < len(submitted_members(context)):
        return
    if final_blend_stands(context):  # it was made, and the run ended before its submission was written
        names = [member.name for member in finished_members(context)]
    else:
        ensemble(context, members)
    rule, _ = read_rule(context)
    blend = Predictions.load(context.folder / "ensemble" / "test.npz")
    write_submission(submission_path(context), blend, context.competition, rule=rule)
    set_members(context, names)
    context.progress.message(f"Submission so far: {', '.join(names)}.", "good")
