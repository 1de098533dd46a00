"""A disk with too little room for a run: what is refused before it trains, and weights that go to make room."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from grandmaster.errors import UserError
from grandmaster.pipeline import keeping, releasing
from grandmaster.pipeline.disk import need
from grandmaster.pipeline.run import open_context, plan_only, run_pipeline
from grandmaster.progress import SilentProgress
from pipeline.small_competition import Record, handed_in, request, write_competition

GB = 2**30


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def full(data, tmp_path_factory) -> Path:
    """A finished run that keeps all weights; tests copy it."""
    folder = tmp_path_factory.mktemp("full") / "run"
    handed_in(request(data, folder, "run.keep_weights=full"))
    return folder


@pytest.mark.fault(30, "a run that would not fit the disk is begun")
def test_a_run_that_does_not_fit_is_refused_before_training_and_can_be_changed(data, tmp_path, monkeypatch):
    folder, record = tmp_path / "run", Record()
    monkeypatch.setattr(keeping, "free_bytes", lambda folder: 50 * 2**20)
    with pytest.raises(UserError) as refused:
        run_pipeline(request(data, folder), record)
    said = str(refused.value)
    assert "too little room on the disk: this run needs 8" in said
    assert "50 MB are free" in said
    assert str(folder) in said
    assert "--output" in said
    assert not list(folder.rglob("*.safetensors"))
    assert not (folder / "plan.json").exists()
    assert any("too little room" in note for note in plan_only(request(data, folder), record).notes)
    monkeypatch.setattr(keeping, "free_bytes", lambda folder: 10 * GB)
    run_pipeline(request(data, folder, "run.keep_weights=half", until="plan"), record)


@pytest.mark.fault(30, "a run whose disk filled up meanwhile is resumed")
def test_a_resumed_run_keeps_what_was_decided_and_counts_what_is_left(data, full, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    shutil.copytree(full, folder)
    monkeypatch.setattr(keeping, "free_bytes", lambda folder: 1)
    wanted = request(data, folder, "run.keep_weights=full")
    handed_in(wanted)  # all is trained: nothing more is needed
    shutil.rmtree(folder / "fold_1")
    with pytest.raises(UserError, match=r"1 fit x .*--output") as refused:
        handed_in(wanted)
    assert "keep_weights=" not in str(refused.value)
    # Less than the two fits took once: the one that is done is not counted again.
    context = open_context(wanted, SilentProgress())
    left = need([keeping._wanted(context, context.plan, ())[1].size], "full").total
    monkeypatch.setattr(keeping, "free_bytes", lambda folder: left)
    handed_in(wanted)
    assert (folder / "submission_run.csv").read_bytes() == (full / "submission_run.csv").read_bytes()


class Killed(Exception):
    pass


@pytest.mark.parametrize("step", ["mark_removed", "without_output", "remove_best"])
@pytest.mark.fault(29, "killed between the steps that remove weights")
def test_killed_while_weights_are_removed_nothing_is_trained_again(data, full, tmp_path, monkeypatch, step):
    def killed(*_: Any) -> None:
        raise Killed

    folder = tmp_path / "run"
    shutil.copytree(full, folder)
    plan = json.loads((folder / "plan.json").read_text())
    plan["decisions"]["keep_weights"]["value"] = "predictions"
    (folder / "plan.json").write_text(json.dumps(plan))  # a person's edit, which is obeyed
    wanted = request(data, folder, "run.keep_weights=full")
    with monkeypatch.context() as patch:
        patch.setattr(releasing, step, killed)
        with pytest.raises(Killed):
            handed_in(wanted)
    assert len(list(folder.rglob("best.safetensors"))) == 2
    record = Record()
    assert handed_in(wanted, record)["submission"]["problems"] == []
    assert not list(folder.rglob("best.safetensors"))
    for fold in (0, 1):
        assert record.notes[f"train test_resnet fold {fold}"].startswith("done before")
        assert record.notes[f"predict test_resnet fold {fold}"] == "done before"
    assert (folder / "submission_run.csv").read_bytes() == (full / "submission_run.csv").read_bytes()
