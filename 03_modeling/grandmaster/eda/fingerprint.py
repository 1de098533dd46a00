"""One pass over all pictures: statistics, classes, unreadable and odd files, and duplicates, as `fingerprint.json`."""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from grandmaster.competition.table import Competition
from grandmaster.config import InspectConfig
from grandmaster.eda.cache import (
    CacheDamaged,
    CacheError,
    FileStamp,
    Measured,
    PictureCache,
)
from grandmaster.eda.class_statistics import class_statistics
from grandmaster.eda.duplicates import Duplicates, find_duplicates
from grandmaster.eda.odd import odd_pictures
from grandmaster.eda.picture_table import PictureTable
from grandmaster.eda.signature import RECORD, Records, inspect_picture
from grandmaster.eda.statistics import NAMES, summarise
from grandmaster.errors import UserError
from grandmaster.images.decode import PictureError, read_bytes
from grandmaster.progress import Progress
from grandmaster.storage import digest, plain
from grandmaster.texts import counted

TASK = "inspect"
# Pictures handed to the threads in one go, and remembered in one go: a run that is killed loses no more.
AT_ONCE = 512


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What one pass over all pictures gives.

    Attributes:
        fingerprint: the content of `fingerprint.json`, as plain values that JSON can hold.
        table: statistics of every readable picture.
    """

    fingerprint: dict[str, Any]
    table: PictureTable


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """All pictures, training pictures first."""

    ids: list[str]
    paths: list[str]
    train_count: int

    def split(self, row: int) -> str:
        return "train" if row < self.train_count else "test"


@dataclass(frozen=True, kw_only=True)
class _Pass:
    """The readable among them: `records[i]` is of row `rows[i]`."""

    records: Records
    rows: npt.NDArray[np.int64]
    unreadable: list[dict[str, str]]
    measured: int


def make_fingerprint(
    competition: Competition,
    config: InspectConfig,
    progress: Progress,
    *,
    threads: int | None = None,
    cache_folder: Path | None = None,
) -> dict[str, Any]:
    """The content of `fingerprint.json`; see `inspect_pictures`."""
    return inspect_pictures(
        competition, config, progress, threads=threads, cache_folder=cache_folder
    ).fingerprint


def inspect_pictures(
    competition: Competition,
    config: InspectConfig,
    progress: Progress,
    *,
    threads: int | None = None,
    cache_folder: Path | None = None,
) -> Inspection:
    """Look at every picture once. Memory grows by 0.7 kB a picture (70 MB for 100,000).

    Args:
        competition: what was read from the data folder.
        config: analysis size and duplicate distance.
        progress: receives the task "inspect", one unit a picture.
        threads: pictures decoded at once; open: all cores. Changes nothing but the time.
        cache_folder: where measurements are kept for the next run (10 kB a picture), found by file or by content. A
            damaged cache is made anew, one that cannot be used is done without. Open: nothing is kept. Changes
            nothing but the time.

    Returns:
        Pictures that cannot be read are listed under "unreadable" and left out of everything else but the class
        counts.

    Raises:
        UserError: not one training picture can be read; DICOM without pydicom; the temporary folder is full.
    """
    began = time.monotonic()
    folder = cache_folder
    for attempt in range(3):
        cache: PictureCache | None = None
        try:
            cache = PictureCache(folder, analysis_size=config.analysis_size)
            with closing(cache):
                return _inspect_with(cache, competition, config, progress, threads or _cores(), began)
        except CacheError as error:
            if folder is None:
                raise UserError(
                    f"the thumbnails of the pictures cannot be kept: {error}",
                    where="the temporary folder",
                    fix="Free some space there: 10 kB a picture are needed.",
                ) from error
            path = folder / PictureCache.file_name(config.analysis_size)
            if isinstance(error, CacheDamaged) and attempt == 0:
                progress.message(
                    f"The cache {path} was damaged ({error}); pictures are measured anew.", "warn"
                )
                PictureCache.discard(path)
            else:
                progress.message(f"The cache {path} cannot be used ({error}); going on without.", "warn")
                folder = None
    raise AssertionError("the last attempt has no folder, so it returns or raises")


def _inspect_with(
    cache: PictureCache,
    competition: Competition,
    config: InspectConfig,
    progress: Progress,
    threads: int,
    began: float,
) -> Inspection:
    rows = _Rows(
        ids=[*map(str, competition.train["id"]), *map(str, competition.test["id"])],
        paths=[*map(str, competition.train["path"]), *map(str, competition.test["path"])],
        train_count=len(competition.train),
    )
    seen = _look_at_all(cache, rows, config.analysis_size, progress, threads)
    train_count = int(np.searchsorted(seen.rows, rows.train_count))  # of the readable
    if train_count == 0:
        raise _nothing_readable(competition, seen.unreadable)
    ids = [rows.ids[row] for row in seen.rows.tolist()]
    duplicates = find_duplicates(
        seen.records,
        lambda wanted: cache.thumbnails(seen.records[wanted]),
        [rows.paths[row] for row in seen.rows.tolist()],
        train_count=train_count,
        distance=config.duplicate_distance,
    )
    values, fills = seen.records["values"], seen.records["fill"]
    readable_train = seen.rows[:train_count]
    content = {
        "analysis_size": config.analysis_size,
        "contents": _contents(seen.records[:train_count], ids[:train_count]),
        "train": _split_summary(values[:train_count]),
        "test": _split_summary(values[train_count:]),
        "fill_value": _fill_value(fills[train_count:]),
        "classes": _classes(competition),
        "class_statistics": class_statistics(competition, values[:train_count], readable_train),
        "unreadable": seen.unreadable,
        "odd": odd_pictures(seen.records, ids, train_count=train_count),
        "duplicates": _duplicates_by_id(
            duplicates,
            ids,
            # Estimated numbers of one picture may well differ.
            None if competition.kind == "regression" else competition.targets[readable_train],
        ),
        "seconds": round(time.monotonic() - began, 3),
    }
    known = len(ids) - seen.measured
    progress.finish(
        TASK,
        f"{counted(len(ids), 'picture')}{f' ({known:,} measured before)' if known else ''}, "
        f"{len(seen.unreadable)} unreadable, {counted(len(duplicates.groups), 'group')} of duplicates",
    )
    fingerprint = plain(content)
    assert isinstance(fingerprint, dict)
    table = PictureTable(
        ids=np.array(ids, dtype=np.str_),
        split=np.where(np.arange(len(ids)) < train_count, "train", "test"),
        names=NAMES,
        values=np.ascontiguousarray(values),
        fill=np.ascontiguousarray(fills),
    )
    return Inspection(fingerprint=fingerprint, table=table)


def _contents(records: Records, ids: list[str]) -> str:
    """Changes when the bytes of a training picture do, whatever its size and time say."""
    return digest(
        sorted(
            [picture_id, file.tobytes().hex()] for picture_id, file in zip(ids, records["file"], strict=True)
        )
    )


def _look_at_all(
    cache: PictureCache, rows: _Rows, analysis_size: int, progress: Progress, threads: int
) -> _Pass:
    count, measured = len(rows.ids), 0
    records = np.empty(count, RECORD)
    readable: list[int] = []
    unreadable: list[dict[str, str]] = []
    now: set[bytes] = set()  # measured in this pass: a copy of such a picture was not known before
    progress.start(TASK, count)
    look = partial(_look, cache=cache, analysis_size=analysis_size)
    with _pool(threads) as pool:
        # In portions, so that what the threads hand back does not pile up.
        for start in range(0, count, AT_ONCE):
            fresh: list[Measured] = []
            # `map` gives results in the order of the rows, whichever thread is first.
            for row, result in enumerate(pool.map(look, rows.paths[start : start + AT_ONCE]), start):
                if isinstance(result, PictureError):
                    broken = {"split": rows.split(row), "id": rows.ids[row], "path": rows.paths[row]}
                    unreadable.append(broken | {"reason": result.reason})
                else:
                    picture, remembered = result
                    records[len(readable)] = picture.record[0]
                    readable.append(row)
                    content = picture.record["file"][0].tobytes()
                    if picture.thumbnail is not None:
                        now.add(content)
                    measured += content in now
                    if not remembered:
                        fresh.append(picture)
                progress.advance(TASK)
            if fresh:
                cache.add(fresh)
    return _Pass(
        records=records[: len(readable)],
        rows=np.array(readable, np.int64),
        unreadable=unreadable,
        measured=measured,
    )


def _look(file: str, *, cache: PictureCache, analysis_size: int) -> tuple[Measured, bool] | PictureError:
    """One picture, from the cache or decoded, and whether the cache knows this very file; or why it cannot be read."""
    path = Path(file)
    try:
        facts = path.stat()
        stamp = FileStamp(path=path.absolute(), size=facts.st_size, time_ns=facts.st_mtime_ns)
        record = cache.find(stamp)
        if record is not None:
            return Measured(stamp=stamp, record=record, thumbnail=None), True
        data = read_bytes(path)
        digest = hashlib.sha256(data).digest()
        record, thumbnail = cache.find_content(digest), None
        if record is None:
            record, thumbnail = inspect_picture(path, data, digest=digest, analysis_size=analysis_size)
    except PictureError as error:
        return error
    except FileNotFoundError:
        return PictureError(path, "file is missing")
    except OSError as error:
        return PictureError(path, error.strerror or str(error))
    return Measured(stamp=stamp, record=record, thumbnail=thumbnail), False


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads, because decoding, resizing and hashing release the interpreter; OpenCV's own are switched off."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    pool = ThreadPoolExecutor(threads, thread_name_prefix=TASK)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl+C does not wait for the pictures that are left
        cv2.setNumThreads(before)


def _nothing_readable(competition: Competition, unreadable: list[dict[str, str]]) -> UserError:
    if not unreadable:
        return UserError("there are no training pictures", where=competition.root)
    first = unreadable[0]
    return UserError(
        f"not one training picture can be read; the first: {first['path']}: {first['reason']}",
        where=competition.root,
        fix="Check that the archive was unpacked completely.",
    )


def _split_summary(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    return {"count": len(values), "statistics": summarise(values)}


def _fill_value(fills: npt.NDArray[np.int16]) -> int:
    """Commonest grey of filled corners; white where there are none, as paper and most tools have it."""
    return 0 if (fills == 0).sum() > (fills == 255).sum() else 255


def _classes(competition: Competition) -> list[dict[str, Any]]:
    """Pictures of each class, label or grade; a picture may have several labels. None for real numbers."""
    if competition.kind == "multilabel":
        counts = Counter(dict(enumerate(competition.targets.sum(axis=0).astype(int).tolist())))
    else:
        counts = Counter(competition.targets.astype(int).ravel().tolist())
    return [
        {
            "index": index,
            "label": label,
            "name": name,
            "count": counts[index],
            "share": counts[index] / len(competition.train),
        }
        for index, (label, name) in enumerate(zip(competition.classes, competition.class_names, strict=True))
    ]


def _duplicates_by_id(
    duplicates: Duplicates, ids: list[str], targets: npt.NDArray[Any] | None
) -> dict[str, Any]:
    """The same by id.

    Args:
        targets: of the readable training pictures, (m,) or (m, t); None where different ones are no conflict.
    """

    def named(groups: list[list[int]]) -> list[list[str]]:
        return [[ids[position] for position in group] for group in groups]

    conflicts = [
        group
        for group in duplicates.groups
        if targets is not None and (targets[group] != targets[group[0]]).any()
    ]
    return {
        "exact": named(duplicates.exact),
        "near": named(duplicates.near),
        "groups": named(duplicates.groups),
        "label_conflicts": named(conflicts),
        "across": [[ids[one], ids[two]] for one, two in duplicates.across],
        "test_groups": named(duplicates.test_groups),
    }
