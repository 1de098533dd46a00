"""Runs with a time limit end within it with a submission that passes the gate, also where the machine is slower than it
was taken to be; what was cut short is gone on with."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from grandmaster.competition.reader import read_competition
from grandmaster.competition.submission import gate
from grandmaster.config import DataConfig
from grandmaster.pipeline import comparing, pacing, planner, timed_plan, training
from grandmaster.pipeline.clock import Clock
from grandmaster.pipeline.pacing import Pace
from grandmaster.pipeline.run import open_context, run_pipeline
from grandmaster.pipeline.speed import StepChoice
from grandmaster.progress import SilentProgress
from grandmaster.training.timed_step import StepSettings
from pipeline.small_competition import Record, request, write_competition

OPEN = ("training.epochs=none", "training.patience=0")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(autouse=True)
def _small_run(monkeypatch):
    """What is kept for the end of a run is meant for more than 48 pictures of 32 px and limits of minutes."""
    monkeypatch.setattr(timed_plan, "END_SECONDS", 1.5)
    monkeypatch.setattr(timed_plan, "FIT_START", 0.3)
    monkeypatch.setattr(pacing, "FIT_START", 0.3)
    # How steps are carried out is no matter here, and what is told of the speed must not be overruled by measuring.
    settings = StepSettings(memory_format="channels_last", fused=False)
    told = StepChoice(settings=settings, reasons={})
    monkeypatch.setattr(planner, "choose_step", lambda *args, **how: told)


class Slow(Record):
    """A machine on which every batch of training takes this much longer, seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def advance(self, task: str, units: int = 1, **facts: Any) -> None:
        if task.startswith("train") and units:
            time.sleep(self.seconds)


def limited(seconds: float) -> str:
    return f"run.time_limit={seconds / 60}"


def passes_gate(data: Path, folder: Path) -> bool:
    competition = read_competition(data, DataConfig())
    return gate(pd.read_csv(folder / f"submission_{folder.name}.csv", dtype=str), competition).passed


def revisions(folder: Path) -> list[str]:
    kept = json.loads((folder / "revisions.json").read_text())
    return [line["text"] for line in kept["revisions"]]


def test_a_machine_ten_times_slower_than_measured(data, tmp_path, monkeypatch):
    """The plan is for 60 epochs x 2 folds; an epoch takes 0.2 s or more. The schedule is shortened while it runs."""
    monkeypatch.setattr(planner, "images_per_second", lambda *args, **how: 1e5)
    began, folder, slow = time.monotonic(), tmp_path / "run", Slow(0.05)
    results = run_pipeline(request(data, folder, *OPEN, limited(15)), slow)
    assert time.monotonic() - began < 15
    assert passes_gate(data, folder)
    assert results["submission"]["problems"] == []
    planned = json.loads((folder / "plan.json").read_text())["models"][0]["epochs"]
    assert planned == 60
    first = results["models"][0]
    assert 2 <= first["epochs"] < 60
    text = f"test_resnet fold 0: 60 epochs -> {first['epochs']}, by what an epoch takes"
    assert text in revisions(folder)
    assert results["time"]["limit_seconds"] == 15
    assert any(text in line for line in results["time"]["gave_up"])
    assert json.loads((folder / "fold_0" / "test_resnet" / "result.json").read_text())["stopped"] is None
    assert any(message.startswith("warn: Time limit: test_resnet fold 0: 60") for message in slow.messages)


def test_a_machine_far_quicker_than_measured(data, tmp_path, monkeypatch):
    """Planned for an epoch or two: the first epoch shows that there is time for many."""
    monkeypatch.setattr(planner, "images_per_second", lambda *args, **how: 15.0)
    began, folder = time.monotonic(), tmp_path / "run"
    results = run_pipeline(request(data, folder, *OPEN, "folds.train=1", limited(16)), SilentProgress())
    assert time.monotonic() - began < 16
    planned = json.loads((folder / "plan.json").read_text())["models"][0]["epochs"]
    assert results["models"][0]["epochs"] >= 2 * planned
    assert any(f"{planned} epochs -> {results['models'][0]['epochs']}" in line for line in revisions(folder))


