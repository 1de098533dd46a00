"""Which columns of the training file hold the labels, and what the sample submission asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from grandmaster.competition.csv_files import first_few, require_filled
from grandmaster.competition.folder import CompetitionFolder, NotThisLayout
from grandmaster.competition.labels import (
    are_integers,
    are_numbers,
    find_name_map,
    one_hot_labels,
    ordered_classes,
)
from grandmaster.competition.table import SubmissionFormat
from grandmaster.errors import UserError, did_you_mean

PROBABILITY_SUM_TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class LabelReading:
    """The labels of the training file, and the form in which the submission wants them.

    Attributes:
        texts: the label of each row.
        columns: the columns they were read from.
        classes: in frozen order; for class probabilities, in the order of the submission's columns.
        class_names: the same order.
        submission_format: what the sample submission asks for.
        understood: lines that say what was found.
    """

    texts: list[str]
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    submission_format: SubmissionFormat
    understood: tuple[str, ...]


def read_labels(
    folder: CompetitionFolder, train_id: str, targets: tuple[str, ...], *, one_hot: bool
) -> LabelReading:
    """Find and read the training labels, from one column or from one-hot columns.

    Args:
        folder: with a training file and a sample submission.
        train_id: the id column of the training file.
        targets: the sample submission's columns beside its ids.
        one_hot: whether the layout may have a column for each class.

    Raises:
        NotThisLayout: there are no such labels, or another kind of task is asked for.
        UserError: an unknown column is named in the settings, a cell is empty, rows are not one-hot, there is
            only one class, or the name map does not fit.
    """
    train, path = folder.table("train"), folder.path("train")
    wanted = folder.config.target_column
    if wanted is not None and wanted not in train.columns:
        raise UserError(
            f"there is no column {wanted!r} (data.target_column)",
            where=path,
            fix=did_you_mean(wanted, train.columns),
        )
    if wanted is None and len(targets) > 1 and set(targets) <= set(train.columns):
        if not one_hot:
            raise NotThisLayout("train.csv has one column for each class")
        return _one_hot(folder, train_id, targets)
    others = [column for column in train.columns if column != train_id]
    if wanted is not None:
        column = wanted
    elif len(targets) == 1 and targets[0] in train.columns:
        column = targets[0]
    elif len(others) == 1:
        column = others[0]
    else:
        fitting = [column for column in others if _names_columns(train[column], targets)]
        if len(fitting) != 1:
            raise NotThisLayout(
                f"no label column was found in train.csv for the sample's {first_few(targets, 3)}; it has "
                f"{first_few(others)} (data.target_column names the right one)"
            )
        column = fitting[0]
    require_filled(train, column, path)
    return _one_column(folder, column, targets)


def _names_columns(labels: pd.Series, targets: tuple[str, ...]) -> bool:
    """Whether the values of a column are names of the submission's columns."""
    return len(targets) > 1 and set(labels) <= set(targets)


def _one_hot(folder: CompetitionFolder, train_id: str, targets: tuple[str, ...]) -> LabelReading:
    train, path = folder.table("train"), folder.path("train")
    texts = one_hot_labels(train, targets, train_id, path)
    _require_probabilities(folder, targets)
    absent = [column for column in targets if column not in set(texts)]
    lines = [
        f"labels: one-hot columns; {len(targets)} classes in the order of the sample submission's columns",
        _probability_line(folder),
    ]
    if absent:
        lines.append(f"warning: classes without a training picture: {first_few(absent)}")
    return LabelReading(
        texts=texts,
        columns=targets,
        classes=targets,
        class_names=targets,
        submission_format="class_probabilities",
        understood=tuple(lines),
    )


