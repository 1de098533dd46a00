"""The whole road on a small competition: files, resuming, edited plans, refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pandas as pd
import pytest
from small_competition import Record, handed_in, request, write_competition

from grandmaster.competition.predictions import Predictions
from grandmaster.errors import UserError
from grandmaster.pipeline.run import STAGES, plan_only, run_pipeline
from grandmaster.progress import SilentProgress


class Killed(Exception):
    pass


class KillAfter(SilentProgress):
    """Ends the run, so to speak with `kill -9`, after so many reports of progress."""

    def __init__(self, calls: float) -> None:
        self.left, self.calls = calls, 0

    def advance(self, task: str, units: int = 1, **facts: Any) -> None:
        self.calls += 1
        if self.calls > self.left:
            raise Killed(task)


COUNTED = KillAfter(float("inf"))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    """A run that was never interrupted. Tests copy it before they change it."""
    folder = tmp_path_factory.mktemp("runs") / "squares"
    return folder, run_pipeline(request(data, folder), COUNTED)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_run_folder_holds_what_the_design_says(finished):
    folder, results = finished
    present = set(files_of(folder))
    assert present >= {
        "config.json",
        "environment.json",
        "fingerprint.json",
        "plan.json",
        "folds.csv",
        "fold_0/test_resnet/metrics.jsonl",
        "fold_0/test_resnet/oof.npz",
        "fold_0/test_resnet/checkpoint/best.safetensors",
        "fold_1/test_resnet/result.json",
        "test/test_resnet_fold1.npz",
        "ensemble/oof.npz",
        "ensemble/test.npz",
        "training_results.json",
        "final_results.json",
        "submission_squares.csv",
        "report.html",
    }
    # A finished fit keeps its best weights only.
    assert not [name for name in present if "/checkpoint/epoch_" in name or name.endswith(".part")]
    assert results == json.loads((folder / "final_results.json").read_text())
    assert results["cross_validation"]["images"] == 32
    assert (
        results["cross_validation"]["low"]
        <= results["cross_validation"]["score"]
        <= results["cross_validation"]["high"]
    )


def test_the_submission_is_the_blend_of_the_folds_by_id(finished, data, tmp_path):
    """Without a choice of views, which may weigh them otherwise than the mean that a fit's file holds."""
    folder = tmp_path / "squares"
    shutil.copytree(finished[0], folder)
    handed_in(request(data, folder, "prediction.choose_views=false"))
    folds = [Predictions.load(folder / "test" / f"test_resnet_fold{fold}.npz") for fold in (0, 1)]
    mean = (folds[0].values + folds[1].aligned_to(folds[0].ids).values) / 2
    written = pd.read_csv(folder / "submission_squares.csv", dtype=str)
    sample = pd.read_csv(data / "sample_submission.csv", dtype=str)
    assert list(written["ID"]) == list(sample["ID"])
    expected = dict(zip(folds[0].ids, mean.argmax(axis=1).astype(str), strict=True))
    assert list(written["target"]) == [expected[picture_id] for picture_id in written["ID"]]


def test_out_of_fold_predictions_come_from_models_that_did_not_see_them(finished):
    folder, _ = finished
    folds = pd.read_csv(folder / "folds.csv").set_index("id")["fold"]
    for fold in (0, 1):
        predicted = Predictions.load(folder / f"fold_{fold}" / "test_resnet" / "oof.npz").ids
        assert set(predicted) == set(folds.index[folds == fold])


def test_the_time_is_told_by_what_it_was_spent_on(finished):
    _, results = finished
    seconds, steps = results["seconds"], results["steps"]
    assert steps["train"].keys() == {"training", "prediction", "waiting"}
    assert steps["predict"].keys() == {"prediction", "waiting"}
    assert all(took > 0 for took in steps["train"].values())
    for stage, spent in steps.items():  # the rest is the pipeline's own
        assert sum(spent.values()) <= seconds[stage] + 0.02


