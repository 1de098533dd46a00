"""Pseudo-labels: fold k's model learns from fold k's models alone, and only where the competition allows it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from small_competition import Record, request, write_competition

from grandmaster.competition.predictions import Predictions
from grandmaster.config import Config
from grandmaster.errors import UserError
from grandmaster.pipeline import fold_pictures, pseudo_labels, training
from grandmaster.pipeline.choosing_labels import choose
from grandmaster.pipeline.run import run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings
from grandmaster.storage import read_json
from grandmaster.teaching_config import PseudoLabelConfig

ALLOWED = ("run.allow_test_training=true", "pseudo_label.confidence=0.34", "training.learning_rate=0.01")


class Killed(Exception):
    pass


class KillIn(SilentProgress):
    """Ends the run in the middle of a task."""

    def __init__(self, task: str, pictures: int) -> None:
        self.task, self.left = task, pictures

    def advance(self, task: str, units: int = 1, **facts: Any) -> None:
        if task == self.task:
            self.left -= units
            if self.left < 0:
                raise Killed(task)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    """A run whose planned fits are done, without a round; to be copied."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    run_pipeline(request(data, folder, *ALLOWED, until="train"), Record())
    return folder


def go(trained: Path, data: Path, folder: Path, *changes: str, progress: Any = None, **others: Any) -> Record:
    if not folder.exists():
        shutil.copytree(trained, folder)
    progress = progress or Record()
    run_pipeline(request(data, folder, *ALLOWED, *changes, **others), progress)
    return progress


def tables(folder: Path) -> list[bytes]:
    return [(folder / f"pseudo_label/round_1/fold_{fold}/pseudo_labels.csv").read_bytes() for fold in (0, 1)]


def winning(monkeypatch: pytest.MonkeyPatch, low: float) -> None:
    compare = pseudo_labels.Judge.compare
    told = {"gain": 0.05, "low": low, "high": 0.1, "verdict": "better" if low > 0 else "no difference shown"}
    monkeypatch.setattr(
        pseudo_labels.Judge, "compare", lambda *args: msgspec.structs.replace(compare(*args), **told)
    )


@pytest.mark.fault(45, "pseudo-labels of every fold, compared with those of its own models")
def test_labels_of_a_fold_come_from_its_own_models_alone(trained, data, tmp_path, monkeypatch):
    """A watermark: what fold 1's model says of the test set is replaced, and nothing that fold 0 learns changes."""
    go(trained, data, tmp_path / "plain", until="pseudo_label")
    predict = pseudo_labels.predict_member

    def tampered(context: Any, member: Any, spec: Any) -> None:
        predict(context, member, spec)
        if member.fold == 1:
            found = Predictions.load(member.test)
            marked = np.roll(found.values, 1, axis=1) * 0.0 + np.eye(3, dtype=np.float32)[0]
            Predictions(ids=found.ids, outputs=found.outputs, values=marked).save(member.test)

    monkeypatch.setattr(pseudo_labels, "predict_member", tampered)
    go(trained, data, tmp_path / "marked", until="pseudo_label")
    plain, marked = tables(tmp_path / "plain"), tables(tmp_path / "marked")
    assert plain[0] == marked[0]
    assert plain[1] != marked[1]  # the watermark is there to be seen
    weights = "pseudo_label/round_1/fold_{}/test_resnet/checkpoint/best.safetensors"
    for fold, same in ((0, True), (1, False)):
        first, second = (
            (tmp_path / name / weights.format(fold)).read_bytes() for name in ("plain", "marked")
        )
        assert (first == second) is same


