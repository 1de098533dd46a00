"""What teachers say of the pictures that a student learns from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grandmaster.competition.predictions import Predictions
from grandmaster.images.dataset import PictureDataset
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.fitted import fitted_on_device
from grandmaster.pipeline.fold_pictures import Teaching, labels_as_rows, operations_of_test
from grandmaster.pipeline.held_out import of_pictures, predict_pictures
from grandmaster.pipeline.manifest import is_done, mark_done
from grandmaster.pipeline.members import Member, member_spec
from grandmaster.pipeline.predicting import predict_member
from grandmaster.prediction.ensemble import blend
from grandmaster.storage import file_sha256


def teach(context: RunContext, teachers: Sequence[Member], fold: int) -> Teaching:
    """What the student of a fold learns: of its training pictures the labels beside the mean of that fold's teachers.

    None of these teachers saw the fold's validation pictures, and the student sees none of theirs. Where training on test
    pictures is allowed it learns of those too; nobody knows their labels, so the teachers' answer stands in for them.

    Args:
        teachers: members of any fold; those of this one teach.
    """
    own = [member for member in teachers if member.fold == fold]
    said = blend([_of_training(context, member) for member in own])
    outputs = len(context.competition.outputs)
    rows = np.zeros((len(context.trainable), 2 * outputs), np.float32)
    rows[:, :outputs] = labels_as_rows(context)
    learnt = context.trainable["fold"].to_numpy() != fold
    rows[learnt, outputs:] = said.aligned_to(context.trainable["id"].to_numpy()[learnt].tolist()).values
    # Of its own fold the student is told nothing, and never asks.
    rows[~learnt] = 0
    test_rows, test = _of_test(context, own)
    settings = context.config.distill
    return Teaching(
        train=rows,
        test_rows=test_rows,
        test=np.concatenate([test, test], axis=1),
        test_operations=operations_of_test(context),
        temperature=settings.temperature,
        true_share=settings.true_share,
    )


def _of_test(
    context: RunContext, own: Sequence[Member]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    outputs = len(context.competition.outputs)
    if not context.config.run.allow_test_training:
        return np.zeros(0, np.int64), np.zeros((0, outputs), np.float32)
    for member in own:
        predict_member(context, member, member_spec(context, member))
    ids = context.competition.test["id"]
    rows = context.readable_test_rows
    mean = blend([Predictions.load(member.test) for member in own])
    return rows, mean.aligned_to(ids.tolist()).values[rows]


def _of_training(context: RunContext, member: Member) -> Predictions:
    """What one teacher says of the pictures that it was trained on, over views; kept in a file."""
    spec = member_spec(context, member)
    path = _file(context, member)
    manifest = path.with_suffix(".manifest.json")
    views = context.config.distill.views
    inputs = {
        "fit": spec.digest,
        "weights": file_sha256(member.folder / "checkpoint" / "best.safetensors"),
        "views": views,
    }
    task = f"ask {member.name}"
    if is_done(manifest, inputs):
        context.progress.finish(task, "done before")
        return Predictions.load(path)
    rows = np.flatnonzero(context.trainable["fold"].to_numpy() != member.fold)
    context.progress.start(task, len(rows))
    net, precision = fitted_on_device(context, spec, member.folder)
    store = context.store("train", spec.store_size)
    found = predict_pictures(
        context,
        spec,
        net,
        precision,
        PictureDataset(store, None, None, spec.input_size, spec.seed, rows=rows),
        views=views,
        task=task,
        on_batch=lambda pictures: context.progress.advance(task, pictures),
    )
    predictions = of_pictures(context, found, found.averaged)
    predictions.save(path)
    mark_done(manifest, inputs, [path])
    context.progress.finish(task)
    return predictions


def _file(context: RunContext, member: Member) -> Path:
    """Where a teacher's answers are kept."""
    place = member.variant.replace(" ", "_") or "planned"
    return (
        context.folder
        / "distill"
        / f"fold_{member.fold}"
        / "teachers"
        / f"{member.model.backbone}_{place}.npz"
    )
