"""Train against test: how well they are told apart, what was done to test, as `shift.json`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from grandmaster.competition.table import Competition
from grandmaster.config import InspectConfig
from grandmaster.eda.adversarial import Separation, separate, separate_embeddings
from grandmaster.eda.appearance import NAMES
from grandmaster.eda.corruption_reading import (
    CorruptionReading,
    measure_squares,
    read_corruption,
    simulations,
)
from grandmaster.images.corruption import WORKING_SIDE
from grandmaster.images.decode import PictureError, read_picture
from grandmaster.images.policy import ALIKE_AUC, needs_test_like
from grandmaster.images.resize import resized
from grandmaster.progress import Progress
from grandmaster.storage import plain

TASK, READING_TASK = "compare with test", "read what was done to test"
Embed = Callable[[Sequence[npt.NDArray[np.uint8]]], npt.NDArray[np.float32]]

# With fewer pictures on a side than this, nothing that is read would be more than chance.
FEWEST_PICTURES = 40
MOST_EXTREME = 12  # pictures named on each side
_JPEG_SHARE = 0.8  # of the test pictures, from which on all are taken to be stored as JPEG
# Sum of the luminance table of the JPEG standard (annex K), which encoders scale by quality.
_STANDARD_TABLE_SUM = 3691


def compare_with_test(
    competition: Competition,
    fingerprint: Mapping[str, Any],
    config: InspectConfig,
    progress: Progress,
    *,
    threads: int,
    embed: Embed | None = None,
    embedding_name: str = "",
) -> dict[str, Any]:
    """Adversarial validation, and where train and test differ, what was done to test.

    Only a random sample of either side is looked at (`config.shift_pictures`).

    Args:
        fingerprint: content of fingerprint.json; what it calls unreadable is left out.
        threads: pictures worked on at once.
        embed: RGB pictures of any size -> embeddings (n, d), of a pretrained backbone; None: there is none.
        embedding_name: of that backbone.

    Returns:
        The content of `shift.json`: "adversarial" (AUC with interval and what tells them apart), "embedding" (the same
        on embeddings, or null), "reading" (kinds of corruption with shares, or null), or "reason" why nothing was compared.
    """
    began = time.monotonic()
    rng = np.random.default_rng(0)
    unreadable = {entry["path"] for entry in fingerprint["unreadable"]}
    sides = {}
    for name, table in (("train", competition.train), ("test", competition.test)):
        usable = table[~table["path"].isin(unreadable)].sort_values("id", kind="stable")
        chosen = np.sort(rng.permutation(len(usable))[: config.shift_pictures])
        sides[name] = usable.iloc[chosen]
    if min(map(len, sides.values())) < FEWEST_PICTURES:
        return _not_compared()
    expected = sum(map(len, sides.values()))
    progress.start(TASK, expected)
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the threads are the parallelism
    try:
        train, test = (_pictures(side, threads, progress) for side in (sides["train"], sides["test"]))
        if min(len(train[0]), len(test[0])) < FEWEST_PICTURES:  # files may break after they were inspected
            content = _not_compared()
            progress.finish(TASK, content["reason"])
            return content
        clean_rows, test_rows = (
            measure_squares(pictures, threads=threads) for pictures in (train[1], test[1])
        )
        told = separate(clean_rows, test_rows, NAMES, threads=threads)
        by_embedding = None if embed is None else separate_embeddings(embed(train[1]), embed(test[1]))
        qualities = {name: stored_quality(side["path"].tolist()) for name, side in sides.items()}
        of_test = qualities["test"]
        quality = of_test.median if of_test.share >= _JPEG_SHARE else None
        fill = int(fingerprint.get("fill_value", 255))
        reading = None
        if told.low >= ALIKE_AUC:
            progress.finish(TASK, _told_in_words(told))
            progress.start(READING_TASK, simulations(len(test_rows), config.shift_effort))
            reading = read_corruption(
                train[1],
                test_rows,
                plain=told,
                fill=fill,
                jpeg_quality=quality,
                threads=threads,
                scale=config.shift_effort,
                on_progress=lambda number: progress.advance(READING_TASK, number),
            )
    finally:
        cv2.setNumThreads(before)
    content = {
        "pictures": {"train": len(train[0]), "test": len(test[0])},
        "adversarial": _separation(told)
        | {
            "most_test_like": _likest_test(train[0], told.first),
            "least_train_like": _likest_test(test[0], told.second),
        },
        "embedding": None
        if by_embedding is None
        else {"backbone": embedding_name} | _separation(by_embedding),
        "fill_value": fill,
        "jpeg_quality": quality,
        "stored": {name: msgspec.to_builtins(one) for name, one in qualities.items()},
        "reading": None if reading is None else _reading(reading),
        "seconds": round(time.monotonic() - began, 1),
    }
    if reading is None:
        progress.finish(TASK, _told_in_words(told))
    else:
        progress.finish(READING_TASK, needs_test_like(content)[1])
    result = plain(content)
    assert isinstance(result, dict)
    return result


def _not_compared() -> dict[str, Any]:
    why = f"fewer than {FEWEST_PICTURES} pictures in train or in test: too few to compare"
    return {"adversarial": None, "embedding": None, "reading": None, "reason": why}


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """How lossily files are stored.

    Attributes:
        share: of JPEGs among the files looked at.
        low, median, high: quality of the JPEGs, 1 to 100 on the scale of the Independent JPEG Group: 10 %, 50 % and 90 %
            quantile; 100 where there are none.
    """

    share: float
    low: int
    median: int
    high: int


def stored_quality(paths: Sequence[str]) -> Quality:
    """Quality of JPEG files, read from the quantisation tables in the headers of up to 200 of them."""
    found = []
    looked_at = paths[:: max(1, -(-len(paths) // 200))]
    for path in looked_at:
        try:
            with Image.open(path) as image:
                table = getattr(image, "quantization", {}).get(0)
        except (OSError, Image.DecompressionBombError):
            continue
        if table:
            scale = 100 * sum(table) / _STANDARD_TABLE_SUM
            found.append((200 - scale) / 2 if scale <= 100 else 5000 / scale)
    if not found:
        return Quality(share=0.0, low=100, median=100, high=100)
    low, median, high = (int(np.clip(round(q), 5, 100)) for q in np.quantile(found, (0.1, 0.5, 0.9)).tolist())
    return Quality(share=round(len(found) / len(looked_at), 3), low=low, median=median, high=high)


def _pictures(
    side: pd.DataFrame, threads: int, progress: Progress
) -> tuple[list[str], list[npt.NDArray[np.uint8]]]:
    """Ids and pixels of the pictures that can be read, reduced to `WORKING_SIDE` where they are larger."""

    def one(path: str) -> npt.NDArray[np.uint8] | None:
        try:
            return at_working_side(read_picture(path, at_least=WORKING_SIDE))
        except PictureError:
            return None

    ids, pictures = [], []
    with ThreadPoolExecutor(threads) as pool:
        for picture_id, picture in zip(side["id"], pool.map(one, side["path"]), strict=True):
            progress.advance(TASK)
            if picture is not None:
                ids.append(picture_id)
                pictures.append(picture)
    return ids, pictures


def at_working_side(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The picture, reduced so that its longer side is at most `WORKING_SIDE` px."""
    height, width = picture.shape[:2]
    scale = WORKING_SIDE / max(height, width)
    if scale >= 1:
        return picture
    return resized(picture, max(1, round(width * scale)), max(1, round(height * scale)))


