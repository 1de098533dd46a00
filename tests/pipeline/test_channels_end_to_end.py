"""The road from folder to submission with a mask beside every picture, where only the mask tells the class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import timm
import torch
from masked_competition import write_competition
from safetensors.torch import save_file
from small_competition import Record, request

from grandmaster.competition.reader import read_competition
from grandmaster.config import DataConfig
from grandmaster.errors import UserError
from grandmaster.pipeline import run as pipeline_run
from grandmaster.pipeline.plan import read_plan
from grandmaster.pipeline.run import plan_only, run_pipeline
from grandmaster.pipeline.training import make_spec

SETTINGS = (
    "folds.count=2",
    "folds.train=1",
    "training.epochs=10",
    "training.learning_rate=0.01",
    "training.batch_norm=train",
    "inspect.shift_effort=0.1",
    "inspect.shift_pictures=40",
    "model.drop_rate=0",
    "model.drop_path=0",
    "augmentation.policy=light",
)
REGISTERED = 'data.extra_images=[{"name": "mask", "folder": "masks", "mode": "rgb"}]'


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "masked")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(3)
    save_file(timm.create_model("test_resnet").state_dict(), folder / "test_resnet.safetensors")
    (folder / "test_resnet.json").write_text(json.dumps({"licence": "cc-by-nc-4.0"}))
    return folder


def run(data: Path, folder: Path, *changes: str, record: Record | None = None) -> dict[str, Any]:
    before = torch.get_num_threads()
    try:
        return run_pipeline(request(data, folder, *SETTINGS, *changes), record or Record())
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="module")
def done(
    data: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], Record]:
    folder, record = tmp_path_factory.mktemp("runs") / "with_mask", Record()
    started = ("model.pretrained=true", f"model.weights_dir={weights}")
    return folder, run(data, folder, REGISTERED, *started, record=record), record


def test_the_class_is_learnt_from_the_mask(done: tuple[Path, dict[str, Any], Record]) -> None:
    folder, results, _ = done
    assert results["cross_validation"]["score"] > 0.9
    submission = pd.read_csv(folder / results["submission"]["file"])
    found = submission["target"].to_numpy()
    second = np.array([int(name[4:7]) % 2 for name in submission["ID"]]) == 1
    assert found[second].min() > found[~second].max()


def test_without_the_mask_there_is_nothing_to_learn(data: Path, tmp_path: Path) -> None:
    # The folder named, for the masks are called as the pictures.
    results = run(data, tmp_path / "run", "data.images=train,test")
    assert results["cross_validation"]["score"] < 0.75


def test_a_grey_mask_is_one_channel_more_and_tells_as_much(data: Path, tmp_path: Path) -> None:
    results = run(data, tmp_path / "run", REGISTERED.replace("rgb", "grey"))
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert plan["decisions"]["channels"] == {"value": 4, "reason": "picture 3 + mask 1"}
    assert results["cross_validation"]["score"] > 0.9


def test_plan_and_results_say_channels_adaptation_and_licence(
    done: tuple[Path, dict[str, Any], Record],
) -> None:
    folder, results, record = done
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["decisions"]["channels"] == {"value": 6, "reason": "picture 3 + mask 3"}
    (model,) = plan["models"]
    assert model["licence"] == "cc-by-nc-4.0"
    assert model["adaptation"]["channels"] == [3, 6]
    assert "first layer 3 -> 6 channels, repeated and scaled by 0.5" in model["reasons"]["weights"]
    assert "licence cc-by-nc-4.0" in model["reasons"]["weights"]
    result = json.loads((folder / "fold_0" / "test_resnet" / "result.json").read_text())
    assert result["adaptation"] == model["adaptation"]
    assert (result["licence"], results["models"][0]["licence"]) == ("cc-by-nc-4.0", "cc-by-nc-4.0")
    assert any("test_resnet are licensed cc-by-nc-4.0" in line for line in record.messages)


def test_a_finished_run_is_not_done_again(
    done: tuple[Path, dict[str, Any], Record], data: Path, weights: Path
) -> None:
    folder, results, _ = done
    record = Record()
    again = run(
        data, folder, REGISTERED, "model.pretrained=true", f"model.weights_dir={weights}", record=record
    )
    assert again["cross_validation"] == results["cross_validation"]
    assert "done before" in record.notes["train test_resnet fold 0"]


def test_a_mask_that_changed_is_trained_anew(tmp_path: Path) -> None:
    data, folder = write_competition(tmp_path / "data", train=16, test=4), tmp_path / "run"
    short = ("training.epochs=1", REGISTERED)
    run(data, folder, *short)
    again, changed = Record(), Record()
    run(data, folder, *short, record=again)
    cv2.imwrite(str(data / "masks" / "train000.png"), np.full((24, 24), 77, np.uint8))
    run(data, folder, *short, record=changed)
    assert kept(again) == {"train": True, "predict": True}
    assert kept(changed) == {"train": False, "predict": False}
    last = Record()
    cv2.imwrite(str(data / "masks" / "test000.png"), np.full((24, 24), 77, np.uint8))
    run(data, folder, *short, record=last)
    assert kept(last) == {"train": True, "predict": False}


def kept(record: Record) -> dict[str, bool]:
    """Which of the two was done before and not done again."""
    return {
        task: "done before" in record.notes[f"{task} test_resnet fold 0"] for task in ("train", "predict")
    }


def test_masks_that_are_read_otherwise_make_another_fit(
    done: tuple[Path, dict[str, Any], Record], data: Path
) -> None:
    digests = set()
    for said in ("", ', "highest": 1', ', "highest": 2'):
        registered = REGISTERED.replace("}]", f"{said}}}]")
        context = pipeline_run._open(request(data, done[0], *SETTINGS, registered), Record())
        digests.add(make_spec(context, context.plan.models[0], 0).digest)
    assert len(digests) == 3


def test_an_unreadable_mask_ends_the_run_before_anything_is_measured(tmp_path: Path) -> None:
    data = write_competition(tmp_path / "data", train=16, test=4)
    (data / "masks" / "test002.png").write_bytes(b"")
    message = r"1 of 4 pictures have no readable mask: 'test002\.png \(file is empty\)'"
    with pytest.raises(UserError, match=message):
        run(data, tmp_path / "run", REGISTERED)
    assert not (tmp_path / "run" / "fingerprint.json").exists()
    with pytest.raises(UserError, match=message):
        plan_only(request(data, tmp_path / "other", *SETTINGS, REGISTERED), Record())


def test_a_plan_for_other_channels_is_refused(done: tuple[Path, dict[str, Any], Record], data: Path) -> None:
    competition = read_competition(data, DataConfig(images=("train", "test")))
    with pytest.raises(UserError, match=r"decisions\.channels is 6, the competition's pictures have 3"):
        read_plan(done[0] / "plan.json", competition)
