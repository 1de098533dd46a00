"""Training modes in a run: a model of one's own trains, loaded weights predict untrained, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from small_competition import Record, request, write_competition

from grandmaster.competition.predictions import Predictions
from grandmaster.errors import UserError
from grandmaster.models.registry import ENTRIES
from grandmaster.models.registry.modes import refusal
from grandmaster.pipeline.measured import measured_speeds
from grandmaster.pipeline.run import plan_only, run_pipeline
from grandmaster.pipeline.speed import Probe, ProbeCache

ONE = ("folds.train=1", "training.epochs=1")
ADDED = """\
gelu_tiny:
  factory: test_resnet
  model_args: {act_layer: gelu}
  input_size: 32
  training_modes:
    supported: [full_training]
    recommended: full_training
    refused: {fine_tuning: its weights are of ReLU}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = write_competition(tmp_path_factory.mktemp("data") / "squares")
    (folder / "models.yaml").write_text(ADDED)
    return folder


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    """A run whose one fit is of the added model."""
    folder = tmp_path_factory.mktemp("runs") / "trained"
    run_pipeline(request(data, folder, "model.backbones=gelu_tiny", *ONE), Record())
    return folder


def checkpoint_of(run: Path) -> Path:
    return run / "fold_0" / "gelu_tiny" / "checkpoint"


def untrained(data: Path, folder: Path, weights: Path, *changes: str):
    """A run that only predicts."""
    asked = ("model.pretrained=true", f"model.weights_dir={weights}", "training.mode=inference_only")
    changes = ("folds.train=none", "training.epochs=none", *changes)
    return request(data, folder, *asked, *changes)


def test_an_added_model_goes_the_whole_way(trained):
    spec = json.loads((trained / "fold_0" / "gelu_tiny" / "spec.json").read_text())
    assert spec["weights"]["model_args"] == {"act_layer": "gelu"}
    assert spec["timm_name"].startswith("test_resnet")
    assert (trained / "submission_trained.csv").exists()
    plan = json.loads((trained / "plan.json").read_text())
    decided = plan["decisions"]["training_mode"]
    assert decided["value"] == "full_training"
    assert decided["reason"].startswith(
        "model.pretrained is false; recommended for 48 pictures: fine_tuning of a small"
    )


def test_another_file_of_models_makes_another_plan(data, trained, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(ADDED.replace("gelu}", "silu}"))
    asked = request(data, trained, "model.backbones=gelu_tiny", f"model.registry_file={other}", *ONE)
    assert plan_only(asked, Record()).models[0].weights.model_args == {"act_layer": "silu"}


def test_loaded_weights_predict_what_their_fit_predicted_and_nothing_is_trained(data, trained, tmp_path):
    # The fit's own folds and views; its weights' file says how its pictures were normalised and how large they were.
    asked = untrained(
        data, tmp_path / "run", checkpoint_of(trained), "model.backbones=test_resnet", "model.image_size=none"
    )
    results = run_pipeline(asked, Record())
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert plan["decisions"]["training_mode"]["value"] == "inference_only"
    assert plan["decisions"]["folds_trained"] == {
        "value": 1,
        "reason": "nothing is trained: every fold would have the same model",
    }
    (model,) = plan["models"]
    assert (model["epochs"], model["input_size"], model["weights"]["model_args"]) == (
        0,
        32,
        {"act_layer": "gelu"},
    )
    fit, before = tmp_path / "run" / "fold_0" / "test_resnet", trained / "fold_0" / "gelu_tiny"
    assert (fit / "checkpoint" / "best.safetensors").read_bytes() == (
        before / "checkpoint" / "best.safetensors"
    ).read_bytes()
    now, then = (Predictions.load(folder / "oof_plain.npz") for folder in (fit, before))
    assert now.ids == then.ids
    assert now.values == pytest.approx(then.values, abs=1e-5)
    assert results["cross_validation"]["folds_trained"] == 1
    assert (tmp_path / "run" / "report.html").exists()
    again = Record()
    run_pipeline(asked, again)
    assert again.notes["train test_resnet fold 0"].startswith("done before: ")


def said_of_seen(data: Path, folder: Path, weights: Path, *changes: str) -> str:
    record = Record()
    asked = untrained(data, folder, weights, "model.backbones=test_resnet", *changes)
    run_pipeline(dataclasses.replace(asked, until="plan"), record)
    (line,) = [line for line in record.messages if "inference_only: " in line]
    return line


def test_it_is_said_whether_the_weights_saw_what_they_are_scored_on(data, trained, tmp_path):
    fold_of = dict(line.split(",")[::2] for line in (trained / "folds.csv").read_text().splitlines()[1:])
    scored = [picture for picture, fold in fold_of.items() if fold == "0"]
    line = said_of_seen(data, tmp_path / "same", checkpoint_of(trained))
    assert line.startswith("good: ")
    assert f"(run trained, fold 0) were trained on none of the {len(scored)} pictures" in line

    line = said_of_seen(data, tmp_path / "other", checkpoint_of(trained), "folds.seed=7")
    then = dict(
        line.split(",")[::2] for line in (tmp_path / "other" / "folds.csv").read_text().splitlines()[1:]
    )
    scored = [picture for picture, fold in then.items() if fold == "0"]
    seen = sum(fold_of[picture] != "0" for picture in scored)
    assert 0 < seen < len(scored)
    assert line.startswith("warn: ")
    assert f"were trained on {seen} of the {len(scored)} pictures" in line
    assert "do not believe it" in line


def test_a_copy_of_the_weights_is_known_by_its_hash_in_the_runs_beside(data, trained, tmp_path):
    (tmp_path / "copied").mkdir()
    copy = tmp_path / "copied" / "test_resnet.safetensors"
    shutil.copy(checkpoint_of(trained) / "best.safetensors", copy)
    copy.with_suffix(".json").write_text('{"model_args": {"act_layer": "gelu"}}')
    line = said_of_seen(data, tmp_path / "alone", copy.parent)
    assert "unknown whether the weights of test_resnet saw" in line
    assert "no run at hand says" in line
    line = said_of_seen(data, trained.parent / "beside", copy.parent)
    assert "(run trained, fold 0) were trained on none" in line


def test_pictures_that_changed_since_make_it_unknown(data, trained, tmp_path):
    other = tmp_path / "data"
    shutil.copytree(data, other)
    shutil.copy(other / "train" / "train000.png", other / "train" / "train001.png")
    line = said_of_seen(other, tmp_path / "run", checkpoint_of(trained))
    assert line.startswith("warn: ")
    assert "unknown whether" in line
    assert "run trained made them, of other pictures than these" in line


def test_a_classifier_that_does_not_fit_is_refused_in_a_sentence(trained, tmp_path):
    two = write_competition(tmp_path / "two")
    table = (two / "train.csv").read_text().replace(",2\n", ",1\n")
    (two / "train.csv").write_text(table)
    with pytest.raises(
        UserError, match=r"test_resnet tells 3 classes apart, and this competition has 2.*fine_tuning"
    ):
        plan_only(untrained(two, tmp_path / "run", checkpoint_of(trained)), Record())


def test_other_classes_of_the_same_number_are_refused(trained, tmp_path):
    other = write_competition(tmp_path / "other")
    table = (other / "train.csv").read_text().replace(",2\n", ",7\n")
    (other / "train.csv").write_text(table)
    with pytest.raises(UserError, match="trained for other classes"):
        plan_only(untrained(other, tmp_path / "run", checkpoint_of(trained)), Record())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (("model.pretrained=false",), "has no weights to predict with: model.pretrained is false"),
        (("training.find_rate=true",), r"inference_only trains nothing \(in training.find_rate\)"),
        (("distill.on=true",), r"inference_only trains nothing \(in distill.on\)"),
        (("training.loss=arcface",), "inference_only takes the classifier as it is"),
        (("training.loss=bce",), "trained with another loss.*Set training.loss to cross_entropy"),
    ],
)
def test_what_makes_no_sense_without_training_is_refused(data, trained, tmp_path, changes, said):
    with pytest.raises(UserError, match=said):
        plan_only(untrained(data, tmp_path / "run", checkpoint_of(trained), *changes), Record())


