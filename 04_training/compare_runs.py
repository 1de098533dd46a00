# PYTHON_ARGCOMPLETE_OK
"""Is run B better than run A? On the same data and folds, with intervals and a verdict."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import data_loader
from grandmaster.errors import UserError
from grandmaster.language import language
from messages import text
from options import BAD_INPUT, DONE, Parser, one_line, parse_flags
from run_folders import find_finished_run, find_run

if TYPE_CHECKING:
    from rich.table import Table

    from grandmaster.language import Speaker
    from grandmaster.pipeline.run_comparison import RunsCompared


def make_parser() -> Parser:
    """Its flags."""
    parser = Parser(
        prog="compare_runs.py",
        description="Compares every later run with the first one on the out-of-fold predictions of the same pictures: "
        "paired bootstrap over groups of pictures, and the corrected t interval (Nadeau & Bengio 2003) over folds and "
        "seeds. Also writes one HTML file that shows all of it. Exit code 0: compared; 2: bad input, also runs of other "
        "data, folds or metric.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "runs",
        metavar="RUN",
        nargs="+",
        help="a run's folder or name; several seeds of one recipe with commas: a1,a2,a3",
    )
    add("--data_path", metavar="FOLDER", help="the competition's folder, where it has moved")
    add(
        "--html",
        metavar="FILE",
        help="where the page with scores, differences, curves, classes and times of the runs is written (default: "
        "comparisons/<run>_vs_<run>.html beside the first run)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables and sentences, and return the exit code."""
    try:
        options = parse_flags(make_parser(), sys.argv[1:] if argv is None else argv)
        if len(options.runs) < 2:
            raise UserError("one run is given, and nothing to compare it with", fix="Give two runs or more")
        data = None if options.data_path is None else data_loader.resolve(options.data_path)
        folders = [_folders(given) for given in options.runs]
        _compare(folders, data, None if options.html is None else Path(options.html).expanduser().resolve())
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    return DONE


def _folders(given: str) -> list[Path]:
    """One run, or the runs between commas; a name that has commas in it is one run."""
    names = [given]
    try:
        find_run(given)
    except UserError:
        if "," not in given:
            raise
        names = [name for name in given.split(",") if name]
    return [find_finished_run(name) for name in names]


def _compare(folders: Sequence[Sequence[Path]], data: Path | None, page: Path | None) -> None:
    from grandmaster.pipeline.comparison_report import default_place, write_comparison_page
    from grandmaster.pipeline.finished import open_run
    from grandmaster.pipeline.run_comparison import compare_runs
    from grandmaster.report.run_comparison import require_own
    from grandmaster.report.texts import speaker
    from utils import make_console

    console, say = make_console(), speaker(language())
    place = page or default_place(folders)
    require_own(place)
    sides = [[open_run(folder, data_path=data) for folder in side] for side in folders]
    first, *others = sides
    pairs = [compare_runs(first, other) for other in others]
    for found in pairs:
        console.print(comparison_table(found, say))
        console.print(found.sentence_in(say), soft_wrap=True, markup=False, style="bold")
        for note in found.notes:
            console.print(f"{note.said(say)}.", soft_wrap=True, markup=False, style="dim")
    if len(others) > 1:
        console.print(say("runs.best_of_many", count=len(others)), soft_wrap=True, style="dim")
    write_comparison_page(place, sides, pairs, language())
    console.print(text("compare.page", path=data_loader.shown(place)), soft_wrap=True, markup=False)


def comparison_table(found: RunsCompared, say: Speaker) -> Table:
    """Clean and corrupted, a line each."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from grandmaster.report.run_comparison import comparison_cells

    title = Text(f"{found.first} → {found.second}, {say.counted('runs.row_count', found.rows)}")
    # At 80 columns words and intervals are wrapped, and no column is left out.
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(say("shared.pictures"))
    for name in ("runs.before", "runs.after", "shared.gain"):
        table.add_column(say(name), justify="right", no_wrap=True)
    for name in ("modes.bootstrap", "compared.corrected"):
        table.add_column(say(name), justify="right")
    table.add_column(say("runs.ahead"), justify="right")
    table.add_column(say("runs.verdict"))
    for name, one in (("runs.clean", found.clean), ("runs.corrupted", found.corrupted)):
        if one is not None:
            table.add_row(say(name), *comparison_cells(one, say))
    return table


if __name__ == "__main__":
    sys.exit(main())