def test_run_again_trains_nothing_and_changes_nothing_that_counts(finished, data, tmp_path):
    folder, results = finished
    again = tmp_path / "squares"
    shutil.copytree(folder, again)
    before = files_of(again)
    stamps = {path: path.stat().st_mtime_ns for path in again.rglob("fold_*/**/*") if path.is_file()}
    record = Record()
    repeated = run_pipeline(request(data, again), record)
    assert record.notes["train test_resnet fold 0"].startswith("done before")
    assert record.notes["predict test_resnet fold 1"] == "done before"
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    after = files_of(again)
    unchanged = {"submission_squares.csv", "ensemble/test.npz", "folds.csv", "plan.json", "fingerprint.json"}
    assert all(before[name] == after[name] for name in unchanged)
    assert repeated["cross_validation"] == results["cross_validation"]


@pytest.mark.parametrize("behind_inspect", [-20, 3, 7, 11, 15, 18, -1])
@pytest.mark.fault(29, "interrupted at seven moments")
def test_killed_and_resumed_ends_with_the_same_predictions(finished, data, tmp_path, behind_inspect):
    folder, _ = finished
    inspected = 48 + 18
    moment = COUNTED.calls - 1 if behind_inspect == -1 else inspected + behind_inspect
    cut = tmp_path / "squares"
    with pytest.raises(Killed):
        run_pipeline(request(data, cut), KillAfter(moment))
    run_pipeline(request(data, cut), SilentProgress())
    whole, resumed = files_of(folder), files_of(cut)
    same = [
        name
        for name in whole
        if name.endswith((".npz", ".safetensors", "submission_squares.csv", "folds.csv"))
    ]
    assert len(same) > 10
    for name in same:
        assert whole[name] == resumed[name], name


@pytest.mark.fault(54, "predictions that are rubbish")
def test_a_damaged_result_is_made_again(finished, data, tmp_path):
    folder, _ = finished
    copy = tmp_path / "squares"
    shutil.copytree(folder, copy)
    (copy / "test" / "test_resnet_fold0.npz").write_bytes(b"rubbish")
    record = Record()
    run_pipeline(request(data, copy), record)
    assert record.notes["predict test_resnet fold 0"] == ""
    assert record.notes["predict test_resnet fold 1"] == "done before"
    assert (copy / "test" / "test_resnet_fold0.npz").read_bytes() == (
        folder / "test" / "test_resnet_fold0.npz"
    ).read_bytes()


