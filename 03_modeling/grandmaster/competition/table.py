"""What every layout is read into, and all that the rest of the system knows about a competition."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from grandmaster.storage import digest

SubmissionFormat = Literal["hard_label", "class_probabilities"]


@dataclass(frozen=True, kw_only=True)
class Competition:
    """One image-classification competition.

    Attributes:
        name: the folder's name.
        root: the folder; every path below it.
        layout: number of the layout in the documentation ("L1", "L3").
        understood: lines that say what was found and why it was read so.
        id_column: name of the id column of the submission.
        target_columns: the submission's other columns, in order.
        classes: labels exactly as the training file writes them; the frozen order of every prediction.
        class_names: names for people, same order (equal to `classes` where there is no name map).
        train: columns `id` (str), `path` (absolute, str), `label` (int, index into `classes`), and any further
            columns of the training file as `meta_<column>`. Pictures in sorted order of id.
        test: columns `id`, `path`; in the order of the sample submission.
        sample_submission: as read, every cell a string.
        submission_format: what the sample asks for.
        metric: name of the metric, see `competition.metrics`.
        metric_reason: why this one.
    """

    name: str
    root: Path
    layout: str
    understood: tuple[str, ...]
    id_column: str
    target_columns: tuple[str, ...]
    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    train: pd.DataFrame
    test: pd.DataFrame
    sample_submission: pd.DataFrame
    submission_format: SubmissionFormat
    metric: str
    metric_reason: str

    @property
    def classes_hash(self) -> str:
        """Changes when a class or the order of classes does; stored in every checkpoint and prediction."""
        return digest(list(self.classes))
