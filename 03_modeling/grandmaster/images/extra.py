"""Further images of a picture, such as a mask, as channels of it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from grandmaster.competition.csv_files import first_few
from grandmaster.errors import UserError
from grandmaster.images.decode import PictureError, picture_size, read_picture
from grandmaster.images.resize import to_square

# Relative; masks that were cut out of a picture may differ by a rounded pixel.
_ASPECT_TOLERANCE = 0.02
_CHECK_SIZE = 64  # px: JPEG decodes no more than it must


@dataclass(frozen=True, kw_only=True)
class ExtraFiles:
    """One further image for each of n pictures.

    Attributes:
        name: for messages.
        paths: n files.
        channels: 3 as a colour picture, 1 as grey.
        highest: value in the files that means full; scaled to 255. 1 for masks of 0 and 1.
    """

    name: str
    paths: tuple[Path, ...]
    channels: int
    highest: int = 255

    def read(self, row: int, *, at_least: int | None = None) -> npt.NDArray[np.uint8]:
        """uint8 (h, w, channels), upright, possibly at reduced size (see `read_picture`).

        Raises:
            PictureError: it cannot be read, or has values above `highest`.
        """
        path = self.paths[row]
        picture = read_picture(path, at_least=at_least)
        if self.highest < 255:
            brightest = int(picture.max())
            if brightest > self.highest:
                raise PictureError(path, f"has value {brightest}, above highest ({self.highest})")
            scaled = np.rint(np.arange(256) * (255 / self.highest)).clip(0, 255).astype(np.uint8)
            picture = scaled[picture]
        if self.channels == 1:
            picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)[..., None]
        return picture

    def square(self, row: int, size: int) -> npt.NDArray[np.uint8]:
        """uint8 (size, size, channels): over the whole picture, whatever its own size; resized as pictures are."""
        return to_square(self.read(row, at_least=size), size)


def refuse_unreadable(broken: Sequence[tuple[str, PictureError]], pictures: int) -> None:
    """A missing image is never taken as an empty one.

    Args:
        broken: (name of the further image, what is wrong with it).
        pictures: number of pictures looked at.

    Raises:
        UserError: there is one; names the first few.
    """
    if not broken:
        return
    names = " or ".join(sorted({name for name, _ in broken}))
    files = [f"{error.path.name} ({error.reason})" for _, error in broken]
    raise UserError(
        f"{len(broken)} of {pictures} pictures have no readable {names}: {first_few(files)}",
        where=broken[0][1].path.parent,
        fix="Complete these files, or remove the rows of these pictures: a missing one is not taken as empty.",
    )


def check_extras(extras: Sequence[ExtraFiles], pictures: Sequence[Path], *, threads: int) -> tuple[str, ...]:
    """Decode every further image once, before hours of training depend on them.

    Args:
        extras: of these pictures.
        pictures: n files; what cannot be read of them is no matter here.

    Returns:
        Warnings: images that are shaped otherwise than their pictures, images with next to nothing in them.

    Raises:
        UserError: some cannot be read.
    """
    broken: list[tuple[str, PictureError]] = []
    warnings: list[str] = []
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for extra in extras:
            found = list(
                pool.map(lambda row, extra=extra: _check(extra, row, pictures[row]), range(len(pictures)))
            )
            broken += [(extra.name, error) for error, _, _ in found if error is not None]
            misshapen = [extra.paths[row].name for row, (_, _, fits) in enumerate(found) if not fits]
            if misshapen:
                warnings.append(
                    f"{len(misshapen)} of {len(pictures)} files of {extra.name} have another shape than their "
                    f"pictures and are stretched over them: {first_few(misshapen)}"
                )
            brightest = max((value for error, value, _ in found if error is None), default=255)
            if brightest * 8 < 255:
                warnings.append(
                    f"{extra.name}: the brightest value of all {len(pictures)} files is "
                    f"{round(brightest * extra.highest / 255)} of {extra.highest}; say `highest` in extra_images if "
                    "that means full"
                )
    refuse_unreadable(broken, len(pictures))
    return tuple(warnings)


def _check(extra: ExtraFiles, row: int, picture: Path) -> tuple[PictureError | None, int, bool]:
    """What is wrong with it; its brightest value; whether it is shaped like its picture."""
    try:
        brightest = int(extra.read(row, at_least=_CHECK_SIZE).max())
        width, height = picture_size(extra.paths[row])
    except PictureError as error:
        return error, 0, True
    try:
        across, down = picture_size(picture)
    except PictureError:
        return None, brightest, True
    return None, brightest, abs(width * down / (height * across) - 1) <= _ASPECT_TOLERANCE
