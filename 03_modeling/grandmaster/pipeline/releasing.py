"""Removing the weights of a fit that nothing needs any more, where the plan keeps predictions only."""

from __future__ import annotations

from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.manifest import without_output
from grandmaster.pipeline.members import Member, member_spec
from grandmaster.pipeline.predicting import predict_member
from grandmaster.storage import read_json
from grandmaster.training.checkpoint import BEST, mark_removed, remove_best


def release(context: RunContext, member: Member) -> None:
    """Predict the test pictures with a finished fit and remove its weights; nothing where the plan keeps weights.

    Out-of-fold predictions are part of a finished fit. After the test pictures nobody asks it again: blending looks at
    predictions, and later rounds begin from the weights that the fit began from. One that a time limit cut short keeps
    its weights, for it may be gone on with.

    In every moment between these steps the fit counts as done, and the next start takes the steps that are left.
    """
    if context.plan.keep_weights != "predictions":
        return
    predict_member(context, member, member_spec(context, member))
    if read_json(member.folder / "result.json").get("stopped") == "time":
        return
    kept = member.folder / "checkpoint"
    mark_removed(kept)
    without_output(member.folder / "manifest.json", kept / BEST)
    remove_best(kept)
