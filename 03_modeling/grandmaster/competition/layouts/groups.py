"""Pictures that belong together: of one patient, one place, one series."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from grandmaster.competition.csv_files import first_few
from grandmaster.config import DataConfig
from grandmaster.errors import UserError, did_you_mean
from grandmaster.texts import counted

# What groups are called after, the widest first: a patient has several studies, a place several sequences.
GROUP_WORDS = (
    *("patient", "subject", "person", "participant", "individual", "animal", "family", "case"),
    *("study", "series", "session", "location", "camera", "specimen", "slide", "scene", "video", "clip"),
    *("burst", "sequence", "seq", "group"),
)
_BESIDE = frozenset(("id", "ids", "uid", "instance", "no", "num", "number", "name", "code", "key"))
# Fewer groups than this (or, of few pictures, than a quarter) could not be spread over folds.
FEWEST_GROUPS = 10
LARGEST_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The groups of the training pictures.

    Attributes:
        column: where they were read from; None: every picture is its own.
        values: the group of each picture; its id where it has none.
        understood: lines that say why.
    """

    column: str | None
    values: list[str]
    understood: tuple[str, ...]


def find_groups(
    table: pd.DataFrame, ids: list[str], config: DataConfig, taken: tuple[str, ...], *, path: Path
) -> Groups:
    """Groups from the column that the settings name, or from one that is called like a group and repeats.

    Args:
        table: the training table.
        ids: of its pictures.
        config: may name the column; the id column says that there are no groups.
        taken: columns that hold ids or targets.
        path: of the table's file, for messages.

    Raises:
        UserError: the settings name an unknown column, or one of the targets.
    """
    named = config.group_column
    if named is not None:
        if named not in table.columns:
            raise UserError(
                f"there is no column {named!r} (data.group_column)",
                where=path,
                fix=did_you_mean(named, table.columns),
            )
        if named in taken and table[named].tolist() != ids:
            raise UserError(
                f"column {named!r} (data.group_column) holds the target",
                where=path,
                fix="Name another column.",
            )
        values = _filled(table[named].tolist(), ids)
        line = f"groups: column {named!r}, {counted(len(set(values)), 'group')}, as data.group_column says"
        return Groups(column=None if values == ids else named, values=values, understood=(line,))
    usable: list[str] = []
    lines: list[str] = []
    ranks = {name: rank for name in table.columns if name not in taken and (rank := _rank(name)) is not None}
    for column in sorted(ranks, key=ranks.__getitem__):
        counts = table.loc[table[column].str.strip() != "", column].value_counts()
        if counts.empty or counts.iloc[0] == 1:
            continue
        few = len(counts) < min(FEWEST_GROUPS, max(3, len(ids) // 4))
        if few or counts.iloc[0] > LARGEST_SHARE * len(ids):
            lines.append(
                f"column {column!r} is called like a group, but its {len(counts)} values are too few or too large to "
                f"keep folds apart; kept as metadata only (`group_column: {column}` makes it the group)"
            )
            continue
        usable.append(column)
    if not usable:
        lines.append("groups: no column says which pictures belong together; each is its own")
        return Groups(column=None, values=ids, understood=tuple(lines))
    column = usable[0]
    values = _filled(table[column].tolist(), ids)
    line = (
        f"groups: column {column!r}, {counted(len(set(values)), 'group')} of {counted(len(ids), 'picture')}, because of its name and because "
        "values repeat; pictures of a group stay in one fold"
    )
    if usable[1:]:
        line += f" ({first_few(usable[1:])} would do too; `group_column: {usable[1]}` says so)"
    return Groups(column=column, values=values, understood=(line, *lines))


def _filled(values: list[str], ids: list[str]) -> list[str]:
    return [value if value.strip() else picture_id for value, picture_id in zip(values, ids, strict=True)]


def _rank(name: str) -> int | None:
    """How wide the groups are that a column is called after; None where its name says nothing of groups."""
    words = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)} - _BESIDE
    # `patientid` in one word, as some write it
    words = {re.sub(r"(id|uid)$", "", word) if word not in GROUP_WORDS else word for word in words}
    if not words or not words <= set(GROUP_WORDS):
        return None
    return min(GROUP_WORDS.index(word) for word in words)
