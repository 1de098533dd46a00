"""What every layout is read into, and all that the rest of the system knows about a competition."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from grandmaster.config import ExtraImages, SubmissionFormat, TargetKind
from grandmaster.storage import digest

# int64 (n,) indices of classes for multiclass; else float32 (n, outputs).
Truth = npt.NDArray[np.integer[Any]] | npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class Competition:
    """One image competition.

    Attributes:
        name: the folder's name.
        root: the folder; every path below it.
        layout: number of the layout in the documentation ("L1" to "L14").
        understood: lines that say what was found and why it was read so.
        id_column: name of the id column of the submission.
        target_columns: the submission's other columns, in order.
        kind: what is to be predicted. A binary target is multiclass with two classes.
        classes: labels exactly as the training file writes them; the frozen order of every prediction. For ordinal
            targets the grades from low to high; empty for regression.
        class_names: names for people, same order (equal to `classes` where there is no name map).
        train: columns `id` (str), `path` (absolute, str), `group` (str: pictures that must stay in one fold share
            it; the id where the competition has no groups), `row` (str: pictures of one row of a submission share it;
            the id where a row is a picture), `label` (int, index into `classes`; multiclass and ordinal only), and
            any further columns of the training file as `meta_<column>`, and for each of `extra_images` its file as
            `extra_<name>` (absolute, str). Pictures in sorted order of id.
        targets: what the rows of `train` are to be predicted as. Multiclass: int64 (n,), `label`. Multilabel: float32
            (n, c) of 0 and 1. Ordinal: float32 (n, 1), the index of the grade. Regression: float32 (n, t).
        test: columns `id`, `path`, `row` (id of the submission's row), `extra_<name>`; in the order of the sample
            submission.
        sample_submission: as read, every cell a string.
        submission_format: what the sample asks for.
        metric: name of the metric, see `competition.metrics`.
        metric_reason: why this one.
        positive_class: index into `classes` of the class whose probability is handed in ("one_probability").
        top_k: labels to hand in for each row ("ranked_labels").
        group_column: the training file's column behind `group`, or None.
        separator: what stands between the labels of one cell ("label_set", "ranked_labels").
        extra_images: further images of every picture, in the order of their channels.
    """

    name: str
    root: Path
    layout: str
    understood: tuple[str, ...]
    id_column: str
    target_columns: tuple[str, ...]
    kind: TargetKind = "multiclass"
    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    train: pd.DataFrame
    targets: Truth
    test: pd.DataFrame
    sample_submission: pd.DataFrame
    submission_format: SubmissionFormat
    metric: str
    metric_reason: str
    positive_class: int = 1
    top_k: int = 1
    group_column: str | None = None
    separator: str = " "
    extra_images: tuple[ExtraImages, ...] = ()

    @property
    def channels(self) -> int:
        """Of a model's input: red, green and blue, and those of the further images."""
        return 3 + sum(extra.channels for extra in self.extra_images)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the numbers that a model gives for one picture, in frozen order."""
        if self.kind in ("multiclass", "multilabel"):
            return self.classes
        return self.target_columns if self.kind == "regression" else self.target_columns[:1]

    @property
    def classes_hash(self) -> str:
        """Changes when an output or the order of outputs does; stored in every checkpoint and prediction."""
        return digest([self.kind, list(self.classes), list(self.outputs)])
