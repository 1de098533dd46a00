"""Pictures decoded once, and kept in memory where they fit."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grandmaster.images.cache import Building, CacheRoom, DecodedCache, Facts, Pixels, checksum
from grandmaster.images.decode import PictureError, decode_picture, read_bytes
from grandmaster.images.extra import ExtraFiles, refuse_unreadable
from grandmaster.images.resize import to_square


class PictureStore:
    """n pictures as squares of `size` px, by row number.

    All are decoded once on construction, by a pool of threads (decoding and resizing release the interpreter
    lock), or taken from the cache of decoded pictures. Where `n * size * size * channels` bytes fit `memory_budget`
    they stay in memory; otherwise they are read from the cache, or, where there is no room for that either, decoded at
    each access.

    Args:
        paths: n files.
        size: side in px.
        extras: further images of every picture, which become channels behind its red, green and blue.
        memory_budget: bytes that the pictures may take.
        cache: where decoded pictures are kept between runs; None: nowhere.
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
        decoded: whether reading one does not mean decoding it.
        reused: how many were not decoded on construction.

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
        cache: CacheRoom | None = None,
        threads: int | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        self.paths, self._extras = tuple(paths), tuple(extras)
        self.channels = 3 + sum(extra.channels for extra in extras)
        self.size = size
        shape = (len(self.paths), size, size, self.channels)
        self.in_memory = math.prod(shape) <= memory_budget
        self._pictures: Pixels | None = np.empty(shape, np.uint8) if self.in_memory else None
        rows = [(path, *(extra.paths[row] for extra in extras)) for row, path in enumerate(self.paths)]
        self._facts = Facts.of(rows)
        self._mapped: Pixels | None = None
        self._compared = np.zeros(len(rows), bool)  # rows of the map whose checksums were seen to be right
        self._cache, self.reused = None, 0
        work = partial(self._fill, threads=threads or os.cpu_count() or 1, on_progress=on_progress)
        if cache is None or not rows:
            work(None, None)
            return
        variant = [(extra.channels, extra.highest) for extra in extras]
        self._cache = DecodedCache(cache, rows, shape, variant=variant)
        with self._cache.locked() as locked:
            known = self._cache.open()
            whole = known is not None and np.array_equal(known[1].stamps, self._facts.stamps)
            building = self._cache.build() if locked and not whole else None
            try:
                work(known, building)
                self._mapped = known[0] if known is not None and whole else None
                if building is not None:
                    self._mapped = building.publish(self._facts)
            finally:
                if building is not None:
                    building.close()

    @property
    def unreadable(self) -> dict[int, str]:
        """See the class."""
        return self._facts.unreadable

    @property
    def aspects(self) -> npt.NDArray[np.float32]:
        """See the class."""
        return self._facts.aspects

    @property
    def sides(self) -> npt.NDArray[np.int32]:
        """See the class."""
        return self._facts.sides

    @property
    def decoded(self) -> bool:
        """See the class."""
        return self.in_memory or self._mapped is not None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> Pixels:
        """uint8 (size, size, channels), red, green and blue first. Not to be written to: it may be the store itself.

        Raises:
            PictureError: the picture is one of the unreadable, or became so since.
        """
        if row in self.unreadable:
            raise PictureError(self.paths[row], self.unreadable[row])
        if self._pictures is not None:
            return self._pictures[row]
        if self._mapped is not None and self._is_right(row, self._mapped):
            return self._mapped[row]
        picture, missing, _ = self._decode(row)
        if missing:
            raise missing[0][1]
        return picture

    def _is_right(self, row: int, mapped: Pixels) -> bool:
        """Whether a mapped row is what was written; a damaged entry is not opened again."""
        if not self._compared[row]:
            if checksum(mapped[row]) != self._facts.checksums[row]:
                assert self._cache is not None
                self._cache.discard()
                return False
            self._compared[row] = True
        return True

    def _fill(
        self,
        known: tuple[Pixels, Facts] | None,
        building: Building | None,
        *,
        threads: int,
        on_progress: Callable[[int], None] | None,
    ) -> None:
        """Learn the facts of every row, and put its pixels where they are wanted: in memory, in a new entry."""
        broken: list[tuple[str, PictureError]] = []
        load = partial(self._load, known, building)
        with ThreadPoolExecutor(threads) as pool:
            for done, (reused, missing) in enumerate(pool.map(load, range(len(self.paths))), start=1):
                self.reused += reused
                broken += missing
                if on_progress is not None:
                    on_progress(done)
        refuse_unreadable(broken, len(self.paths))

    def _load(
        self, known: tuple[Pixels, Facts] | None, building: Building | None, row: int
    ) -> tuple[bool, list[tuple[str, PictureError]]]:
        """Whether the row was known, and what is wrong with its further images."""
        facts, picture = self._facts, None
        wanted = self._pictures is not None or building is not None
        if known is not None and facts.take(row, known[1]):
            if row in facts.unreadable or not wanted:
                return True, []
            if checksum(known[0][row]) == facts.checksums[row]:
                picture = known[0][row]
            elif self._cache is not None:
                self._cache.discard()
        reused = picture is not None
        if picture is None:
            try:
                picture, missing, (width, height) = self._decode(row)
            except PictureError as error:
                facts.unreadable[row] = error.reason
                return False, []
            if missing:
                return False, missing
            facts.aspects[row], facts.sides[row] = width / height, max(width, height)
        if self._pictures is not None:
            self._pictures[row] = picture
        if building is not None:
            facts.checksums[row] = checksum(picture)
            building.write(row, picture)
        return reused, []

    def _decode(self, row: int) -> tuple[Pixels, list[tuple[str, PictureError]], tuple[int, int]]:
        """Pixels, what is wrong with its further images, and (width, height) of the file's picture, px.

        Raises:
            PictureError: the picture itself cannot be read.
        """
        path = self.paths[row]
        decoded = decode_picture(path, read_bytes(path), at_least=self.size)
        parts, missing = [to_square(decoded.pixels, self.size)], []
        for extra in self._extras:
            try:
                parts.append(extra.square(row, self.size))
            except PictureError as error:
                missing.append((extra.name, error))
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
        return whole, missing, (decoded.width, decoded.height)
