"""How a run ends: one line on the screen and an exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import app_fakes
import pytest
from app_fakes import FakePipeline

import grandmaster_train

PROGRAM = app_fakes.ROOT / "04_training" / "grandmaster_train.py"


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        ([], ["no --mode given", "quick_test"]),
        (["--mod", "debug"], ["unknown flag --mod", "Did you mean '--mode'?"]),
        (["--data-path=x", "--mode", "debug"], ["unknown flag --data-path", "Did you mean '--data_path'?"]),
        (["quick_test"], ["unexpected argument 'quick_test'"]),
        (["--mode"], ["--mode"]),
        (["--mode", "quick_tset"], ["'quick_tset'", "--mode", "Did you mean 'quick_test'?"]),
        (["--mode", "quick_test", "--until", "trane"], ["--until", "Did you mean 'train'?"]),
        (["--mode", "quick_test", "--set", "training.epoch=3"], ["Did you mean 'training.epochs'?"]),
        (["--mode", "quick_test", "--set", "training.epochs=zero"], ["training.epochs=zero", "int >= 1"]),
        (["--mode", "quick_test", "--set", "training.epochs"], ["section.field=value"]),
        (["--mode", "quick_test", "--set", "folds.train=6"], ["folds.train=6", "folds.count=5"]),
        (["--mode", "quick_test", "--folds", "0"], ["--folds", ">= 1"]),
        (["--mode", "quick_test", "--folds", "many"], ["--folds", "int"]),
        (["--mode", "quick_test", "--models", ","], ["--models", "no backbone"]),
        (["--mode", "quick_test", "--data_path", "no/such"], ["no such folder: no/such", "--data_path"]),
        (["--mode", "quick_test", "--weights_dir", "no/such"], ["no/such does not exist", "--weights_dir"]),
        (["--mode", "quick_test", "--output", "a_file"], ["a_file is a file", "--output"]),
        (["--mode", "quick_test", "--experiment_name", "a/b"], ["'a/b'", "--experiment_name"]),
        (["--mode", "quick_test", "--experiment_name", "../up"], ["'../up'", "--experiment_name"]),
    ],
)
@pytest.mark.fault(42, "mistyped flags and values")
def test_typo_gives_one_line_and_2(argv: list[str], parts: list[str], tmp_path: Path) -> None:
    (tmp_path / "a_file").touch()
    end = subprocess.run(
        [sys.executable, str(PROGRAM), *argv],
        cwd=tmp_path,
        env=app_fakes.run_environment(),
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert end.returncode == 2
    assert end.stdout == ""
    assert end.stderr.count("\n") == 1
    assert end.stderr.startswith("error: ")
    for part in parts:
        assert part in end.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a_file"]


def test_done(pipeline: FakePipeline, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert grandmaster_train.main(["--mode", "quick_test"]) == 0
    shown = capsys.readouterr().out
    for part in (
        "Macro F1 0.9123",
        "0.9001 to 0.9234",
        "1 of 5 folds",
        "0.8017",
        "+0.1106",
        "tiny fold 0: 0.9000 - 0.7900, +0.1100",
        "nearer to the corrupted score",
        "tiny x 1",
        "from random weights",
        "runs/toy_quick_test/submission_toy_quick_test.csv",
        "passed with warnings",
        "class 3 is never predicted",
        "runs/toy_quick_test/report.html",
        "2m 05s, 88 % of it steps of training and prediction",
    ):
        assert part in shown
    log = (home / "runs/toy_quick_test/train.log").read_text()
    assert "a message [with brackets]" in log
    assert log.splitlines()[-1].endswith(grandmaster_train.FINISHED)


def test_bad_data(pipeline: FakePipeline, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.behaviour = "bad data"
    assert grandmaster_train.main(["--mode", "quick_test"]) == 2
    assert capsys.readouterr().err == "error: no column 'ID' (in train.csv). Add it\n"
    assert not (home / "runs").exists()


def test_crash(pipeline: FakePipeline, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.behaviour = "crash"
    assert grandmaster_train.main(["--mode", "quick_test"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "RuntimeError: out of memory. The traceback is in runs/toy_quick_test/train.log" in error
    log = (home / "runs/toy_quick_test/train.log").read_text()
    assert "Traceback (most recent call last)" in log
    assert "RuntimeError: out of" in log


def test_interrupted(pipeline: FakePipeline, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.behaviour = "interrupt"
    assert grandmaster_train.main(["--mode", "quick_test", "--folds", "2", "--until", "train"]) == 130
    command = capsys.readouterr().err.strip().splitlines()[-1]
    assert "--mode quick_test --data_path data/toy --experiment_name toy_quick_test --folds 2" in command
    assert command.endswith("--until train")


@pytest.mark.fault(37, "SIGTERM")
def test_sigterm(home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, app_fakes.__file__, str(home), "train", "--mode", "quick_test"],
        env=app_fakes.run_environment(FAKE_BEHAVIOUR="slow"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = home / "runs/toy_quick_test/train.log"
    deadline = time.monotonic() + 20
    while not (log.is_file() and "a message" in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=280)
    assert process.returncode == 130
    assert "Resume with:" in error
    assert "Traceback" not in error
    assert log.read_text().splitlines()[-1].endswith("interrupted")


def test_several_competitions(pipeline: FakePipeline, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app_fakes.make_competition(home / "data" / "other")
    assert grandmaster_train.main(["--mode", "quick_test"]) == 2
    error = capsys.readouterr().err
    assert "2 competitions found: data/other, data/toy" in error
    assert "--data_path data/other" in error


def test_help_and_typos_load_nothing_heavy() -> None:
    code = (
        "import sys, grandmaster_train\n"
        "assert grandmaster_train.main(['--mode', 'x']) == 2\n"
        "print(sorted({'torch', 'pandas', 'numpy', 'rich', 'timm'} & set(sys.modules)))"
    )
    end = subprocess.run(
        [sys.executable, "-c", code],
        env=app_fakes.run_environment(),
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert end.stdout.strip() == "[]"


def test_a_clone_runs_its_own_code(tmp_path: Path) -> None:
    """Also where another grandmaster comes earlier on the path."""
    (tmp_path / "grandmaster").mkdir()
    (tmp_path / "grandmaster" / "__init__.py").write_text("raise RuntimeError('the wrong one')")
    environment = {**app_fakes.run_environment(), "PYTHONPATH": str(tmp_path)}
    end = subprocess.run(
        [sys.executable, str(PROGRAM), "--version"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert (end.returncode, end.stderr) == (0, "")
