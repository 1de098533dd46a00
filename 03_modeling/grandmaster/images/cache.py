"""Decoded pictures on disk, so that the next run, and a run whose pictures do not fit in memory, need not decode them again.

Of every set of pictures at one size there is one entry, a folder:

- `pixels.u8`: the squares one after the other as they are in memory, to be mapped;
- `facts.npz`: of each row its checksum and what else is known of the picture;
- `entry.json`: what the entry is of; written last.

An entry is built under a lock in a folder of another name, which then takes its place as a whole, so there are no
half-written ones; what a killed process left behind is removed by the next that builds. Pixels are compared with their checksums
when they are first read, and decoded again where they differ. A picture that was replaced (another size or time of its
file) is decoded again, the others are taken over.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import filelock
import numpy as np
import numpy.typing as npt
import PIL

import grandmaster.images.decode
import grandmaster.images.dicom
import grandmaster.images.extra
import grandmaster.images.resize
from grandmaster.errors import UserError
from grandmaster.storage import digest, file_sha256, plain, read_json, write_json

Pixels = npt.NDArray[np.uint8]

PIXELS, FACTS, ENTRY = "pixels.u8", "facts.npz", "entry.json"
PART, OLD = ".part", ".old"
# What pixels depend on. Whoever edits one of these files has all pictures decoded anew.
_DECODED_BY = (
    grandmaster.images.decode,
    grandmaster.images.dicom,
    grandmaster.images.extra,
    grandmaster.images.resize,
)


@dataclass(frozen=True, kw_only=True)
class CacheRoom:
    """Where decoded pictures may be kept.

    Attributes:
        folder: made if missing.
        limit: most bytes that all entries together may take; the oldest make room.
        reserve: bytes of the disk that must stay free.
    """

    folder: Path
    limit: int
    reserve: int = 0


@dataclass(kw_only=True)
class Facts:
    """What is known of n pictures beside their pixels.

    Attributes:
        stamps: int64 (n, 2 * files of a row): bytes and time of change (ns) of the picture and its further images;
            -1: missing.
        aspects, sides, unreadable: as in `PictureStore`.
        checksums: uint32 (n,), CRC-32 of a row's pixels.
    """

    stamps: npt.NDArray[np.int64]
    aspects: npt.NDArray[np.float32]
    sides: npt.NDArray[np.int32]
    checksums: npt.NDArray[np.uint32]
    unreadable: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[tuple[Path, ...]]) -> Facts:
        """Of pictures that were not looked at yet.

        Args:
            rows: of each picture its file and those of its further images.
        """
        stamps = [[number for path in row for number in _stamp(path)] for row in rows]
        return cls(
            stamps=np.array(stamps, np.int64).reshape(len(rows), -1),
            aspects=np.ones(len(rows), np.float32),
            sides=np.ones(len(rows), np.int32),
            checksums=np.zeros(len(rows), np.uint32),
        )

    def take(self, row: int, known: Facts) -> bool:
        """Take over what is known of a row, if its files are the same."""
        if not np.array_equal(self.stamps[row], known.stamps[row]):
            return False
        for name in ("aspects", "sides", "checksums"):
            getattr(self, name)[row] = getattr(known, name)[row]
        if row in known.unreadable:
            self.unreadable[row] = known.unreadable[row]
        return True


def checksum(pixels: Pixels) -> int:
    """CRC-32 of one picture's pixels."""
    return zlib.crc32(np.ascontiguousarray(pixels).data)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


