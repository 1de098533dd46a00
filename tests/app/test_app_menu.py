"""The menu, driven as a person does: arrow keys in a pseudo-terminal, and numbers through a pipe."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import app_fakes
import pexpect
import pytest

PROGRAM = [app_fakes.__file__]
DOWN, ENTER = "\x1b[B", "\r"
ITEMS = [
    *("quick_test", "full_training", "competition_ready", "explore", "debug"),
    *("data", "found", "plan", "report", "resume", "models", "compare"),
]


def asked(home: Path) -> Any:
    """What the pipeline was asked: mode, run folder and data of every run and every plan."""
    return json.loads((home / "requests.json").read_text())


def add_unfinished_run(home: Path, *, minutes_ago: float = 0) -> None:
    """A run that was interrupted, with the command that began it."""
    folder = home / "runs" / "old_run"
    folder.mkdir(parents=True)
    command = "python 04_training/grandmaster_train.py --mode quick_test --experiment_name old_run --folds 2"
    (folder / "environment.json").write_text(json.dumps({"command": command}))
    (folder / "config.json").write_text("{}")
    (folder / "train.log").write_text("2026-01-01 00:00:00 interrupted\n")
    then = time.time() - 60 * minutes_ago
    for file in folder.iterdir():
        os.utime(file, (then, then))


def piped(home: Path, *numbers: int | str, **environment: str) -> str:
    """Output of the menu for these input lines, then end of input."""
    end = subprocess.run(
        [sys.executable, *PROGRAM, str(home), "menu"],
        input="".join(f"{number}\n" for number in numbers),
        env=app_fakes.run_environment(DISPLAY="", WAYLAND_DISPLAY="", **environment),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert end.returncode == 0, end.stderr
    assert "Traceback" not in end.stderr
    return end.stdout + end.stderr


def _hear_ctrl_c() -> None:
    """What is started in the background by a shell has Ctrl-C ignored, and hands that on: not so in a terminal."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def terminal(home: Path, **environment: str) -> Iterator[pexpect.spawn]:
    """The menu in a terminal of 50 x 110."""
    env = app_fakes.run_environment(
        TERM="xterm", PROMPT_TOOLKIT_NO_CPR="1", DISPLAY="", WAYLAND_DISPLAY="", **environment
    )
    child = pexpect.spawn(
        sys.executable,
        [*PROGRAM, str(home), "menu"],
        env=env,
        cwd=str(home),
        dimensions=(50, 110),
        encoding="utf-8",
        timeout=30,
        preexec_fn=_hear_ctrl_c,
    )
    try:
        yield child
    finally:
        child.close(force=True)


def pick(child: pexpect.spawn, place: int, question: str = "What next") -> None:
    """Wait for a menu and choose its item number `place`, from 0."""
    child.expect(question)
    child.expect("❯")
    child.send(DOWN * place + ENTER)


def test_every_item_by_arrow_keys(home: Path) -> None:
    add_unfinished_run(home, minutes_ago=1)
    with terminal(home) as child:
        for place, folder in enumerate(("toy_quick_test", "toy_full_training", "toy_competition_ready")):
            pick(child, place)
            child.expect(f"Done: {folder}")
            child.expect("Macro F1 0.9123")
        pick(child, ITEMS.index("explore"))
        child.expect("The page about the data: runs/toy_explore/eda.html")
        pick(child, ITEMS.index("debug"))
        child.expect("System check")
        child.expect(r"good, \d+ to look at, 0 failed")
        pick(child, ITEMS.index("found"))
        child.expect("labels are whole numbers")
        pick(child, ITEMS.index("plan"))
        pick(child, 1, "which mode")
        child.expect("test is brighter")
        pick(child, ITEMS.index("report"))
        child.expect("The report: runs/toy_explore/eda.html")
        pick(child, ITEMS.index("resume"))
        child.expect("Resuming old_run")
        child.expect("Done: old_run")
        pick(child, ITEMS.index("resume"))
        child.expect("Nothing to resume")
        pick(child, len(ITEMS))
        child.expect("Bye")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
    modes = [(run["mode"], run["folder"]) for run in asked(home)["runs"]]
    assert modes == [
        ("quick_test", "toy_quick_test"),
        ("full_training", "toy_full_training"),
        ("competition_ready", "toy_competition_ready"),
        ("quick_test", "old_run"),
    ]
    assert [plan["mode"] for plan in asked(home)["plans"]] == ["full_training"]


