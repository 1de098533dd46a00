"""What is to be predicted, as read from a training table: the result of `label_columns.read_targets`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from grandmaster.competition.csv_files import first_few
from grandmaster.competition.labels import NameMap
from grandmaster.competition.table import SubmissionFormat, TargetKind, Truth
from grandmaster.config import DataConfig
from grandmaster.errors import UserError
from grandmaster.texts import counted

TargetForm = Literal[
    "one label",  # of each picture, in one column
    "one-hot columns",
    "label columns",  # 0 or 1 in several columns, any number of them a row
    "label sets",  # several labels in one cell
    "grades",
    "values",
]


@dataclass(frozen=True, kw_only=True)
class TrainingTable:
    """One row for each training picture, whatever the rows were made from.

    Attributes:
        table: every cell a string; index: line in the file.
        id_column: holds the ids of the pictures.
        path: the file, or the folder whose names were read; for messages.
        pictures: the picture files (absolute, row by row) where the layout knows them; None: found by id.
        names: what the labels are called for people, where the layout knows it.
        label_column: holds the labels, where the layout knows it; None: found.
        labels_from: what that column was made from, where it is not one of a file.
    """

    table: pd.DataFrame
    id_column: str
    path: Path
    pictures: tuple[str, ...] | None = None
    names: NameMap | None = None
    label_column: str | None = None
    labels_from: str | None = None

    def source_of(self, column: str) -> str:
        """Where a column's cells come from, for messages."""
        return self.labels_from or f"column {column!r}"


@dataclass(frozen=True, kw_only=True)
class TargetReading:
    """What the rows of the training table are to be predicted as, and how the submission wants it.

    Attributes:
        form: how the table holds it.
        kind, classes, class_names, targets, submission_format, positive_class, top_k, separator: as in
            `Competition`; `targets` in the order of the table's rows.
        texts: what the table says of each row, for messages; `labels` of rows with one label.
        columns: the columns it was read from.
        understood: lines that say what was found and why.
    """

    form: TargetForm
    kind: TargetKind
    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    targets: Truth
    texts: list[str]
    columns: tuple[str, ...]
    submission_format: SubmissionFormat
    understood: tuple[str, ...]
    positive_class: int = 1
    top_k: int = 1
    separator: str = " "


def in_given_order(labels: tuple[str, ...], config: DataConfig, path: Path) -> tuple[str, ...]:
    """The classes as the settings list them, if they do; else as they are.

    Raises:
        UserError: the list lacks a label of the training table, or holds one twice.
    """
    if config.classes is None:
        return labels
    lacking = [label for label in labels if label not in config.classes]
    if lacking:
        raise UserError(
            f"{counted(len(lacking), 'label', 'is', 'are')} missing in the list of classes (data.classes): {first_few(lacking)}",
            where=path,
            fix="Spell them as the training table does.",
        )
    if len(set(config.classes)) != len(config.classes):
        raise UserError("the list of classes (data.classes) holds a label twice", where=path)
    return config.classes


def named(classes: tuple[str, ...], name_map: NameMap | None) -> tuple[tuple[str, ...], list[str]]:
    """Names of the classes for people, and lines on where they come from."""
    if name_map is None:
        return classes, []
    names: Mapping[str, str] = name_map.names
    lines = [f"class names from {name_map.path.name}"]
    unused = [f"{label} {name}" for label, name in names.items() if label not in classes]
    if unused:
        lines.append(
            f"warning: {counted(len(unused), 'class')} of {name_map.path.name} left out, without a training picture: "
            f"{first_few(unused)}"
        )
    return tuple(names.get(label, label) for label in classes), lines


def placeholder_lines(foreign: Sequence[str]) -> list[str]:
    """A warning of labels in the sample submission that the training table does not have, if there are any."""
    if not foreign:
        return []
    return [
        f"warning: the sample submission holds {first_few(foreign)}, which is no training label; taken for a "
        "placeholder"
    ]
