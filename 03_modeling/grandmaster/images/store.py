"""Pictures decoded once and kept in memory, where they fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grandmaster.images.decode import PictureError, picture_size, read_picture
from grandmaster.images.resize import to_square


class PictureStore:
    """n pictures as squares of `size` px, by row number.

    All are decoded once on construction, by a pool of threads (decoding and resizing release the interpreter
    lock). Where `n * size * size * 3` bytes fit `memory_budget` they stay in memory; otherwise that pass only
    finds the unreadable ones, and each access decodes again.

    Args:
        paths: n files.
        size: side in px.
        memory_budget: bytes that the pictures may take.
        threads: decoding threads; None: one per core.
        on_progress: called in the calling thread after every picture with the number done.

    Attributes:
        paths: the n files.
        size: side in px.
        unreadable: row -> reason, complete after construction. What is to be done about them is for the
            caller to decide; reading such a row raises `PictureError`.
        aspects: float32 (n,), width / height of each original, before it was made square; 1 if unreadable.
        sides: int32 (n,), longer side of each original, px; 1 if unreadable.
        in_memory: whether the pictures are held in memory.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        size: int,
        *,
        memory_budget: int,
        threads: int | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        self.paths = tuple(paths)
        self.size = size
        self.unreadable: dict[int, str] = {}
        self.aspects = np.ones(len(self.paths), np.float32)
        self.sides = np.ones(len(self.paths), np.int32)
        self.in_memory = len(self.paths) * size * size * 3 <= memory_budget
        self._pictures: npt.NDArray[np.uint8] | None = None
        if self.in_memory:
            self._pictures = np.empty((len(self.paths), size, size, 3), np.uint8)
        with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
            for done, (row, reason) in enumerate(pool.map(self._load, range(len(self.paths))), start=1):
                if reason is not None:
                    self.unreadable[row] = reason
                if on_progress is not None:
                    on_progress(done)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> npt.NDArray[np.uint8]:
        """uint8 RGB (size, size, 3). Not to be written to: it may be the store itself.

        Raises:
            PictureError: the picture is one of the unreadable, or became so since.
        """
        if row in self.unreadable:
            raise PictureError(self.paths[row], self.unreadable[row])
        if self._pictures is not None:
            return self._pictures[row]
        return to_square(read_picture(self.paths[row], at_least=self.size), self.size)

    def _load(self, row: int) -> tuple[int, str | None]:
        try:
            picture = read_picture(self.paths[row], at_least=self.size)
        except PictureError as error:
            return row, error.reason
        self.aspects[row] = picture.shape[1] / picture.shape[0]
        self.sides[row] = max(picture_size(self.paths[row]))  # decoding may have reduced it
        if self._pictures is not None:
            self._pictures[row] = to_square(picture, self.size)
        return row, None
