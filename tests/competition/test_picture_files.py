"""Ids and their picture files."""

from __future__ import annotations

from pathlib import Path

import pytest

from competition.making import pictures
from grandmaster.competition.files import PictureIndex, Split
from grandmaster.errors import UserError

WHERE = Path("train.csv")


def match(root: Path, *ids: str, split: Split = "train") -> list[str]:
    paths = PictureIndex.of(root).match(ids, split=split, where=WHERE)
    return [Path(path).relative_to(root.resolve()).as_posix() for path in paths]


@pytest.mark.parametrize(
    "picture_id", ["001", "001.jpg", "b/001", "b/001.jpg", "a/b/001.jpg", "./a/b/001", "b\\001.jpg"]
)
def test_an_id_is_a_name_or_the_end_of_a_path(tmp_path: Path, picture_id: str) -> None:
    pictures(tmp_path, ["a/b/001.jpg", "a/b/1.jpg", "a/b/x001.jpg", "a/xb/9001.jpg"])
    assert match(tmp_path, picture_id) == ["a/b/001.jpg"]


@pytest.mark.parametrize("name", ["v1.2", "=1+1", "NA", "1e5", "a b", "한글"])
def test_odd_names_are_taken_literally(tmp_path: Path, name: str) -> None:
    pictures(tmp_path, [f"{name}.JPG", "v1.jpg", "100000.jpg"])
    assert match(tmp_path, name, f"{name}.JPG".replace(name, "v1").replace("JPG", "jpg")) == [
        f"{name}.JPG",
        "v1.jpg",
    ]


def test_order_is_that_of_the_ids(tmp_path: Path) -> None:
    pictures(tmp_path, ["c.png", "a.png", "b.png"])
    assert match(tmp_path, "b", "c", "a") == ["b.png", "c.png", "a.png"]


@pytest.mark.parametrize(
    ("train", "test"), [("train", "test"), ("train_images", "test_images"), ("Training", "Testing")]
)
def test_the_own_split_folder_is_preferred(tmp_path: Path, train: str, test: str) -> None:
    pictures(tmp_path, [f"{train}/1.jpg", f"{test}/1.jpg", "thumbnails/1.jpg", f"{train}/test_bench/2.jpg"])
    assert match(tmp_path, "1", split="train") == [f"{train}/1.jpg"]
    assert match(tmp_path, "1", split="test") == [f"{test}/1.jpg"]
    assert match(tmp_path, "2", split="train") == [f"{train}/test_bench/2.jpg"]


def test_a_missing_picture_is_not_replaced_by_the_other_splits(tmp_path: Path) -> None:
    pictures(tmp_path, ["train/1.jpg", "test/1.jpg", "test/2.jpg"])
    with pytest.raises(UserError, match="'2'"):
        match(tmp_path, "1", "2", split="train")


def test_one_folder_called_train_serves_both_splits(tmp_path: Path) -> None:
    pictures(tmp_path, ["train/1.jpg", "train/2.jpg"])
    assert match(tmp_path, "2", split="test") == ["train/2.jpg"]


def test_ids_without_a_picture_are_counted_and_named(tmp_path: Path) -> None:
    pictures(tmp_path, ["a.jpg"])
    with pytest.raises(
        UserError, match=r"7 of 8 train ids have no picture: 'x0', 'x1', 'x2', 'x3', 'x4' and 2 more"
    ):
        match(tmp_path, "a", *(f"x{i}" for i in range(7)))


def test_the_extension_in_an_id_is_obeyed(tmp_path: Path) -> None:
    pictures(tmp_path, ["a.png"])
    with pytest.raises(UserError, match=r"'a\.jpg'.*near the first missing one: 'a\.png'"):
        match(tmp_path, "a.jpg")


