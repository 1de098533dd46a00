"""Specialists for pairs of classes: what they learn, what they never see, and when they are listened to."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from finished_run import truth_of
from kind_competitions import make_competition
from small_competition import Record, request, write_competition

from grandmaster.competition.predictions import Predictions
from grandmaster.pipeline import run, specialists
from grandmaster.pipeline.manifest import mark_done
from grandmaster.pipeline.members import planned_member
from grandmaster.pipeline.pair_fitting import fit_pairs
from grandmaster.pipeline.run import run_pipeline
from grandmaster.storage import read_json

SETTINGS = (
    "folds.train=3",
    "training.epochs=5",
    "training.learning_rate=0.01",
    "prediction.tta_views=1",
    "specialist.mode=auto",
)


def make(place: Path, *, alike: bool) -> tuple[Path, Path]:
    """Data, and a run whose fits are done and take classes 1 and 2 for each other as often as not.

    Args:
        alike: pictures of classes 1 and 2 differ in nothing: their labels are noise.
    """
    data = write_competition(place / "squares", train=72, test=36)
    if alike:
        rng = np.random.default_rng(3)
        for path in [*(data / "train").iterdir(), *(data / "test").iterdir()]:
            if int(path.stem[-3:]) % 3 == 2:
                picture = rng.integers(0, 90, (48, 48, 3), np.uint8)
                picture[6:24, 15:30] += 150
                cv2.imwrite(str(path), picture)
    folder = place / "run"
    run_pipeline(request(data, folder, *SETTINGS, until="predict"), Record())
    for fit in folder.glob("fold_*/test_resnet"):
        known = read_json(fit / "manifest.json")
        for kind in ("oof", "oof_plain"):
            confuse(fit / f"{kind}.npz")
        mark_done(fit / "manifest.json", known["inputs"], [fit / name for name in known["outputs"]])
    for path in (folder / "test").glob("*.npz"):
        confuse(path)
        manifest = path.with_suffix(".manifest.json")
        mark_done(manifest, read_json(manifest)["inputs"], [path])
    return data, folder


def confuse(path: Path) -> None:
    """Certain of class 0 or not, and for 1 and 2 a coin."""
    known = Predictions.load(path)
    rng, zero = np.random.default_rng(len(known.ids)), truth_of(known.ids) == 0
    share = rng.uniform(0.2, 0.8, len(known.ids))
    values = np.stack([np.where(zero, 0.9, 0.1), share, 1 - share], axis=1)
    values[:, 1:] *= np.where(zero, 0.1, 0.9)[:, None]
    Predictions(ids=known.ids, outputs=known.outputs, values=values.astype(np.float32)).save(path)


@pytest.fixture(scope="module")
def confused(tmp_path_factory) -> tuple[Path, Path]:
    return make(tmp_path_factory.mktemp("apart"), alike=False)


@pytest.fixture(scope="module")
def noise(tmp_path_factory) -> tuple[Path, Path]:
    return make(tmp_path_factory.mktemp("noise"), alike=True)


def go(made: tuple[Path, Path], folder: Path, *changes: str, **others: Any) -> Record:
    data, before = made
    if not folder.exists():
        shutil.copytree(before, folder)
    record = Record()
    run_pipeline(request(data, folder, *SETTINGS, *changes, **others), record)
    return record


def opened(made: tuple[Path, Path], folder: Path) -> Any:
    shutil.copytree(made[1], folder)
    return run._open(request(made[0], folder, *SETTINGS), Record())


def right_on_test(folder: Path) -> float:
    said = Predictions.load(folder / "ensemble" / "test.npz")
    truth = truth_of(said.ids)
    return float((said.values.argmax(axis=1) == truth)[truth > 0].mean())


def test_what_the_features_tell_apart_is_told_apart(confused, tmp_path):
    """To a submission that passes the gate; a resumed run fits nothing twice."""
    go(confused, tmp_path / "off", "specialist.mode=off", until="submit")
    go(confused, tmp_path / "run")
    folder = tmp_path / "run"
    told = read_json(folder / "ensemble" / "specialist.json")
    assert (told["kept"], told["pairs"], told["weight"]) == (True, ["1 / 2"], 1.0)
    assert told["scores"]["0.0"] < told["scores"]["1.0"]
    line = read_json(folder / "techniques" / "specialist.json")
    assert (line["title"], line["kept"], line["verdict"]) == ("Pair specialist", True, "better")
    assert line["gain"] == pytest.approx(line["after"] - line["before"])
    assert 0 < line["low"] <= line["gain"] <= line["high"]
    assert line["before"] == pytest.approx(told["scores"]["0.0"])
    assert right_on_test(folder) > 0.85 > 0.7 > right_on_test(tmp_path / "off")
    results = read_json(folder / "final_results.json")
    assert results["cross_validation"]["score"] == pytest.approx(line["after"])
    assert results["ensemble"]["method"].endswith("with specialists for 1 / 2")
    assert (folder / "submission_run.csv").read_text().count("\n") == 37
    assert (folder / "report.html").exists()
    assert not (tmp_path / "off" / "techniques" / "specialist.json").exists()
    assert not (tmp_path / "off" / "specialist").exists()


def test_nothing_is_fitted_twice(confused, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    go(confused, folder, until="ensemble")
    kept = {path: path.read_bytes() for path in folder.rglob("*.npz")}
    monkeypatch.setattr(specialists, "fit_pairs", lambda *args, **how: pytest.fail("fitted twice"))
    again = go(confused, folder, until="ensemble")
    assert again.notes["specialists of test_resnet fold 0"] == "done before"
    assert {path: path.read_bytes() for path in folder.rglob("*.npz")} == kept
    # Turned off, the blend is that without them.
    go(confused, folder, "specialist.mode=off", until="ensemble")
    assert not (folder / "techniques" / "specialist.json").exists()
    assert (folder / "ensemble" / "test.npz").read_bytes() != kept[folder / "ensemble" / "test.npz"]


def test_where_labels_are_noise_the_blend_stays_as_it_is(noise, tmp_path):
    go(noise, tmp_path / "run", until="ensemble")
    go(noise, tmp_path / "off", "specialist.mode=off", until="ensemble")
    line = read_json(tmp_path / "run" / "techniques" / "specialist.json")
    assert (line["kept"], line["verdict"]) == (False, "no difference shown")
    for name in ("oof", "oof_plain", "test"):
        first, second = (tmp_path / run / "ensemble" / f"{name}.npz" for run in ("run", "off"))
        assert first.read_bytes() == second.read_bytes()


def test_the_specialist_of_a_fold_never_sees_its_pictures(confused, tmp_path):
    """Poison: pictures of a fold are painted over. What fold 0's specialist says of the test set knows nothing of it."""
    said = {}
    for poisoned in (None, 0, 1):
        place = tmp_path / str(poisoned)
        data = shutil.copytree(confused[0], place / "squares")
        context = opened((data, confused[1]), place / "run")
        member = planned_member(context, context.plan.models[0], 0)
        specialists.member_spec(context, member)  # of the pictures as they were
        frame = context.trainable
        for path in frame.loc[frame["fold"] == poisoned, "path"]:
            cv2.imwrite(path, np.full((48, 48, 3), 255, np.uint8))
        fit_pairs(context, member, [(1, 2)], place / "found", task="specialists")
        said[poisoned] = Predictions.load(place / "found" / "test.npz").values
    assert np.array_equal(said[None], said[0])
    assert not np.allclose(said[None], said[1])


