"""Accepting suspected label errors: what is shown, what is written, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import accept_labels

HEADER = "id,label,suggested,quality,p_label,p_suggested,reason\n"
ROWS = (
    "a.jpg,001,None,0.01,0.01,0.97,cleanlab\n"
    '"b,1.jpg",None,[x],0.10,0.10,0.85,cleanlab; duplicate of a.jpg with label [x]\n'
    "c.jpg,001,None,0.31,0.30,0.60,cleanlab\n"
    "d.jpg,001,None,,,,duplicate of e.jpg with label None\n"
    "e.jpg,None,,,,,duplicate of d.jpg with label 001\n"
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run of the competition in `data/`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    (tmp_path / "data").mkdir()
    folder = tmp_path / "run"
    folder.mkdir()
    settings = {"data_path": str(tmp_path / "data"), "data": {"label_fixes": None}}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "label_suspects.csv").write_text(HEADER + ROWS)
    return folder


def accept(*flags: str) -> int:
    return accept_labels.main(["--run", "run", *flags])


def fixes(run: Path) -> str:
    return (run.parent / "data" / "label_fixes.csv").read_text()


def test_without_write_everything_is_shown_and_nothing_written(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(run.parent.rglob("*"))
    assert accept() == 0
    shown = capsys.readouterr().out
    for part in ("a.jpg", "b,1.jpg", "[x]", "0.970", "d.jpg", "Nothing was written: add --write"):
        assert part in shown
    assert "Would add 4 of 5 suspects to data/label_fixes.csv" in shown
    assert "1 suspects have no suggested label" in shown
    assert sorted(run.parent.rglob("*")) == before


def check_run(run: Path, screen: Callable[[], str]) -> None:
    assert accept_labels.main(["--run", str(run), "--top", "1", "--write"]) == 0
    assert fixes(run) == "id,label\na.jpg,None\n"
    assert "Added 1 of 5 suspects to data/label_fixes.csv" in screen()


def check_top(run: Path, screen: Callable[[], str]) -> None:
    assert accept("--top", "2", "--write") == 0
    assert fixes(run) == 'id,label\na.jpg,None\n"b,1.jpg",[x]\n'


def check_min_confidence(run: Path, screen: Callable[[], str]) -> None:
    assert accept("--min_confidence", "0.85", "--write") == 0
    assert fixes(run) == 'id,label\na.jpg,None\n"b,1.jpg",[x]\n'


def check_fixes(run: Path, screen: Callable[[], str]) -> None:
    assert accept("--fixes", "mine.csv", "--top", "1", "--write") == 0
    assert (run.parent / "mine.csv").read_text() == "id,label\na.jpg,None\n"
    assert not (run.parent / "data" / "label_fixes.csv").exists()


def check_write(run: Path, screen: Callable[[], str]) -> None:
    """What a person has written stays, and nothing is written twice."""
    path = run.parent / "data" / "label_fixes.csv"
    path.write_text("id,label\nz.jpg,drop\na.jpg,drop\n")
    for told in ("Added 1 of 5 suspects", "Added 0 of 5 suspects"):
        assert accept("--top", "2", "--write") == 0
        assert fixes(run) == 'id,label\nz.jpg,drop\na.jpg,drop\n"b,1.jpg",[x]\n'
        assert told in screen()


def check_help(run: Path, screen: Callable[[], str]) -> None:
    with pytest.raises(SystemExit) as end:
        accept_labels.main(["--help"])
    assert end.value.code == 0
    assert "--min_confidence" in screen()


CHECKS = {
    "--help": check_help,
    "--run": check_run,
    "--top": check_top,
    "--min_confidence": check_min_confidence,
    "--fixes": check_fixes,
    "--write": check_write,
}


def test_every_flag_has_a_test() -> None:
    assert {action.option_strings[-1] for action in accept_labels.make_parser()._actions} == set(CHECKS)


@pytest.mark.parametrize("flag", list(CHECKS))
def test_flag(flag: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CHECKS[flag](run, lambda: capsys.readouterr().out)


def test_the_file_that_the_run_follows_is_added_to(run: Path) -> None:
    settings = {"data_path": "gone", "data": {"label_fixes": str(run / "mine.csv")}}
    (run / "config.json").write_text(json.dumps(settings))
    assert accept("--top", "1", "--write") == 0
    assert (run / "mine.csv").read_text() == "id,label\na.jpg,None\n"


def test_no_suspects_is_good_news(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "label_suspects.csv").write_text(HEADER)
    assert accept("--top", "3", "--write") == 0
    assert "Added 0 of 0 suspects" in capsys.readouterr().out
    assert not (run.parent / "data" / "label_fixes.csv").exists()


def test_an_empty_set_of_labels_can_be_accepted(run: Path) -> None:
    (run / "label_suspects.csv").write_text(HEADER + "a.jpg,rust,,0.1,0.1,0.9,cleanlab\n")
    assert accept("--top", "1", "--write") == 0
    assert fixes(run) == "id,label\na.jpg,\n"


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        ([], ["--run"]),
        (["--run", "nowhere"], ["no such folder", "nowhere"]),
        (["--run", "data"], ["config.json"]),
        (["--run", "run", "--write"], ["--write does not say which", "--top N"]),
        (["--run", "run", "--top", "2", "--min_confidence", "0.9"], ["--top and --min_confidence"]),
        (["--run", "run", "--top", "0"], ["'0' is not allowed (in --top)", "int >= 1"]),
        (["--run", "run", "--min_confidence", "90"], ["--min_confidence", "float 0 to 1"]),
        (["--run", "run", "--min_confidence", "nan"], ["--min_confidence", "float 0 to 1"]),
        (["--run", "run", "--tip", "1"], ["Did you mean '--top'?"]),
    ],
)
def test_bad_input_is_one_line(
    run: Path, flags: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert accept_labels.main(flags) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for part in parts:
        assert part in error


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("label_suspects.csv", None, "has no label_suspects.csv"),
        ("label_suspects.csv", "id,label\n", "not what a run writes"),
        ("config.json", "{}", "which data the run is of"),
        ("config.json", '{"data_path": "/gone", "data": {"label_fixes": null}}', "data are gone"),
        ("../data/label_fixes.csv", "a,b\n1,2\n", "have to be id and label"),
    ],
)
def test_damaged_files_are_named(
    run: Path, name: str, content: str | None, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / name).unlink(missing_ok=True)
    if content is not None:
        (run / name).write_text(content)
    assert accept("--top", "1", "--write") == 2
    assert part in capsys.readouterr().err


def test_a_folder_whose_name_looks_like_markup_is_a_name(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`[/red]` closes nothing, which rich refused with a traceback after the file was written."""
    odd = run.parent / "data[" / "red]"
    odd.mkdir(parents=True)
    settings = {"data_path": str(odd), "data": {"label_fixes": None}}
    (run / "config.json").write_text(json.dumps(settings))
    assert accept("--top", "1", "--write") == 0
    assert "data[/red]" in capsys.readouterr().out