@pytest.mark.parametrize(
    "names", [["a.jpg", "a.png"], ["x/a.jpg", "y/a.jpg"], ["train/x/a.jpg", "train/y/a.jpg"]]
)
def test_two_pictures_for_one_id(tmp_path: Path, names: list[str]) -> None:
    pictures(tmp_path, names)
    with pytest.raises(UserError, match="1 train ids fit more than one picture: 'a'") as caught:
        match(tmp_path, "a")
    assert all(name in str(caught.value) for name in names)
    assert match(tmp_path, names[0]) == [names[0]]


def test_a_whole_path_goes_before_the_end_of_another(tmp_path: Path) -> None:
    pictures(tmp_path, ["a/1.jpg", "b/a/1.jpg"])
    assert match(tmp_path, "a/1.jpg", "b/a/1") == ["a/1.jpg", "b/a/1.jpg"]


def test_two_ids_for_one_picture(tmp_path: Path) -> None:
    pictures(tmp_path, ["a.jpg"])
    with pytest.raises(UserError, match=r"'a' and 'a\.jpg' name the same picture"):
        match(tmp_path, "a", "a.jpg")


@pytest.mark.parametrize(
    "picture_id",
    [
        "../x",
        "../x.jpg",
        "a/../../x.jpg",
        "a/../y.jpg",
        "/etc/x.jpg",
        "C:\\pics\\x.jpg",
        "C:x.jpg",
        "..\\x.jpg",
        "\\x.jpg",
    ],
)
@pytest.mark.fault(9, "ids that lead out of the folder")
def test_ids_cannot_leave_the_folder(tmp_path: Path, picture_id: str) -> None:
    pictures(tmp_path, ["x.jpg", "data/a/z.jpg", "data/y.jpg"])
    with pytest.raises(UserError, match="lead out of the data folder") as caught:
        match(tmp_path / "data", picture_id)
    assert repr(picture_id) in str(caught.value)


def test_an_absolute_path_into_the_folder_is_refused_too(tmp_path: Path) -> None:
    pictures(tmp_path, ["a.jpg"])
    with pytest.raises(UserError, match="lead out"):
        match(tmp_path, str(tmp_path / "a.jpg"))


@pytest.mark.fault(9, "links that lead out of the folder")
def test_links_cannot_leave_the_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(tmp_path, ["secret/x.jpg", "data/ok.jpg"])
    (data / "leak.jpg").symlink_to(tmp_path / "secret" / "x.jpg")
    (data / "folder").symlink_to(tmp_path / "secret")
    assert match(data, "ok") == ["ok.jpg"]
    with pytest.raises(UserError, match="lead out of the data folder: 'leak'"):
        match(data, "ok", "leak")
    with pytest.raises(UserError, match=r"'x'.*Links that leave the folder are not followed: 'folder'"):
        match(data, "x")


def test_links_inside_the_folder_are_fine(tmp_path: Path) -> None:
    pictures(tmp_path, ["blobs/5f.jpg", "one/a.jpg"])
    (tmp_path / "b.jpg").symlink_to(tmp_path / "blobs" / "5f.jpg")
    (tmp_path / "a.jpg").symlink_to(tmp_path / "one" / "a.jpg")  # a second name of the same file
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self.jpg").symlink_to(tmp_path / "self.jpg")
    (tmp_path / "broken.jpg").symlink_to(tmp_path / "gone.jpg")
    assert match(tmp_path, "b") == ["b.jpg"]
    assert len(match(tmp_path, "a")) == 1
    with pytest.raises(UserError, match="'broken', 'self'"):
        match(tmp_path, "broken", "self")


def test_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    pictures(tmp_path, ["a.jpg", "._a.jpg", ".ipynb_checkpoints/a.jpg", "__MACOSX/a.jpg", "notes/b.txt"])
    assert PictureIndex.of(tmp_path).pictures == ("a.jpg",)


def test_a_linked_root_is_the_folder_itself(tmp_path: Path) -> None:
    pictures(tmp_path, ["real/a.jpg"])
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert PictureIndex.of(tmp_path / "link").match(["a"], split="test", where=WHERE) == [
        str((tmp_path / "real" / "a.jpg").resolve())
    ]
