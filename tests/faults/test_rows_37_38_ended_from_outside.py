"""Ended by somebody else, politely (rows 37 and 51) or not (row 38): what stands, what is said, and the next start."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from app.app_fakes import run_environment
from faults.command import (
    KILL,
    PROGRAM,
    TERM,
    arguments,
    at_stage,
    own_group,
    run,
    signal_group,
    signal_self,
)
from faults.forked import hear_signals_from_the_start
from grandmaster.competition.reader import read_competition
from grandmaster.competition.submission_gate import gate
from grandmaster.config import DataConfig
from grandmaster.pipeline.heartbeat import FILE_NAME, Beat, Heartbeat, beating
from grandmaster.storage import read_json, write_json
from pipeline.small_competition import Record, write_competition

pytestmark = [
    pytest.mark.slow,  # whole runs in processes of their own
    pytest.mark.skipif(sys.platform == "win32", reason="no signals"),
]
INTERRUPTED = 130


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory) -> bytes:
    place = tmp_path_factory.mktemp("whole")
    assert run(arguments(data, place), place).code == 0
    return predicted(place / "run")


def predicted(folder: Path) -> bytes:
    """What was blended for the test set: decisions made of it may be the same for very different models."""
    return (folder / "ensemble" / "test.npz").read_bytes() + (folder / "submission_run.csv").read_bytes()


def passes_gate(data: Path, submission: Path) -> bool:
    return gate(pd.read_csv(submission, dtype=str), read_competition(data, DataConfig())).passed


@pytest.mark.parametrize(
    ("stage", "after", "workers", "whom"),
    [
        pytest.param("inspect", 0.0, 0, signal_self, marks=pytest.mark.slow),
        pytest.param("plan", 0.0, 0, signal_self, marks=pytest.mark.slow),
        pytest.param("train", 0.0, 2, signal_self, marks=pytest.mark.slow),
        ("train", 0.4, 2, signal_group),
        pytest.param("predict", 0.0, 2, signal_self, marks=pytest.mark.slow),
        pytest.param("report", 0.3, 0, signal_self, marks=pytest.mark.slow),
    ],
)
@pytest.mark.fault(
    37, "SIGTERM in five stages, to the process and to all of its group, then the resume command"
)
def test_row_37_sigterm_ends_cleanly_and_the_printed_command_resumes(
    data, undisturbed, tmp_path, stage, after, workers, whom
):
    argv = arguments(data, tmp_path, f"hardware.workers={workers}")
    inject = at_stage(stage, partial(whom, TERM), after)
    ended = run(argv, tmp_path, partial(own_group, inject))
    assert ended.code == INTERRUPTED, ended.error
    assert "Traceback" not in ended.error + ended.out
    said = ended.error.strip().splitlines()
    assert said[-2] == "Interrupted; what was finished is kept. Resume with:"
    folder = tmp_path / "run"
    assert (folder / "train.log").read_text().splitlines()[-1].endswith("interrupted")
    assert not (folder / FILE_NAME).exists(), "it ended by itself"
    assert not [path for path in folder.rglob("*") if path.suffix == ".part"]
    command = shlex.split(said[-1])
    resumed = run([*command[2:], "--output", str(tmp_path)], tmp_path)
    assert resumed.code == 0, resumed.error
    assert "was killed" not in resumed.out
    assert predicted(folder) == undisturbed


@pytest.mark.fault(37, "SIGTERM in the second fold: a submission of the first stands")
def test_row_37_a_valid_submission_exists_as_soon_as_one_fold_is_done(data, tmp_path):
    ended = run(arguments(data, tmp_path), tmp_path, _end_when_the_first_fold_is_done)
    assert ended.code == -KILL
    folder = tmp_path / "run"
    assert not (folder / "fold_1" / "test_resnet" / "manifest.json").exists()
    assert read_json(folder / "submission_members.json") == ["test_resnet fold 0"]
    assert passes_gate(data, folder / "submission_run.csv")


def _end_when_the_first_fold_is_done() -> None:
    from grandmaster.pipeline import training

    train_one = training._train_one

    def disturbed(context, pace, model, fold, *, waiting):  # type: ignore[no-untyped-def]
        if fold == 1:
            signal_self(KILL)
        train_one(context, pace, model, fold, waiting=waiting)

    training._train_one = disturbed


@pytest.mark.parametrize(
    ("stage", "after"),
    [
        pytest.param("inspect", 0.0, marks=pytest.mark.slow),
        ("train", 0.2),
        pytest.param("report", 0.0, marks=pytest.mark.slow),
    ],
)
@pytest.mark.fault(38, "SIGKILL in three stages: the heartbeat stays, the same command says so and resumes")
def test_row_38_the_heartbeat_shows_a_kill_and_the_next_run_says_so(
    data, undisturbed, tmp_path, stage, after
):
    argv = arguments(data, tmp_path)
    assert run(argv, tmp_path, at_stage(stage, partial(signal_self, KILL), after)).code == -KILL
    folder = tmp_path / "run"
    last = msgspec.convert(read_json(folder / FILE_NAME), Beat)
    assert last.stage == stage
    assert 0 < last.memory_gb < 1000
    assert last.free_gb > 0
    resumed = run(argv, tmp_path)
    assert resumed.code == 0, resumed.error
    assert f"The run before was killed in stage '{stage}', last seen {last.seen}" in resumed.out
    assert f"killed in stage '{stage}'" in (folder / "train.log").read_text()
    assert not (folder / FILE_NAME).exists()
    assert predicted(folder) == undisturbed
    again = run(argv, tmp_path)
    assert "was killed" not in again.out


@pytest.mark.fault(38, "killed when memory was nearly full; a heartbeat that was half written")
def test_row_38_full_memory_is_named_as_the_likely_reason(tmp_path):
    beat = Beat(pid=1, stage="train", seen="2026-01-01T00:00:00+00:00", memory_gb=12.1, free_gb=0.2)
    write_json(tmp_path / FILE_NAME, beat)
    record = Record()
    with beating(tmp_path, record):
        assert read_json(tmp_path / FILE_NAME)["pid"] == os.getpid()
    assert "Memory was nearly full (0.2 GB free): lower hardware.workers" in record.messages[0]
    (tmp_path / FILE_NAME).write_text('{"pid": 1, "sta')
    record = Record()
    with beating(tmp_path, record):
        pass
    assert record.messages == [
        "warn: The run before was killed; it is gone on with from what it had finished."
    ]


@pytest.mark.fault(38, "rubbish of a write that was killed half-way")
def test_row_38_half_written_files_of_a_killed_run_are_removed(tmp_path):
    (tmp_path / "fold_0").mkdir()
    rubbish = tmp_path / "fold_0" / ".best.safetensors.a1b2c3.part"
    rubbish.write_bytes(b"half")
    with beating(tmp_path, Record()):
        assert rubbish.exists(), "nobody says that a run was killed here"
    Heartbeat(tmp_path)._beat()  # and then it is killed
    with beating(tmp_path, Record()):
        assert not rubbish.exists()


def test_a_heartbeat_goes_on_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr("grandmaster.pipeline.heartbeat.SECONDS", 0.01)
    with beating(tmp_path, Record()) as heartbeat:
        heartbeat.enter("train")
        (tmp_path / FILE_NAME).unlink()
        while not (tmp_path / FILE_NAME).exists():  # the time limit of tests ends it otherwise
            time.sleep(0.01)
        assert read_json(tmp_path / FILE_NAME)["stage"] == "train"


def test_a_disk_that_takes_no_heartbeat_stops_nothing(tmp_path):
    (tmp_path / FILE_NAME).mkdir()
    with beating(tmp_path, Record()) as heartbeat:
        heartbeat.enter("train")
    assert (tmp_path / FILE_NAME).is_dir()


@pytest.mark.slow
@pytest.mark.fault(50, "standard output closed after its first lines")
def test_row_50_a_reader_that_goes_away_does_not_end_the_run(data, undisturbed, tmp_path):
    """`grandmaster_train.py ... | head -n 2`"""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), *arguments(data, tmp_path)],
        env=run_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_signals_from_the_start,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    for _ in range(2):
        assert process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0, error
    assert error == ""
    assert predicted(tmp_path / "run") == undisturbed
    assert (tmp_path / "run" / "train.log").read_text().splitlines()[-1].endswith("run finished")


@pytest.mark.slow
@pytest.mark.fault(51, "the terminal of a live view closed while it trains")
def test_row_51_a_closed_terminal_ends_the_run_as_ctrl_c_does(data, tmp_path):
    import pty

    argv = [*arguments(data, tmp_path, "training.epochs=200", "training.patience=0")]
    argv.remove("--plain")
    pid, terminal = pty.fork()
    if pid == 0:
        hear_signals_from_the_start()
        environment = run_environment(TERM="xterm", COLUMNS="120")
        os.execve(sys.executable, [sys.executable, str(PROGRAM), *argv], environment)
    log = tmp_path / "run" / "train.log"
    shown = b""
    while not (log.exists() and "train test_resnet" in log.read_text()):
        shown += os.read(terminal, 65536)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == INTERRUPTED, (log.read_text(), shown[-2000:])
    assert log.read_text().splitlines()[-1].endswith("interrupted")
    assert not (tmp_path / "run" / FILE_NAME).exists()
