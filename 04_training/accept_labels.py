# PYTHON_ARGCOMPLETE_OK
"""Turns label errors that a run suspects into `label_fixes.csv`, which the next run follows; `train.csv` stays."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import data_loader
from grandmaster.errors import UserError
from options import BAD_INPUT, DONE, Parser, one_line, parse_flags

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

MOST_SHOWN = 50


def make_parser() -> Parser:
    """Its flags."""
    parser = Parser(
        prog="accept_labels.py",
        description="Shows the label errors that a run suspects (label_suspects.csv) and, with --write, adds them to "
        "the competition's label_fixes.csv. An id that is in that file stays as it is there. "
        "Exit code 0: done; 2: bad input.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--run", metavar="FOLDER", required=True, help="the run's folder below training_results/")
    add("--top", metavar="N", help="the N least credible labels")
    add("--min_confidence", metavar="X", help="labels whose suggestion has at least this probability, 0 to 1")
    add("--fixes", metavar="FILE", help="file to add to (default: the one that the run follows)")
    add("--write", action="store_true", help="write the file; without it nothing is changed")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Show and perhaps write; return the exit code."""
    try:
        options = parse_flags(make_parser(), sys.argv[1:] if argv is None else argv)
        top = None if options.top is None else _number("--top", options.top, int, 1)
        least = (
            None
            if options.min_confidence is None
            else _number("--min_confidence", options.min_confidence, float, 0, 1)
        )
        if top is not None and least is not None:
            raise UserError("--top and --min_confidence are both given", fix="Give one of them")
        if options.write and top is None and least is None:
            raise UserError("--write does not say which suspects", fix="Give --top N or --min_confidence X")
        run = data_loader.resolve(options.run)
        fixes = fixes_file(run) if options.fixes is None else data_loader.resolve(options.fixes)
        return _accept(run, fixes, top, least, write=options.write)
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT


def _accept(run: Path, fixes: Path, top: float | None, least: float | None, *, write: bool) -> int:
    from grandmaster.competition.label_fixes import add_label_fixes
    from grandmaster.storage import write_csv
    from utils import make_console

    console = make_console()
    suspects = read_suspects(run)
    # An empty suggestion is the empty set of labels where it has a probability, else none at all.
    certain = suspects[(suspects["suggested"] != "") | suspects["p_suggested"].notna()]
    chosen = certain if least is None else certain[certain["p_suggested"] >= least]
    chosen = chosen if top is None else chosen.head(int(top))
    if len(chosen):
        console.print(suspects_table(chosen))
    if len(chosen) > MOST_SHOWN:
        console.print(
            f"and {len(chosen) - MOST_SHOWN} more, in {data_loader.shown(run / 'label_suspects.csv')}",
            markup=False,
        )
    if len(suspects) > len(certain):
        console.print(
            f"{len(suspects) - len(certain)} suspects have no suggested label (duplicates that nothing decides "
            "between): add them by hand."
        )
    rows = chosen[["id", "suggested"]].rename(columns={"suggested": "label"})
    table, added = add_label_fixes(fixes, rows)
    told = f"{added} of {len(suspects)} suspects"
    known = f" ({len(chosen) - added} are in it already)" if len(chosen) > added else ""
    if not write:
        console.print(
            f"Would add {told} to {data_loader.shown(fixes)}{known}. Nothing was written: add --write.",
            markup=False,
        )
        return DONE
    if added:
        write_csv(fixes, table)
    console.print(
        f"Added {told} to {data_loader.shown(fixes)}{known}. train.csv is untouched. The next run follows the file; "
        "give it another --experiment_name to compare.",
        markup=False,
    )
    return DONE


def read_suspects(run: Path) -> pd.DataFrame:
    """`label_suspects.csv` of a run, numbers as numbers; without rows where nothing is suspected.

    Raises:
        UserError: no such folder, or the run has not come so far.
    """
    import pandas as pd

    from grandmaster.eda.label_quality import COLUMNS, NUMBERS

    path = run / "label_suspects.csv"
    if not run.is_dir():
        raise UserError(
            f"no such folder: {run}", where="--run", fix="Give a run's folder of training_results/"
        )
    if not path.is_file():
        raise UserError(
            "the run has no label_suspects.csv",
            where=run,
            fix="Repeat its command: the list is made once there are out-of-fold predictions",
        )
    # pandas and not `read_table`, which refuses a table without rows: here it is good news.
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(table.columns) != list(COLUMNS):
        raise UserError("this is not what a run writes", where=path, fix="Repeat the run's command")
    for name in NUMBERS:
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table


def suspects_table(suspects: pd.DataFrame) -> Table:
    """The first suspects, for the screen."""
    import pandas as pd
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from grandmaster.eda.label_quality import NUMBERS

    table = Table(box=SIMPLE_HEAD)
    for name, justify in (("id", "left"), ("label", "left"), ("suggested", "left"), ("quality", "right")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    table.add_column("p(label)", justify="right")
    table.add_column("p(suggested)", justify="right")
    table.add_column("reason", overflow="fold")
    for row in suspects.head(MOST_SHOWN).to_dict("records"):
        numbers = ["-" if pd.isna(row[name]) else f"{row[name]:.3f}" for name in NUMBERS]
        words = [Text(row[name]) for name in ("id", "label", "suggested")]
        table.add_row(*words, *numbers, Text(row["reason"]))
    return table


def fixes_file(run: Path) -> Path:
    """The file that the run follows, or would follow."""
    from grandmaster.competition.label_fixes import FILE_NAME
    from grandmaster.storage import read_json

    path = run / "config.json"
    if not run.is_dir():
        raise UserError(
            f"no such folder: {run}", where="--run", fix="Give a run's folder of training_results/"
        )
    settings = read_json(path)
    try:
        named, data = settings["data"]["label_fixes"], Path(settings["data_path"])
    except (KeyError, TypeError) as error:
        raise UserError(
            "it does not say which data the run is of", where=path, fix="Give --fixes FILE"
        ) from error
    if named is None and not data.is_dir():
        raise UserError(f"the run's data are gone: {data}", where=path, fix="Give --fixes FILE")
    return data / FILE_NAME if named is None else Path(named)


def _number(
    flag: str, text: str, kind: type[int] | type[float], low: float, high: float | None = None
) -> float:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not value >= low or (high is not None and value > high):
        bounds = f">= {low}" if high is None else f"{low} to {high}"
        raise UserError(f"{text!r} is not allowed", where=flag, fix=f"Allowed: {kind.__name__} {bounds}")
    return value


if __name__ == "__main__":
    sys.exit(main())
