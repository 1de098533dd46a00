"""The ways in which a competition's files can be laid out, each read by one function.

A layout looks at a `CompetitionFolder` and either returns a `Reading` or raises `NotThisLayout` with what speaks
against it. What is wrong with data that does fit raises `UserError`. A new layout is one function and one line
in `LAYOUTS`, which are tried in that order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from grandmaster.competition.csv_files import first_few, require_filled, require_unique
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
class Reading:
    """What a layout makes of a folder.

    Attributes:
        train: columns `id`, `path`, `label` (the label's text) and `meta_<column>`, in any order of rows.
        test: columns `id`, `path`, in the order of the sample submission.
        sample_submission: every cell a string.
        id_column, target_columns: of the sample submission.
        submission_format: what it asks for.
        classes: in frozen order; for class probabilities, `classes[i]` belongs to `target_columns[i]`.
        class_names: the same order.
        understood: lines that say what was found.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    sample_submission: pd.DataFrame
    id_column: str
    target_columns: tuple[str, ...]
    submission_format: SubmissionFormat
    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    understood: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A named way of laying out files.

    Attributes:
        title: what it looks like, in one line.
        read: the function that reads it.
    """

    title: str
    read: Callable[[CompetitionFolder], Reading]


@dataclass(frozen=True, kw_only=True)
class _Labels:
    """The labels of the training file, and what the submission makes of them."""

    texts: list[str]
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    submission_format: SubmissionFormat
    understood: tuple[str, ...]


def _read_split_folders(folder: CompetitionFolder) -> Reading:
    folder.path("train"), folder.path("sample")
    splits = folder.pictures.split_folders
    for split in ("train", "test"):
        if not splits[split]:
            raise NotThisLayout(f"there is no {split} folder with pictures")
    return _read_tables(folder, one_hot=False)


def _read_one_folder(folder: CompetitionFolder) -> Reading:
    folder.path("train"), folder.path("sample")
    if not folder.pictures.pictures:
        raise NotThisLayout("there are no pictures")
    return _read_tables(folder, one_hot=True)


LAYOUTS: dict[str, Layout] = {
    "L1": Layout(
        title="train.csv with one label a picture, pictures in train/ and test/",
        read=_read_split_folders,
    ),
    "L3": Layout(
        title="train.csv with a label column or one-hot class columns, train and test pictures in shared folders",
        read=_read_one_folder,
    ),
}


def _read_tables(folder: CompetitionFolder, *, one_hot: bool) -> Reading:
    """`train.csv` and `sample_submission.csv`, with pictures found by id."""
    train, sample = folder.table("train"), folder.table("sample")
    train_path, sample_path = folder.path("train"), folder.path("sample")
    id_column, train_id = _id_columns(folder)
    targets = tuple(column for column in sample.columns if column != id_column)
    for table, column, path in ((sample, id_column, sample_path), (train, train_id, train_path)):
        require_filled(table, column, path)
    require_unique(sample, id_column, sample_path)
    labels = _labels(folder, train_id, targets, one_hot=one_hot)
    _require_one_row_each(train, train_id, labels.texts, folder)
    test_ids, test_line = _test_ids(folder, id_column)

    train_ids = train[train_id].tolist()
    table = pd.DataFrame(
        {
            "id": train_ids,
            "path": folder.pictures.match(train_ids, split="train", where=train_path),
            "label": labels.texts,
        }
    )
    meta = [column for column in train.columns if column not in (train_id, *labels.columns)]
    for column in meta:
        table[f"meta_{column}"] = train[column].to_numpy()
    test = pd.DataFrame(
        {"id": test_ids, "path": folder.pictures.match(test_ids, split="test", where=sample_path)}
    )
    understood = [
        f"{len(table)} training pictures from {train_path.name}, ids in column {train_id!r} "
        f"{_id_form(train_ids, table['path'].tolist())}",
        test_line,
        *labels.understood,
    ]
    if meta:
        understood.append(f"further columns of {train_path.name} are kept: {', '.join(map(repr, meta))}")
    shared = sorted(set(table["path"]).intersection(test["path"]))
    if shared:
        understood.append(
            f"warning: {len(shared)} pictures are both training and test pictures: {first_few(shared)}"
        )
    return Reading(
        train=table,
        test=test,
        sample_submission=sample.reset_index(drop=True),
        id_column=id_column,
        target_columns=targets,
        submission_format=labels.submission_format,
        classes=labels.classes,
        class_names=labels.class_names,
        understood=tuple(understood),
    )


def _id_columns(folder: CompetitionFolder) -> tuple[str, str]:
    """The id columns of the sample submission and of the training file."""
    train, sample = folder.table("train"), folder.table("sample")
    wanted = folder.config.id_column
    if len(sample.columns) < 2:
        raise UserError(
            f"it has one column ({sample.columns[0]!r}); ids and at least one target are needed",
            where=folder.path("sample"),
        )
    if wanted is not None and wanted not in train.columns:
        raise UserError(
            f"there is no column {wanted!r} (data.id_column)",
            where=folder.path("train"),
            fix=did_you_mean(wanted, train.columns),
        )
    id_column = wanted if wanted is not None and wanted in sample.columns else sample.columns[0]
    train_id = wanted or id_column
    if train_id not in train.columns:
        raise NotThisLayout(
            f"train.csv has no column {id_column!r} as the sample submission has; it has "
            f"{first_few(list(train.columns))} (data.id_column names the right one)"
        )
    return id_column, train_id


def _test_ids(folder: CompetitionFolder, id_column: str) -> tuple[list[str], str]:
    """Ids of the test pictures in the sample's order; checked against `test.csv` where there is one."""
    ids = folder.table("sample")[id_column].tolist()
    name = folder.path("sample").name
    if not folder.has("test"):
        return ids, f"{len(ids)} test pictures from {name}; there is no test.csv"
    test, path = folder.table("test"), folder.path("test")
    column = id_column if id_column in test.columns else test.columns[0]
    require_filled(test, column, path)
    require_unique(test, column, path)
    for extra, one, other in (
        (sorted(set(test[column]) - set(ids)), path.name, name),
        (sorted(set(ids) - set(test[column])), name, path.name),
    ):
        if extra:
            raise UserError(
                f"{len(extra)} test ids are in {one} but not in {other}: {first_few(extra)}",
                where=folder.root,
                fix="Take both files from the same download.",
            )
    return ids, f"{len(ids)} test pictures from {name}, the same ids as in {path.name}"


def _labels(folder: CompetitionFolder, train_id: str, targets: tuple[str, ...], *, one_hot: bool) -> _Labels:
    """The training labels, from one column or from one-hot columns."""
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
    elif len(targets) == 1 and len(others) == 1:
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


def _one_hot(folder: CompetitionFolder, train_id: str, targets: tuple[str, ...]) -> _Labels:
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
    return _Labels(
        texts=texts,
        columns=targets,
        classes=targets,
        class_names=targets,
        submission_format="class_probabilities",
        understood=tuple(lines),
    )


def _one_column(folder: CompetitionFolder, column: str, targets: tuple[str, ...]) -> _Labels:
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
    return _Labels(
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


def _require_one_row_each(
    train: pd.DataFrame, train_id: str, texts: list[str], folder: CompetitionFolder
) -> None:
    """Refuse training ids that appear twice, saying so when their labels differ."""
    ids, path = train[train_id].tolist(), folder.path("train")
    first: dict[str, tuple[int, str]] = {}
    for line, picture_id, label in zip(train.index, ids, texts, strict=True):
        earlier_line, earlier_label = first.setdefault(picture_id, (line, label))
        if earlier_label != label:
            raise UserError(
                f"id {picture_id!r} has label {earlier_label!r} in line {earlier_line} and {label!r} in line {line}",
                where=path,
                fix="Keep the right row.",
            )
    require_unique(train, train_id, path)


def _id_form(ids: Sequence[str], paths: Sequence[str]) -> str:
    """How the ids name their files, for the person."""
    with_suffix = sum(path.endswith(picture_id) for picture_id, path in zip(ids, paths, strict=True))
    kinds = Counter({"with extension": with_suffix, "without extension": len(ids) - with_suffix})
    return f"(file names {' or '.join(kind for kind, count in kinds.items() if count)})"
