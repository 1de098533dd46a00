"""Train against test, from files to the content of shift.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eda_pictures import competition, photo, save
from PIL import Image

from grandmaster.config import Config, InspectConfig
from grandmaster.eda.shift_reading import Quality, at_working_side, compare_with_test, stored_quality
from grandmaster.images.corruption import WORKING_SIDE
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings

NOTHING_KNOWN: dict[str, Any] = {"unreadable": []}


def settings(*changes: str) -> InspectConfig:
    return with_settings(Config(), [f"inspect.{change}" for change in changes]).inspect


def made(root: Path, train: int, test: int) -> Any:
    """Alike photos as PNG."""
    for split, count in (("train", train), ("test", test)):
        for number in range(count):
            save(root / split / f"{number}.png", photo(number + (500 if split == "test" else 0), 96, 72))
    return competition(
        root, {str(number): 0 for number in range(train)}, [str(number) for number in range(test)], ".png"
    )


def compared(of: Any, known: dict[str, Any] = NOTHING_KNOWN, **others: Any) -> dict[str, Any]:
    options = {"threads": 1} | others
    config = options.pop("config", settings("shift_pictures=60"))
    return compare_with_test(of, known, config, SilentProgress(), **options)


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return made(tmp_path_factory.mktemp("alike"), 70, 60)


def test_alike_folders_are_not_told_apart_and_nothing_is_read(alike: Any) -> None:
    content = compared(alike)
    told = content["adversarial"]
    assert content["pictures"] == {"train": 60, "test": 60}
    assert content["reading"] is None
    assert content["embedding"] is None
    assert content["jpeg_quality"] is None
    assert content["stored"]["test"] == {"share": 0.0, "low": 100, "median": 100, "high": 100}
    assert content["fill_value"] == 255
    assert told["low"] <= 0.5 <= told["high"]
    assert len(set(told["most_test_like"])) == len(set(told["least_train_like"])) == 12
    assert json.loads(json.dumps(content)) == content
    again = compared(alike, threads=3)
    assert again | {"seconds": 0} == content | {"seconds": 0}


def test_embeddings_are_told_apart_beside_the_numbers(alike: Any) -> None:
    def means(pictures):
        return np.stack([picture.mean(axis=(0, 1)) for picture in pictures]).astype(np.float32)

    content = compared(alike, embed=means, embedding_name="means")
    assert content["embedding"]["backbone"] == "means"
    assert content["embedding"]["auc"] == pytest.approx(0.5, abs=0.2)


def test_pictures_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    of = made(tmp_path, 44, 42)
    (tmp_path / "train" / "3.png").write_bytes(b"broken")
    (tmp_path / "test" / "7.png").write_bytes(b"broken")
    content = compared(of)  # not known to be broken
    assert content["pictures"] == {"train": 43, "test": 41}
    known = {"unreadable": [{"path": str(tmp_path / "train" / f"{number}.png")} for number in range(3)]}
    assert compared(of, known)["pictures"] == {"train": 40, "test": 41}
    known["unreadable"].append({"path": str(tmp_path / "train" / "9.png")})
    assert "fewer than 40 pictures" in compared(of, known)["reason"]


@pytest.mark.parametrize("test", [0, 39])
def test_too_few_pictures_give_the_reason(tmp_path: Path, test: int) -> None:
    of = made(tmp_path, 40, test)
    content = compared(of)
    assert content["adversarial"] is content["reading"] is content["embedding"] is None
    assert "fewer than 40 pictures in train or in test" in content["reason"]


def test_too_few_that_can_be_read_give_the_reason_too(tmp_path: Path) -> None:
    """Files can break after they were inspected."""
    of = made(tmp_path, 40, 40)
    for number in range(32):
        (tmp_path / "test" / f"{number}.png").write_bytes(b"broken")
    assert "fewer than 40 pictures" in compared(of)["reason"]


@pytest.mark.parametrize("quality", [50, 85, 95])
def test_the_quality_of_jpegs_is_read(tmp_path: Path, quality: int) -> None:
    paths = [str(save(tmp_path / f"{seed}.jpg", photo(seed, 64, 48), quality=quality)) for seed in range(4)]
    found = stored_quality(paths)
    assert found.share == 1.0
    assert [found.low, found.median, found.high] == pytest.approx([quality] * 3, abs=3)


def test_other_files_have_no_quality(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pngs = [str(save(tmp_path / f"{seed}.png", photo(seed, 64, 48))) for seed in range(3)]
    jpeg = str(save(tmp_path / "a.jpg", photo(1, 64, 48), quality=85))
    nothing = Quality(share=0.0, low=100, median=100, high=100)
    assert stored_quality(pngs) == nothing
    assert stored_quality([]) == nothing
    assert stored_quality([str(tmp_path / "none.jpg")]) == nothing
    assert stored_quality([jpeg, *pngs]).share == 0.25
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert stored_quality([jpeg]) == nothing, "too large for Pillow's taste; no reason to end a run"


def test_large_pictures_are_reduced_and_small_ones_left() -> None:
    reduced = at_working_side(np.full((1280, 900, 3), 7, np.uint8))
    assert reduced.shape == (WORKING_SIDE, 450, 3)
    assert np.all(reduced == 7)
    small = photo(1, WORKING_SIDE, 20)
    assert at_working_side(small) is small
    assert at_working_side(np.zeros((1, 5000, 3), np.uint8)).shape == (1, WORKING_SIDE, 3)