def test_a_typed_number_moves_the_pointer_in_a_terminal(home: Path) -> None:
    with terminal(home) as child:
        child.expect("a number, then Enter")
        child.expect("❯")
        child.send(str(ITEMS.index("report") + 1) + ENTER)
        child.expect("No report yet")
        child.expect("What next")
        child.expect("❯")
        child.send("99" + str(len(ITEMS) + 1) + ENTER)  # the last that is a number of the menu: 12
        child.expect("Bye")
        child.expect(pexpect.EOF)
    assert asked(home)["runs"] == []


def test_flags_are_not_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    import run_training

    assert run_training.main(["--data_path", "data/mine"]) == 2
    said = capsys.readouterr().err
    assert "the menu takes no flags: --data_path data/mine" in said
    assert "Start grandmaster_train.py --data_path data/mine instead" in said


def test_sample_by_arrow_keys_in_korean(home: Path) -> None:
    (home / "data" / "toy").rename(home / "gone")
    with terminal(home, LANG="ko_KR.UTF-8") as child:
        child.expect("아직 없음")
        pick(child, ITEMS.index("found"), "무엇을 할까요")
        child.expect("data에 대회가 없습니다")
        pick(child, len(ITEMS), "무엇을 할까요")
        child.expect("예제 대회를 만드는 중")
        child.expect("sample: 800 pictures")
        child.expect("완료: data/sample_competition")
        pick(child, 0, "무엇을 할까요")
        child.expect("완료: sample_competition_quick_test")
        child.expect("교차 검증")
        child.expect("무엇을 할까요")
        child.expect("❯")
        child.sendcontrol("c")
        child.expect("안녕히 가세요")
        child.expect(pexpect.EOF)
    assert [run["data"] for run in asked(home)["runs"]] == ["sample_competition"]


def test_interrupted_run_returns_to_the_menu(home: Path) -> None:
    with terminal(home, FAKE_BEHAVIOUR="slow") as child:
        pick(child, 0)
        child.expect("a message")
        child.sendcontrol("c")
        child.expect("Resume with:")
        child.expect("unfinished")
        pick(child, len(ITEMS))
        child.expect("Bye")
        child.expect(pexpect.EOF)


def test_every_item_by_number(home: Path) -> None:
    add_unfinished_run(home, minutes_ago=1)
    places = {name: number for number, name in enumerate(ITEMS, start=1)}
    plan = places["plan"]
    output = piped(
        home,
        1,
        2,
        3,
        places["debug"],
        places["found"],
        plan,
        3,
        plan,
        4,
        places["report"],
        places["resume"],
        len(ITEMS) + 1,
    )
    for part in (
        "Done: toy_quick_test",
        "Done: toy_full_training",
        "Done: toy_competition_ready",
        "training step",
        "0 failed",
        "2: cat, dog",
        "labels are whole numbers [0, 1]",
        "convnext_large",
        "The report: runs/toy_competition_ready/report.html",
        "Done: old_run",
        "Bye.",
    ):
        assert part in output
    assert [run["mode"] for run in asked(home)["runs"]] == [*ITEMS[:3], "quick_test"]
    assert [plan["mode"] for plan in asked(home)["plans"]] == ["competition_ready"]


def test_nothing_to_open_or_resume(home: Path) -> None:
    output = piped(home, ITEMS.index("report") + 1, ITEMS.index("resume") + 1)
    assert "No report yet" in output
    assert "Nothing to resume: runs holds no unfinished run" in output
    assert asked(home) == {"runs": [], "plans": [], "explored": []}


def test_quit_and_sample_and_wrong_numbers_by_number(home: Path) -> None:
    (home / "data" / "toy").rename(home / "gone")
    sample, leave = len(ITEMS) + 1, len(ITEMS) + 1
    output = piped(home, "", "x", 99, "²", sample, leave, 1, LANG="ko_KR.UTF-8")
    assert output.count("번호를 입력하세요") == 4
    assert (home / "data" / "sample_competition" / "images.txt").is_file()
    assert output.rstrip().endswith("안녕히 가세요.")
    assert asked(home)["runs"] == []


