"""Distillation: the student of a fold learns from teachers that never saw it, and is exported."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from kind_competitions import make_competition
from small_competition import Record, request, write_competition

from grandmaster.competition.predictions import Predictions
from grandmaster.errors import UserError
from grandmaster.models import exported
from grandmaster.pipeline import distilling, fold_pictures, run, teachers, training
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.manifest import mark_done
from grandmaster.pipeline.run import run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.storage import read_json, write_json

SETTINGS = ("distill.on=true", "training.learning_rate=0.01")


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


@pytest.fixture(autouse=True)
def no_onnx(monkeypatch):
    """A test of its own writes ONNX, which takes seconds."""
    monkeypatch.setattr(
        "grandmaster.pipeline.exporting.onnx_missing", lambda: "no ONNX file: not in this test"
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    run_pipeline(request(data, folder, *SETTINGS, until="train"), Record())
    return folder


def go(trained: Path, data: Path, folder: Path, *changes: str, progress: Any = None, **others: Any) -> Record:
    if not folder.exists():
        shutil.copytree(trained, folder)
    progress = progress or Record()
    run_pipeline(request(data, folder, *SETTINGS, *changes, **others), progress)
    return progress


def remembered(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    seen: list[Any] = []
    original = training.fold_data

    def remember(context: Any, spec: Any, teaching: Any) -> Any:
        seen.append((spec, teaching, original(context, spec, teaching)))
        return seen[-1][2]

    monkeypatch.setattr(training, "fold_data", remember)
    return seen


def test_the_whole_road(trained, data, tmp_path, monkeypatch):
    seen = remembered(monkeypatch)
    record = go(trained, data, tmp_path / "run")
    folder = tmp_path / "run"
    folds = pd.read_csv(folder / "folds.csv").set_index("id")["fold"]
    assert [spec.fold for spec, _, _ in seen] == [0, 1]
    for spec, teaching, fold in seen:
        assert (spec.loss.temperature, spec.loss.true_share) == (2.0, 0.5)
        names = {fold.train.store.paths[row].name for row in fold.train.rows}
        assert names == set(folds.index[folds != spec.fold])  # no test picture among them
        said = Predictions.load(folder / f"distill/fold_{spec.fold}/teachers/test_resnet_planned.npz")
        assert set(said.ids) == names
        order = [fold.train.store.paths[row].name for row in fold.train.rows]
        assert np.array_equal(teaching.train[fold.train.rows][:, 3:], said.aligned_to(order).values)
        assert (teaching.train[fold.validation.rows] == 0).all()
    student = folder / "distill" / "fold_0" / "test_resnet"
    planned = Predictions.load(folder / "fold_0" / "test_resnet" / "oof.npz")
    assert Predictions.load(student / "oof.npz").ids == planned.ids
    line = read_json(folder / "techniques" / "distill.json")
    assert line["kept"] is False
    assert line["low"] <= line["gain"] <= line["high"]
    assert line["verdict"] in ("better", "worse", "no difference shown")
    found = read_json(folder / "distill" / "distill.json")
    assert found["parameters"] == [2 * found["parameters"][1], found["parameters"][1]]
    assert all(seconds > 0 for seconds in found["seconds"])
    assert any("Exported test_resnet fold 0 (student)" in message for message in record.messages)
    predictor, told = exported.read_exported(folder / "export" / "test_resnet")
    assert told.outputs == ("0", "1", "2")
    assert predictor(torch.zeros(1, 3, 32, 32)).sum().item() == pytest.approx(1)
    members = read_json(folder / "final_results.json")["ensemble"]["members"]
    assert members == ["test_resnet fold 0", "test_resnet fold 1"]
    monkeypatch.setattr(training, "fit_fold", lambda *args, **how: pytest.fail("trained twice"))
    again = go(trained, data, folder)
    assert again.notes["train test_resnet fold 1 (student)"].startswith("done before")
    assert not any("Exported" in message for message in again.messages)


def test_a_student_may_join_the_blend_and_resumes_after_a_kill(trained, data, tmp_path):
    joined = ("distill.in_blend=true",)
    go(trained, data, tmp_path / "whole", *joined)
    for task, moment in (("ask test_resnet fold 1", 3), ("train test_resnet fold 1 (student)", 40)):
        with pytest.raises(Killed):
            go(trained, data, tmp_path / "cut", *joined, progress=KillIn(task, moment))
    go(trained, data, tmp_path / "cut", *joined)
    members = read_json(tmp_path / "whole" / "final_results.json")["ensemble"]["members"]
    assert members[2:] == ["test_resnet fold 0 (student)", "test_resnet fold 1 (student)"]
    for path in sorted((tmp_path / "whole").rglob("*.npz")):
        other = tmp_path / "cut" / path.relative_to(tmp_path / "whole")
        assert path.read_bytes() == other.read_bytes(), path


@pytest.mark.fault(45, "teachers of every fold, compared with its own models")
def test_teachers_of_a_fold_are_its_own(trained, data, tmp_path, monkeypatch):
    """A watermark: fold 1's teacher says nonsense, and fold 0's student does not learn it."""
    go(trained, data, tmp_path / "plain", until="distill")
    ask = teachers._of_training

    def tampered(context: Any, member: Any) -> Predictions:
        found = ask(context, member)
        if member.fold == 0:
            return found
        marked = np.tile(np.eye(3, dtype=np.float32)[0], (len(found.ids), 1))
        return Predictions(ids=found.ids, outputs=found.outputs, values=marked)

    monkeypatch.setattr(teachers, "_of_training", tampered)
    go(trained, data, tmp_path / "marked", until="distill")
    for fold, same in ((0, True), (1, False)):
        file = f"distill/fold_{fold}/test_resnet/checkpoint/best.safetensors"
        assert ((tmp_path / "plain" / file).read_bytes() == (tmp_path / "marked" / file).read_bytes()) is same


def test_test_pictures_are_learnt_only_where_it_is_allowed(trained, data, tmp_path, monkeypatch):
    seen = remembered(monkeypatch)
    allowed = ("run.allow_test_training=true", "pseudo_label.rounds=0")
    go(trained, data, tmp_path / "run", *allowed, until="distill")
    (_, teaching, fold), _ = seen
    assert len(fold.train.parts[1]) == 18
    said = Predictions.load(tmp_path / "run" / "test" / "test_resnet_fold0.npz")
    order = [fold.train.parts[1].store.paths[row].name for row in fold.train.parts[1].rows]
    assert np.array_equal(teaching.test[:, 3:], said.aligned_to(order).values)
    monkeypatch.setattr(
        fold_pictures, "_test_part", lambda *args: pytest.fail("test pictures are trained on")
    )
    go(trained, data, tmp_path / "other", until="distill")


@pytest.mark.parametrize("kind", ["multilabel", "ordinal", "regression"])
def test_every_kind_has_students_and_only_labels_have_pseudo_labels(tmp_path, monkeypatch, kind):
    competition = make_competition(tmp_path / "data", kind)
    monkeypatch.setattr(run, "read_competition", lambda *args, **how: competition)
    changes = (
        "training.epochs=1",
        "folds.train=1",
        "run.allow_test_training=true",
        "pseudo_label.confidence=0.3",
    )
    record = Record()
    run_pipeline(request(tmp_path / "data", tmp_path / "run", *SETTINGS, *changes), record)
    learnt = (tmp_path / "run" / "pseudo_label" / "round_1").exists()
    assert learnt is (kind == "multilabel")
    assert any("no confidence" in message for message in record.messages) is not learnt
    line = read_json(tmp_path / "run" / "techniques" / "distill.json")
    assert line["after"] is not None


def test_students_and_teachers_that_nobody_knows_are_refused(trained, data, tmp_path):
    with pytest.raises(UserError, match=r"no backbone is called 'test_resnt'"):
        run_pipeline(
            request(data, tmp_path / "new", "distill.on=true", "distill.student=test_resnt"), Record()
        )
    with pytest.raises(UserError, match=r"no planned model is called 'other'.*distill\.teacher"):
        go(trained, data, tmp_path / "run", "distill.teacher=other")


def test_a_student_of_another_backbone_is_planned_once(trained, data, tmp_path, monkeypatch):
    other = ("distill.student=test_vit", "distill.teacher=test_resnet")
    monkeypatch.setattr(
        distilling, "_fit", lambda context, members, student, fold, teaching: pytest.fail(student.backbone)
    )
    with pytest.raises(pytest.fail.Exception, match="test_vit"):
        go(trained, data, tmp_path / "run", *other, until="distill")
    kept = (tmp_path / "run" / "distill" / "student.json").read_bytes()
    monkeypatch.setattr(distilling, "make_plan", lambda *args, **how: pytest.fail("planned twice"))
    with pytest.raises(pytest.fail.Exception, match="test_vit"):
        go(trained, data, tmp_path / "run", *other, until="distill")
    assert (tmp_path / "run" / "distill" / "student.json").read_bytes() == kept


def test_teachers_answer_in_the_format_that_their_fit_was_eased_to(trained, data, tmp_path, monkeypatch):
    """Fold 0's fit is made one that was gone on with in another format than the plan's."""
    go(trained, data, tmp_path / "plain", until="distill")
    shutil.copytree(trained, tmp_path / "eased")
    folder = tmp_path / "eased" / "fold_0" / "test_resnet"
    write_json(folder / "result.json", read_json(folder / "result.json") | {"precision": "bf16"})
    known = read_json(folder / "manifest.json")
    mark_done(folder / "manifest.json", known["inputs"], [folder / name for name in known["outputs"]])
    asked: list[Any] = []
    make = RunContext.make_precision

    def remember(context: RunContext, name: Any = None) -> Any:
        asked.append(name)
        return make(context, name)

    monkeypatch.setattr(RunContext, "make_precision", remember)
    go(trained, data, tmp_path / "eased", until="distill")
    for fold, same in ((0, False), (1, True)):
        file = f"distill/fold_{fold}/teachers/test_resnet_planned.npz"
        first, second = (Predictions.load(tmp_path / name / file).values for name in ("plain", "eased"))
        assert np.array_equal(first, second) is same
        assert np.allclose(first, second, atol=0.05)
    named = [name for name in asked if name is not None]
    assert named == [
        "bf16",
        "fp32",
        "bf16",
        "fp32",
        "fp32",
    ]  # two teachers asked; two teachers and a student timed
