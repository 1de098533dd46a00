"""Stages that predict the test set and blend models and folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from grandmaster.competition.predictions import Predictions
from grandmaster.images.dataset import PictureDataset
from grandmaster.pipeline.blending import blend_members, files_of, how_chosen, may_choose
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.fitted import fitted_on_device
from grandmaster.pipeline.held_out import predict_pictures
from grandmaster.pipeline.judging import Judge, mean_target
from grandmaster.pipeline.manifest import is_done, mark_done
from grandmaster.pipeline.members import Member, compared_on, finished_members, member_spec
from grandmaster.prediction.views import ViewValues, views_path
from grandmaster.storage import digest, file_sha256, read_json, write_json
from grandmaster.training.checkpoint import best_sha256
from grandmaster.training.spec import FitSpec


def predict_test(context: RunContext) -> None:
    """Predict the test pictures with every fit -> `test/<backbone>_fold<k>.npz`."""
    for member in finished_members(context):
        predict_member(context, member, member_spec(context, member))


def predict_member(context: RunContext, member: Member, spec: FitSpec) -> None:
    """Predict the test pictures with one fit, under the views of its out-of-fold predictions.

    Args:
        spec: that it was fitted to.
    """
    if member.test in context.predicted:
        return  # in this very process: nothing to say
    context.predicted.add(member.test)
    result = read_json(member.folder / "result.json")
    views = result.get("views", spec.tta_views)  # fits of earlier versions have the plan's
    kept, path = member.folder / "checkpoint", member.test
    task = f"predict {member.name}"
    inputs = {
        "fit": spec.digest,
        "weights": best_sha256(kept),
        "data": context.data_hash,
        "views": views,
    }
    manifest = path.with_suffix(".manifest.json")
    if is_done(manifest, inputs):
        context.progress.finish(task, "done before")
        return
    net, precision = fitted_on_device(context, spec, member.folder)
    store = context.store("test", spec.store_size)
    readable = np.array([row for row in range(len(store)) if row not in store.unreadable], np.int64)
    values = np.tile(mean_target(context), (len(store), 1))
    by_view = None
    context.progress.start(task, len(readable))
    if len(readable):
        found = predict_pictures(
            context,
            spec,
            net,
            precision,
            PictureDataset(store, None, None, spec.input_size, spec.seed, rows=readable),
            views=views,
            task=task,
            on_batch=lambda pictures: context.progress.advance(task, pictures),
        )
        if found.by_view is not None:
            by_view = np.tile(values, (views, 1, 1))
            by_view[:, found.rows] = found.by_view
        values[found.rows] = found.averaged
    ids, outputs = tuple(context.competition.test["id"]), context.competition.outputs
    Predictions(ids=ids, outputs=outputs, values=values).save(path)
    written, of_views = [path], views_path(path)
    of_views.unlink(missing_ok=True)
    if by_view is not None:
        ViewValues(ids=ids, outputs=outputs, values=by_view).save(of_views)
        written.append(of_views)
    mark_done(manifest, inputs, written)
    context.progress.finish(task)


def ensemble(context: RunContext, members: Sequence[Member] | None = None) -> None:
    """Blend -> `ensemble/oof.npz`, `oof_plain.npz`, `oof_corrupted.npz`, `test.npz`; and `decision_rule.json`.

    Views of each model, how models are blended, and a temperature are chosen on out-of-fold predictions -> `tta.json`,
    `blend.json`, `calibration.json`; see `blending`. They and the rule that makes decisions of test values are fitted on
    what looks most like these: out-of-fold predictions of corrupted pictures where the best epoch was chosen on such.
    The rule is fitted last, on blended and calibrated values that come from other folds' choices.

    Args:
        members: whose predictions are blended, with nothing chosen, as long as more are to come; None: all that are
            finished.
    """
    folder = context.folder / "ensemble"
    blended = finished_members(context) if members is None else members
    kinds, fitted_on = _kinds(context), compared_on(context)
    competition = context.competition
    inputs = _inputs(context, blended, kinds, fitted_on)
    manifest = folder / "manifest.json"
    if is_done(manifest, inputs):
        return  # also where nothing need be chosen: what stands is better
    choosing = members is None and may_choose(context, blended)
    if not choosing:
        inputs["chosen"] = None
        if is_done(manifest, inputs):
            return
    outputs = blend_members(context, blended, kinds, fitted_on=fitted_on, choosing=choosing)
    rule = Judge(context).rule(Predictions.load(folder / f"{fitted_on}.npz"))
    outputs.append(folder / "decision_rule.json")
    write_json(outputs[-1], {"rule": rule, "outputs": competition.outputs, "fitted_on": fitted_on})
    mark_done(manifest, inputs, outputs)


def final_blend_stands(context: RunContext) -> bool:
    """Whether `ensemble` has blended all that is finished, with everything chosen, and has nothing left to do."""
    members, kinds = finished_members(context), _kinds(context)
    if not members or not all(path.exists() for path in files_of(members, kinds)):
        return False
    inputs = _inputs(context, members, kinds, compared_on(context))
    return is_done(context.folder / "ensemble" / "manifest.json", inputs)


def _kinds(context: RunContext) -> tuple[str, ...]:
    """Of out-of-fold predictions."""
    return ("oof", "oof_plain", "oof_corrupted") if context.plan.corruption else ("oof", "oof_plain")


def _inputs(
    context: RunContext, blended: Sequence[Member], kinds: Sequence[str], fitted_on: str
) -> dict[str, Any]:
    competition = context.competition
    return {
        "files": digest(_hashes(files_of(blended, kinds))),
        "decided": [competition.classes_hash, competition.metric, competition.submission_format],
        "chosen": how_chosen(context, fitted_on),
    }


def _hashes(paths: Sequence[Path]) -> list[str]:
    return [file_sha256(path) for path in paths]