def test_korean_screens_by_number(home: Path) -> None:
    places = {name: number for number, name in enumerate(ITEMS, start=1)}
    output = piped(home, 1, places["debug"], places["found"], places["plan"], 1, GRANDMASTER_LANG="ko")
    for part in ("빠른 테스트", "무엇을 할까요?", "완료: toy_quick_test", "✓ 좋음", "평가 지표", "결정 사항"):
        assert part in output


def test_resume_takes_the_newest_unfinished_run(home: Path) -> None:
    add_unfinished_run(home)
    output = piped(home, ITEMS.index("resume") + 1)
    assert "Resuming old_run: python 04_training/grandmaster_train.py --mode quick_test" in output
    (run,) = asked(home)["runs"]
    assert (run["mode"], run["folder"], run["data"]) == ("quick_test", "old_run", "toy")


def test_a_finished_run_that_was_begun_again_can_be_resumed(home: Path) -> None:
    piped(home, 1)
    piped(home, 1, FAKE_BEHAVIOUR="interrupt")
    assert "Resuming toy_quick_test" in piped(home, ITEMS.index("resume") + 1)


def test_a_damaged_run_folder_gives_one_line(home: Path) -> None:
    add_unfinished_run(home)
    (home / "runs" / "old_run" / "environment.json").write_text("{")
    output = piped(home, ITEMS.index("resume") + 1)
    assert re.search(r"^error: not valid JSON.*environment\.json", output, re.MULTILINE)


def test_several_competitions_are_asked_about(home: Path) -> None:
    app_fakes.make_competition(home / "data" / "another")
    piped(home, 1, 2)
    assert [run["data"] for run in asked(home)["runs"]] == ["toy"]


def add_run_of(home: Path, data: Path, name: str, *, minutes_ago: float) -> None:
    """A run that learnt from these data."""
    folder = home / "runs" / name
    folder.mkdir(parents=True)
    (folder / "environment.json").write_text(json.dumps({"command": ""}))
    (folder / "config.json").write_text(json.dumps({"data_path": str(data.resolve())}))
    then = time.time() - 60 * minutes_ago
    for file in folder.iterdir():
        os.utime(file, (then, then))


def test_the_data_of_earlier_runs_are_offered_the_newest_first(home: Path) -> None:
    for minutes, name in enumerate(("newest", "older", "gone"), start=1):
        add_run_of(home, app_fakes.make_competition(home / "else" / name), name, minutes_ago=minutes)
    add_run_of(home, home / "data" / "toy", "of_toy", minutes_ago=0)
    (home / "else" / "gone" / "train.csv").unlink()
    (home / "else" / "gone" / "train").rename(home / "train")
    output = piped(home, 1, 2, 2)  # the second mode is asked for no data any more
    assert re.search(r"1\. toy.*2\. newest.*3\. older.*4\. Another folder.*5\. Back", output, re.DOTALL)
    assert [run["data"] for run in asked(home)["runs"]] == ["newest", "newest"]


def test_the_data_of_the_only_run_are_used_where_there_are_no_others(home: Path) -> None:
    (home / "data" / "toy").rename(home / "waste")
    add_run_of(home, home / "waste", "old", minutes_ago=1)
    output = piped(home, 1)
    assert "nothing yet" not in output
    assert [run["data"] for run in asked(home)["runs"]] == ["waste"]


def test_another_folder_is_typed_in(home: Path) -> None:
    app_fakes.make_competition(home / "waste")
    places = {name: number for number, name in enumerate(ITEMS, start=1)}
    output = piped(home, places["data"], 2, "wast", places["data"], 2, "", places["data"], 2, "waste", 1)
    assert "error: no such folder: wast. " in output
    assert "--data_path" not in output.partition("Done")[0]
    assert [run["data"] for run in asked(home)["runs"]] == ["waste"]
    (home / "data" / "toy").rename(home / "gone")
    assert "choose another folder (“Choose the data folder”)" in piped(home, 1)
    assert asked(home)["runs"] == []


def test_another_folder_is_typed_in_a_terminal_in_korean(home: Path) -> None:
    app_fakes.make_competition(home / "waste")
    with terminal(home, LANG="ko_KR.UTF-8") as child:
        pick(child, ITEMS.index("data"), "무엇을 할까요")
        pick(child, 1, "어느 대회를 사용할까요")
        child.expect("대회 파일 폴더")
        child.send("waste" + ENTER)
        pick(child, 0, "무엇을 할까요")
        child.expect("완료: waste_quick_test")
        child.expect("무엇을 할까요")
        child.expect("❯")
        child.sendcontrol("c")
        child.expect(pexpect.EOF)