def test_an_edited_plan_is_obeyed(finished, data, tmp_path):
    folder, _ = finished
    copy = tmp_path / "squares"
    shutil.copytree(folder, copy)
    plan = json.loads((copy / "plan.json").read_text())
    plan["models"][0]["epochs"] = 1
    plan["decisions"]["folds_trained"]["value"] = 1
    (copy / "plan.json").write_text(json.dumps(plan))
    shutil.rmtree(copy / "fold_0")
    record = Record()
    results = run_pipeline(request(data, copy), record)
    assert "good: Plan: as edited in plan.json." in record.messages
    assert [model["epochs"] for model in results["models"]] == [1]
    assert results["cross_validation"]["folds_trained"] == 1


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda plan: plan["models"][0].update(epochs=0), r"has 0 epochs"),
        (lambda plan: plan["models"][0].update(epoch=3), r"bad plan: .*unknown field `epoch`"),
        (
            lambda plan: plan["decisions"]["folds_trained"].update(value=4),
            "folds_trained is 4, folds_total is 3",
        ),
        (lambda plan: plan["operations"][0].update(name="HorizontalFlop"), "HorizontalFlop"),
        (
            lambda plan: plan["decisions"]["backbones"].update(value=["x"]),
            "backbones is x, but models has test_resnet",
        ),
    ],
)
@pytest.mark.fault(42, "a plan edited badly")
def test_a_bad_edit_is_one_clear_error(finished, data, tmp_path, edit, message):
    folder, _ = finished
    copy = tmp_path / "squares"
    shutil.copytree(folder, copy)
    plan = json.loads((copy / "plan.json").read_text())
    edit(plan)
    (copy / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(UserError, match=message) as error:
        run_pipeline(request(data, copy), SilentProgress())
    assert "plan.json" in str(error.value) or "HorizontalFlop" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.fault(44, "other settings in a run's folder")
def test_another_configuration_in_the_same_folder_is_refused_with_the_difference(finished, data):
    folder, _ = finished
    before = files_of(folder)
    with pytest.raises(
        UserError,
        match=r"training.label_smoothing was 0.05, now 0.2; training.weight_decay was 0.05, now 0.1",
    ):
        run_pipeline(
            request(data, folder, "training.weight_decay=0.1", "training.label_smoothing=0.2"),
            SilentProgress(),
        )
    assert files_of(folder) == before


def test_a_setting_that_an_earlier_version_did_not_have_is_as_by_default(finished, data, tmp_path):
    folder = shutil.copytree(finished[0], tmp_path / finished[0].name)
    stored = json.loads((folder / "config.json").read_text())
    del stored["run"]["keep_weights"], stored["specialist"]
    (folder / "config.json").write_text(json.dumps(stored))
    with pytest.raises(UserError, match=r"settings: run.keep_weights was auto, now half") as refused:
        run_pipeline(request(data, folder, "run.keep_weights=half"), SilentProgress())
    assert "specialist" not in str(refused.value)
    record = Record()
    run_pipeline(request(data, folder), record)
    assert "good: Plan: decided before." in record.messages
    assert record.notes["train test_resnet fold 1"].startswith("done before")


def test_more_workers_are_not_another_configuration(data, tmp_path, monkeypatch):
    """Also where the plan would come out otherwise now: the speed measured then stands."""
    from grandmaster.pipeline import planner

    folder = tmp_path / "run"
    open_epochs = ("training.epochs=none", "run.minutes=5", "folds.train=1")
    monkeypatch.setattr(planner, "EPOCHS_SCRATCH", (1, 1, 2))
    monkeypatch.setattr(planner, "images_per_second", lambda *args, **how: 1e5)
    run_pipeline(request(data, folder, *open_epochs, until="train"), SilentProgress())
    monkeypatch.setattr(planner, "images_per_second", lambda *args, **how: 1e-3)
    record = Record()
    run_pipeline(request(data, folder, *open_epochs, "hardware.workers=1", until="train"), record)
    assert "good: Plan: decided before." in record.messages
    assert record.notes["train test_resnet fold 0"].startswith("done before")


def test_a_mistake_before_the_plan_can_be_mended_in_the_same_folder(data, tmp_path):
    with pytest.raises(UserError, match=r"no backbone is called 'test_resnt'.*Did you mean 'test_resnet'"):
        run_pipeline(request(data, tmp_path / "run", "model.backbones=test_resnt"), SilentProgress())
    assert not (tmp_path / "run" / "fingerprint.json").exists(), "said before any picture is looked at"
    assert run_pipeline(request(data, tmp_path / "run", until="plan"), SilentProgress()) == {}
    with pytest.raises(UserError, match="folder holds a run with other settings"):
        run_pipeline(request(data, tmp_path / "run", "training.epochs=3", until="plan"), SilentProgress())


def test_dry_run_shows_the_plan_of_these_settings_not_an_older_one(finished, data):
    folder, _ = finished
    assert plan_only(request(data, folder), SilentProgress()).models[0].epochs == 2
    assert plan_only(request(data, folder, "training.epochs=7"), SilentProgress()).models[0].epochs == 7


def test_a_plan_for_a_gpu_is_refused_where_there_is_none(finished, data, tmp_path):
    folder, _ = finished
    copy = tmp_path / "squares"
    shutil.copytree(folder, copy)
    plan = json.loads((copy / "plan.json").read_text())
    plan["decisions"]["device"]["value"] = "cuda"
    (copy / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(UserError, match="the plan is for a GPU and there is none here"):
        run_pipeline(request(data, copy), SilentProgress())


@pytest.mark.fault(57, "a training picture replaced after its fit")
def test_a_replaced_training_picture_makes_another_fit(tmp_path):
    data = write_competition(tmp_path / "squares")
    once = ("folds.train=1", "training.epochs=1")
    run_pipeline(request(data, tmp_path / "run", *once, until="train"), SilentProgress())
    (data / "train" / "train003.png").write_bytes((data / "train" / "train006.png").read_bytes())
    record = Record()
    run_pipeline(request(data, tmp_path / "run", *once, until="train"), record)
    assert not record.notes["train test_resnet fold 0"].startswith("done before")


def test_memory_that_runs_out_is_named_with_what_to_do(data, tmp_path, monkeypatch):
    import torch

    from grandmaster.pipeline import training

    def out_of_memory(*args, **how):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training, "fit_fold", out_of_memory)
    with pytest.raises(
        UserError, match=r"memory ran out outside of training passes.*test_resnet, fold 0.*smaller backbone"
    ):
        run_pipeline(request(data, tmp_path / "run"), SilentProgress())


def test_dry_run_writes_no_run(data, tmp_path):
    plan = plan_only(request(data, tmp_path / "none"), SilentProgress())
    assert [model.backbone for model in plan.models] == ["test_resnet"]
    assert plan.models[0].micro_batch * plan.models[0].accumulation == 16
    assert plan.models[0].minutes_per_fold > 0
    assert [path.name for path in tmp_path.iterdir()] == [".cache"]


def test_until_stops_after_the_stage(data, tmp_path):
    assert run_pipeline(request(data, tmp_path / "run", until="plan"), SilentProgress()) == {}
    assert (tmp_path / "run" / "plan.json").exists()
    assert not list((tmp_path / "run").glob("fold_*"))
    with pytest.raises(UserError, match="Did you mean 'report'"):
        run_pipeline(request(data, tmp_path / "run", until="reprot"), SilentProgress())
    assert STAGES[0] == "inspect"


@pytest.mark.fault(48, "a lock held by another")
def test_two_runs_in_one_folder_are_refused(data, tmp_path):
    (tmp_path / "run").mkdir()
    with (
        filelock.FileLock(tmp_path / "run" / ".lock"),
        pytest.raises(UserError, match="another run is at work"),
    ):
        run_pipeline(request(data, tmp_path / "run"), SilentProgress())


def test_the_folder_is_free_again_when_a_run_ends_or_fails(data, tmp_path):
    folder = tmp_path / "run"
    run_pipeline(request(data, folder, until="plan"), SilentProgress())
    with filelock.FileLock(folder / ".lock", timeout=0):
        pass
    with pytest.raises(UserError):
        run_pipeline(request(data, folder, "training.epochs=9"), SilentProgress())
    with filelock.FileLock(folder / ".lock", timeout=0):
        pass


def test_unreadable_pictures_are_left_out_or_predicted_by_class_shares(tmp_path):
    data = write_competition(tmp_path / "squares")
    (data / "train" / "train000.png").write_bytes(b"not a picture")
    (data / "test" / "test004.png").write_bytes(b"")
    record = Record()
    results = run_pipeline(request(data, tmp_path / "run", "folds.train=1", "training.epochs=1"), record)
    assert results["quarantined"] == 2
    assert results["training_pictures"] == 47
    test = Predictions.load(tmp_path / "run" / "ensemble" / "test.npz")
    row = test.ids.index("test004.png")
    assert np.allclose(test.values[row], [15 / 47, 16 / 47, 16 / 47])
    assert sum("unreadable" in message for message in record.messages) == 2
    submission = pd.read_csv(tmp_path / "run" / "submission_run.csv")
    assert len(submission) == 18


def test_random_start_is_loud(data, tmp_path, monkeypatch):
    from grandmaster.models import weights

    monkeypatch.setattr(weights, "hub_reachable", lambda: False)
    record = Record()
    run_pipeline(request(data, tmp_path / "run", "model.pretrained=true", until="plan"), record)
    loud = [message for message in record.messages if message.startswith("warn") and "RANDOM" in message]
    assert len(loud) == 1
    assert "the hub cannot be reached" in loud[0]


def test_the_whole_run_is_expected_with_estimates(data, tmp_path):
    record = Record()
    run_pipeline(request(data, tmp_path / "run", until="plan"), record)
    assert list(record.expected) == [
        "train test_resnet fold 0",
        "train test_resnet fold 1",
        "predict test_resnet fold 0",
        "predict test_resnet fold 1",
        "report",
    ]
    assert all(seconds > 0 for seconds in record.expected.values())