def test_a_run_refuses_an_unsupported_mode_in_the_registrys_words(data, tmp_path):
    from grandmaster.models.registry.user_file import added_models

    asked = request(
        data,
        tmp_path / "run",
        "model.backbones=gelu_tiny",
        "model.pretrained=true",
        "training.mode=fine_tuning",
    )
    with pytest.raises(UserError) as error:
        plan_only(asked, Record())
    assert error.value.what == refusal(added_models(None, data)["gelu_tiny"], "fine_tuning")
    assert "its weights are of ReLU" in error.value.what


def test_a_model_of_another_task_is_refused(data, tmp_path):
    with pytest.raises(UserError, match=r"yolo11n is for detection .*only classifiers of timm"):
        plan_only(request(data, tmp_path / "run", "model.backbones=yolo11n"), Record())
    assert ENTRIES["yolo11n"].backbone is None


def test_an_edited_plan_in_which_mode_and_epochs_disagree_is_refused(data, trained, tmp_path):
    copy = tmp_path / "trained"
    shutil.copytree(trained, copy)
    plan = json.loads((copy / "plan.json").read_text())
    plan["decisions"]["training_mode"]["value"] = "inference_only"
    (copy / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(
        UserError, match="training_mode is inference_only, but gelu_tiny has 1 epoch from random weights"
    ):
        run_pipeline(request(data, copy, "model.backbones=gelu_tiny", *ONE), Record())


def test_speeds_that_runs_measured_are_found_by_model():
    cache = ProbeCache()
    probe = Probe(formats=(0.5, 0.4), other_formats=(1.0, 1.0), optimiser=(0.1, 0.1))
    start = "a CPU, 2 threads; torch 2; timm 1; "
    cache.put(f"{start}resnet18.a1_in1k, 3 outputs; 96 px x 3; 9 x 1; fp32", probe)
    cache.put(f"{start}resnet18d.a1_in1k, 3 outputs; 96 px x 3; 9 x 1; fp32", probe)
    (speed,) = measured_speeds(cache, "resnet18.a1_in1k")
    assert (speed.size, speed.images_per_second) == (96, pytest.approx(20.0))
    assert speed.text(1200) == "20 images/s at 96 px (a CPU, 2 threads): 1 min an epoch of 1,200"
    assert measured_speeds(cache, "resnet50.a1_in1k") == ()
