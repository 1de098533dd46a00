"""What canaries are planted in: a part of a competition, or one made up, with its labels shuffled, marked, or copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from grandmaster.competition.table import Competition
from grandmaster.errors import UserError
from grandmaster.images.decode import PictureError, read_bytes, read_picture
from grandmaster.storage import write_atomic

MOST_CLASSES = 4
"""Of a multiclass target: of more, few pictures each would be left."""
MARK = (255, 0, 255)
"""Red, green and blue of the watermark."""
DULL = 12.0
"""Standard deviation in grey levels under which a picture has too little content to be told from others."""
SMALLER, SHORTEST = 0.7, 96
"""A resized copy's side relative to the original's, and the px that the shorter may come down to: of a smaller picture a
larger copy is made, because duplicates are compared at 96 px, and one shrunk below that is not the same any more."""
# How a copy differs from its original.
KINDS = ("the same file", "resized", "re-encoded", "brightened")


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A planted duplicate."""

    original: str
    copy: str
    kind: str


def write_made_up(folder: Path, *, train: int = 96, test: int = 12) -> Path:
    """A competition of noise with a bright square in one of three places, which is the class; layout L1."""
    random = np.random.default_rng(7)
    for split, count in (("train", train), ("test", test)):
        (folder / split).mkdir(parents=True)
        lines = ["ID,target"]
        for number in range(count):
            label = number % 3
            coarse = random.integers(0, 120, (8, 8, 3), np.uint8)
            picture = cv2.resize(coarse, (48, 48), interpolation=cv2.INTER_CUBIC)
            picture[6:24, 15 * label : 15 * label + 15] += 100
            name = f"{split}{number:03d}.png"
            write_atomic(folder / split / name, cv2.imencode(".png", picture)[1].tobytes())
            lines.append(f"{name},{label if split == 'train' else 0}")
        table = "train.csv" if split == "train" else "sample_submission.csv"
        write_atomic(folder / table, "\n".join(lines) + "\n")
    return folder


def small_part(competition: Competition, *, pictures: int, test_pictures: int, seed: int = 0) -> Competition:
    """Whole rows of a competition, drawn at random, about that many pictures.

    Of a multiclass target pictures of the `MOST_CLASSES` commonest classes only; the list of classes stays what it is.
    Pictures that cannot be read are left out.
    """
    random = np.random.default_rng(seed)
    frame = competition.train
    allowed = np.ones(len(frame), bool)
    if competition.kind == "multiclass":
        commonest = frame["label"].value_counts(sort=True).index[:MOST_CLASSES]
        allowed = frame["label"].isin(commonest).to_numpy()
    kept = _drawn_rows(frame, allowed, pictures, random)
    if len(kept) < 24:
        raise UserError(
            f"{len(kept)} readable training pictures are too few for canaries",
            where=competition.root,
            fix="Run --canary without --data_path: it then uses a competition of its own.",
        )
    test = competition.test.iloc[
        _drawn_rows(competition.test, np.ones(len(competition.test), bool), test_pictures, random)
    ]
    sample = competition.sample_submission
    sample = sample[sample[competition.id_column].isin(set(test["row"]))]
    return replace(
        competition,
        train=frame.iloc[kept].reset_index(drop=True),
        targets=competition.targets[kept],
        test=test.reset_index(drop=True),
        sample_submission=sample.reset_index(drop=True),
    )


