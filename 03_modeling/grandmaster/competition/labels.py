"""Labels and classes: their order, their names for people, and one-hot columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from grandmaster.competition.csv_files import first_few, read_table, require_filled, require_unique
from grandmaster.competition.files import inside
from grandmaster.errors import UserError
from grandmaster.storage import read_json
from grandmaster.texts import counted

# Only files with such a name are opened as a name map: any other could be the competition's answers.
_MAP_FILE = re.compile(
    r"(meta|meta_?data|class(es)?|labels|.*class_?(names?|map)|.*label_?(names?|map)|.*_map|label_\w+_map)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d+")


def are_integers(values: Iterable[str]) -> bool:
    """Whether every text is a whole number as written without a point."""
    return all(_INTEGER.fullmatch(value) for value in values)


def are_numbers(values: Iterable[str]) -> bool:
    """Whether every text is a decimal number."""
    return all(_NUMBER.fullmatch(value) for value in values)


def has_fraction(value: str) -> bool:
    """Whether a text is a decimal number that is not whole; `3.0` is."""
    return are_numbers([value]) and float(value) % 1 != 0


def ordered_classes(labels: Iterable[str]) -> tuple[str, ...]:
    """The different labels: in the order of their numbers where all are whole numbers, else sorted as text."""
    different = set(labels)
    if are_integers(different):
        return tuple(sorted(different, key=lambda label: (int(label), label)))
    return tuple(sorted(different))


def one_hot_labels(table: pd.DataFrame, columns: Sequence[str], id_column: str, path: Path) -> list[str]:
    """The column that holds the 1, for every row.

    Args:
        table: strings; index: line in the file.
        columns: the class columns.
        id_column: names the row in messages.
        path: the file, for messages.

    Returns:
        One of `columns` for each row.

    Raises:
        UserError: a cell that is neither 0 nor 1, or a row that does not have exactly one 1.
    """
    values = table[list(columns)].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    strange = ~np.isin(values, (0.0, 1.0))
    if strange.any():
        row, column = (int(place[0]) for place in np.nonzero(strange))
        raise UserError(
            f"line {table.index[row]} (id {table[id_column].iloc[row]!r}) has "
            f"{table[columns[column]].iloc[row]!r} in column {columns[column]!r}; class columns hold 0 or 1",
            where=path,
        )
    sums = values.sum(axis=1)
    if (sums != 1).any():
        row = int(np.flatnonzero(sums != 1)[0])
        raise UserError(
            f"{int((sums != 1).sum())} pictures do not have exactly one class; the first is line "
            f"{table.index[row]} (id {table[id_column].iloc[row]!r}) with {int(sums[row])}",
            where=path,
            fix="Give each row one 1; for several labels a picture (multi-label) write `kind: multilabel` into "
            "competition.yaml.",
        )
    return [columns[place] for place in values.argmax(axis=1)]


@dataclass(frozen=True, kw_only=True)
class NameMap:
    """Names of classes for people.

    Attributes:
        path: the file it was read from.
        names: label as the training file writes it -> name.
    """

    path: Path
    names: Mapping[str, str]


def find_name_map(root: Path, labels: set[str], *, but: Path | None = None) -> NameMap | None:
    """The name map of a competition: a CSV or JSON file right in its folder, by its name and what it holds.

    A CSV map has a column of labels and one of names (`target,class_name`); a JSON map is one flat object, label
    to name or name to label. A file that shares no label with the training file is something else.

    Args:
        root: the competition's folder.
        labels: of the training table.
        but: the training table itself, which may be called `labels.csv`.

    Raises:
        UserError: a map that is a link out of the folder, two maps that differ, a map that lacks labels of the training file, repeats one or has empty cells.
    """
    found: list[NameMap] = []
    for path in sorted(root.iterdir()):
        if path == but or not path.is_file() or not _MAP_FILE.fullmatch(path.stem):
            continue
        inside(path, root)
        names = {".csv": _csv_map, ".json": _json_map}.get(path.suffix.lower(), _no_map)(path, labels)
        if names is None:
            continue
        lacking = sorted(labels - names.keys())
        if lacking:
            raise UserError(
                f"{counted(len(lacking), 'label')} of the training file without a name: {first_few(lacking)}",
                where=path,
                fix="Add them, or mend the training file; labels must be spelled alike.",
            )
        found.append(NameMap(path=path, names=names))
    for other in found[1:]:
        if other.names != found[0].names:
            raise UserError(
                f"{found[0].path.name} and {other.path.name} name the classes differently",
                where=root,
                fix="Keep one.",
            )
    return found[0] if found else None


def _no_map(path: Path, labels: set[str]) -> None:
    return None


def _csv_map(path: Path, labels: set[str]) -> dict[str, str] | None:
    table = read_table(path)
    if len(table.columns) < 2:
        return None
    overlap = {column: len(labels.intersection(table[column])) for column in table.columns}
    key = max(table.columns, key=lambda column: overlap[column])
    # Where labels repeat all the time it is a table of pictures, not of classes.
    if not overlap[key] or table[key].nunique() < len(table) / 2:
        return None
    others = [column for column in table.columns if column != key]
    name = next((column for column in others if "name" in column.lower()), others[0])
    for column in (key, name):
        require_filled(table, column, path)
    require_unique(table, key, path)
    return dict(zip(table[key], table[name], strict=True))


def _json_map(path: Path, labels: set[str]) -> dict[str, str] | None:
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(value, str | int) for value in content.values()):
        return None
    names = {str(label): str(name) for label, name in content.items()}
    if labels.intersection(names):
        return names
    if not labels.intersection(names.values()):
        return None
    repeated = [label for label, count in Counter(names.values()).items() if count > 1]
    if repeated:
        raise UserError(f"labels are named twice: {first_few(repeated)}", where=path)
    return {label: name for name, label in names.items()}
