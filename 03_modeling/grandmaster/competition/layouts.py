"""The ways in which a competition's files can be laid out, each read by one function.

A layout looks at a `CompetitionFolder` and either returns a `Reading` or raises `NotThisLayout` with what speaks
against it. What is wrong with data that does fit raises `UserError`. A new layout is one function and one line
in `LAYOUTS`, which are tried in that order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from grandmaster.competition.csv_files import first_few, require_filled, require_unique
from grandmaster.competition.folder import CompetitionFolder, NotThisLayout
from grandmaster.competition.label_columns import read_labels
from grandmaster.competition.table import SubmissionFormat
from grandmaster.errors import UserError, did_you_mean


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
    labels = read_labels(folder, train_id, targets, one_hot=one_hot)
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
    pairs = zip(ids, paths, strict=True)
    with_suffix = sum(picture_id.endswith(path[path.rindex(".") :]) for picture_id, path in pairs)
    kinds = Counter({"with extension": with_suffix, "without extension": len(ids) - with_suffix})
    return f"(file names {' or '.join(kind for kind, count in kinds.items() if count)})"
