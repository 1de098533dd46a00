"""How a run stands, read from its folder; processes that outlive the page."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from page_application import application
from rich.console import Console

from grandmaster.errors import UserError
from grandmaster.page import processes
from grandmaster.page.run_state import all_runs, read_curves, read_line, read_live, standing_of
from live_view import PlainView
from utils import RunLog

STAYS = "import os, signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: (print('asked to end', flush=True), sys.exit(130)))\nprint('at work,', os.environ['GRANDMASTER_LANG'], flush=True)\ntime.sleep(120)"


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it did not come about in a minute"
        time.sleep(0.05)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = tmp_path / "runs" / "first"
    run.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"data_path": "/data/cats", "mode": "quick_test"}))
    return run


def log_of(folder: Path) -> tuple[PlainView, Clock]:
    """The view that really writes the log."""
    clock = Clock()
    return PlainView(Console(file=io.StringIO()), RunLog(folder / "train.log"), clock=clock), clock


def test_the_log_tells_task_share_and_time_left(folder: Path) -> None:
    view, clock = log_of(folder)
    view.expect({"train a fold 0": 200.0, "predict a fold 0": 200.0})
    view.start("train a fold 0", 200)
    assert read_live(folder).task == "train a fold 0"
    for _ in range(100):
        clock.now += 1.0
        view.advance("train a fold 0", 1, epoch="2/4", loss=0.5)
    live = read_live(folder)
    assert (live.task, live.task_share, live.share) == ("train a fold 0", 0.5, 0.25)
    assert live.eta == "5m 00s"
    assert live.facts == "epoch 2/4  loss 0.5  1m 40s left"
    assert live.lines[-1].startswith("· train a fold 0:  50%")
    view.finish("train a fold 0", "macro F1 0.9")
    view.start("predict a fold 0", 10)
    assert (read_live(folder).task, read_live(folder).task_share) == ("predict a fold 0", 0.0)
    assert read_live(folder).share == 0.25


def test_a_task_that_is_over_is_not_at_work(folder: Path) -> None:
    view, clock = log_of(folder)
    view.start("inspect", 4)
    clock.now += 20
    view.advance("inspect", 2)
    assert read_live(folder).task == "inspect"
    view.finish("inspect")
    assert read_live(folder).task == ""
    assert read_live(folder.parent / "nowhere").lines == ()


def test_standing_follows_from_the_last_line_of_the_log(tmp_path: Path, folder: Path) -> None:
    app, log = application(tmp_path), RunLog(folder / "train.log")
    assert standing_of(app, folder) == "stopped"
    for name in ("final_results.json", "report.html"):
        (folder / name).write_text("{}")
    assert standing_of(app, folder) == "finished"  # no log: it came from elsewhere
    for line, expected in (
        ("command", "stopped"),
        ("run finished", "finished"),
        ("error: no such thing", "failed"),
        ("interrupted", "stopped"),
        ("ValueError: oh", "failed"),
    ):
        log.write(line)
        assert standing_of(app, folder) == expected


def test_a_line_of_the_table_survives_damaged_files(tmp_path: Path, folder: Path) -> None:
    score = {"score": 0.9, "low": 0.8, "high": None}
    results = {
        "metric_title": "macro F1",
        "competition": "cats",
        "cross_validation": score,
        "corrupted_validation": None,
        "models": [{"backbone": "a"}, {"backbone": "b"}, {"backbone": "a"}],
    }
    (folder / "final_results.json").write_text(json.dumps(results))
    line = read_line(application(tmp_path), folder)
    assert line.score is not None
    assert (line.score.value, line.score.low, line.score.high) == (0.9, 0.8, None)
    assert (line.competition, line.mode, line.models) == ("cats", "quick_test", ("a", "b"))
    for broken in ('{"models": 3, "cross_validation": {"score": true}}', "{", "[]"):
        (folder / "final_results.json").write_text(broken)
        (line,) = all_runs(application(tmp_path))
        assert (line.score, line.competition) == (None, "cats")


def test_curves_leave_out_a_torn_line_and_count_a_repeated_epoch_once(folder: Path) -> None:
    place = folder / "fold_1" / "net"
    place.mkdir(parents=True)
    lines = [
        {"epoch": 1, "train_loss": 2.0},
        {"epoch": 2, "train_loss": 1.5},
        {"epoch": 2, "train_loss": 1.0, "val_score": 0.5},
    ]
    (place / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"epoch": 3, "tr')
    (curve,) = read_curves(folder)
    assert (curve.name, curve.epochs, curve.train_loss) == ("net fold 1", (1, 2), (2.0, 1.0))
    assert curve.score == (None, 0.5)
    assert curve.corrupted == (None, None)


def test_a_training_is_a_group_of_its_own_ends_when_asked_and_is_found_again(
    tmp_path: Path, folder: Path
) -> None:
    app = application(tmp_path, train=(sys.executable, "-c", STAYS))
    pid = processes.start(app, "first", ["--mode", "quick_test"], "ko")
    assert os.getpgid(pid) == pid != os.getpgid(0)
    until(lambda: processes.printed(app.results, "first") == ["at work, ko"])
    assert standing_of(app, folder) == "running"
    assert processes.at_work(app.results, ["first", "other"]) == ["first"]
    with pytest.raises(UserError, match="trained already"):
        processes.start(app, "first", [], "ko")
    assert processes.stop(app.results, "first")
    until(lambda: processes.process_of(app.results, "first") is None and not processes._children)
    assert processes.printed(app.results, "first") == ["at work, ko", "asked to end"]
    assert not processes.stop(app.results, "first")
    assert standing_of(app, folder) == "stopped"


def test_a_number_that_went_to_another_process_is_not_taken_for_the_training(
    tmp_path: Path, folder: Path
) -> None:
    app = application(tmp_path)
    record = processes.record_of(app.results, "first")
    record.parent.mkdir()
    record.write_text(json.dumps({"pid": os.getppid(), "created": 1.0}))
    beat = {"pid": os.getppid(), "stage": "train", "seen": "", "memory_gb": 1.0, "free_gb": 1.0}
    (folder / "heartbeat.json").write_text(json.dumps(beat))
    assert processes.process_of(app.results, "first") is None
    assert not processes.stop(app.results, "first")
    record.write_text("{")
    assert processes.process_of(app.results, "first") is None


def test_flags_that_the_command_line_refuses_start_nothing(tmp_path: Path) -> None:
    def refuse(flags: object) -> None:
        raise UserError("no such flag")

    app = application(tmp_path, check=refuse)
    with pytest.raises(UserError, match="no such flag"):
        processes.start(app, "first", [], "ko")
    assert not (app.results / processes.FOLDER).exists()
