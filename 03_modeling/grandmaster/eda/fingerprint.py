"""One pass over all pictures: statistics, classes, unreadable files and duplicates, as `fingerprint.json`."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from grandmaster.competition.table import Competition
from grandmaster.config import InspectConfig
from grandmaster.eda.duplicates import Duplicates, Signature, find_duplicates, make_signature
from grandmaster.eda.statistics import NAMES, PictureStatistics, analysis_grey, measure, summarise
from grandmaster.errors import UserError
from grandmaster.images.decode import PictureError, picture_size, read_picture
from grandmaster.progress import Progress
from grandmaster.storage import file_sha256, plain

TASK = "inspect"


@dataclass(frozen=True, kw_only=True)
class _Inspected:
    """One readable picture; `label` is None in test, and where the target is a real number."""

    id: str
    path: Path
    label: int | None
    statistics: PictureStatistics
    signature: Signature


def make_fingerprint(
    competition: Competition, config: InspectConfig, progress: Progress, *, threads: int | None = None
) -> dict[str, Any]:
    """Look at every picture once.

    Args:
        competition: what was read from the data folder.
        config: analysis size and duplicate distance.
        progress: receives the task "inspect", one unit a picture.
        threads: pictures decoded at once; open: all cores. Changes nothing but the time.

    Returns:
        The content of `fingerprint.json`, as plain values that JSON can hold. Pictures that cannot be read are
        listed under "unreadable" and left out of everything else but the class counts.

    Raises:
        UserError: not one training picture can be read.
    """
    began = time.monotonic()
    rows = [
        ("train", str(id_), Path(path), label)
        for id_, path, label in zip(
            competition.train["id"], competition.train["path"], _labels(competition), strict=True
        )
    ] + [
        ("test", str(id_), Path(path), None)
        for id_, path in zip(competition.test["id"], competition.test["path"], strict=True)
    ]
    found: dict[str, list[_Inspected]] = {"train": [], "test": []}
    unreadable: list[dict[str, str]] = []
    progress.start(TASK, len(rows))
    look = partial(_inspect, analysis_size=config.analysis_size)
    with _pool(threads or _cores()) as pool:
        # `map` gives results in the order of the rows, whichever thread is first.
        for (split, id_, path, label), result in zip(
            rows, pool.map(look, [path for _, _, path, _ in rows]), strict=True
        ):
            if isinstance(result, PictureError):
                reason = {"split": split, "id": id_, "path": str(path), "reason": result.reason}
                unreadable.append(reason)
            else:
                statistics, signature = result
                found[split].append(
                    _Inspected(id=id_, path=path, label=label, statistics=statistics, signature=signature)
                )
            progress.advance(TASK)
    if not found["train"]:
        raise _nothing_readable(competition, unreadable)

    pictures = found["train"] + found["test"]
    duplicates = find_duplicates(
        [picture.signature for picture in pictures],
        [picture.path for picture in pictures],
        train_count=len(found["train"]),
        distance=config.duplicate_distance,
    )
    content = {
        "analysis_size": config.analysis_size,
        "train": _split_summary(found["train"]),
        "test": _split_summary(found["test"]),
        "fill_value": _fill_value(found["test"]),
        "classes": _classes(competition),
        "unreadable": unreadable,
        "duplicates": _duplicates_by_id(duplicates, pictures),
        "seconds": round(time.monotonic() - began, 3),
    }
    groups = len(duplicates.groups)
    progress.finish(
        TASK, f"{len(pictures)} pictures, {len(unreadable)} unreadable, {groups} groups of duplicates"
    )
    result = plain(content)
    assert isinstance(result, dict)
    return result


def _inspect(path: Path, *, analysis_size: int) -> tuple[PictureStatistics, Signature] | PictureError:
    """Everything about one picture from one decode, or why it cannot be read."""
    try:
        width, height = picture_size(path)
        pixels = read_picture(path, at_least=analysis_size)
        file_digest = bytes.fromhex(file_sha256(path))
        file_bytes = path.stat().st_size
    except PictureError as error:
        return error
    except OSError as error:
        return PictureError(path, error.strerror or str(error))
    grey = analysis_grey(pixels, analysis_size)
    statistics = measure(grey, width=width, height=height, file_bytes=file_bytes)
    return statistics, make_signature(pixels, grey, width=width, height=height, file_digest=file_digest)


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


def _split_summary(pictures: list[_Inspected]) -> dict[str, Any]:
    values = [picture.statistics.values for picture in pictures]
    table = np.array(values, dtype=np.float64).reshape(len(values), len(NAMES))
    return {"count": len(pictures), "statistics": summarise(table)}


def _fill_value(pictures: list[_Inspected]) -> int:
    """Commonest grey of filled corners; white where there are none, as paper and most tools have it."""
    fills = Counter(p.statistics.fill for p in pictures if p.statistics.fill is not None)
    return 0 if fills[0] > fills[255] else 255


def _labels(competition: Competition) -> list[Any]:
    """A number for each training picture that differs where the labels do: class, grade, or which set of labels."""
    if competition.kind == "regression":
        return [None] * len(competition.train)  # two real numbers of one picture may well differ
    if competition.kind == "multilabel":
        return np.unique(competition.targets, axis=0, return_inverse=True)[1].ravel().tolist()
    return competition.targets.astype(int).ravel().tolist()


def _classes(competition: Competition) -> list[dict[str, Any]]:
    """Pictures of each class, label or grade; a picture may have several labels. None for real numbers."""
    if competition.kind == "multilabel":
        counts = Counter(dict(enumerate(competition.targets.sum(axis=0).astype(int).tolist())))
    else:
        counts = Counter(_labels(competition))
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


def _duplicates_by_id(duplicates: Duplicates, pictures: list[_Inspected]) -> dict[str, Any]:
    def ids(groups: list[list[int]]) -> list[list[str]]:
        return [[pictures[position].id for position in group] for group in groups]

    conflicts = [
        group for group in duplicates.groups if len({pictures[position].label for position in group}) > 1
    ]
    return {
        "exact": ids(duplicates.exact),
        "near": ids(duplicates.near),
        "groups": ids(duplicates.groups),
        "label_conflicts": ids(conflicts),
        "across": [[pictures[one].id, pictures[two].id] for one, two in duplicates.across],
    }
