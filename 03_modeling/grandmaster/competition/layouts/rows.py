"""L13: several pictures belong to one row of the submission, mostly `{folder}/{patient}/{image}`."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from grandmaster.competition.csv_files import first_few, require_filled, require_unique
from grandmaster.competition.description import ambiguous
from grandmaster.competition.files import Split
from grandmaster.competition.folder import CompetitionFolder, NotThisLayout
from grandmaster.competition.layouts.reading import Reading
from grandmaster.competition.layouts.tables import (
    Evidence,
    PicturesToPredict,
    Tables,
    names_pictures,
    picture_columns,
    require_same_ids,
    sample_form,
)
from grandmaster.competition.sample_form import SampleForm
from grandmaster.competition.targets import TrainingTable
from grandmaster.errors import UserError
from grandmaster.texts import counted

# What may stand between the parts of a row's id, such as `10008_L` of patient 10008 and side L.
JOINTS = ("_", "-", "/", " ", "")


def read_rows(evidence: Evidence) -> Reading:
    """The sample's ids are no pictures: `test.csv` says which pictures are meant, or folders are called so.

    Raises:
        NotThisLayout: a row is a picture, or nothing says which pictures a row has.
        UserError: rows without pictures, ids that contradict each other.
    """
    folder = evidence.folder
    folder.path("train"), folder.path("sample")
    if not folder.pictures.pictures:
        raise NotThisLayout("there are no pictures")
    sample = sample_form(folder)
    rows = sample.table[sample.id_column]
    if names_pictures(folder, rows, "test"):
        raise NotThisLayout("the sample submission's ids name pictures, one a row")
    if folder.has("test") and sample.id_column in folder.table("test").columns:
        tables, test, train_rows, line = _by_table(folder, sample)
    elif all(folder.pictures.in_folder(row, "test") for row in rows):
        tables, test, train_rows, line = _by_folder(folder, sample)
    else:
        raise NotThisLayout(
            "the sample submission's ids name neither pictures nor folders, and there is no test.csv with them"
        )
    lines = [
        line,
        f"aggregation: a row of the submission takes the mean of its pictures' predictions ({counted(len(rows), 'row')}, "
        f"{counted(len(test.ids), 'picture')})",
    ]
    if train_rows is not None:
        different = _contradictory(train_rows, tables.targets.texts)
        if different:
            lines.append(
                f"warning: pictures of {len(different)} training rows are labelled differently: {first_few(different)}"
            )
    reading = tables.read(test=test, rows=train_rows)
    return replace(reading, understood=(*reading.understood, *lines))


_Found = tuple[Tables, PicturesToPredict, list[str] | None, str]


def _by_table(folder: CompetitionFolder, sample: SampleForm) -> _Found:
    """`test.csv` holds both the id of the row and that of the picture."""
    train, test, path = folder.table("train"), folder.table("test"), folder.path("test")
    row_column = sample.id_column
    column = _picture_column(folder, test, "test", row_column)
    train_column = column if column in train.columns else _picture_column(folder, train, "train", row_column)
    for table, name, where in (
        (test, column, path),
        (test, row_column, path),
        (train, train_column, folder.path("train")),
    ):
        require_filled(table, name, where)
    require_unique(test, column, path)
    rows = sample.table[row_column].tolist()
    require_same_ids(rows, sample.path.name, test[row_column].tolist(), path.name, folder)
    place = {row: number for number, row in enumerate(rows)}
    ordered = test.assign(_place=test[row_column].map(place)).sort_values("_place", kind="stable")
    ids = ordered[column].tolist()
    pictures = PicturesToPredict(
        ids=ids,
        rows=ordered[row_column].tolist(),
        paths=folder.pictures.match(ids, split="test", where=path),
        understood=(f"{len(ids)} test pictures from {path.name}, ids in column {column!r}",),
    )
    tables = Tables(
        folder=folder,
        training=TrainingTable(table=train, id_column=train_column, path=folder.path("train")),
        sample=sample,
    )
    if row_column in train.columns:
        return tables, pictures, train[row_column].tolist(), f"rows: column {row_column!r}, in both tables"
    parts, joint = _composition(test, row_column, [name for name in test.columns if name in train.columns])
    if not parts:
        line = (
            f"warning: {folder.path('train').name} has no column {row_column!r} and no columns that make it up: "
            "validation scores pictures, not rows"
        )
        return tables, pictures, None, line
    line = f"rows: {row_column!r} is {joint.join(parts)!r} in {path.name}, so it is in {folder.path('train').name}"
    return tables, pictures, _joined(train, parts, joint), line


def _picture_column(folder: CompetitionFolder, table: pd.DataFrame, split: Split, but: str) -> str:
    """The column that names the pictures.

    Raises:
        NotThisLayout: none does.
        UserError: several may.
    """
    wanted = folder.config.id_column
    if wanted is not None and wanted in table.columns:
        return wanted
    fitting = picture_columns(folder, table, split, but=(but,))
    if len(fitting) > 1:
        raise ambiguous(
            f"columns {first_few(fitting)} may each hold the ids of the pictures",
            folder.path(split),
            [(f"id_column: {column}", "this one") for column in fitting[:3]],
        )
    if not fitting:
        raise NotThisLayout(f"no column of {folder.path(split).name} names the pictures")
    return fitting[0]


def _composition(table: pd.DataFrame, whole: str, columns: list[str]) -> tuple[tuple[str, ...], str]:
    """The columns, and what stands between them, that make up the ids of rows; none: `((), "")`."""
    first, wanted = table.iloc[0], table[whole].tolist()
    choices = [name for name in columns if name != whole]
    for count in (1, 2, 3):
        for parts in itertools.permutations(choices, count):
            for joint in JOINTS if count > 1 else ("",):
                # The first row refutes nearly all of them.
                if (
                    joint.join(first[name] for name in parts) == wanted[0]
                    and _joined(table, parts, joint) == wanted
                ):
                    return parts, joint
    return (), ""


def _joined(table: pd.DataFrame, columns: Sequence[str], joint: str) -> list[str]:
    return [joint.join(cells) for cells in zip(*(table[name] for name in columns), strict=True)]


def _by_folder(folder: CompetitionFolder, sample: SampleForm) -> _Found:
    """The ids of both tables are names of folders; all pictures below one belong to its row."""
    train, path = folder.table("train"), folder.path("train")
    key = sample.id_column
    if key not in train.columns:
        raise NotThisLayout(f"{path.name} has no column {key!r} as the sample submission has")
    require_filled(train, key, path)
    require_unique(train, key, path)
    found = {row: folder.pictures.in_folder(row, "train") for row in train[key]}
    empty = [row for row, pictures in found.items() if not pictures]
    if empty:
        raise UserError(
            f"{len(empty)} training ids have no folder with pictures: {first_few(empty)}", where=path
        )
    counts = [len(found[row]) for row in train[key]]
    column = next(name for name in ("picture", "picture_path", "picture_file") if name not in train.columns)
    names = [picture for row in train[key] for picture in found[row]]
    table = train.loc[train.index.repeat(counts)].assign(**{column: names})
    hidden = {row: folder.pictures.in_folder(row, "test") for row in sample.table[key]}
    ids = [picture for pictures in hidden.values() for picture in pictures]
    test = PicturesToPredict(
        ids=ids,
        rows=[row for row, pictures in hidden.items() for _ in pictures],
        paths=folder.pictures.match(ids, split="test", where=sample.path),
        understood=(f"{counted(len(ids), 'test picture')} in folders that {sample.path.name} names",),
    )
    tables = Tables(
        folder=folder,
        training=TrainingTable(
            table=table,
            id_column=column,
            path=path,
            pictures=tuple(folder.pictures.match(names, split="train", where=path)),
        ),
        sample=sample,
    )
    return tables, test, table[key].tolist(), f"rows: {key!r} names folders of pictures"


def _contradictory(rows: list[str], labels: list[str]) -> list[str]:
    """Rows whose pictures have different labels."""
    found: dict[str, set[str]] = defaultdict(set)
    for row, label in zip(rows, labels, strict=True):
        found[row].add(label)
    return [row for row, different in found.items() if len(different) > 1]
