"""`--mode explore` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_fakes import FakePipeline

import grandmaster_train
from config import MODES

EXPLORE = ["--mode", "explore"]


def test_it_ends_with_the_page(
    pipeline: FakePipeline, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert grandmaster_train.main(EXPLORE) == 0
    shown = capsys.readouterr().out
    assert "The page about the data: runs/toy_explore/eda.html" in shown
    assert "--mode quick_test" in shown.splitlines()[-1]
    assert shown.splitlines()[-1].endswith("--dry_run")
    request = pipeline.explored[-1]
    assert (request.mode, request.run_folder) == ("explore", home / "runs" / "toy_explore")
    assert "--mode explore" in request.command
    assert pipeline.runs == pipeline.plans == []
    log = (home / "runs/toy_explore/train.log").read_text()
    assert log.splitlines()[-1].endswith(grandmaster_train.FINISHED)


def test_dry_run_says_what_was_found_and_writes_nothing(
    pipeline: FakePipeline, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(home.rglob("*"))
    assert grandmaster_train.main([*EXPLORE, "--dry_run"]) == 0
    assert sorted(home.rglob("*")) == before
    assert pipeline.explored == pipeline.plans == []
    shown = capsys.readouterr().out
    for part in (
        "labels are whole numbers [0, 1]",
        "2: cat, dog",
        "trains nothing and writes runs/toy_explore/eda.html",
        "--mode explore --data_path data/toy --experiment_name toy_explore",
    ):
        assert part in " ".join(shown.split())


def test_it_has_stages_of_its_own(
    pipeline: FakePipeline, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert MODES["explore"].stages == ("inspect", "shift", "explore")
    assert grandmaster_train.main([*EXPLORE, "--until", "inspect"]) == 0
    assert "Stopped after inspect" in capsys.readouterr().out
    assert pipeline.explored[-1].until == "inspect"
    assert grandmaster_train.main([*EXPLORE, "--until", "train"]) == 2
    assert "'train' (in --until). Known: explore, inspect" in capsys.readouterr().err
    assert grandmaster_train.main(["--mode", "quick_test", "--until", "explore"]) == 2


def test_interrupted(pipeline: FakePipeline, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.behaviour = "interrupt"
    assert grandmaster_train.main(EXPLORE) == 130
    assert "--mode explore" in capsys.readouterr().err


def test_bad_data_is_one_line(pipeline: FakePipeline, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "data" / "toy" / "train.csv").rename(home / "data" / "toy" / "other.csv")
    assert grandmaster_train.main([*EXPLORE, "--dry_run"]) == 2
    assert capsys.readouterr().err.startswith("error: no train.csv")


def test_it_is_no_run_to_resume(pipeline: FakePipeline, home: Path) -> None:
    import run_training

    assert grandmaster_train.main(EXPLORE) == 0
    assert run_training.runs() == []


def test_a_path_of_label_fixes_means_the_same_from_everywhere(
    pipeline: FakePipeline, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "mine.csv").write_text("id,label\n")
    assert grandmaster_train.main([*EXPLORE, "--set", "data.label_fixes=mine.csv"]) == 0
    assert pipeline.explored[-1].config.data.label_fixes == str(home / "mine.csv")