@pytest.mark.parametrize("lines", [0, 3])
def test_the_menu_ends_quietly_where_nobody_reads_it_any_more(home: Path, lines: int) -> None:
    menu = subprocess.Popen(
        [sys.executable, *PROGRAM, str(home), "menu"],
        env=app_fakes.run_environment(),
        cwd=home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert menu.stdin is not None
    assert menu.stdout is not None
    assert menu.stderr is not None
    for _ in range(lines):
        menu.stdout.readline()
    menu.stdout.close()
    with suppress(BrokenPipeError):  # it may have ended before
        menu.stdin.write("99\n" * 20)
        menu.stdin.flush()
    assert menu.wait(timeout=30) == 0
    assert menu.stderr.read() == ""
    for stream in (menu.stdin, menu.stderr):
        with suppress(BrokenPipeError):
            stream.close()


def test_an_unreadable_competition_gives_one_line(home: Path) -> None:
    (home / "data" / "toy" / "train.csv").rename(home / "data" / "toy" / "other.csv")
    assert "✗ toy: no train.csv" in piped(home, ITEMS.index("found") + 1)


def test_report_opens_in_a_browser_where_there_is_a_display(
    pipeline: app_fakes.FakePipeline,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import grandmaster_train
    import run_training

    assert grandmaster_train.main(["--mode", "quick_test"]) == 0
    opened: list[str] = []
    monkeypatch.setattr(run_training.webbrowser, "open", lambda address: not opened.append(address))  # type: ignore[func-returns-value]
    monkeypatch.setenv("DISPLAY", ":0")
    run_training.open_report()
    assert opened == [(home / "runs/toy_quick_test/report.html").as_uri()]
    assert "Opened in the browser" in capsys.readouterr().out


def test_a_model_is_trained_in_a_mode_that_it_supports_and_refused_in_another(home: Path) -> None:
    from grandmaster.models.registry import ENTRIES
    from grandmaster.models.registry.modes import refusal

    places = {name: number for number, name in enumerate(ENTRIES, start=1)}
    menu = ITEMS.index("models") + 1
    piped(home, menu, places["resnet18"], 2)
    (run,) = asked(home)["runs"]
    assert (run["mode"], run["models"], run["training"]) == ("quick_test", ["resnet18"], "fine_tuning")
    output = piped(home, menu, places["dfine_x"], 3)
    assert refusal(ENTRIES["dfine_x"], "full_training") in output
    assert asked(home)["runs"] == []


@pytest.fixture
def commands(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Command lines that the menu starts, in this process."""
    import grandmaster_train

    started: list[list[str]] = []
    monkeypatch.setattr(grandmaster_train, "main", lambda argv: started.append(list(argv)))
    return started


def test_a_model_that_can_be_trained_both_ways_is_compared(
    home: Path,
    commands: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import run_training

    monkeypatch.setattr("sys.stdin", io.StringIO("2\n"))
    run_training.compare_modes()
    (command,) = commands
    assert command[:5] == ["--mode", "quick_test", "--compare_modes", "--models", "efficientnet_b0"]
    shown = capsys.readouterr().out
    assert "vit_base" in shown
    assert "yolo11n" not in shown


def test_an_interrupted_comparison_is_resumed_as_one_and_a_finished_one_is_not(
    home: Path, commands: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    import run_training

    folder = home / "runs" / "both"
    (folder / "fine_tuning").mkdir(parents=True)
    (folder / "fine_tuning" / "config.json").write_text("{}")
    (folder / "train.log").write_text("2026-01-01 00:00:00 interrupted\n")
    flags = ["--mode", "quick_test", "--experiment_name", "both", "--compare_modes", "--models", "resnet18"]
    command = " ".join(["python 04_training/grandmaster_train.py", *flags])
    (folder / "environment.json").write_text(json.dumps({"command": command}))
    run_training.resume()
    assert commands == [[*flags, "--output", str(home / "runs")]]
    for name in ("mode_comparison.json", "mode_comparison.html"):
        (folder / name).write_text("")
    (folder / "train.log").write_text("2026-01-01 00:00:00 run finished\n")
    run_training.resume()
    assert len(commands) == 1
    assert "Nothing to resume" in capsys.readouterr().out