def _separation(told: Separation) -> dict[str, Any]:
    return {
        "auc": round(told.auc, 4),
        "low": round(told.low, 4),
        "high": round(told.high, 4),
        "features": [
            {"name": name, "importance": round(importance, 4), "effect": round(effect, 3)}
            for name, importance, effect in told.telling
        ],
    }


def _likest_test(ids: Sequence[str], chances: npt.NDArray[np.float64]) -> list[str]:
    """Those with the highest chance of being a test picture, the first first."""
    order = np.argsort(-chances, kind="stable")[:MOST_EXTREME]
    return [ids[row] for row in order]


def _reading(reading: CorruptionReading) -> dict[str, Any]:
    return {
        "method": reading.method,
        "simulated": reading.simulated,
        "fitted": _separation(reading.fitted),
        "kinds": {
            name: {
                "share": round(kind.share, 4),
                "low": round(kind.low, 4),
                "high": round(kind.high, 4),
                "clean": round(kind.clean, 4),
                "auc": round(kind.auc, 4),
                "levels": [list(level) for level in kind.levels],
            }
            for name, kind in reading.kinds.items()
        },
    }


def _told_in_words(told: Separation) -> str:
    return f"train told from test with AUC {told.auc:.3f} ({told.low:.3f}-{told.high:.3f})"
