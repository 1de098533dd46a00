"""What a run needs of the disk, what it keeps of its fits, and that it is refused before it would fill the disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_competition import Record, handed_in, request, write_competition

from grandmaster.competition.predictions import Predictions
from grandmaster.errors import UserError
from grandmaster.pipeline import keeping
from grandmaster.pipeline.disk import (
    MARGIN_BYTES,
    TIERS,
    FitSize,
    choose_tier,
    gigabytes,
    need,
    prediction_bytes,
)
from grandmaster.pipeline.exporting import export_fit
from grandmaster.pipeline.fitted import load_fitted
from grandmaster.pipeline.fold_pictures import fold_data
from grandmaster.pipeline.held_out import predict_held
from grandmaster.pipeline.members import member_spec, planned_member
from grandmaster.pipeline.parts import PARTS
from grandmaster.pipeline.run import open_context, run_pipeline
from grandmaster.progress import SilentProgress

GB = 2**30
# Two models on five folds: 1 GB and 0.5 GB of float32 weights.
FITS = [
    FitSize(backbone=name, parameters=GB // size, averaged=averaged, predictions=GB // 100)
    for name, size, averaged in (("large", 4, True), ("small", 8, False))
    for _ in range(5)
]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory) -> dict[str, Path]:
    """A finished run that keeps each of what can be kept; tests copy them before they change them."""
    found = {}
    for tier in TIERS:
        found[tier] = tmp_path_factory.mktemp(tier) / "run"
        handed_in(request(data, found[tier], f"run.keep_weights={tier}"))
    return found


# --- arithmetic ---------------------------------------------------------------------------------------


def test_the_need_is_weights_and_two_states_and_predictions_and_a_margin():
    full = need(FITS, "full")
    assert (full.fits, full.largest) == (10, "large")
    assert full.weights == 5 * GB + 5 * GB // 2
    assert full.state == 2 * 4 * GB  # weights, average and two moments, twice
    assert full.predictions == 10 * (GB // 100)
    assert full.leaders == pytest.approx(PARTS * GB * 2.02 / 4)
    written = full.weights + full.state + full.leaders + full.predictions
    assert full.margin == pytest.approx(MARGIN_BYTES + 0.02 * written)
    assert full.total == written + full.margin
    half, predictions = need(FITS, "half"), need(FITS, "predictions")
    assert half.weights == pytest.approx(full.weights * 2.02 / 4)
    assert predictions.weights == GB  # of the largest, while it trains
    assert half.state == predictions.state == full.state
    assert half.leaders == predictions.leaders == full.leaders
    assert need(FITS[5:], "full").state == 2 * 3 * GB // 2  # no average


@pytest.mark.parametrize(
    ("spare", "tier"), [(0, "full"), (-1, "half"), (GB, "full")], ids=["just", "a byte less", "plenty"]
)
def test_the_first_that_fits_is_kept(spare, tier):
    needs = [need(FITS, each) for each in TIERS]
    chosen, why, fits = choose_tier(needs, needs[0].total + spare)
    assert (chosen.tier, fits) == (tier, True)
    assert f"= {gigabytes(chosen.total)}, {gigabytes(needs[0].total + spare)} free" in why
    assert ("not full" in why) == (tier == "half")


def test_without_room_for_weights_predictions_are_kept_and_without_room_for_those_it_does_not_fit():
    needs = [need(FITS, each) for each in TIERS]
    assert needs[0].total > needs[1].total > needs[2].total
    chosen, why, fits = choose_tier(needs, needs[1].total - 1)
    assert (chosen.tier, fits) == ("predictions", True)
    assert why.endswith(f"not full {gigabytes(needs[0].total)}, half {gigabytes(needs[1].total)}")
    chosen, why, fits = choose_tier(needs, needs[2].total - 1)
    assert (chosen.tier, fits) == ("predictions", False)
    assert "only" in why
    assert choose_tier(needs, None)[0].tier == "full"


def test_what_predictions_take_is_what_their_files_take(runs):
    folder = runs["full"]
    counted = prediction_bytes(held=16, test=18, outputs=3, views=2, corrupted=False, id_length=12)
    paths = [*(folder / "fold_0").rglob("oof*.npz"), *(folder / "test").glob("*fold0*.npz")]
    headers = 1000 * len(paths)  # of three arrays a file
    assert counted < sum(path.stat().st_size for path in paths) < counted + headers


def test_a_state_takes_what_is_counted(data, tmp_path):
    """Of a fit that is cut off, on the disk: weights, average and moments."""

    class Stop(SilentProgress):
        def advance(self, task: str, units: int = 1, **facts: Any) -> None:
            if facts.get("epoch", "").startswith("2/"):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_pipeline(request(data, tmp_path / "run", "training.ema_decay=0.9"), Stop())
    kept = tmp_path / "run" / "fold_0" / "test_resnet" / "checkpoint"
    parameters = sum(
        tensor.numel() for tensor in load_file(kept / "epoch_0001.safetensors").values() if tensor.ndim
    )
    size = FitSize(backbone="test_resnet", parameters=parameters, averaged=True, predictions=0)
    written = sum(path.stat().st_size for path in kept.glob("epoch_*"))
    assert size.state < written < size.state + 60_000  # names and shapes


# --- what the plan says ----------------------------------------------------------------------------------


def test_the_plan_says_what_is_kept_and_why(data, runs, monkeypatch):
    monkeypatch.setattr(keeping, "free_bytes", lambda folder: 10 * GB)
    context = open_context(request(data, runs["full"]), SilentProgress())
    decided = keeping.with_kept_weights(context, context.plan).decisions.keep_weights
    assert decided.value == "full"
    assert "2 fits x" in decided.reason
    assert decided.reason.endswith("10.0 GB free")
    told = open_context(request(data, runs["half"]), SilentProgress()).plan.decisions.keep_weights
    assert told.value == "half"
    assert told.reason.startswith("as set; all weights, in half precision: 2 fits x")


def test_rounds_and_students_are_counted(data, runs):
    def fits(*settings: str) -> int:
        context = open_context(request(data, runs["full"], *settings), SilentProgress())
        return len(keeping._wanted(context, context.plan, ()))

    assert fits() == 2
    assert fits("run.allow_test_training=true", "pseudo_label.rounds=2") == 6
    assert fits("distill.on=true") == 4


# --- half ------------------------------------------------------------------------------------------------


def test_half_predicts_with_exactly_what_is_stored(data, runs):
    folder = runs["half"]
    stored = load_file(folder / "fold_0/test_resnet/checkpoint/best.safetensors")
    context = open_context(request(data, folder, "run.keep_weights=half"), SilentProgress())
    member = planned_member(context, context.plan.models[0], 0)
    spec = member_spec(context, member)
    net = load_fitted(spec, member.folder)
    parameters = {name for name, value in net.named_parameters() if value.ndim >= 2}
    halved = {name for name, value in stored.items() if value.dtype == torch.float16}
    assert halved
    assert halved <= parameters
    assert all(
        torch.equal(value.to(net.state_dict()[name].dtype), net.state_dict()[name])
        for name, value in stored.items()
    )
    precision = context.make_precision()
    found = predict_held(
        context,
        spec,
        precision.fabric.to_device(net),
        precision,
        fold_data(context, spec).validation,
        views=2,
    )
    kept = Predictions.load(member.folder / "oof.npz")
    assert np.array_equal(found.averaged, kept.values)
    full = Predictions.load(runs["full"] / "fold_0" / "test_resnet" / "oof.npz")
    assert full.ids == kept.ids
    assert 0 < np.abs(full.values - kept.values).max() < 5e-3


def test_half_takes_half_and_passes_the_gate_and_resuming_changes_nothing(data, runs, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(runs["half"], folder)
    sizes = [
        (runs[tier] / "fold_0/test_resnet/checkpoint/best.safetensors").stat().st_size for tier in TIERS[:2]
    ]
    assert sizes[1] < 0.6 * sizes[0]
    results = json.loads((folder / "final_results.json").read_text())
    assert results["submission"]["problems"] == []
    stamps = {path: path.stat().st_mtime_ns for path in folder.glob("fold_*/**/*") if path.is_file()}
    record = Record()
    again = handed_in(request(data, folder, "run.keep_weights=half"), record)
    assert record.notes["train test_resnet fold 0"].startswith("done before")
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert again["cross_validation"] == results["cross_validation"]


# --- predictions only --------------------------------------------------------------------------------------


def test_without_weights_all_predictions_are_those_of_full(runs):
    assert not list(runs["predictions"].rglob("best.safetensors"))
    files = [path.relative_to(runs["full"]) for path in runs["full"].rglob("*.npz")]
    assert len(files) > 8
    for name in [name for name in files if name.name != "picture_statistics.npz"]:
        assert (runs["predictions"] / name).read_bytes() == (runs["full"] / name).read_bytes(), name
    submissions = [(runs[tier] / "submission_run.csv").read_bytes() for tier in ("full", "predictions")]
    assert submissions[0] == submissions[1]


def test_what_needs_removed_weights_says_so(data, runs, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(runs["predictions"], folder)
    with pytest.raises(UserError, match=r"weights of this fit were removed.*keep_weights=half"):
        export_fit(folder / "fold_0" / "test_resnet", tmp_path / "out")
    (folder / "test" / "test_resnet_fold0.npz").unlink()
    with pytest.raises(UserError, match=r"weights of this fit were removed.*Delete the fit's folder"):
        handed_in(request(data, folder, "run.keep_weights=predictions"))
    shutil.rmtree(folder / "fold_0")
    handed_in(request(data, folder, "run.keep_weights=predictions"))
    submission = (folder / "submission_run.csv").read_bytes()
    assert submission == (runs["predictions"] / "submission_run.csv").read_bytes()


def test_distillation_needs_weights_and_is_refused_before_training(data, runs, tmp_path, monkeypatch):
    clash = ("run.keep_weights=predictions", "distill.on=true")
    with pytest.raises(UserError, match=r"distill.on ask.*this run keeps no weights"):
        run_pipeline(request(data, tmp_path / "asked", *clash), SilentProgress())
    # Asked for only when the weights are gone:
    context = open_context(request(data, runs["predictions"], "distill.on=true"), SilentProgress())
    with pytest.raises(UserError, match="this run keeps no weights"):
        keeping.require_room(context, context.plan)
    # With room for predictions only:
    context = open_context(request(data, tmp_path / "run", "distill.on=true"), SilentProgress())
    plan = open_context(request(data, runs["full"]), SilentProgress()).plan
    sizes = [one.size for one in keeping._wanted(context, plan, ())]
    monkeypatch.setattr(keeping, "free_bytes", lambda folder: need(sizes, "half").total - 1)
    plan = keeping.with_kept_weights(context, plan)
    assert plan.keep_weights == "half"
    with pytest.raises(UserError, match=r"too little room.*or leave out distill.on"):
        keeping.require_room(context, plan)


def test_rounds_of_pseudo_labels_go_without_weights(data, tmp_path):
    folder = tmp_path / "run"
    settings = (
        "run.keep_weights=predictions",
        "run.allow_test_training=true",
        "pseudo_label.rounds=1",
        "pseudo_label.confidence=0.34",
        "training.epochs=1",
    )
    results = handed_in(request(data, folder, *settings))
    assert results["submission"]["problems"] == []
    assert len(list((folder / "pseudo_label").rglob("oof.npz"))) == 2
    assert len(list((folder / "pseudo_label").rglob("removed.json"))) == 2
    assert not list(folder.rglob("best.safetensors"))
