"""The command that starts the page: its flags, and what it says where something is missing."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import dashboard
import data_loader
import plan_json
from grandmaster.page.planning import decoded
from pipeline.small_competition import SETTINGS, write_competition


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_competition(tmp_path_factory.mktemp("page") / "squares")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--port", "web"], "'web' is no port"),
        (["--port", "70000"], "Give a number from 1 to 65535"),
        (["--runs", __file__], "is a file"),
        (["--weights_dir", "no/such"], "no such folder: no/such"),
        (["--data_path", "no/such"], "no such folder: no/such"),
        (["--hots", "x"], "Did you mean '--host'?"),
    ],
)
def test_bad_flags_are_one_clear_line(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dashboard.main(flags) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert words in said
    assert said.count("\n") == 1


def test_without_nicegui_one_line_says_what_to_install(tmp_path: Path) -> None:
    """In a process of its own, in which there is none."""
    script = (
        "import sys; sys.modules['nicegui'] = None; sys.path[:0] = sys.argv[1:3]; import dashboard;"
        "sys.exit(dashboard.main(['--runs', sys.argv[3]]))"
    )
    root = data_loader.ROOT
    done = subprocess.run(
        [sys.executable, "-c", script, str(root / "04_training"), str(root / "03_modeling"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr.strip()) == (2, "error: the page needs NiceGUI. pip install nicegui")


def test_the_page_is_given_the_real_commands(data: Path, tmp_path: Path) -> None:
    given = dashboard.make_parser().parse_args(["--runs", str(tmp_path / "runs"), "--data_path", str(data)])
    app = dashboard.make_application(given)
    assert (app.results, app.data) == (tmp_path / "runs", (data,))
    assert [mode.name for mode in app.modes if mode.trains] == [
        "quick_test",
        "full_training",
        "competition_ready",
    ]
    app.check(["--mode", "quick_test"])
    with pytest.raises(dashboard.UserError, match="unknown flag"):
        app.check(["--mode", "quick_test", "--folders", "3"])
    run = tmp_path / "runs" / "a"
    run.mkdir(parents=True)
    command = f"python 04_training/grandmaster_train.py --mode quick_test --output {tmp_path} --experiment_name 'a b'"
    (run / "environment.json").write_text(json.dumps({"command": command}))
    assert app.stored_flags(run) == ["--mode", "quick_test", "--experiment_name", "a b"]


def test_the_plan_is_one_line_of_json_and_nothing_is_written(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    flags = ["--mode", "quick_test", "--data_path", str(data), "--output", str(tmp_path / "runs"), *settings]
    assert plan_json.main(flags) == 0
    said = capsys.readouterr()
    plan = decoded(said.out)
    assert [model.backbone for model in plan.models] == ["test_resnet"]
    assert (plan.folds_trained, plan.folds_total, plan.models[0].epochs) == (2, 3, 2)
    assert "inspect" in said.err
    assert not (tmp_path / "runs" / "squares_quick_test").exists()
    assert plan_json.main(["--mode", "debug"]) == 2
    assert "trains nothing" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert dashboard.main(["--port", str(port), "--runs", str(tmp_path)]) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err