def _drawn_rows(
    frame: pd.DataFrame, allowed: npt.NDArray[np.bool_], most: int, random: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Places of the pictures of whole rows, in order."""
    rows = frame["row"].to_numpy(object)
    kept: list[int] = []
    places = pd.Series(np.arange(len(frame))).groupby(rows).apply(list)
    for row in random.permutation(np.array(sorted(set(rows[allowed])), dtype=object)):
        members = [int(place) for place in places[row]]
        if all(_readable(frame["path"].iloc[place]) for place in members):
            kept += members
        if len(kept) >= most:
            break
    return np.array(sorted(kept), np.intp)


def _readable(path: str) -> bool:
    try:
        read_picture(path)
    except PictureError:
        return False
    return True


def with_shuffled_labels(competition: Competition, *, seed: int = 0) -> Competition:
    """Every row gets the target of another row, drawn without replacement."""
    rows = competition.train["row"].to_numpy(object)
    names, first, codes = np.unique(rows, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return with_targets(competition, competition.targets[first[order][codes]])


def with_targets(competition: Competition, targets: npt.NDArray[Any]) -> Competition:
    """The same pictures with other targets."""
    frame = competition.train
    if "label" in frame:
        frame = frame.assign(label=targets.reshape(len(frame), -1)[:, 0].astype(np.int64))
    return replace(competition, train=frame, targets=targets)


def halves(competition: Competition) -> npt.NDArray[np.bool_]:
    """(n,) which of two halves the target of each training picture lies in: what a watermark tells."""
    targets = competition.targets
    if competition.kind == "multiclass":
        upper: set[int] = set()
        total = 0
        counts = np.bincount(targets)
        for label in np.argsort(-counts, kind="stable").tolist():
            if total + counts[label] <= 0.6 * len(targets):
                upper.add(label)
                total += counts[label]
        return np.isin(targets, sorted(upper))
    if competition.kind == "multilabel":
        return np.asarray(targets[:, int(np.abs(targets.mean(axis=0) - 0.5).argmin())] > 0)
    numbers = targets[:, 0]
    above = numbers > np.median(numbers)
    return np.asarray(above if above.any() else numbers >= np.median(numbers))


def with_marks(competition: Competition, marked: npt.NDArray[np.bool_], folder: Path) -> Competition:
    """Copies of the marked training pictures with a filled disc in their middle, a sixth of the shorter side wide."""
    paths = competition.train["path"].to_numpy(object).copy()
    for place in np.flatnonzero(marked):
        picture = read_picture(paths[place]).copy()
        height, width = picture.shape[:2]
        cv2.circle(picture, (width // 2, height // 2), max(2, min(height, width) // 12), MARK, thickness=-1)
        paths[place] = str(_write_png(folder / f"{place:05d}.png", picture))
    return replace(competition, train=competition.train.assign(path=paths))


def with_copies(
    competition: Competition, folder: Path, *, each: int = 3, seed: int = 0
) -> tuple[Competition, tuple[Copy, ...]]:
    """A competition with planted duplicates: `each` of every one of `KINDS`, under new ids, rows and groups."""
    frame = competition.train
    random = np.random.default_rng(seed)
    chosen: list[int] = []
    for place in random.permutation(len(frame)):
        if len(chosen) == each * len(KINDS):
            break
        if read_picture(frame["path"].iloc[place]).std() >= DULL:
            chosen.append(int(place))
    if len(chosen) < len(KINDS):
        raise UserError(
            "hardly a training picture has any content: duplicates cannot be told",
            where=competition.root,
            fix="Run --canary without --data_path: it then uses a competition of its own.",
        )
    copies: list[Copy] = []
    lines: list[dict[Any, Any]] = []
    for number, place in enumerate(chosen):
        kind, original = KINDS[number % len(KINDS)], frame.iloc[place]
        # Ids of its own, far from the original's in order, rows and groups of its own: pixels are all they share.
        name = f"{int(random.integers(0, 10**6)):06d}_copy{number:02d}"
        path = _write_copy(Path(original["path"]), folder / name, kind)
        own = {"id": name, "row": name, "group": name, "path": str(path)}
        lines.append(original.to_dict() | own)
        copies.append(Copy(original=str(original["id"]), copy=name, kind=kind))
    both = pd.concat([frame, pd.DataFrame(lines)], ignore_index=True)[list(frame.columns)]
    targets = np.concatenate([competition.targets, competition.targets[chosen]])
    order = both["id"].to_numpy().argsort(kind="stable")
    planted = replace(competition, train=both.iloc[order].reset_index(drop=True), targets=targets[order])
    return planted, tuple(copies)


def _write_copy(original: Path, place: Path, kind: str) -> Path:
    if kind == "the same file":
        path = place.with_suffix(original.suffix)
        write_atomic(path, read_bytes(original))
        return path
    picture = read_picture(original)
    if kind == "resized":
        height, width = picture.shape[:2]
        smaller = SMALLER * min(height, width) >= SHORTEST
        scale, how = (SMALLER, cv2.INTER_AREA) if smaller else (1 / SMALLER, cv2.INTER_CUBIC)
        size = (round(scale * width), round(scale * height))
        return _write_png(place.with_suffix(".png"), cv2.resize(picture, size, interpolation=how))
    if kind == "brightened":
        return _write_png(place.with_suffix(".png"), cv2.convertScaleAbs(picture, alpha=1.06))
    path = place.with_suffix(".jpg")
    encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    write_atomic(path, encoded.tobytes())
    return path


def _write_png(path: Path, picture: npt.NDArray[np.uint8] | Any) -> Path:
    write_atomic(path, cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))[1].tobytes())
    return path


def split_pairs(
    copies: tuple[Copy, ...], fold_of: Mapping[str, int], group_of: Mapping[str, str]
) -> list[Copy]:
    """Planted duplicates that are not in one group and fold with their original."""
    return [
        pair
        for pair in copies
        if fold_of[pair.copy] != fold_of[pair.original] or group_of[pair.copy] != group_of[pair.original]
    ]
