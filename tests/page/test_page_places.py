"""What a browser names is looked up in a list: nothing else of the disk is within reach."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from page_application import application

from grandmaster.errors import UserError
from grandmaster.page.places import (
    comparison_called,
    competitions_of,
    file_of_run,
    find_run,
    named,
    runs_in,
    submissions_of,
)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for place, name in (
        ("runs/first", "config.json"),
        ("runs/second", "report.html"),
        ("secret", "report.html"),
    ):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / name).write_text(place)
    (tmp_path / "runs" / "empty").mkdir()
    (tmp_path / "runs" / ".cache").mkdir()
    (tmp_path / "runs" / ".cache" / "config.json").write_text("{}")
    (tmp_path / "runs" / "linked").symlink_to(tmp_path / "secret")
    return tmp_path / "runs"


def test_runs_are_real_folders_that_hold_a_run_the_newest_first(results: Path) -> None:
    os.utime(results / "second" / "report.html", (1, 1))
    assert list(runs_in(results)) == ["first", "second"]
    assert runs_in(results / "nowhere") == {}


@pytest.mark.parametrize(
    "name", ["../secret", "..", ".", "", "linked", "empty", ".cache", "first/../second", "/etc"]
)
def test_a_run_that_is_not_listed_is_not_found(results: Path, name: str) -> None:
    with pytest.raises(UserError, match="no run"):
        find_run(results, name)
    assert file_of_run(results, name, "report.html") is None


@pytest.mark.parametrize(
    "name", ["../first/config.json", "..", "", "/etc/passwd", "nothing.html", "link.html", "folder"]
)
def test_only_a_plain_file_of_the_run_itself_is_served(results: Path, name: str) -> None:
    (results / "second" / "link.html").symlink_to(results.parent / "secret" / "report.html")
    (results / "second" / "folder").mkdir()
    assert file_of_run(results, "second", name) is None
    assert file_of_run(results, "second", "report.html") == results / "second" / "report.html"


@pytest.mark.parametrize("name", ["../first/config.json", "..", "", "link.html", "other.csv", "folder.html"])
def test_only_a_page_among_the_comparisons_is_served(results: Path, name: str) -> None:
    assert comparison_called(results, "a_vs_b.html") is None
    folder = results / "comparisons"
    (folder / "folder.html").mkdir(parents=True)
    (folder / "a_vs_b.html").write_text("compared")
    (folder / "other.csv").write_text("x")
    (folder / "link.html").symlink_to(results.parent / "secret" / "report.html")
    assert comparison_called(results, name) is None
    assert comparison_called(results, "a_vs_b.html") == folder / "a_vs_b.html"
    folder.rename(results.parent / "moved")
    (results / "comparisons").symlink_to(results.parent / "moved")
    assert comparison_called(results, "a_vs_b.html") is None


def test_submissions_leave_links_out(results: Path) -> None:
    run = results / "first"
    (run / "submission_first.csv").write_text("ID,target\n")
    (run / "submission_link.csv").symlink_to(results.parent / "secret" / "report.html")
    assert submissions_of(run) == [run / "submission_first.csv"]


def test_competitions_are_those_found_and_those_given_each_by_its_name(tmp_path: Path) -> None:
    for place in ("data/cats", "data/dogs", "other/cats"):
        (tmp_path / place).mkdir(parents=True)
    given = application(tmp_path, data=(tmp_path / "other" / "cats", tmp_path / "data" / "dogs"))
    assert competitions_of(given) == {
        "data/cats": tmp_path / "data" / "cats",
        "dogs": tmp_path / "data" / "dogs",
        "other/cats": tmp_path / "other" / "cats",
    }
    assert competitions_of(application(tmp_path / "other", data=())) == {}
    twice = named([tmp_path / "a" / "x" / "y", tmp_path / "b" / "x" / "y"])
    assert len(twice) == 2
