"""Where a competition is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_fakes import make_competition

import data_loader
from grandmaster.errors import UserError


def pictures(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "1.PNG").touch()
    return folder


def test_argument_first(home: Path) -> None:
    other = make_competition(home / "other")
    assert data_loader.find_competitions("other") == [other]


def test_data_before_kaggle(home: Path) -> None:
    make_competition(home / "kaggle" / "k")
    assert data_loader.find_competitions(None) == [home / "data" / "toy"]
    (home / "data" / "toy").rename(home / "gone")
    assert data_loader.find_competitions(None) == [home / "kaggle" / "k"]


def test_kaggle_keeps_competitions_one_level_down(home: Path) -> None:
    (home / "data" / "toy").rename(home / "gone")
    deep = make_competition(home / "kaggle" / "competitions" / "cassava")
    assert data_loader.find_competitions(None) == [deep]


def test_picture_folders_without_csv_count(home: Path) -> None:
    pictures(home / "data" / "classes" / "train" / "cat")
    pictures(home / "data" / "flat" / "train")
    (home / "data" / "empty" / "train").mkdir(parents=True)
    (home / "data" / ".hidden").mkdir()
    (home / "data" / ".hidden" / "a.csv").touch()
    names = [path.name for path in data_loader.find_competitions(None)]
    assert names == ["classes", "flat", "toy"]


def test_nothing_found_says_where_it_looked(home: Path) -> None:
    (home / "data" / "toy").rename(home / "gone")
    with pytest.raises(UserError, match=r"looked in data and .*kaggle.*make demo"):
        data_loader.find_competitions(None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("data/tyo", "no such folder: data/tyo .*There is: data/toy"),
        ("data", "no CSV file and no picture folders in data .*There is: data/toy"),
        ("data/toy/train.csv", "is a file .*Give the folder"),
        ("data/toy.zip", "is a file .*Unzip"),
    ],
)
def test_wrong_argument(given: str, message: str, home: Path) -> None:
    (home / "data" / "toy.zip").touch()
    with pytest.raises(UserError, match=message):
        data_loader.find_competitions(given)


def test_a_path_is_also_looked_up_from_the_root(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_loader, "ROOT", home)
    (home / "inner").mkdir()
    monkeypatch.chdir(home / "inner")
    assert data_loader.find_competitions("data/toy") == [home / "data" / "toy"]


def test_shown_paths(home: Path) -> None:
    assert data_loader.shown(home / "data" / "toy") == "data/toy"
    assert data_loader.shown(home.parent / "beside") == "../beside"
    assert data_loader.shown(Path("/kaggle/input/x")) == "/kaggle/input/x"


@pytest.mark.parametrize(
    ("folder", "name"),
    [("toy", "toy_debug"), ("my data (1)", "my_data_1_debug"), ("문서 분류", "문서_분류_debug")],
)
def test_experiment_name(folder: str, name: str) -> None:
    assert data_loader.experiment_name(Path("/x") / folder, "debug") == name
