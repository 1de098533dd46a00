"""Views and models are chosen on out-of-fold predictions, resumably, and what they are scored on had no say."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_competition import Record, request, write_competition

from grandmaster.competition.predictions import Predictions
from grandmaster.pipeline import blending
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
    assert any("nothing chosen" in line for line in record.messages)
    fits = [Predictions.load(path) for path in sorted((copy / "test").glob("*fold?.npz"))]
    assert len(fits) == 4
    mean = np.mean([fit.values for fit in fits], axis=0)
    assert Predictions.load(copy / "ensemble" / "test.npz").values == pytest.approx(mean, abs=1e-6)
    run_pipeline(request(data, copy, *CHANGES), Record())
    assert (copy / "ensemble" / "test.npz").read_bytes() == (folder / "ensemble" / "test.npz").read_bytes()
