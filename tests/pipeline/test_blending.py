"""Views and models are chosen on out-of-fold predictions, resumably, and what they are scored on had no say."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_competition import Record, request, write_competition

from grandmaster.competition.predictions import Predictions
from grandmaster.pipeline import blending, predicting, run
from grandmaster.pipeline.run import run_pipeline
from grandmaster.prediction.views import ViewValues
from grandmaster.storage import read_json

CHANGES = ("prediction.tta_views=4", "model.backbones=test_resnet,test_convnext")


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple[Path, Path, dict[str, Any]]:
    data = write_competition(tmp_path_factory.mktemp("data") / "squares")
    folder = tmp_path_factory.mktemp("runs") / "squares"
    return data, folder, run_pipeline(request(data, folder, *CHANGES), Record())


def test_every_views_values_are_kept_by_id(done):
    _, folder, _ = done
    for backbone in ("test_resnet", "test_convnext"):
        for fold in (0, 1):
            for mean in (
                folder / f"fold_{fold}" / backbone / "oof.npz",
                folder / "test" / f"{backbone}_fold{fold}.npz",
            ):
                seen, averaged = ViewValues.load(blending.views_path(mean)), Predictions.load(mean)
                assert seen.ids == averaged.ids
                assert seen.values.shape == (4, len(averaged.ids), 3)
                assert seen.values.mean(axis=0) == pytest.approx(averaged.values, abs=1e-6)
                assert np.abs(seen.values[0] - seen.values[1]).max() > 1e-4
        plain = Predictions.load(folder / "fold_0" / backbone / "oof_plain.npz")
        seen = ViewValues.load(folder / "fold_0" / backbone / "oof_views.npz")
        assert np.array_equal(seen.values[0], plain.values)


def test_the_choice_of_views_is_a_file_and_a_line(done):
    _, folder, _ = done
    kept = read_json(folder / "ensemble" / "tta.json")
    assert kept["chosen_on"] == "oof"
    assert [line["model"] for line in kept["models"]] == ["test_resnet", "test_convnext"]
    for line in kept["models"]:
        assert line["chosen"] in line["scores"]
        assert sum(line["weights"].values()) == pytest.approx(1, abs=1e-5)
        assert list(line["weights"]) == ["identity", "mirrored", "nearer", "farther"]
        assert len(line["chosen_without_part"]) == 4
    said = read_json(folder / "techniques" / "tta.json")
    assert said["title"] == "Test-time augmentation"
    assert said["gain"] == pytest.approx(said["after"] - said["before"])
    assert said["low"] <= said["gain"] <= said["high"]
    assert said["kept"] is any(line["chosen"] != "picture alone" for line in kept["models"])
    assert "test_convnext: " in said["why"]


def test_the_choice_of_the_blend_is_a_file_and_a_line(done):
    _, folder, results = done
    kept = read_json(folder / "ensemble" / "blend.json")
    assert kept["method"] in kept["candidates"]
    assert set(kept["candidates"]) == {"mean", "shrunk", "greedy", "stacking", "best_single"}
    assert "order of the pictures" in kept["not_tried"]["rank_mean"]
    for name, found in kept["candidates"].items():
        assert found["low"] <= found["score"] <= found["high"]
        if name != "mean":
            gain = found["gain_on_mean"]
            assert gain["score"] == pytest.approx(found["score"] - kept["candidates"]["mean"]["score"])
    assert [(line["model"], line["fits"]) for line in kept["models"]] == [
        ("test_resnet", 2),
        ("test_convnext", 2),
    ]
    said = read_json(folder / "techniques" / "ensemble.json")
    assert said["title"] == "Ensemble of 2 models"
    assert said["before"] == pytest.approx(kept["candidates"]["best_single"]["score"])
    assert said["after"] == pytest.approx(results["cross_validation"]["score"])
    assert "against the mean" in said["why"]
    assert said["verdict"] in ("better", "worse", "no difference shown")
    assert results["ensemble"]["method"] == f"{kept['title']} of probabilities"


def test_probabilities_are_calibrated_only_where_the_metric_asks(done):
    _, folder, _ = done
    kept = read_json(folder / "ensemble" / "calibration.json")
    assert kept["applied"] is False  # macro F1 looks at the most probable class
    assert len(kept["temperature_without_part"]) == 4
    line = read_json(folder / "techniques" / "calibration.json")
    assert (line["kept"], line["gain"]) == (False, None)
    assert "macro F1 does not ask how sure a prediction is" in line["why"]


def test_the_blend_of_test_is_what_the_files_say(done):
    """Weights of views and of models, applied by hand."""
    _, folder, _ = done
    views = {
        line["model"]: np.array(list(line["weights"].values()))
        for line in read_json(folder / "ensemble" / "tta.json")["models"]
    }
    weights = {
        line["model"]: line["weight"] for line in read_json(folder / "ensemble" / "blend.json")["models"]
    }
    assert None not in weights.values(), "made so that a mean or weights are chosen"
    total = 0
    for backbone, share in weights.items():
        for fold in (0, 1):
            seen = ViewValues.load(folder / "test" / f"{backbone}_fold{fold}_views.npz")
            total = total + share / 2 * np.einsum("v,vnc->nc", views[backbone], seen.values)
    assert Predictions.load(folder / "ensemble" / "test.npz").values == pytest.approx(total, abs=1e-5)


@pytest.mark.parametrize("method", ["stacking", "rank_mean"])
def test_a_named_method_is_used_or_said_not_to_apply(done, tmp_path, method):
    """In the same folder: nothing is trained anew for another blend."""
    data, folder, _ = done
    copy = tmp_path / "squares"
    shutil.copytree(folder, copy)
    record = Record()
    run_pipeline(request(data, copy, *CHANGES, f"ensemble.method={method}", until="ensemble"), record)
    kept = read_json(copy / "ensemble" / "blend.json")
    assert not [note for task, note in record.notes.items() if "train" in task and "done before" not in note]
    if method == "stacking":
        assert kept["method"] == "stacking"
        assert [line["weight"] for line in kept["models"]] == [None, None]
        test = Predictions.load(copy / "ensemble" / "test.npz").values
        assert test.sum(axis=1) == pytest.approx(np.ones(18), abs=1e-5)
    else:
        assert kept["method"] == "mean"
        assert any("ensemble.method=rank_mean does not apply" in line for line in record.messages)


def test_pictures_that_a_model_lacks_are_blended_of_the_others(done, tmp_path):
    """As where a time limit ended the last fits: the second model has one fold of two."""
    data, folder, _ = done
    copy = tmp_path / "squares"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "fold_1" / "test_convnext")
    context = run._open(request(data, copy, *CHANGES), Record())
    predicting.ensemble(context)
    kept = read_json(copy / "ensemble" / "blend.json")
    assert (kept["method"], kept["candidates"]) == ("mean", {})
    assert "too few pictures were predicted by every model" in kept["why"]
    assert [line["fits"] for line in kept["models"]] == [2, 1]
    assert len(Predictions.load(copy / "ensemble" / "oof.npz").ids) == 32
    assert read_json(copy / "ensemble" / "tta.json")["models"][1]["chosen"] is None


def test_nothing_is_chosen_twice(done, monkeypatch):
    data, folder, results = done
    monkeypatch.setattr(blending, "blend_members", None)
    again = run_pipeline(request(data, folder, *CHANGES), Record())
    assert again["cross_validation"] == results["cross_validation"]


def test_with_nothing_chosen_it_is_the_mean(done, tmp_path):
    """Of views, and of models: as set, and where no time is left."""
    data, folder, _ = done
    copy = tmp_path / "squares"
    shutil.copytree(folder, copy)
    record = Record()
    run_pipeline(request(data, copy, *CHANGES, "run.time_limit=0.1"), record)
    assert not any("nothing chosen" in line for line in record.messages)  # it is done, and stays
    (copy / "ensemble" / "manifest.json").unlink()
    run_pipeline(request(data, copy, *CHANGES, "run.time_limit=0.1"), record)
    assert any("nothing chosen" in line for line in record.messages)
    fits = [Predictions.load(path) for path in sorted((copy / "test").glob("*fold?.npz"))]
    assert len(fits) == 4
    mean = np.mean([fit.values for fit in fits], axis=0)
    assert Predictions.load(copy / "ensemble" / "test.npz").values == pytest.approx(mean, abs=1e-6)
    run_pipeline(request(data, copy, *CHANGES), Record())
    assert (copy / "ensemble" / "test.npz").read_bytes() == (folder / "ensemble" / "test.npz").read_bytes()
