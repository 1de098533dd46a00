"""Stages that predict the test set and blend models and folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from grandmaster.competition.predictions import Predictions
from grandmaster.images.dataset import PictureDataset
from grandmaster.models.memory_format import to_memory_format
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.fitted import load_fitted
from grandmaster.pipeline.held_out import smaller_passes, workers_for
from grandmaster.pipeline.judging import Judge, mean_target
from grandmaster.pipeline.manifest import is_done, mark_done
from grandmaster.pipeline.members import Member, finished_members, member_spec
from grandmaster.prediction.ensemble import blend, blend_known, concatenate
from grandmaster.prediction.predict import predict
from grandmaster.storage import digest, file_sha256, read_json, write_json
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
        "weights": file_sha256(kept / "best.safetensors"),
        "data": context.data_hash,
        "views": views,
    }
    manifest = path.with_suffix(".manifest.json")
    if is_done(manifest, inputs):
        context.progress.finish(task, "done before")
        return
    precision = context.make_precision()
    net = precision.fabric.to_device(load_fitted(spec, member.folder))
    net = to_memory_format(net, spec.memory_format)
    store = context.store("test", spec.store_size)
    readable = np.array([row for row in range(len(store)) if row not in store.unreadable], np.int64)
    values = np.tile(mean_target(context), (len(store), 1))
    context.progress.start(task, len(readable))
    if len(readable):
        found = predict(
            precision.fabric,
            net,
            PictureDataset(store, None, None, spec.input_size, spec.seed, rows=readable),
            spec.weights,
            spec.head,
            device=spec.device,
            memory_format=spec.memory_format,
            batch_size=spec.prediction_batch,
            views=views,
            workers=workers_for(context),
            on_batch=lambda pictures: context.progress.advance(task, pictures),
            on_smaller=smaller_passes(context, task),
        )
        values[found.rows] = found.averaged
    Predictions(
        ids=tuple(context.competition.test["id"]),
        outputs=context.competition.outputs,
        values=values,
    ).save(path)
    mark_done(manifest, inputs, [path])
    context.progress.finish(task)


def ensemble(context: RunContext, members: Sequence[Member] | None = None) -> None:
    """Blend -> `ensemble/oof.npz`, `oof_plain.npz`, `oof_corrupted.npz`, `test.npz`; and `decision_rule.json`.

    Out-of-fold predictions of one model are joined over folds first; then the mean of models, and of models x folds.
    Where time ran out before the last fits, a picture's out-of-fold value is the mean of the models that have one.
    The rule that makes decisions of test values is fitted on the out-of-fold predictions that look most like them:
    those of corrupted pictures where the best epoch was chosen on such.

    Args:
        members: whose predictions are blended; None: all that are finished.
    """
    folder = context.folder / "ensemble"
    kinds = ["oof", "oof_plain"] + (["oof_corrupted"] if context.plan.corruption else [])
    blended = finished_members(context) if members is None else members
    groups = list(dict.fromkeys(member.group for member in blended))
    sources = {
        kind: [
            [member.folder / f"{kind}.npz" for member in blended if member.group == group] for group in groups
        ]
        for kind in kinds
    }
    tests = [member.test for member in blended]
    competition = context.competition
    inputs = {
        "files": digest([_hashes(paths) for kind in kinds for paths in sources[kind]] + [_hashes(tests)]),
        "decided": [competition.classes_hash, competition.metric, competition.submission_format],
    }
    manifest = folder / "manifest.json"
    if is_done(manifest, inputs):
        return
    outputs = []
    for kind in kinds:
        models = [concatenate([Predictions.load(path) for path in paths]) for paths in sources[kind]]
        outputs.append(folder / f"{kind}.npz")
        blend_known(models).save(outputs[-1])
    outputs.append(folder / "test.npz")
    blend([Predictions.load(path) for path in tests]).save(outputs[-1])
    like_test = context.plan.corruption and context.plan.decisions.selection.value == "corrupted"
    fitted_on = "oof_corrupted" if like_test else "oof"
    rule = Judge(context).rule(Predictions.load(folder / f"{fitted_on}.npz"))
    outputs.append(folder / "decision_rule.json")
    write_json(outputs[-1], {"rule": rule, "outputs": competition.outputs, "fitted_on": fitted_on})
    mark_done(manifest, inputs, outputs)


def _hashes(paths: Sequence[Path]) -> list[str]:
    return [file_sha256(path) for path in paths]