class DecodedCache:
    """The entry of one set of pictures.

    Args:
        room: where it is, and how much may be kept.
        rows: of each picture its file and those of its further images.
        shape: (n, size, size, channels) of all pixels.
        variant: what else pixels depend on (which further images, how they are read).
    """

    def __init__(
        self,
        room: CacheRoom,
        rows: Sequence[tuple[Path, ...]],
        shape: tuple[int, int, int, int],
        *,
        variant: object = None,
    ) -> None:
        self.room, self.shape = room, shape
        names = [[str(path.absolute()) for path in row] for row in rows]
        # Pixels of another version of the decoder are another entry's; that one makes room when it is the oldest.
        self._made_from = plain(
            {"pictures": digest(names), "shape": shape, "variant": variant, "version": _version()}
        )
        self.folder = room.folder / f"{shape[1]}px_{digest(self._made_from)}"

    @property
    def bytes(self) -> int:
        """Of the pixels."""
        return int(np.prod(self.shape, dtype=np.int64))

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Alone with this entry: another process that builds it is waited for. False: nothing can be kept here."""
        lock = filelock.FileLock(self.room.folder / f".{self.folder.name}.lock")
        try:
            self.room.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except (OSError, NotImplementedError):  # no rights, or a file system without locks
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def open(self) -> tuple[Pixels, Facts] | None:
        """Mapped pixels (not to be written to) and facts, as they were when the entry was built; None: no whole entry."""
        try:
            facts_file = self.folder / FACTS
            if read_json(self.folder / ENTRY) != self._entry(facts_file):
                return None
            if (self.folder / PIXELS).stat().st_size != self.bytes:
                return None
            facts, pixels = _read_facts(facts_file), self._map()
            (self.folder / ENTRY).touch()  # the entry that was used longest ago makes room first
        except (OSError, UserError, ValueError, KeyError):
            return None
        return pixels, facts

    def discard(self) -> None:
        """Have it built anew next time: what it holds is not what was written."""
        with suppress(OSError):
            (self.folder / ENTRY).unlink()

    def build(self) -> Building | None:
        """A new entry, to be called while `locked`; None: there is no room for it, or it cannot be written."""
        part = self.folder.with_name(f"{self.folder.name}{PART}")
        try:
            with filelock.FileLock(self.room.folder / ".room.lock"):
                self._sweep()
                if not self._make_room():
                    return None
                part.mkdir()
                file = _room_for(part / PIXELS, self.bytes)
        except (OSError, NotImplementedError):
            shutil.rmtree(part, ignore_errors=True)
            return None
        return Building(self, part, file)

    def _sweep(self) -> None:
        """Remove what killed processes left behind: whoever builds holds the lock of the entry."""
        for left in [*self.room.folder.glob(f"*{PART}"), *self.room.folder.glob(f"*{OLD}")]:
            name = left.name.removesuffix(PART).removesuffix(OLD)
            if name == self.folder.name:
                shutil.rmtree(left, ignore_errors=True)
                continue
            with suppress(filelock.Timeout), filelock.FileLock(self.room.folder / f".{name}.lock", timeout=0):
                shutil.rmtree(left, ignore_errors=True)

    def _make_room(self) -> bool:
        """Whether the entry fits, after others were removed as far as it needs, those used longest ago first."""
        used: dict[Path, int] = {}
        for folder in self.room.folder.iterdir():
            if folder.is_dir() and folder != self.folder:
                with suppress(OSError):
                    used[folder] = (
                        (folder / ENTRY if (folder / ENTRY).exists() else folder).stat().st_mtime_ns
                    )
        sizes = {folder: _bytes_of(folder) for folder in used}
        removable = sorted(
            (folder for folder in used if folder.suffix != PART), key=lambda folder: used[folder]
        )
        free = shutil.disk_usage(self.room.folder).free - self.room.reserve
        missing = max(self.bytes + sum(sizes.values()) - self.room.limit, self.bytes - free)
        if missing > sum(sizes[folder] for folder in removable):
            return False  # in vain: nothing is removed
        for folder in removable:
            if missing <= 0:
                break
            shutil.rmtree(folder, ignore_errors=True)
            missing -= sizes[folder]
        return missing <= 0

    def _map(self) -> Pixels:
        return np.memmap(self.folder / PIXELS, np.uint8, "r", shape=self.shape)

    def _entry(self, facts: Path) -> dict[str, object]:
        return {**self._made_from, "facts": file_sha256(facts)}


class Building:
    """An entry that is being written: `write` every row, then `publish`; anything that fails ends in no entry.

    Attributes:
        failed: why it cannot be written any more; empty: it can.
    """

    def __init__(self, cache: DecodedCache, part: Path, file: BinaryIO) -> None:
        self._cache, self._part, self._file = cache, part, file
        self._lock = threading.Lock()
        self.failed = ""

    def write(self, row: int, pixels: Pixels) -> None:
        """One picture, (size, size, channels); from any thread. Not through a map: a full disk would kill the process."""
        with self._lock:
            if self.failed:
                return
            try:
                self._file.seek(row * pixels.nbytes)
                self._file.write(np.ascontiguousarray(pixels).data)
            except OSError as error:
                self.failed = error.strerror or str(error)

    def publish(self, facts: Facts) -> Pixels | None:
        """Put the entry in its place -> its pixels, mapped; None: it could not be written."""
        cache, rows = self._cache, np.array(sorted(facts.unreadable), np.int64)
        try:
            if self.failed:
                return None
            self._file.flush()
            os.fsync(self._file.fileno())
            np.savez(
                self._part / FACTS,
                stamps=facts.stamps,
                aspects=facts.aspects,
                sides=facts.sides,
                checksums=facts.checksums,
                unreadable=rows,
                reasons=np.array([facts.unreadable[row] for row in rows.tolist()], np.str_),
            )
            write_json(self._part / ENTRY, cache._entry(self._part / FACTS))
            old = cache.folder.with_name(f"{cache.folder.name}{OLD}")
            if cache.folder.exists():
                cache.folder.rename(old)
            self._part.rename(cache.folder)
            shutil.rmtree(old, ignore_errors=True)
            return cache._map()
        except (OSError, UserError) as error:
            self.failed = str(error)
            return None
        finally:
            self.close()

    def close(self) -> None:
        """Let go of it; what was not published is removed."""
        with suppress(OSError):  # a full disk is told of once more
            self._file.close()
        shutil.rmtree(self._part, ignore_errors=True)


def _room_for(path: Path, size: int) -> BinaryIO:
    """A new file of this many bytes that has its room already, where the file system can: a full disk is found here."""
    with ExitStack() as stack:
        file = stack.enter_context(path.open("w+b"))
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except AttributeError:  # not on this system
            file.truncate(size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            file.truncate(size)  # a file system that cannot
        stack.pop_all()  # it stays open
        return file
    raise AssertionError  # the stack swallows nothing


def _bytes_of(folder: Path) -> int:
    with suppress(OSError):
        return sum(path.stat().st_size for path in folder.iterdir())
    return 0


def _read_facts(path: Path) -> Facts:
    with np.load(path, allow_pickle=False) as stored:
        return Facts(
            stamps=stored["stamps"],
            aspects=stored["aspects"],
            sides=stored["sides"],
            checksums=stored["checksums"],
            unreadable=dict(zip(stored["unreadable"].tolist(), stored["reasons"].tolist(), strict=True)),
        )


def _version() -> str:
    """Changes when the code that decodes or a library that decides on pixels does."""
    files = [module.__file__ for module in _DECODED_BY]
    assert all(file is not None for file in files)
    return digest([PIL.__version__, *(file_sha256(Path(str(file))) for file in files)])
