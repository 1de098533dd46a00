"""The sheet of training pictures, the same as augmented, and test pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from grandmaster.images.operation import Operation
from grandmaster.report import policy_sheet as module
from grandmaster.report.policy_sheet import COLUMNS, GAP, SIDE, policy_sheet

BACKGROUND = 160
# Darker by exactly two stops of gain and offset, whatever is drawn.
DARKEN = Operation(name="Exposure", probability=1.0, params={"levels": [[-2.0, -2.0, 1.0]]})


class Tables:
    """The two tables of a competition that the sheet looks at."""

    def __init__(self, root: Path, train: int, test: int) -> None:
        for split, count, tone in (("train", train, 240), ("test", test, 80)):
            paths = []
            for number in range(count):
                path = root / f"{split}{number}.png"
                cv2.imwrite(str(path), np.full((40 + number, 60, 3), tone, np.uint8))
                paths.append(str(path))
            setattr(self, split, pd.DataFrame({"path": paths}, dtype=object))


def tones(sheet: bytes) -> np.ndarray:
    """Grey level in the middle of each place, (3, 8)."""
    picture = cv2.imdecode(np.frombuffer(sheet, np.uint8), cv2.IMREAD_GRAYSCALE)
    step = SIDE + GAP
    assert picture.shape == (3 * step + GAP, COLUMNS * step + GAP)
    return picture[GAP + SIDE // 2 :: step, GAP + SIDE // 2 :: step].astype(int)


def test_three_rows_of_eight(tmp_path: Path) -> None:
    tables = Tables(tmp_path, 12, 9)
    sheet = policy_sheet(tables, [DARKEN])  # type: ignore[arg-type]
    found = tones(sheet)
    assert found.shape == (3, COLUMNS)
    np.testing.assert_allclose(found[0], 240, atol=3)
    assert found[1].max() < 200
    np.testing.assert_allclose(found[2], 80, atol=3)
    assert policy_sheet(tables, [DARKEN]) == sheet  # type: ignore[arg-type]


def test_broken_pictures_are_passed_over_and_fewer_than_eight_do(tmp_path: Path) -> None:
    tables = Tables(tmp_path, 10, 3)
    for number in (0, 4, 7):
        (tmp_path / f"train{number}.png").write_bytes(b"no picture")
    (tmp_path / "test1.png").write_bytes(b"")
    found = tones(policy_sheet(tables, []))  # type: ignore[arg-type]
    assert (np.abs(found[0] - 240) < 4).tolist() == [True] * 7 + [False]
    assert (np.abs(found[2] - 80) < 4).tolist() == [True] * 2 + [False] * 6
    assert abs(found[0, 7] - BACKGROUND) < 4


def test_all_broken_leaves_an_empty_sheet(tmp_path: Path) -> None:
    tables = Tables(tmp_path, 1, 0)
    (tmp_path / "train0.png").write_bytes(b"no picture")
    found = tones(policy_sheet(tables, [DARKEN]))  # type: ignore[arg-type]
    np.testing.assert_allclose(found, BACKGROUND, atol=4)


def test_strengths_mean_the_same_as_in_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large JPEG may be decoded smaller, but not so small that noise and blur would be taken for stronger."""
    tables = Tables(tmp_path, 1, 1)
    path = tmp_path / "large.jpg"
    cv2.imwrite(str(path), np.full((1500, 1600, 3), 200, np.uint8))
    tables.train = pd.DataFrame({"path": [str(path)]}, dtype=object)
    sides = []
    build = module.build_augmentation

    def watched(*given):
        augment = build(*given)

        def call(*args, **known):
            sides.append(known["side"])
            return augment(*args, **known)

        return call

    monkeypatch.setattr(module, "build_augmentation", watched)
    policy_sheet(tables, [DARKEN])  # type: ignore[arg-type]
    assert sides == [640]