def test_a_round_trains_on_the_other_folds_and_on_labelled_test_pictures(
    trained, data, tmp_path, monkeypatch
):
    seen: list[Any] = []
    original = training.fold_data

    def remember(context: Any, spec: Any, teaching: Any) -> Any:
        seen.append((spec, original(context, spec, teaching)))
        return seen[-1][1]

    monkeypatch.setattr(training, "fold_data", remember)
    go(trained, data, tmp_path / "run", "pseudo_label.weight=0.5", until="pseudo_label")
    assert len(seen) == 2
    folds = pd.read_csv(tmp_path / "run" / "folds.csv").set_index("id")["fold"]
    for spec, fold in seen:
        own, test = fold.train.parts
        names = {own.store.paths[row].name for row in own.rows}
        assert names == set(folds.index[folds != spec.fold])
        table = pd.read_csv(
            tmp_path / "run" / f"pseudo_label/round_1/fold_{spec.fold}/pseudo_labels.csv", dtype={"id": str}
        )
        assert [test.store.paths[row].name for row in test.rows] == list(table["id"])
        assert np.allclose(test.taught[test.rows], table[["0", "1", "2"]])
        assert set(test.weights) == {0.5}
        assert (table["confidence"] >= 0.34).all()
        assert not set(own.store.paths) & set(test.store.paths)


def test_without_the_switch_no_test_picture_is_trained_on(trained, data, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path / "run")
    monkeypatch.setattr(
        fold_pictures, "_test_part", lambda *args: pytest.fail("test pictures are trained on")
    )
    forbidden = [change for change in ALLOWED if "allow" not in change]
    run_pipeline(request(data, tmp_path / "run", *forbidden), SilentProgress())
    assert not (tmp_path / "run" / "pseudo_label").exists()
    with pytest.raises(UserError, match=r"not allowed here.*--allow_test_training"):
        run_pipeline(request(data, tmp_path / "new", "pseudo_label.rounds=1"), SilentProgress())
    assert not (tmp_path / "new" / "plan.json").exists()
    assert pseudo_labels.rounds_wanted(Config()) == 0
    assert pseudo_labels.rounds_wanted(with_settings(Config(), ["run.allow_test_training=true"])) == 1


def test_nobody_can_teach_test_pictures_where_it_is_not_allowed(trained, data, tmp_path, monkeypatch):
    """The lock behind the lock: even a teaching that was made does not reach the loader."""
    monkeypatch.setattr(pseudo_labels, "rounds_wanted", lambda config: 1)
    shutil.copytree(trained, tmp_path / "run")
    forbidden = [change for change in ALLOWED if "allow" not in change]
    with pytest.raises(ValueError, match=r"trained on without run\.allow_test_training"):
        run_pipeline(request(data, tmp_path / "run", *forbidden), SilentProgress())


@pytest.mark.parametrize(("low", "kept"), [(0.01, True), (-0.01, False)])
def test_a_round_stands_only_if_it_wins(trained, data, tmp_path, monkeypatch, low, kept):
    winning(monkeypatch, low)
    record = go(trained, data, tmp_path / "run", "pseudo_label.rounds=2")
    results = read_json(tmp_path / "run" / "final_results.json")
    members = results["ensemble"]["members"]
    last = "test_resnet fold 0 (pseudo-label round 2)" if kept else "test_resnet fold 0"
    assert members[0] == last
    assert (
        tmp_path / "run" / "pseudo_label" / "round_2"
    ).exists() is kept  # a round that lost has none after it
    line = read_json(tmp_path / "run" / "techniques" / "pseudo_label_round_1.json")
    assert line["kept"] is kept
    assert (line["gain"], line["low"]) == (0.05, low)
    round_one = Predictions.load(tmp_path / "run/pseudo_label/round_1/fold_0/test_resnet/oof.npz")
    planned = Predictions.load(tmp_path / "run/fold_0/test_resnet/oof.npz")
    assert round_one.ids == planned.ids
    assert not np.array_equal(round_one.values, planned.values)
    given = read_json(tmp_path / "run" / "pseudo_label" / "round_1" / "round.json")["labels"]
    assert [given[fold]["given_by"] for fold in "01"] == [["test_resnet fold 0"], ["test_resnet fold 1"]]
    said = "round 1, kept" if kept else "not kept, it does not win beyond the uncertainty"
    assert any(said in message for message in record.messages)
    assert results["models"][0]["score"] is not None
    monkeypatch.setattr(training, "fit_fold", lambda *args, **how: pytest.fail("trained twice"))
    again = go(trained, data, tmp_path / "run", "pseudo_label.rounds=2")
    assert read_json(tmp_path / "run" / "final_results.json")["ensemble"]["members"] == members
    assert again.notes["train test_resnet fold 1 (pseudo-label round 1)"].startswith("done before")


