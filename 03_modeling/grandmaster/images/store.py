"""Pictures decoded once and kept in memory, where they fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grandmaster.images.decode import PictureError, picture_size, read_picture
from grandmaster.images.extra import ExtraFiles, refuse_unreadable
from grandmaster.images.resize import to_square


class PictureStore:
    """n pictures as squares of `size` px, by row number.

    All are decoded once on construction, by a pool of threads (decoding and resizing release the interpreter
    lock). Where `n * size * size * channels` bytes fit `memory_budget` they stay in memory; otherwise that pass only
    finds the unreadable ones, and each access decodes again.

    Args:
        paths: n files.
        size: side in px.
        extras: further images of every picture, which become channels behind its red, green and blue.
        memory_budget: bytes that the pictures may take.
        threads: decoding threads; None: one per core.
        on_progress: called in the calling thread after every picture with the number done.

    Attributes:
        paths: the n files.
        size: side in px.
        channels: 3, and those of the extras.
        unreadable: row -> reason, complete after construction. What is to be done about them is for the
            caller to decide; reading such a row raises `PictureError`.
        aspects: float32 (n,), width / height of each original, before it was made square; 1 if unreadable.
        sides: int32 (n,), longer side of each original, px; 1 if unreadable.
        in_memory: whether the pictures are held in memory.

    Raises:
        UserError: a further image of a readable picture cannot be read.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        size: int,
        *,
        memory_budget: int,
        extras: Sequence[ExtraFiles] = (),
        threads: int | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        self.paths, self._extras = tuple(paths), tuple(extras)
        self.channels = 3 + sum(extra.channels for extra in extras)
        self.size = size
        self.unreadable: dict[int, str] = {}
        self.aspects = np.ones(len(self.paths), np.float32)
        self.sides = np.ones(len(self.paths), np.int32)
        self.in_memory = len(self.paths) * size * size * self.channels <= memory_budget
        self._pictures: npt.NDArray[np.uint8] | None = None
        if self.in_memory:
            self._pictures = np.empty((len(self.paths), size, size, self.channels), np.uint8)
        broken: list[tuple[str, PictureError]] = []
        with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
            for done, (row, reason, missing) in enumerate(
                pool.map(self._load, range(len(self.paths))), start=1
            ):
                broken += missing
                if reason is not None:
                    self.unreadable[row] = reason
                if on_progress is not None:
                    on_progress(done)
        refuse_unreadable(broken, len(self.paths))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> npt.NDArray[np.uint8]:
        """uint8 (size, size, channels), red, green and blue first. Not to be written to: it may be the store itself.

        Raises:
            PictureError: the picture is one of the unreadable, or became so since.
        """
        if row in self.unreadable:
            raise PictureError(self.paths[row], self.unreadable[row])
        if self._pictures is not None:
            return self._pictures[row]
        picture = to_square(read_picture(self.paths[row], at_least=self.size), self.size)
        if not self._extras:
            return picture
        return np.concatenate([picture, *(extra.square(row, self.size) for extra in self._extras)], axis=2)

    def _load(self, row: int) -> tuple[int, str | None, list[tuple[str, PictureError]]]:
        try:
            picture = read_picture(self.paths[row], at_least=self.size)
        except PictureError as error:
            return row, error.reason, []
        self.aspects[row] = picture.shape[1] / picture.shape[0]
        self.sides[row] = max(picture_size(self.paths[row]))  # decoding may have reduced it
        if self._pictures is not None:
            self._pictures[row, ..., :3] = to_square(picture, self.size)
        start, missing = 3, []
        for extra in self._extras:
            end = start + extra.channels
            try:
                square = extra.square(row, self.size)
                if self._pictures is not None:
                    self._pictures[row, ..., start:end] = square
            except PictureError as error:
                missing.append((extra.name, error))
            start = end
        return row, None, missing
