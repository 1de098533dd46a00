"""Masks and other further images: registered, found, and missed loudly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from layout_makers import LAYOUT_MAKERS
from PIL import Image

from grandmaster.competition.extra_images import without_extra_images
from grandmaster.competition.folder import CompetitionFolder
from grandmaster.competition.reader import read_competition
from grandmaster.config import Config, DataConfig, ExtraImages
from grandmaster.errors import UserError
from grandmaster.settings import convert, with_settings


def draw(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)


def make(root: Path, *, where: str = "masks", ending: str = "", column: str | None = None) -> Path:
    """Six training and four test pictures with a mask each; `where` may say {split}."""
    for split, count in (("train", 6), ("test", 4)):
        lines = ["id,label" if split == "train" else "id"]
        for number in range(count):
            name = f"{split[:2]}{number}"
            draw(root / f"{split}_images" / f"{name}.jpg")
            mask = f"{where.format(split=split)}/{name}{ending}.png"
            draw(root / mask)
            lines.append(f"{name}.jpg,{'ab'[number % 2]}" if split == "train" else f"{name}.jpg")
            if column is not None:
                lines[0] += f",{column}" if number == 0 else ""
                lines[-1] += f",{mask}"
        (root / f"{split}.csv").write_text("\n".join(lines) + "\n")
    sample = ["id,label", *(f"te{number}.jpg,a" for number in range(4))]
    (root / "sample_submission.csv").write_text("\n".join(sample) + "\n")
    return root


def read(root: Path, **said):
    return read_competition(root, DataConfig(extra_images=(ExtraImages(name="mask", **said),)))


@pytest.mark.parametrize(
    ("where", "ending"),
    [("masks", ""), ("masks", "_segmentation"), ("masks/{split}", ""), ("{split}_masks", "_mask")],
)
def test_masks_are_called_as_their_pictures(tmp_path, where, ending):
    root = make(tmp_path, where=where, ending=ending)
    folder = where if where.startswith("{") else "masks"
    found = read(root, folder=folder, ending=ending)
    assert found.channels == 6
    for split, frame in (("train", found.train), ("test", found.test)):
        for name, mask in zip(frame["id"], frame["extra_mask"], strict=True):
            stem = name.removesuffix(".jpg")
            assert mask == str(root / where.format(split=split) / f"{stem}{ending}.png")
    assert any(
        "further image: mask (folder" in line and "for all 6 training and 4 test pictures" in line
        for line in found.understood
    )


@pytest.mark.parametrize("folder", [None, "masks"])
def test_a_column_names_them(tmp_path, folder):
    root = make(tmp_path, column="mask_path")
    found = read(root, column="mask_path", folder=folder, mode="grey")
    assert found.channels == 4
    assert [Path(path).name for path in found.test["extra_mask"]] == [f"te{n}.png" for n in range(4)]
    assert [Path(path).name for path in found.train["extra_mask"]] == [f"tr{n}.png" for n in range(6)]
    assert found.id_column == "id"


def test_one_mask_may_serve_several_pictures_where_a_column_says_so(tmp_path):
    root = make(tmp_path, column="mask")
    for name in ("train.csv", "test.csv"):
        text = (root / name).read_text()
        (root / name).write_text(text.replace("tr1.png", "tr0.png"))
    found = read(root, column="mask")
    assert found.train["extra_mask"][0] == found.train["extra_mask"][1]


def test_competition_yaml_registers_them_and_says_so(tmp_path):
    root = make(tmp_path)
    (root / "competition.yaml").write_text(
        "extra_images:\n  - {name: mask, folder: masks, mode: grey, highest: 1}\n"
    )
    found = read_competition(root, DataConfig())
    assert found.extra_images == (ExtraImages(name="mask", folder="masks", mode="grey", highest=1),)
    assert "competition.yaml says extra_images: mask (folder masks, grey)" in found.understood[0]
    (root / "competition.yaml").write_text("extra_images: {name: mask, folder: masks}\n")
    assert read_competition(root, DataConfig()).channels == 6
    (root / "competition.yaml").write_text("extra_images:\n  - {name: mask, foldr: masks}\n")
    with pytest.raises(UserError, match=r"extra_images.*foldr"):
        read_competition(root, DataConfig())


def test_the_command_line_registers_them_as_json(tmp_path):
    config = with_settings(Config(), ['data.extra_images=[{"name": "mask", "folder": "masks"}]'])
    assert config.data.extra_images == (ExtraImages(name="mask", folder="masks"),)
    assert convert({"data": {"extra_images": [{"name": "mask", "folder": "masks"}]}}, where="x") == config
    for wrong, message in (("mask", "is no JSON"), ('[{"name": "a b"}]', "is not allowed")):
        with pytest.raises(UserError, match=rf"data\.extra_images.*{message}"):
            with_settings(Config(), [f"data.extra_images={wrong}"])


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_missing_mask_is_an_error_that_names_its_picture(tmp_path, split):
    root = make(tmp_path)
    (root / "masks" / f"{split[:2]}2.png").unlink()
    with pytest.raises(
        UserError, match=rf"1 of \d {split} pictures have no mask: '{split[:2]}2\.jpg' .*folder"
    ):
        read(root, folder="masks")


@pytest.mark.parametrize("cell", ["", "masks/nowhere.png", "../te2.png"])
def test_a_cell_that_names_no_file_in_the_folder_is_an_error(tmp_path, cell):
    root = make(tmp_path, column="mask")
    text = (root / "test.csv").read_text()
    (root / "test.csv").write_text(text.replace("masks/te2.png", cell))
    with pytest.raises(UserError, match=r"1 of 4 test pictures have no mask: 'te2\.jpg'"):
        read(root, column="mask")


def test_masks_in_class_folders_are_told_apart_by_their_folder(tmp_path):
    """Two pictures of one name in two folders: the mask in the folder of that name, else nothing is guessed."""
    root = make(tmp_path)
    rows = ["id,label"]
    for label in "ab":
        for number in range(3):
            draw(root / "train_images" / label / f"p{number}.jpg")
            draw(root / "masks" / label / f"p{number}.png")
            rows.append(f"{label}/p{number}.jpg,{label}")
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    found = read(root, folder="masks")
    for name, mask in zip(found.train["id"], found.train["extra_mask"], strict=True):
        assert mask == str(root / "masks" / name.replace(".jpg", ".png"))
    for number in range(3):
        (root / "masks" / "b" / f"p{number}.png").unlink()
    with pytest.raises(UserError, match=r"'a/p0\.jpg' and 'b/p0\.jpg' have the same mask"):
        read(root, folder="masks")


def test_two_masks_for_a_picture_are_asked_about(tmp_path):
    root = make(tmp_path)
    draw(root / "masks" / "tr0.bmp")
    with pytest.raises(UserError, match=r"1 train picture fits more than one mask: 'tr0\.jpg'"):
        read(root, folder="masks")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "mask has neither folder nor column"),
        ({"folder": "maske"}, r"no pictures in folder 'maske'.*Did you mean 'masks'"),
        ({"column": "mask_path"}, "training table has no column 'mask_path'"),
        ({"column": "x", "ending": "_m"}, "both column and ending"),
        ({"folder": "train_images"}, "is the picture itself|there are no|ids have no picture"),
    ],
)
def test_settings_that_cannot_be_followed_are_one_line(tmp_path, said, message):
    with pytest.raises(UserError, match=message):
        read(make(tmp_path), **said)


def test_two_of_one_name_are_refused(tmp_path):
    twice = (ExtraImages(name="mask", folder="masks"),) * 2
    with pytest.raises(UserError, match="two of the same name: 'mask'"):
        read_competition(make(tmp_path), DataConfig(extra_images=twice))


def test_a_column_that_the_test_table_lacks_is_an_error(tmp_path):
    root = make(tmp_path, column="mask")
    (root / "test.csv").write_text("id\n" + "".join(f"te{number}.jpg\n" for number in range(4)))
    with pytest.raises(UserError, match=r"no test table has the column 'mask'.*Give folder"):
        read(root, column="mask")


@pytest.mark.parametrize("layout", ["L1", "L2", "L3", "L5", "L7", "L8", "L9", "L10", "L11"])
def test_a_folder_of_masks_changes_nothing_of_how_a_layout_is_read(tmp_path, layout):
    root = LAYOUT_MAKERS[layout](tmp_path / layout)
    before = read_competition(root, DataConfig())
    for frame in (before.train, before.test):
        for path in frame["path"]:
            draw(root / "masks" / Path(path).relative_to(root).with_suffix(".png"))
    after = read(root, folder="masks", mode="grey")
    assert after.layout == before.layout
    assert after.train.drop(columns="extra_mask").equals(before.train)
    assert after.test.drop(columns="extra_mask").equals(before.test)
    assert after.classes == before.classes
    for frame in (after.train, after.test):
        for path, mask in zip(frame["path"], frame["extra_mask"], strict=True):
            assert mask == str(root / "masks" / Path(path).relative_to(root).with_suffix(".png"))


def test_without_registered_images_the_folder_is_seen_as_it_is(tmp_path):
    folder = CompetitionFolder.of(make(tmp_path), DataConfig())
    assert without_extra_images(folder) is folder