def test_folds_are_added_where_time_is_left(data, tmp_path, monkeypatch):
    """Taken to be so slow that only one fold is planned, with the epochs that are wanted."""
    monkeypatch.setattr(planner, "images_per_second", lambda *args, **how: 20.0)
    began, folder = time.monotonic(), tmp_path / "run"
    settings = ("training.epochs=4", "training.patience=0")
    results = run_pipeline(request(data, folder, *settings, limited(25)), SilentProgress())
    assert time.monotonic() - began < 25
    assert json.loads((folder / "plan.json").read_text())["decisions"]["folds_trained"]["value"] == 1
    assert "test_resnet fold 1 is added: there is time left for it" in revisions(folder)
    assert results["cross_validation"]["folds_trained"] == 2
    assert [(fit["fold"], fit["epochs"]) for fit in results["models"]] == [(0, 4), (1, 4)]
    assert passes_gate(data, folder)
    assert json.loads((folder / "submission_members.json").read_text())[1] == "test_resnet fold 1"
    record = Record()
    run_pipeline(request(data, folder, *settings, limited(25)), record)
    assert record.notes["train test_resnet fold 1"].startswith("done before")


def test_no_fold_is_added_beyond_those_that_were_asked_for(data, tmp_path, monkeypatch):
    monkeypatch.setattr(planner, "images_per_second", lambda *args, **how: 20.0)
    folder = tmp_path / "run"
    settings = ("training.epochs=2", "training.patience=0", "folds.train=1")
    results = run_pipeline(request(data, folder, *settings, limited(25)), SilentProgress())
    assert results["cross_validation"]["folds_trained"] == 1


@pytest.mark.fault(37, "a limit shorter than an epoch")
def test_not_even_one_epoch(data, tmp_path, monkeypatch):
    """Cut in its first epoch, the model is validated as it is: there is a score, and a submission of it."""
    monkeypatch.setattr(planner, "images_per_second", lambda *args, **how: 1e5)
    began, folder = time.monotonic(), tmp_path / "run"
    results = run_pipeline(request(data, folder, *OPEN, limited(11)), Slow(2.5))
    assert time.monotonic() - began < 11
    assert passes_gate(data, folder)
    assert results["cross_validation"]["folds_trained"] == 1
    fit = json.loads((folder / "fold_0" / "test_resnet" / "result.json").read_text())
    assert fit["stopped"] == "time"
    assert fit["epochs"] == 1
    assert any("ended in epoch 1 of 60" in line for line in revisions(folder))
    assert any("gave up 1 of 2 fits" in line and "fold 1" in line for line in revisions(folder))


@pytest.mark.fault(37, "ended at any moment of a run with a limit: a submission stands")
def test_a_submission_stands_from_the_first_moment_and_is_improved_by_every_fit(data, tmp_path):
    folder, seen = tmp_path / "run", []

    class Watch(Record):
        def message(self, text: str, level: str = "info") -> None:
            if text.startswith("Submission so far"):
                seen.append((text, passes_gate(data, folder)))

    run_pipeline(request(data, folder, "training.epochs=1", limited(60), until="train"), Watch())
    assert [passed for _, passed in seen] == [True, True, True]
    assert seen[0][0] == "Submission so far: one answer for all pictures, until a model is trained."
    assert seen[1][0] == "Submission so far: test_resnet fold 0."
    assert seen[2][0] == "Submission so far: test_resnet fold 0, test_resnet fold 1."


@pytest.mark.fault(37, "ended in the second fold, without a limit")
def test_without_a_limit_one_stands_after_the_first_fit(data, tmp_path):
    class Killed(Exception):
        pass

    class KillInSecondFold(Record):
        def start(self, task: str, total: int) -> None:
            if task == "train test_resnet fold 1":
                raise Killed

    folder = tmp_path / "run"
    with pytest.raises(Killed):
        run_pipeline(request(data, folder, "training.epochs=1"), KillInSecondFold())
    assert passes_gate(data, folder)
    assert json.loads((folder / "submission_members.json").read_text()) == ["test_resnet fold 0"]


