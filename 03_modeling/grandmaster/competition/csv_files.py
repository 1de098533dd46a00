"""CSV files as people really write them, read without guessing at what a cell means."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from grandmaster.errors import UserError
from grandmaster.texts import counted

DELIMITERS = (",", ";", "\t")
SNIFFED_ROWS = 50

_UNNAMED = re.compile(r"(Unnamed: \d+)?")


def first_few(items: Sequence[str], shown: int = 5) -> str:
    """`'a', 'b' and 7 more`: enough to find the fault, short enough for one line."""
    text = ", ".join(repr(item) for item in items[:shown])
    return text if len(items) <= shown else f"{text} and {len(items) - shown} more"


def read_table(path: Path, *, may_be_empty: bool = False) -> pd.DataFrame:
    """Read a CSV file with every cell exactly as written.

    `001`, `NA`, `None` and `1e5` stay these strings; nothing becomes a number or a missing value. Comma,
    semicolon and tab dialects, CRLF and a byte-order mark are understood; a nameless column that only counts
    rows (pandas writes one) is left out, and so is one that is wholly empty (a delimiter at the line's end).

    Args:
        path: the file.
        may_be_empty: whether it may have a header and no rows.

    Returns:
        A table of strings; its index is the line of each row in the file (the header is line 1), for messages.

    Raises:
        UserError: no such file, not UTF-8 text, no rows, a row with too many or too few cells, a broken quote,
            or column names that are missing or repeated.
    """
    text = _decoded(path)
    rows: list[list[str]] = []
    lines: list[int] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        for row in reader:
            if row:  # a blank line, mostly at the end, is no row
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise UserError(f"line {reader.line_num} is not CSV: {error}", where=path) from error
    if not rows:
        raise UserError("the file is empty", where=path)
    header, rows, lines = rows[0], rows[1:], lines[1:]
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(header):
            raise UserError(
                f"line {line} has {len(row)} cells, the header has {len(header)}",
                where=path,
                fix="Put cells that hold the delimiter into double quotes, or mend the line.",
            )
    if not rows and not may_be_empty:
        raise UserError("the file has a header but no rows", where=path)
    cells: list[tuple[str, ...]] = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    columns = dict(_named_columns(header, cells, path))
    return pd.DataFrame(columns, index=pd.Index(lines), dtype=str)


def _decoded(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror or error}", where=path) from error
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        # Guessing a code page could change ids and labels without anybody seeing it.
        raise UserError(
            f"not UTF-8 text: byte {error.start} cannot be read", where=path, fix="Save the file as UTF-8."
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UserError(
            f"line {line} holds a NUL, which no text does", where=path, fix="Save the file as UTF-8."
        )
    return text


def _delimiter(text: str) -> str:
    """The delimiter that gives the first rows the same number of cells, and most of them."""
    best, best_rank = DELIMITERS[0], (False, 1)
    for delimiter in DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            widths = [len(row) for row in itertools.islice(reader, SNIFFED_ROWS) if row]
        except csv.Error:
            continue
        if not widths or widths[0] < 2:
            continue
        rank = (len(set(widths)) == 1, widths[0])
        if rank > best_rank:
            best, best_rank = delimiter, rank
    return best


def _named_columns(
    header: list[str], columns: list[tuple[str, ...]], path: Path
) -> Iterable[tuple[str, tuple[str, ...]]]:
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise UserError(f"column names appear twice: {first_few(repeated)}", where=path)
    for number, (name, cells) in enumerate(zip(header, columns, strict=True), start=1):
        if not _UNNAMED.fullmatch(name):
            yield name, cells
        elif any(cells) and not (number == 1 and _counts_rows(cells) and len(header) > 1):
            raise UserError(f"column {number} has no name", where=path, fix="Name it in the header.")


def _counts_rows(cells: Sequence[str]) -> bool:
    """Whether these are the labels of a default pandas index: different whole numbers, without leading zeros."""
    return len(set(cells)) == len(cells) and all(re.fullmatch(r"0|[1-9]\d*", cell) for cell in cells)


def require_filled(table: pd.DataFrame, column: str, path: Path) -> None:
    """Refuse empty cells.

    Raises:
        UserError: names the first such line.
    """
    empty = table.index[table[column].str.strip() == ""]
    if len(empty):
        raise UserError(
            f"{len(empty)} cells of column {column!r} are empty, the first in line {empty[0]}", where=path
        )


def require_unique(table: pd.DataFrame, column: str, path: Path) -> None:
    """Refuse ids that appear twice.

    Raises:
        UserError: names the first such id and both of its lines.
    """
    repeated = table[column].duplicated(keep="first")
    if repeated.any():
        value = table.loc[repeated, column].iloc[0]
        lines = table.index[table[column] == value].tolist()
        raise UserError(
            f"{counted(int(repeated.sum()), 'row', 'repeats', 'repeat')} a {column}; the first is {value!r}, in lines "
            f"{lines[0]} and {lines[1]}",
            where=path,
            fix="Keep one row for each.",
        )
