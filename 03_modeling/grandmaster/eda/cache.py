"""What was measured of every picture, kept between runs.

One SQLite file: a run that is killed keeps what it has committed, two runs may use it at once, and nothing has to be
held in memory. A picture is found by its path, size and time of change, or else by the hash of its bytes, so that a
moved, copied or freshly unpacked file is not decoded again.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import PIL

import grandmaster.eda.signature
import grandmaster.eda.statistics
import grandmaster.images.decode
import grandmaster.images.dicom
import grandmaster.images.stored_as
from grandmaster.eda.signature import RECORD, THUMBNAIL, Records
from grandmaster.eda.statistics import Grey

_BUSY_SECONDS = 30.0  # how long to wait while another run writes
_IDS_AT_ONCE = 500  # SQLite allows 999 in one statement
# What the numbers depend on. Whoever edits one of these files has all pictures measured anew.
_MEASURED_BY = (
    grandmaster.eda.signature,
    grandmaster.eda.statistics,
    grandmaster.images.decode,
    grandmaster.images.dicom,
    grandmaster.images.stored_as,
)
_TABLES = """
CREATE TABLE version (text TEXT NOT NULL);
CREATE TABLE pictures (
    digest BLOB PRIMARY KEY, record BLOB NOT NULL, checksum INTEGER NOT NULL, thumbnail BLOB NOT NULL
);
CREATE TABLE files (path BLOB PRIMARY KEY, size INTEGER NOT NULL, time_ns INTEGER NOT NULL, digest BLOB NOT NULL);
"""


class CacheError(Exception):
    """The cache cannot be used."""


class CacheDamaged(CacheError):
    """The file holds something else than what was written to it: it is of no use any more."""


class CacheUnusable(CacheError):
    """The file cannot be opened or written here and now (rights, a full disk, another run that does not let go)."""


# SQLite's own verdicts that say nothing about what is in the file; the lowest byte of its error codes.
_CIRCUMSTANCES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
}


def _judged(error: OSError | sqlite3.Error) -> CacheError:
    if isinstance(error, OSError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _CIRCUMSTANCES:
        return CacheUnusable(str(error))
    return CacheDamaged(str(error))


@dataclass(frozen=True, kw_only=True)
class FileStamp:
    """Which file, as it was when it was read."""

    path: Path
    size: int
    time_ns: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One picture to remember.

    Attributes:
        stamp: of its file.
        record: shape (1,), of `signature.RECORD`.
        thumbnail: uint8 (THUMBNAIL, THUMBNAIL); None where the content was known before, under another name.
    """

    stamp: FileStamp
    record: Records
    thumbnail: Grey | None