def test_a_better_submission_is_not_replaced_by_one_of_fewer_fits(data, tmp_path):
    folder = tmp_path / "run"
    run_pipeline(request(data, folder, "training.epochs=1"), SilentProgress())
    before = (folder / "submission_run.csv").read_bytes()

    class KilledInPrediction(SilentProgress):
        def finish(self, task: str, note: str = "") -> None:
            if task == "predict test_resnet fold 1":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_pipeline(request(data, folder, "training.epochs=1", limited(60)), KilledInPrediction())
    assert (folder / "submission_run.csv").read_bytes() == before


def test_with_time_enough_nothing_is_given_up_and_another_limit_is_no_other_run(data, tmp_path):
    free, timed = tmp_path / "free", tmp_path / "timed"
    run_pipeline(request(data, free), SilentProgress())
    results = run_pipeline(request(data, timed, limited(3600)), SilentProgress())
    assert results["time"]["gave_up"] == []
    assert not (timed / "revisions.json").exists()
    for name in ("fold_0", "fold_1"):
        path = Path(name) / "test_resnet" / "checkpoint" / "best.safetensors"
        assert (free / path).read_bytes() == (timed / path).read_bytes()
    record = Record()
    again = run_pipeline(request(data, timed, limited(1800)), record)
    assert record.notes["train test_resnet fold 0"].startswith("done before")
    assert again["cross_validation"] == results["cross_validation"]


def test_what_a_limit_cut_short_is_gone_on_with_by_the_same_command(data, tmp_path, monkeypatch):
    """On to the same weights as a run that was never cut."""
    monkeypatch.setattr(planner, "images_per_second", lambda *args, **how: 1e5)
    folder, whole = tmp_path / "run", tmp_path / "whole"
    epochs = ("training.epochs=7", "training.patience=0", "folds.train=1")
    results = run_pipeline(request(data, folder, *epochs, limited(12)), SlowAfter(2, seconds=6.0))
    assert results["models"][0]["epochs"] < 7
    assert passes_gate(data, folder)
    record = Record()
    results = run_pipeline(request(data, folder, *epochs), record)
    assert results["models"][0]["epochs"] == 7
    assert json.loads((folder / "fold_0/test_resnet/result.json").read_text())["stopped"] is None
    run_pipeline(request(data, whole, *epochs), SilentProgress())
    path = Path("fold_0/test_resnet/oof.npz")
    assert (folder / path).read_bytes() == (whole / path).read_bytes()


class SlowAfter(Slow):
    """Becomes slow after so many epochs: later than a fit could be planned anew."""

    def __init__(self, epochs: int, *, seconds: float) -> None:
        super().__init__(seconds)
        self.quick, self.pictures = epochs, 0

    def advance(self, task: str, units: int = 1, **facts: Any) -> None:
        self.pictures += units if task.startswith("train") else 0
        if self.pictures > self.quick * 32:
            super().advance(task, units, **facts)


def test_the_plan_says_what_was_given_up_and_why(data, tmp_path, monkeypatch):
    monkeypatch.setattr(planner, "images_per_second", lambda *args, **how: 200.0)
    folder, record = tmp_path / "run", Record()
    run_pipeline(request(data, folder, *OPEN, limited(16), until="plan"), record)
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["models"][0]["epochs"] < 60
    assert "s were left of the time limit" in plan["models"][0]["reasons"]["epochs"]
    note = next(note for note in plan["notes"] if note.startswith("Time limit"))
    assert f"test_resnet 60 epochs -> {plan['models'][0]['epochs']}" in note
    assert f"warn: {note}" in record.messages


def test_a_run_begun_without_a_limit_keeps_to_one_when_it_is_resumed(data, tmp_path):
    """The plan stays; what no longer fits is given up."""
    folder = tmp_path / "run"
    run_pipeline(request(data, folder, "training.epochs=9", until="plan"), SilentProgress())
    began = time.monotonic()
    results = run_pipeline(request(data, folder, "training.epochs=9", limited(14)), Slow(0.3))
    assert time.monotonic() - began < 14
    assert passes_gate(data, folder)
    assert results["time"]["gave_up"]


