# PYTHON_ARGCOMPLETE_OK
"""Notes what the board said of a run in LEADERBOARD.csv, and tells how well cross-validation foretold it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import data_loader
from grandmaster.errors import UserError
from options import BAD_INPUT, DONE, Parser, one_line, parse_flags
from run_folders import find_run

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def make_parser() -> Parser:
    """Its flags."""
    parser = Parser(
        prog="board_score.py",
        description="Notes the board's score of a run in the ledger beside it (LEADERBOARD.csv, which may also be edited "
        "by hand: a run never changes the columns public and private), and shows the ledger. Exit code 0: done; 2: bad "
        "input.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("run", metavar="RUN", help="the run's folder or name")
    add("--public", metavar="SCORE", help="as the public board shows it")
    add("--private", metavar="SCORE", help="as the private board shows it")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Note and show; return the exit code."""
    try:
        options = parse_flags(make_parser(), sys.argv[1:] if argv is None else argv)
        given = {"public": options.public, "private": options.private}
        scores = {board: _number(f"--{board}", text) for board, text in given.items() if text is not None}
        run = find_run(options.run)

        from grandmaster.pipeline.ledger import correlations, ledger_of, record_board
        from utils import make_console

        table = record_board(run, scores)
        console = make_console()
        console.print(ledger_table(table))
        for line in correlations(table):
            console.print(line, soft_wrap=True, markup=False)
        console.print(
            f"Ledger: {data_loader.shown(ledger_of(run))}", style="dim", soft_wrap=True, markup=False
        )
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    return DONE


def _number(flag: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"{text!r} is no number", where=flag, fix="For example 0.9312") from None


def ledger_table(table: pd.DataFrame) -> Table:
    """The ledger for the screen."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=SIMPLE_HEAD)
    shown.add_column("experiment", overflow="fold")
    for name in ("cv", "corrupted", "public", "private"):
        shown.add_column(name, justify="right")
    for row in table.to_dict("records"):
        spans = [
            f"{row[name]} ({row[f'{name}_low']} - {row[f'{name}_high']})" if row[name] else "-"
            for name in ("cv", "corrupted")
        ]
        boards = [row[board] or "-" for board in ("public", "private")]
        shown.add_row(Text(row["experiment"]), *map(Text, [*spans, *boards]))
    return shown


if __name__ == "__main__":
    sys.exit(main())