def _one_column(folder: CompetitionFolder, column: str, targets: tuple[str, ...]) -> LabelReading:
    train, path = folder.table("train"), folder.path("train")
    texts = train[column].tolist()
    classes = ordered_classes(texts)
    _refuse_other_tasks(column, texts, classes)
    if len(classes) < 2:
        raise UserError(f"column {column!r} holds one class only: {classes[0]!r}", where=path)
    name_map = find_name_map(folder.root, set(classes))
    names = dict(name_map.names) if name_map else {}
    form = "whole numbers, in numeric order" if are_integers(classes) else "text, in alphabetic order"
    lines = []
    submission_format: SubmissionFormat = "hard_label"
    if len(targets) == 1:
        lines.append(f"labels: column {column!r}, {len(classes)} classes: {form}")
        lines += _hard_label_lines(folder, targets[0], classes)
    else:
        classes = _classes_of_columns(targets, classes, names)
        _require_probabilities(folder, targets)
        submission_format = "class_probabilities"
        lines.append(
            f"labels: column {column!r}, {len(classes)} classes in the order of the sample submission's columns"
        )
        lines.append(_probability_line(folder))
        absent = sorted(set(classes) - set(texts))
        if absent:
            lines.append(f"warning: classes without a training picture: {first_few(absent)}")
    if name_map:
        lines.append(f"class names from {name_map.path.name}")
        unused = [f"{label} {names[label]}" for label in names if label not in classes]
        if unused:
            lines.append(
                f"warning: {len(unused)} classes of {name_map.path.name} have no training picture and "
                f"are left out: {first_few(unused)}"
            )
    return LabelReading(
        texts=texts,
        columns=(column,),
        classes=classes,
        class_names=tuple(names.get(label, label) for label in classes),
        submission_format=submission_format,
        understood=tuple(lines),
    )


def _refuse_other_tasks(column: str, texts: list[str], classes: tuple[str, ...]) -> None:
    """Leave label columns that ask for something else than one class to other layouts.

    Raises:
        NotThisLayout: several labels in one cell, or numbers with a fraction.
    """
    several = [label for label in classes if len(label.split()) > 1]
    alone = set(classes)
    if several and all(alone.issuperset(label.split()) or are_integers(label.split()) for label in several):
        raise NotThisLayout(f"column {column!r} holds several labels in a cell, such as {several[0]!r}")
    if are_numbers(classes) and any(float(label) % 1 for label in classes):
        raise NotThisLayout(
            f"column {column!r} holds numbers with a fraction: a value to estimate, not a class"
        )


def _hard_label_lines(folder: CompetitionFolder, target: str, classes: tuple[str, ...]) -> list[str]:
    """What the sample's single target column asks for; anything but a label is refused.

    Raises:
        NotThisLayout: it holds a probability or an estimated value.
    """
    given = set(folder.table("sample")[target])
    lines = [f"submission: one label for each picture in column {target!r}"]
    foreign = sorted(given - set(classes))
    if foreign and are_numbers(foreign) and not are_integers(foreign):
        raise NotThisLayout(
            f"column {target!r} of the sample submission holds {foreign[0]!r}: a probability or an estimated "
            "value, not a class"
        )
    if foreign:
        lines.append(
            f"warning: the sample submission holds {first_few(foreign)}, which is no training label; taken for a "
            "placeholder"
        )
    return lines


def _classes_of_columns(
    targets: tuple[str, ...], classes: tuple[str, ...], names: dict[str, str]
) -> tuple[str, ...]:
    """The class of each submission column: the column is the label, or the label's name in the name map.

    Raises:
        NotThisLayout: a class has no column, or a column no class.
    """
    if set(classes) <= set(targets):
        return targets
    label_of = {name: label for label, name in names.items()}
    if len(label_of) == len(names) and set(targets) == {names.get(label, label) for label in classes}:
        return tuple(label_of[target] for target in targets)
    lacking = sorted(set(classes) - set(targets))
    raise NotThisLayout(f"the sample submission has no column for the labels {first_few(lacking)}")


def _require_probabilities(folder: CompetitionFolder, targets: Sequence[str]) -> None:
    """Refuse a wide sample whose cells are no class probabilities.

    Raises:
        NotThisLayout: text cells, or rows that neither sum to 1 nor are all alike.
    """
    values = folder.table("sample")[list(targets)].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    if not np.isfinite(values).all():
        raise NotThisLayout("the sample submission's target columns hold something else than numbers")
    sums_to_one = np.abs(values.sum(axis=1) - 1) <= PROBABILITY_SUM_TOLERANCE
    if not sums_to_one.all() and not (values == values[0, 0]).all():
        raise NotThisLayout(
            "rows of the sample submission neither sum to 1 nor hold one constant: independent probabilities, "
            "not one class for each picture"
        )


def _probability_line(folder: CompetitionFolder) -> str:
    columns = len(folder.table("sample").columns) - 1
    return (
        f"submission: the probability of every class, {columns} columns, because the sample has one for each"
    )