@pytest.fixture
def many(tmp_path) -> Path:
    """As many pictures as a comparison of train with test needs."""
    return write_competition(tmp_path / "many", train=60, test=45)


def test_comparing_train_with_test_is_left_out_where_it_would_take_too_long(many, tmp_path, monkeypatch):
    monkeypatch.setattr(comparing, "SHARE", 1e-6)
    folder, record = tmp_path / "run", Record()
    run_pipeline(request(many, folder, limited(60), until="plan"), record)
    told = json.loads((folder / "shift.json").read_text())
    assert told["adversarial"] is None
    assert told["reason"].startswith("the time limit leaves too little for comparing train with test")
    assert any("train and test are not compared" in message for message in record.messages)
    assert json.loads((folder / "plan.json").read_text())["decisions"]["augmentation"]["value"] == "light"


def test_comparing_train_with_test_is_broken_off_where_it_takes_longer_than_estimated(
    many, tmp_path, monkeypatch
):
    monkeypatch.setattr(comparing, "SHARE", 0.9)
    monkeypatch.setattr(comparing, "BREAK_OFF", 0.0)
    folder, record = tmp_path / "run", Record()
    run_pipeline(request(many, folder, limited(600), until="plan"), record)
    assert "it took longer than it was to take" in json.loads((folder / "shift.json").read_text())["reason"]
    assert record.notes["compare with test"] == "left out"


def test_the_clock_keeps_a_margin():
    clock = Clock(limit=600.0, now=lambda: 150.0, started=50.0)
    assert clock.elapsed() == 100.0
    assert clock.left() == pytest.approx(600 - 100 - (1 + 18))
    assert Clock(limit=9 * 3600.0, now=lambda: 0.0, started=0.0).margin == 300
    assert Clock().left() == float("inf")


def test_where_measuring_takes_long_it_is_done_once(data, tmp_path, monkeypatch):
    """On a busy machine the planner's few training steps alone may take a good part of a short limit."""
    asked: list[int] = []

    def slowly(*args: Any, size: int, **how: Any) -> float:
        asked.append(size)
        time.sleep(1.0)
        return 500.0

    monkeypatch.setattr(planner, "images_per_second", slowly)
    folder = tmp_path / "run"
    settings = ("model.backbones=resnet10t", "model.image_size=none", *OPEN)
    run_pipeline(request(data, folder, *settings, limited(18), until="plan"), SilentProgress())
    assert len(asked) == 1
    plan = json.loads((folder / "plan.json").read_text())
    (model,) = plan["models"]
    assert model["epochs"] < 60
    assert model["minutes_per_fold"] > model["test_minutes_per_fold"] > 0
    assert plan["decisions"]["trial"]["value"] is False
    asked.clear()
    run_pipeline(request(data, tmp_path / "long", *settings, limited(600), until="plan"), SilentProgress())
    assert len(set(asked)) > 1, "with time enough, each size"


def test_one_slow_epoch_decides_nothing(data, tmp_path):
    """Nor does the last one before a resume, in which somebody else had the machine."""
    wanted = request(data, tmp_path / "run", "training.epochs=5", "folds.train=1", limited(600))
    run_pipeline(dataclasses.replace(wanted, until="train"), Record())
    context = open_context(wanted, Record())
    model = context.plan.models[0]
    path = training.fit_folder(context, model, 0) / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line, seconds in zip(lines, (1.0, 1.0, 1.2, 1.0, 40.0), strict=True):
        line |= {"seconds": seconds, "images_per_second": 32 / (0.8 * seconds)}
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    pace = Pace(context, training._last_epochs(context, [(model, 0)]))
    assert pace.cost(model, measured_slack=1.0).epoch == pytest.approx(1.2, rel=0.05)
    pace.learn(model.backbone, lines[-1])  # a second one as slow, and it is the machine
    assert pace.cost(model, measured_slack=1.0).epoch == pytest.approx(40.0, rel=0.05)