def test_nor_does_its_label_choose_the_pair(confused, tmp_path, monkeypatch):
    context = opened(confused, tmp_path / "run")
    members = [planned_member(context, context.plan.models[0], fold) for fold in range(3)]
    found = specialists.choose_pairs(context, members)
    assert not isinstance(found, str)
    assert found.of_part == {None: ((1, 2),), 0: ((1, 2),), 1: ((1, 2),), 2: ((1, 2),)}
    # In fold 1 every 0 now is a 1, taken for 0 as surely as can be; elsewhere nothing changes.
    truth = context.targets()
    changed = np.where((context.trainable["fold"] == 1) & (truth == 0), 1, truth)
    monkeypatch.setattr(type(context), "targets", lambda self: changed)
    other = specialists.choose_pairs(context, members)
    assert not isinstance(other, str)
    assert other.of_part[1] == found.of_part[1]
    assert (0, 1) in other.of_part[None]
    assert (0, 1) in other.of_part[0]
    assert other.of_fold(1) == ((0, 1), (1, 2))  # the first only for test pictures


def test_too_little_time_leaves_the_blend_as_it_is(confused, tmp_path):
    shutil.copytree(confused[1], tmp_path / "run")
    for path in (tmp_path / "run").glob("fold_*/*/result.json"):
        path.write_text(
            path.read_text().replace('"images_per_second":', '"images_per_second": 0.01, "before":')
        )
        manifest = read_json(path.with_name("manifest.json"))
        mark_done(
            path.with_name("manifest.json"),
            manifest["inputs"],
            [path.parent / name for name in manifest["outputs"]],
        )
    record = go(confused, tmp_path / "run", "run.time_limit=2")
    assert any("gave up specialists for pairs of classes" in message for message in record.messages)
    line = read_json(tmp_path / "run" / "techniques" / "specialist.json")
    assert (line["kept"], line["gain"]) == (False, None)
    assert not (tmp_path / "run" / "ensemble" / "specialist.json").exists()
    assert (tmp_path / "run" / "submission_run.csv").exists()


def test_other_targets_have_no_pairs(tmp_path, monkeypatch):
    competition = make_competition(tmp_path / "data", "regression")
    asked = request(tmp_path / "data", tmp_path / "run", "specialist.mode=auto", until="ensemble")
    monkeypatch.setattr(run, "read_competition", lambda root, config: competition)
    run_pipeline(asked, Record())
    line = read_json(tmp_path / "run" / "techniques" / "specialist.json")
    assert line["why"] == "Not tried: it is for targets of one class of three or more."
