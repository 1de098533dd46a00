"""Competitions made on the fly: tiny pictures and whatever CSV text a test wants."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from grandmaster.competition.predictions import Predictions
from grandmaster.competition.reader import read_competition
from grandmaster.competition.table import Competition
from grandmaster.config import DataConfig


def _jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), "gray").save(buffer, "JPEG")
    return buffer.getvalue()


JPEG = _jpeg()


def put(root: Path, **files: str) -> None:
    """Write text files; `train_csv="..."` becomes train.csv."""
    for name, text in files.items():
        stem, _, suffix = name.rpartition("_")
        (root / f"{stem}.{suffix}").write_bytes(text.encode())


def pictures(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(JPEG)


def documents(root: Path, *, labels: Sequence[str] = ("10", "2", "10", "9"), sample_label: str = "2") -> Path:
    """L1: `ID,target`, ids with extension, train/ and test/, a name map."""
    train = [f"t{place}.jpg" for place in range(len(labels))]
    test = ["z.jpg", "a.jpg", "001.jpg"]
    pictures(root / "train", train)
    pictures(root / "test", test)
    rows = "".join(f"{name},{label}\n" for name, label in zip(reversed(train), reversed(labels), strict=True))
    names = "".join(f"{label},class {label}\n" for label in sorted(set(labels)))
    put(
        root,
        train_csv=f"ID,target\n{rows}",
        meta_csv=f"target,class_name\n{names}",
        sample_submission_csv="ID,target\n" + "".join(f"{name},{sample_label}\n" for name in test),
    )
    return root


def plants(root: Path, *, train_csv: str | None = None, sample: str = "0.25,0.25,0.5") -> Path:
    """L3: one images/ folder, ids without extension, one-hot columns, test.csv."""
    pictures(root / "images", [f"Train_{i}.jpg" for i in range(4)] + [f"Test_{i}.jpg" for i in range(3)])
    put(
        root,
        train_csv=train_csv
        or "image_id,healthy,rust,scab\nTrain_0,1,0,0\nTrain_1,0,0,1\nTrain_2,0,1,0\nTrain_3,0,1,0\n",
        test_csv="image_id\nTest_0\nTest_1\nTest_2\n",
        sample_submission_csv="image_id,scab,healthy,rust\n"
        + "".join(f"Test_{i},{sample}\n" for i in (2, 0, 1)),
    )
    return root


def read(root: Path, **settings: Any) -> Competition:
    return read_competition(root, DataConfig(**settings))


def predicted(competition: Competition, best: Sequence[int], *, seed: int = 0) -> Predictions:
    """Random probabilities for the test pictures, in sorted order of ids, with these classes on top."""
    ids = tuple(sorted(competition.test["id"]))
    c = len(competition.classes)
    values = np.random.default_rng(seed).dirichlet(np.ones(c), size=len(ids)) * 0.4
    values[np.arange(len(ids)), list(best)] += 0.6
    return Predictions(ids=ids, outputs=competition.classes, values=values.astype(np.float32))


def named(table: pd.DataFrame, column: str) -> dict[str, str]:
    return dict(zip(table["id"], table[column], strict=True))
