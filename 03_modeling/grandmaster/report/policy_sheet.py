"""Training pictures, the same as training will see them, and test pictures, on one sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
import pandas as pd

from grandmaster.competition.table import Competition
from grandmaster.images.augment import build_augmentation
from grandmaster.images.corruption import WORKING_SIDE
from grandmaster.images.decode import PictureError, read_picture
from grandmaster.images.operation import Operation
from grandmaster.images.resize import to_square
from grandmaster.images.shown import jpeg_of

FILE_NAME = "policy_sheet.jpg"
SIDE = 180  # px, of each picture
COLUMNS = 8
GAP = 6  # px
_QUALITY = 88


def policy_sheet(competition: Competition, operations: Sequence[Operation], *, seed: int = 0) -> bytes:
    """A JPEG of three rows: training pictures as a model is fed them without augmentation, the same with these operations, test.

    Pictures are chosen at random, the same ones for the same seed; those that cannot be read are passed over.
    """
    augment = build_augmentation(operations, SIDE)
    rng = np.random.default_rng(seed)
    train, test = (_pictures(table, rng) for table in (competition.train, competition.test))
    plain = [to_square(picture, SIDE) for picture in train]
    augmented = [
        augment(
            picture,
            place,
            aspect=picture.shape[1] / picture.shape[0],
            side=min(max(picture.shape[:2]), WORKING_SIDE),
            partner=lambda place=place: train[(place + 1) % len(train)],  # type: ignore[misc]
        )[0]
        for place, picture in enumerate(train)
    ]
    rows = [plain, augmented, [to_square(picture, SIDE) for picture in test]]
    step = SIDE + GAP
    sheet = np.full((len(rows) * step + GAP, COLUMNS * step + GAP, 3), 160, np.uint8)
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            top, left = GAP + row * step, GAP + column * step
            sheet[top : top + SIDE, left : left + SIDE] = picture
    return jpeg_of(sheet, _QUALITY)


def _pictures(table: pd.DataFrame, rng: np.random.Generator) -> list[npt.NDArray[np.uint8]]:
    paths = table["path"].to_numpy(object)[rng.permutation(len(table))]

    def readable() -> Iterator[npt.NDArray[np.uint8]]:
        for path in paths:
            try:
                # Not smaller than what the strengths of blur and noise are stated for.
                yield read_picture(path, at_least=WORKING_SIDE)
            except PictureError:
                continue

    return list(islice(readable(), COLUMNS))
