"""Corrected labels in a file of their own, so that `train.csv` stays as the organisers made it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from grandmaster.competition.csv_files import first_few, read_table, require_filled, require_unique
from grandmaster.competition.files import inside
from grandmaster.competition.labels import are_numbers
from grandmaster.competition.table import Competition
from grandmaster.errors import UserError, did_you_mean
from grandmaster.texts import counted

FILE_NAME = "label_fixes.csv"
COLUMNS = ("id", "label")
DROP = "drop"

# A row of `targets`, and the class index where a picture has exactly one.
Target = tuple[tuple[float, ...], int | None]


def with_label_fixes(competition: Competition, given: str | None) -> Competition:
    """The competition with the fixes of `given`, else of `label_fixes.csv` in its folder, else as it is.

    Raises:
        UserError: the file that the settings name is not there, or see `apply_label_fixes`.
    """
    try:
        path = competition.root / FILE_NAME if given is None else Path(given).expanduser()
        there = path.is_file()
    except (OSError, RuntimeError) as error:  # longer than a name can be; `~` of nobody
        raise UserError(
            f"{given!r} names no file: {error}", where="data.label_fixes", fix="Mend the path."
        ) from error
    if there:
        if given is None:
            inside(path, competition.root)
        return apply_label_fixes(competition, path)
    if given is not None:
        raise UserError(f"there is no such file: {path}", where="data.label_fixes", fix="Mend the path.")
    return competition


def label_delimiter(classes: Sequence[str]) -> str:
    """What stands between the labels of one picture in a cell: a blank, or `|` where a label itself holds blanks."""
    return "|" if any(" " in label for label in classes) else " "


def apply_label_fixes(competition: Competition, path: Path) -> Competition:
    """The same competition with labels changed and pictures dropped as a file says.

    Columns `id` (as in the training file) and `label`: the new label exactly as the training file writes it, or
    `drop`. Multilabel: all labels of the picture, divided by blanks (by `|` where a label itself holds blanks); an
    empty cell is a picture without any. Regression: the new value, several divided by blanks.

    Classes and their order stay, also where the last picture of a class goes: predictions must keep their columns.

    Args:
        competition: as the layout was read.
        path: the CSV file.

    Raises:
        UserError: other columns, an id that is unknown or repeated, a label that is no class, or nothing left to
            train on; names the line.
    """
    fixes = read_label_fixes(path)
    row_of = {picture_id: row for row, picture_id in enumerate(competition.train["id"])}
    read = _label_reader(competition, path)
    targets, train = competition.targets.copy(), competition.train.copy()
    dropped = np.zeros(len(train), np.bool_)
    changed = unchanged = 0
    for line, picture_id, text in zip(fixes.index, fixes["id"], fixes["label"], strict=True):
        if picture_id not in row_of:
            raise _unknown_id(picture_id, int(line), competition, path)
        row = row_of[picture_id]
        if text == DROP:
            dropped[row] = True
            continue
        values, index = read(text, int(line))
        new = values if targets.ndim == 2 else values[0]
        if np.array_equal(targets[row], np.asarray(new, targets.dtype)):
            unchanged += 1
            continue
        targets[row] = new
        if index is not None:
            train.loc[train.index[row], "label"] = index
        changed += 1
    if dropped.all():
        raise UserError("it drops every training picture", where=path, fix="Take rows out of it.")
    told = (
        f"{path.name}: {counted(changed, 'label')} changed, {counted(int(dropped.sum()), 'picture')} dropped"
    )
    told += f", {counted(unchanged, 'row', 'says', 'say')} what is so already" if unchanged else ""
    kept = targets[~dropped]
    return dataclasses.replace(
        competition,
        train=train[~dropped].reset_index(drop=True),
        targets=kept,
        understood=(*competition.understood, told, *_vanished(competition, kept, path)),
    )


def read_label_fixes(path: Path) -> pd.DataFrame:
    """The rows of a file of fixes, as text; the index is the line in the file.

    Raises:
        UserError: not a table with exactly the columns `id` and `label`, an empty or a repeated id.
    """
    fixes = read_table(path)
    if set(fixes.columns) != set(COLUMNS):
        raise UserError(
            f"its columns are {first_few(list(fixes.columns))}",
            where=path,
            fix=f"They have to be id and label; label is the new one, or {DROP}.",
        )
    require_filled(fixes, "id", path)
    require_unique(fixes, "id", path)
    return fixes[list(COLUMNS)]


def _label_reader(competition: Competition, path: Path) -> Callable[[str, int], Target]:
    """A function from a cell's text and its line to the target."""
    position = {label: place for place, label in enumerate(competition.classes)}

    def index_of(label: str, line: int) -> int:
        if label not in position:
            raise UserError(
                f"line {line}: {label!r} is not a label of the training file, nor {DROP}",
                where=path,
                fix=did_you_mean(label, position),
            )
        return position[label]

    def one_class(text: str, line: int) -> Target:
        index = index_of(text, line)
        return (float(index),), index

    def label_set(text: str, line: int) -> Target:
        parts = text.split(label_delimiter(competition.classes))
        chosen = {index_of(part.strip(), line) for part in parts if part.strip()}
        return tuple(float(place in chosen) for place in range(len(position))), None

    def numbers(text: str, line: int) -> Target:
        parts = text.split()
        if len(parts) != competition.targets.shape[1] or not are_numbers(parts):
            raise UserError(
                f"line {line}: {text!r} is not {competition.targets.shape[1]} numbers, nor {DROP}", where=path
            )
        return tuple(float(part) for part in parts), None

    if DROP in position:
        raise UserError(
            f"{DROP!r} is a class of this competition, so the file cannot say which pictures to leave out",
            where=path,
            fix="Remove this file.",
        )
    return {"multilabel": label_set, "regression": numbers}.get(competition.kind, one_class)


