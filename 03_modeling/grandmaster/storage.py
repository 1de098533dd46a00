"""Files that are either whole or absent, and hashes that say whether they changed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import secrets
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import pandas as pd

from grandmaster.errors import UserError
from grandmaster.texts import JSON_DAMAGE

# What NumPy raises on `.npz` files that are damaged, whatever was hit: archive, header, claimed size, content.
NPZ_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    SyntaxError,
    RuntimeError,  # NotImplementedError too: a way of packing that there is not
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


def write_atomic(path: Path, data: bytes | str | Callable[[BinaryIO], object]) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part.

    Temporary file in the same folder, fsync, rename, fsync of the folder. A failed write (disk full)
    removes the temporary file and leaves the old content alone.

    Args:
        data: the content, or what writes it into the open file: content that is large need not be in memory twice.

    Raises:
        UserError: the folder cannot be written or the disk is full.
    """
    raw = data.encode() if isinstance(data, str) else data
    # Named here, not by `mkstemp`: a signal that comes when that has made the file would leave it without a name to drop.
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            if callable(raw):
                raw(file)
            else:
                file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # whatever the mask: other users are to read it, too
        temporary.replace(path)
    except OSError as error:
        _drop(temporary)
        raise UserError(
            f"cannot write: {error.strerror or error}",
            where=path,
            fix="Free some space, or choose another folder; what was there before is untouched.",
        ) from error
    except (
        BaseException
    ):  # Ctrl-C, or a lost loading process, which torch reports wherever the program happens to be
        _drop(temporary)
        raise
    # The rename itself is made durable by syncing the folder, where a system knows how (Windows and some network
    # file systems do not).
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _drop(temporary: Path) -> None:
    with contextlib.suppress(
        OSError
    ):  # most of all that it is not there; the error that is told is another one
        temporary.unlink()


def remove_leftovers(folder: Path) -> None:
    """Remove what writes below `folder` left that were killed half-way; nobody may be writing there now."""
    for path in folder.rglob(".*.part"):
        path.unlink(missing_ok=True)


def plain(value: Any) -> Any:
    """Turn NumPy scalars and arrays, paths, tuples and structs into what JSON knows; NaN and Inf become null."""
    if isinstance(value, msgspec.Struct):
        return plain(msgspec.structs.asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON atomically; see `plain` for what is converted."""
    raw = msgspec.json.format(msgspec.json.encode(plain(value)), indent=2)
    write_atomic(path, raw + b"\n")


def read_bytes(path: Path) -> bytes:
    """Read a file of a run.

    Raises:
        UserError: no such file, or it may not be read; names it.
    """
    with _named(path):
        return path.read_bytes()


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UserError("file is missing", where=path) from error
    except OSError as error:
        raise UserError(
            f"cannot be read: {error.strerror or error}",
            where=path,
            fix="Give yourself the right to read it, or delete it.",
        ) from error


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        UserError: no such file, not to be read, or not JSON; says which and where.
    """
    with _reading_json(path):
        return msgspec.json.decode(read_bytes(path))


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UserError: as `read_json`, or it is something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError("not a JSON object", where=path, fix="Mend it or delete it.")
    return content


def read_jsonl(path: Path) -> list[Any]:
    """Read a file of one JSON value a line.

    Raises:
        UserError: as `read_json`.
    """
    with _reading_json(path):
        return [msgspec.json.decode(line) for line in read_bytes(path).splitlines() if line.strip()]


@contextlib.contextmanager
def _reading_json(path: Path) -> Iterator[None]:
    try:
        yield
    except JSON_DAMAGE as error:
        raise UserError(f"not valid JSON: {error}", where=path, fix="Mend it or delete it.") from error


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a table atomically, without its index, with `\\n` line ends on every system.

    A cell that holds a carriage return is only put into quotes where line ends have one too: then all of them do.
    """
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False, lineterminator="\n")
    if "\r" in buffer.getvalue():
        buffer = io.StringIO()
        frame.to_csv(buffer, index=False, lineterminator="\r\n")
    write_atomic(path, buffer.getvalue())


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes.

    Raises:
        UserError: as `read_bytes`.
    """
    with _named(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """16 hex digits that change when anything JSON can hold of `value` changes (order of keys aside)."""
    return hashlib.sha256(msgspec.json.encode(plain(value), order="sorted")).hexdigest()[:16]
