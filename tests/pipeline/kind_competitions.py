"""Small competitions of every kind of target, made as objects: what a model can learn in a few epochs of 32 px."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from grandmaster.competition.table import Competition

METRIC_OF = {
    "multilabel": ("label_set", "sample_f1"),
    "ordinal": ("ordinal_label", "quadratic_weighted_kappa"),
    "regression": ("real_number", "rmse"),
    "rows": ("one_probability", "pf1"),
    "ranked": ("ranked_labels", "map_at_k"),
}


def make_competition(root: Path, case: str, *, train: int = 60, test: int = 12) -> Competition:
    """One of `METRIC_OF`: which squares are bright, how bright one is, or where it lies."""
    random = np.random.default_rng(1)
    form, metric = METRIC_OF[case]
    kind: Any = "multiclass" if case in ("rows", "ranked") else case
    tables, targets = {}, {}
    for split, count in (("train", train), ("test", test)):
        (root / split).mkdir(parents=True)
        ids = [f"{split}{number:03d}.png" for number in range(count)]
        sets = np.zeros((count, 3))
        if case == "multilabel":
            sets = (random.random((count, 3)) < (0.6, 0.4, 0.3)).astype(float)
            targets[split] = sets.astype(np.float32)
        elif case == "ordinal":
            grades = random.choice(4, count, p=(0.4, 0.3, 0.2, 0.1))
            sets[:] = grades[:, None] / 3
            targets[split] = grades[:, None].astype(np.float32)
        elif case == "regression":
            sets[:] = random.random((count, 1))
            targets[split] = (100 + 40 * sets[:, :1]).astype(np.float32)
        else:
            labels = np.arange(count) // 2 % 2 if case == "rows" else np.arange(count) % 3
            sets[np.arange(count), labels] = 1
            targets[split] = labels.astype(np.int64)
        for picture_id, lit in zip(ids, sets, strict=True):
            picture = random.integers(0, 90, (48, 48, 3), np.uint8)
            for place, light in enumerate(lit):
                picture[6:24, place * 15 : place * 15 + 15] += np.uint8(150 * light)
            cv2.imwrite(str(root / split / picture_id), picture)
        paths = [str(root / split / picture_id) for picture_id in ids]
        rows = [f"{split}_row{number // 2:03d}" for number in range(count)] if case == "rows" else ids
        tables[split] = pd.DataFrame({"id": ids, "path": paths, "row": rows})
    classes: tuple[str, ...] = {
        "multilabel": ("left", "middle", "right"),
        "ordinal": ("0", "1", "2", "3"),
        "regression": (),
        "rows": ("0", "1"),
        "ranked": ("a", "b", "c"),
    }[case]
    if case == "multilabel":
        columns: tuple[str, ...] = ("labels",)
    else:
        columns = ("target",)
    groups = tables["train"]["row"]
    if case == "ordinal":  # pairs of pictures of one patient, each a row of its own
        groups = pd.Series([f"patient{number // 2:03d}" for number in range(train)])
    frame = tables["train"].assign(group=groups)
    if kind != "multilabel" and case != "regression":
        frame["label"] = targets["train"].reshape(-1).astype(int)
    rows_of_test = list(dict.fromkeys(tables["test"]["row"]))
    return Competition(
        name=case,
        root=root,
        layout="L5",
        understood=(),
        id_column="id",
        target_columns=columns,
        kind=kind,
        classes=classes,
        class_names=classes,
        train=frame,
        targets=targets["train"],
        test=tables["test"],
        sample_submission=pd.DataFrame({"id": rows_of_test, columns[0]: "0"}),
        submission_format=form,  # type: ignore[arg-type]
        metric=metric,
        metric_reason="as the test says",
        positive_class=1,
        top_k=2 if case == "ranked" else 1,
        group_column="patient" if case in ("rows", "ordinal") else None,
    )