class PictureCache:
    """Records and thumbnails by file and by content; may be asked from several threads.

    Args:
        folder: where the file lives, made if missing; None: a private temporary file that vanishes with this object.
        analysis_size: pictures measured at another size are other entries, in another file.

    Raises:
        CacheDamaged: by any method: the file is no database, or not what was written.
        CacheUnusable: by any method: it cannot be opened, read or written.
    """

    def __init__(self, folder: Path | None, *, analysis_size: int) -> None:
        self.path = None if folder is None else folder / self.file_name(analysis_size)
        self._lock = threading.Lock()
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            # SQLite's empty name is a temporary file of its own, removed when it is closed.
            self._database = sqlite3.connect(
                str(self.path or ""), timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None
            )
        except (OSError, sqlite3.Error) as error:
            raise _judged(error) from error
        try:
            self._prepare(_version())
        except sqlite3.Error as error:
            self._database.close()
            raise _judged(error) from error

    def _prepare(self, version: str) -> None:
        # A lost last commit costs a few pictures; the file stays whole.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute("BEGIN IMMEDIATE")
        tables = {
            name for (name,) in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        known = self._database.execute("SELECT text FROM version").fetchone() if "version" in tables else None
        if known != (version,):
            for name in tables & {"version", "pictures", "files"}:
                self._database.execute(f"DROP TABLE {name}")
            for statement in _TABLES.split(";"):
                self._database.execute(statement)
            self._database.execute("INSERT INTO version VALUES (?)", (version,))
        self._database.execute("COMMIT")

    def find(self, stamp: FileStamp) -> Records | None:
        """The record of an unchanged file, shape (1,), without reading it."""
        return self._one(
            "SELECT record, checksum FROM files JOIN pictures USING (digest) "
            "WHERE path = ? AND size = ? AND time_ns = ?",
            (os.fsencode(stamp.path), stamp.size, stamp.time_ns),
        )

    def find_content(self, digest: bytes) -> Records | None:
        """The record of a file with these bytes (SHA-256), whatever its name. Shape (1,)."""
        return self._one("SELECT record, checksum FROM pictures WHERE digest = ?", (digest,))

    def add(self, pictures: Sequence[Measured]) -> None:
        """Remember pictures, all or none of them."""
        contents = [
            (
                picture.record["file"].tobytes(),
                raw := picture.record.tobytes(),
                zlib.crc32(raw),
                picture.thumbnail.tobytes(),
            )
            for picture in pictures
            if picture.thumbnail is not None
        ]
        files = [
            (os.fsencode(p.stamp.path), p.stamp.size, p.stamp.time_ns, p.record["file"].tobytes())
            for p in pictures
        ]
        try:
            with self._lock:
                self._database.execute("BEGIN IMMEDIATE")
                self._database.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?)", contents)
                self._database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", files)
                self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise _judged(error) from error

    def thumbnails(self, records: Records) -> Grey:
        """The thumbnails of n remembered pictures, uint8 (n, THUMBNAIL, THUMBNAIL)."""
        wanted = [digest.tobytes() for digest in records["file"]]
        found: dict[bytes, bytes] = {}
        unique = list(dict.fromkeys(wanted))
        try:
            for start in range(0, len(unique), _IDS_AT_ONCE):
                part = unique[start : start + _IDS_AT_ONCE]
                marks = ", ".join("?" * len(part))
                with self._lock:
                    found |= self._database.execute(
                        f"SELECT digest, thumbnail FROM pictures WHERE digest IN ({marks})", part
                    ).fetchall()
        except sqlite3.Error as error:
            raise _judged(error) from error
        pictures: npt.NDArray[np.uint8] = np.empty((len(wanted), THUMBNAIL, THUMBNAIL), np.uint8)
        for row, digest in enumerate(wanted):
            raw = found.get(digest, b"")
            if zlib.crc32(raw) != records["thumbnail_checksum"][row] or len(raw) != pictures[row].size:
                raise CacheDamaged("a thumbnail is not what was written")
            pictures[row] = np.frombuffer(raw, np.uint8).reshape(THUMBNAIL, THUMBNAIL)
        return pictures

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    @staticmethod
    def file_name(analysis_size: int) -> str:
        """Of the file inside the folder."""
        return f"pictures_{analysis_size}px.sqlite"

    @staticmethod
    def discard(path: Path) -> None:
        """Delete a damaged file."""
        for name in (path, Path(f"{path}-journal")):
            with suppress(OSError):
                name.unlink()

    def _one(self, statement: str, values: tuple[bytes | int, ...]) -> Records | None:
        try:
            with self._lock:
                row = self._database.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise _judged(error) from error
        if row is None:
            return None
        raw, checksum = row
        if len(raw) != RECORD.itemsize or zlib.crc32(raw) != checksum:
            raise CacheDamaged("a record is not what was written")
        return np.frombuffer(raw, RECORD)


def _version() -> str:
    """Changes when the code that measures, the layout of a record, or a library that decides on pixels does."""
    state = hashlib.sha256(f"{RECORD.descr} {PIL.__version__} {cv2.__version__}".encode())
    for module in _MEASURED_BY:
        assert module.__file__ is not None
        state.update(Path(module.__file__).read_bytes())
    return state.hexdigest()
