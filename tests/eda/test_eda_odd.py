"""Odd pictures are named with the reason, and a summary a class says which class they are in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from eda_pictures import Pixels, brighter, competition, photo, save
from PIL import Image

import grandmaster.eda.class_statistics as class_statistics_module
import grandmaster.eda.odd as odd_module
from grandmaster.competition.table import Competition
from grandmaster.config import InspectConfig
from grandmaster.eda.fingerprint import inspect_pictures, make_fingerprint
from grandmaster.eda.picture_table import PictureTable
from grandmaster.eda.statistics import NAMES
from grandmaster.errors import UserError
from grandmaster.progress import SilentProgress

CONFIG = InspectConfig(analysis_size=64)


def made_of(root: Path, train: dict[str, int], test: list[str]) -> Competition:
    """Over the files `root/train/<id>` and `root/test/<id>`, ids with their endings."""
    return competition(root, train, test, suffix="")


def grey(seed: int) -> Pixels:
    return np.repeat(cv2.cvtColor(photo(seed), cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)


def test_every_kind_of_odd_picture_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(odd_module, "HUGE", 1_000_000)
    train = tmp_path / "train"
    for number in range(12):
        save(train / f"p{number}.jpg", photo(number))
    image = Image.fromarray(photo(20))
    exif = Image.Exif()
    exif[0x0112] = 3
    cv2.imwrite(str(train / "deep.png"), photo(21).astype(np.uint16) * 257)
    save(train / "grey.jpg", grey(22))
    image.convert("P").save(train / "palette.png")
    image.convert("CMYK").save(train / "cmyk.jpg")
    image.convert("RGBA").save(train / "alpha.png")
    image.save(train / "turned.jpg", exif=exif)
    image.save(train / "moving.webp", save_all=True, append_images=[Image.new("RGB", image.size)])
    image.save(train / "png.jpg", format="PNG")
    save(train / "tiny.png", photo(23)[:16, :20])
    save(train / "huge.png", cv2.resize(photo(24), (1200, 900)))
    save(train / "ribbon.png", photo(25)[:40, :300])
    test = {"empty.png": np.full((50, 50, 3), (90, 30, 200), np.uint8), "t.jpg": photo(30)}
    for name, pixels in test.items():
        save(tmp_path / "test" / name, pixels)
    names = sorted(path.name for path in train.iterdir())
    odd = make_fingerprint(made_of(tmp_path, dict.fromkeys(names, 0), list(test)), CONFIG, SilentProgress())[
        "odd"
    ]
    assert {entry["reason"]: [example["id"] for example in entry["examples"]] for entry in odd} == {
        "16 bits a channel": ["deep.png"],
        "palette": ["palette.png"],
        "CMYK": ["cmyk.jpg"],
        "transparency": ["alpha.png"],
        "turned by EXIF": ["turned.jpg"],
        "several frames": ["moving.webp"],
        "extension does not match the content": ["png.jpg"],
        "grey among colour pictures": ["grey.jpg"],
        "tiny: shorter side under 32 px": ["tiny.png"],
        "huge: over 1 million pixels": ["huge.png"],
        "one side over 5 times the other": ["ribbon.png"],
        "constant: nothing to see": ["empty.png"],
    }
    assert all(entry["train"] == 1 and entry["test"] == 0 for entry in odd[:-1])
    assert odd[-1] | {"reason": ""} == {
        "reason": "",
        "train": 0,
        "test": 1,
        "examples": [{"split": "test", "id": "empty.png"}],
    }


@pytest.mark.parametrize(("coloured", "reasons"), [(4, ["colour among grey pictures"]), (8, [])])
def test_few_colour_pictures_among_grey_are_odd_and_a_mixture_is_not(
    tmp_path, monkeypatch, coloured, reasons
):
    monkeypatch.setattr(odd_module, "EXAMPLES", 3)
    for number in range(40):
        save(tmp_path / "train" / f"{number}.jpg", grey(number))
    for number in range(coloured):
        save(tmp_path / "test" / f"{number}.jpg", photo(number))
    made = made_of(tmp_path, {f"{n}.jpg": 0 for n in range(40)}, [f"{n}.jpg" for n in range(coloured)])
    odd = make_fingerprint(made, CONFIG, SilentProgress())["odd"]
    assert [entry["reason"] for entry in odd] == reasons
    for entry in odd:
        assert (entry["train"], entry["test"], len(entry["examples"])) == (0, 4, 3)


@pytest.fixture(scope="module")
def bright_and_dark(tmp_path_factory):
    """Class 0 dark, class 1 bright, and a class 2 whose only picture cannot be read."""
    root = tmp_path_factory.mktemp("classes")
    train = {}
    for number in range(6):
        save(root / "train" / f"{number}.png", brighter(photo(number), 1.0 if number % 2 else 0.5))
        train[f"{number}.png"] = number % 2
    (root / "train" / "x.png").write_bytes(b"broken")
    save(root / "test" / "t.png", photo(9))
    return made_of(root, train | {"x.png": 2}, ["t.png"])


def means(found: dict[str, dict[str, dict[str, dict[str, float]]]]) -> dict[str, float]:
    return {label: entry["statistics"]["brightness"]["mean"] for label, entry in found.items()}


def test_each_class_has_its_summary(bright_and_dark):
    inspection = inspect_pictures(bright_and_dark, CONFIG, SilentProgress())
    statistics = inspection.fingerprint["class_statistics"]
    assert statistics["classes_left_out"] == 0
    assert {label: entry["count"] for label, entry in statistics["classes"].items()} == {
        "class 0": 3,
        "class 1": 3,
        "class 2": 0,
    }
    brightness = inspection.table.of("train")[:, NAMES.index("brightness")]
    assert means(statistics["classes"]) == {
        "class 0": pytest.approx(brightness[[0, 2, 4]].mean(), rel=1e-4),
        "class 1": pytest.approx(brightness[[1, 3, 5]].mean(), rel=1e-4),
        "class 2": None,
    }


def test_of_very_many_classes_the_largest_are_summarised(bright_and_dark, monkeypatch):
    monkeypatch.setattr(class_statistics_module, "MOST_CLASSES", 2)
    statistics = make_fingerprint(bright_and_dark, CONFIG, SilentProgress())["class_statistics"]
    assert statistics["classes_left_out"] == 1
    assert list(statistics["classes"]) == ["class 0", "class 1"]


def test_several_labels_a_picture_and_real_values(bright_and_dark):
    single = make_fingerprint(bright_and_dark, CONFIG, SilentProgress())["class_statistics"]["classes"]
    rows = bright_and_dark.targets[:, None] == np.arange(3)
    rows[:, 2] = True  # every picture has the third label too
    several = dataclasses.replace(bright_and_dark, kind="multilabel", targets=rows.astype(np.float32))
    found = make_fingerprint(several, CONFIG, SilentProgress())["class_statistics"]["classes"]
    assert found["class 0"] == single["class 0"]
    assert found["class 2"]["count"] == 6
    values = np.arange(len(rows), dtype=np.float32)[:, None]
    real = dataclasses.replace(bright_and_dark, kind="regression", classes=(), class_names=(), targets=values)
    assert make_fingerprint(real, CONFIG, SilentProgress())["class_statistics"]["classes"] == {}


def test_label_conflicts_follow_the_targets_of_any_kind(tmp_path):
    for name in ("a", "b", "c", "d"):
        save(tmp_path / "train" / f"{name}.png", photo(name in "cd"))
    made = competition(tmp_path, dict.fromkeys("abcd", 0), [], suffix=".png")
    targets = np.array([[1, 0], [1, 0], [1, 0], [1, 1]], np.float32)
    several = dataclasses.replace(
        made, kind="multilabel", targets=targets, classes=("x", "y"), class_names=("x", "y")
    )
    duplicates = make_fingerprint(several, CONFIG, SilentProgress())["duplicates"]
    assert duplicates["exact"] == [["a", "b"], ["c", "d"]]
    assert duplicates["label_conflicts"] == [["c", "d"]]


def test_the_table_of_pictures_survives_the_disk(bright_and_dark, tmp_path):
    table = inspect_pictures(bright_and_dark, CONFIG, SilentProgress()).table
    assert table.ids.tolist() == [*(f"{number}.png" for number in range(6)), "t.png"]
    assert table.split.tolist() == ["train"] * 6 + ["test"]
    assert table.names == NAMES
    assert table.values.shape == (7, len(NAMES))
    table.save(tmp_path / "table.npz")
    again = PictureTable.load(tmp_path / "table.npz")
    for field in dataclasses.fields(PictureTable):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(table, field.name))
    for damage in (b"", b"PK\3\4 nothing", (tmp_path / "table.npz").read_bytes()[:-30]):
        (tmp_path / "damaged.npz").write_bytes(damage)
        with pytest.raises(UserError, match="not a table of picture statistics"):
            PictureTable.load(tmp_path / "damaged.npz")
    with pytest.raises(UserError, match="file is missing"):
        PictureTable.load(tmp_path / "none.npz")
