"""Out-of-fold predictions: every picture by the weights of the epoch that others chose."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from small_competition import request, write_competition

from grandmaster.competition.predictions import Predictions
from grandmaster.pipeline.fold_pictures import fold_data
from grandmaster.pipeline.held_out import out_of_fold, predict_held
from grandmaster.pipeline.parts import PARTS
from grandmaster.pipeline.run import open_context, run_pipeline
from grandmaster.pipeline.training import make_spec
from grandmaster.prediction.views import ViewValues, views_path
from grandmaster.progress import SilentProgress
from grandmaster.storage import read_json
from grandmaster.training.checkpoint import save_best, save_leader, weights_of
from grandmaster.training.fit import fit_fold


@pytest.fixture
def fitted(tmp_path):
    """A run up to its preparation, and a fit whose leading epochs have other weights than its best."""
    wanted = request(write_competition(tmp_path / "data"), tmp_path / "run", "training.epochs=1")
    run_pipeline(dataclasses.replace(wanted, until="plan"), SilentProgress())
    context = open_context(wanted, SilentProgress())
    spec = make_spec(context, context.plan.models[0], 0)
    data, precision, folder = fold_data(context, spec), context.make_precision(), tmp_path / "fit"
    how = {"workers": 0, "progress": SilentProgress(), "task": "t"}
    found = fit_fold(spec, data, folder, precision, **how)
    by_epoch = {}
    for epoch in (1, 2, 3):  # made up: a later epoch is surer of the first class
        with torch.no_grad():
            found.model.get_classifier().bias[0] += epoch
        by_epoch[epoch] = predict_held(context, spec, found.model, precision, data.validation, views=2)
        kept = folder / "checkpoint"
        if epoch == 2:
            save_best(kept, weights_of(found.model), {"fit": spec.digest})
        else:
            save_leader(kept, weights_of(found.model, half=True), epoch)
    return context, spec, found, precision, data, folder, by_epoch


def test_the_pictures_are_dealt_to_parts_that_the_fit_knows(fitted):
    _, _, found, _, data, _, _ = fitted
    assert data.part_count == PARTS == len(found.part_epochs)


@pytest.mark.parametrize("epochs", [(1, 3), (3, 1), (2, 3), (2, 2), (3, 3), ()])
def test_every_picture_is_predicted_by_the_epoch_of_its_part(fitted, epochs):
    context, spec, found, precision, data, folder, by_epoch = fitted
    from grandmaster.training.checkpoint import load_best

    load_best(folder / "checkpoint", found.model, fit_digest=spec.digest)
    result = dataclasses.replace(found, best_epoch=2, part_epochs=epochs)
    out_of_fold(context, spec, result, precision, data, folder, views=2)
    kept = Predictions.load(folder / "oof.npz")
    plain = Predictions.load(folder / "oof_plain.npz")
    views = ViewValues.load(views_path(folder / "oof.npz"))
    rows = data.validation.rows
    assert kept.ids == plain.ids == views.ids == tuple(context.trainable["id"].to_numpy()[rows])
    for place, row in enumerate(rows):
        epoch = epochs[data.parts[row]] if epochs else 2
        expected = by_epoch[epoch]
        for values, wanted in (
            (kept.values[place], expected.averaged[place]),
            (plain.values[place], expected.plain[place]),
            (views.values[:, place], expected.by_view[:, place]),
        ):
            np.testing.assert_allclose(values, wanted, atol=2e-3)  # leaders are stored in half precision
    others = [np.abs(by_epoch[2].averaged - by_epoch[epoch].averaged).max() for epoch in (1, 3)]
    assert min(others) > 0.05, "the epochs must tell apart"
    after = predict_held(context, spec, found.model, precision, data.validation, views=2)
    assert np.array_equal(after.averaged, by_epoch[2].averaged), "the model has its best weights again"


def test_a_run_says_which_epochs_predicted(tmp_path):
    wanted = request(write_competition(tmp_path / "data"), tmp_path / "run", "training.epochs=3")
    run_pipeline(dataclasses.replace(wanted, until="train"), SilentProgress())
    result = read_json(tmp_path / "run" / "fold_0" / "test_resnet" / "result.json")
    assert len(result["part_epochs"]) == PARTS
    assert set(result["part_epochs"]) <= {1, 2, 3}