def _unknown_id(picture_id: str, line: int, competition: Competition, path: Path) -> UserError:
    """Mostly an id with or without its extension, or one of a test picture."""
    ids = competition.train["id"]
    near = ids[ids.map(lambda known: PurePosixPath(known).stem) == PurePosixPath(picture_id).stem]
    if picture_id in set(competition.test["id"]):
        fix = "It is a test picture; those have no labels."
    elif len(near):
        fix = f"Did you mean {near.iloc[0]!r}?"
    else:
        fix = f"Write ids as the training file does, for example {ids.iloc[0]!r}."
    return UserError(f"line {line}: no training picture has the id {picture_id!r}", where=path, fix=fix)


def _vanished(competition: Competition, kept: np.ndarray[tuple[int, ...], np.dtype], path: Path) -> list[str]:
    """A warning where a class has lost its last picture."""
    if competition.kind == "regression":
        return []

    def counts(targets: np.ndarray[tuple[int, ...], np.dtype]) -> np.ndarray[tuple[int, ...], np.dtype]:
        if competition.kind == "multilabel":
            return np.asarray(targets.sum(axis=0))
        return np.bincount(targets.reshape(-1).astype(np.int64), minlength=len(competition.classes))

    gone = (counts(competition.targets) > 0) & (counts(kept) == 0)
    lost = [label for label, missing in zip(competition.classes, gone, strict=True) if missing]
    if not lost:
        return []
    return [
        f"warning: {path.name} leaves no training picture of {counted(len(lost), 'class')}: {first_few(lost)}"
    ]


def add_label_fixes(path: Path, new: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Rows of a file of fixes with new ones behind them; what the file says already of an id stays. Writes nothing.

    Args:
        path: the file, which need not be there yet.
        new: columns `id` and `label`, ids unique.

    Returns:
        Columns `id`, `label`; and how many of the new rows are in it.

    Raises:
        UserError: the file that is there is not a file of fixes.
    """
    known = read_label_fixes(path) if path.is_file() else pd.DataFrame(columns=list(COLUMNS), dtype=str)
    added = new.loc[~new["id"].isin(known["id"]), list(COLUMNS)]
    return pd.concat([known, added], ignore_index=True), len(added)