def test_killed_in_a_round_and_resumed_ends_the_same(trained, data, tmp_path, monkeypatch):
    winning(monkeypatch, 0.01)
    go(trained, data, tmp_path / "whole")
    for number, moment in enumerate([5, 45]):
        name = f"train test_resnet fold {number} (pseudo-label round 1)"
        with pytest.raises(Killed):
            go(trained, data, tmp_path / "cut", progress=KillIn(name, moment))
    go(trained, data, tmp_path / "cut")
    kept = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*.npz"))
    assert any("round_1/test" in str(path) for path in kept)
    for path in kept:
        assert (tmp_path / "whole" / path).read_bytes() == (tmp_path / "cut" / path).read_bytes(), path


def test_too_little_time_gives_the_round_up(trained, data, tmp_path):
    """Half a minute is enough to hand in, and not to train anew at what an epoch is made to have taken."""
    shutil.copytree(trained, tmp_path / "run")
    for path in (tmp_path / "run").glob("fold_*/*/result.json"):
        path.write_text(path.read_text().replace('"seconds":', '"seconds": 9000, "before":'))
        manifest = read_json(path.with_name("manifest.json"))
        training.mark_done(
            path.with_name("manifest.json"),
            manifest["inputs"],
            [path.parent / name for name in manifest["outputs"]],
        )
    record = go(trained, data, tmp_path / "run", "run.time_limit=2")
    assert any("gave up round 1 of pseudo-labels" in message for message in record.messages)
    line = read_json(tmp_path / "run" / "techniques" / "pseudo_label_round_1.json")
    assert (line["kept"], line["gain"]) == (False, None)
    assert (tmp_path / "run" / "submission_run.csv").exists()


def test_where_nobody_is_sure_there_is_nothing_to_learn(trained, data, tmp_path):
    record = go(trained, data, tmp_path / "run", "pseudo_label.confidence=1", until="pseudo_label")
    assert any("there is nothing to learn" in message for message in record.messages)
    assert not list((tmp_path / "run").glob("pseudo_label/round_1/fold_*/*/result.json"))


VALUES = np.array(
    [[0.99, 0.01], [0.98, 0.02], [0.97, 0.03], [0.02, 0.98], [0.6, 0.4], [0.96, 0.04], [1.0, 0.0]], np.float32
)


def test_the_surest_of_each_class_up_to_its_share():
    """Six are sure; half of the training pictures are of each class, so no more than three of them may be."""
    readable = np.arange(6)  # the surest of all cannot be read
    found = choose(VALUES, np.array([0, 1, 0, 1]), readable, "multiclass", PseudoLabelConfig())
    assert found.sure == 5
    assert found.rows.tolist() == [0, 1, 2, 3]
    assert found.taught.tolist() == [[1, 0], [1, 0], [1, 0], [0, 1]]
    soft = choose(
        VALUES, np.array([0, 1, 0, 1]), readable, "multiclass", PseudoLabelConfig(kind="soft", cap=9)
    )
    assert soft.rows.tolist() == [0, 1, 2, 3, 5]
    assert np.array_equal(soft.taught, VALUES[[0, 1, 2, 3, 5]])
    rare = choose(VALUES, np.array([0] + [1] * 9), readable, "multiclass", PseudoLabelConfig())
    assert rare.rows.tolist() == [0, 3]


def test_of_several_labels_each_has_to_be_sure():
    values = np.array(
        [[0.99, 0.97, 0.02], [0.99, 0.5, 0.01], [0.01, 0.02, 0.03], [0.02, 0.99, 0.01]], np.float32
    )
    targets = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]], np.float32)
    found = choose(values, targets, np.arange(4), "multilabel", PseudoLabelConfig())
    assert found.rows.tolist() == [0, 2, 3]
    assert found.taught.tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]
    assert found.confidence.tolist() == pytest.approx([0.97, 0.97, 0.98])
    everyone = np.array([[1, 1, 1]], np.float32)  # no training picture is without a label
    assert 2 not in choose(values, everyone, np.arange(4), "multilabel", PseudoLabelConfig()).rows
