# PYTHON_ARGCOMPLETE_OK
"""Chooses two final submissions among the finished runs: the best by cross-validation, and a good one that differs most."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import data_loader
import options as flags
from grandmaster.errors import UserError, did_you_mean
from options import BAD_INPUT, DONE, Parser, one_line, parse_flags
from run_folders import find_finished_run, runs_in

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from grandmaster.pipeline.choosing import Choice
    from grandmaster.pipeline.finished import FinishedRun

FINAL = "final_submissions"


def make_parser() -> Parser:
    """Its flags."""
    parser = Parser(
        prog="choose_final.py",
        description="Chooses two of the finished runs: the best by cross-validation (on pictures corrupted as the test "
        "set is, where all runs have such), and of those that are not worse the one whose submission differs most. "
        "Exit code 0: chosen; 2: bad input.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "runs", metavar="RUN", nargs="*", help="folders or names to choose among (default: all finished runs)"
    )
    add("--competition", metavar="NAME", help="whose runs, where there are those of several")
    add(
        "--tolerance",
        metavar="X",
        help="a run is good that is at most X behind the best, in the metric's units",
    )
    add("--data_path", metavar="FOLDER", help="the competition's folder, where it has moved")
    add("--output", metavar="FOLDER", help="where runs are kept (default: training_results/)")
    add("--copy", action="store_true", help=f"copy the two submissions into {FINAL}/ there")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Choose, show and perhaps copy; return the exit code."""
    try:
        options = parse_flags(make_parser(), sys.argv[1:] if argv is None else argv)
        tolerance = None if options.tolerance is None else _tolerance(options.tolerance)
        results = flags.RESULTS_FOLDER if options.output is None else data_loader.resolve(options.output)
        data = None if options.data_path is None else data_loader.resolve(options.data_path)
        named = [find_finished_run(name, results=results) for name in options.runs]

        from grandmaster.pipeline.choosing import choose
        from utils import make_console

        console = make_console()
        if named:
            from grandmaster.pipeline.finished import open_run

            found = [open_run(folder, data_path=data) for folder in named]
        else:
            found = _finished(results, options.competition, data, console)
        choice = choose(found, tolerance=tolerance)
        _show(choice, console)
        if options.copy:
            _copy(choice, results / FINAL, console)
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    return DONE


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise UserError(
            f"{text!r} is not allowed", where="--tolerance", fix="Allowed: 0 or more, such as 0.005"
        )
    return value


def _finished(results: Path, wanted: str | None, data: Path | None, console: Console) -> list[FinishedRun]:
    """The finished runs of one competition."""
    from grandmaster.pipeline.finished import open_run
    from grandmaster.storage import read_json

    folders = [folder for folder in runs_in(results) if (folder / "final_results.json").is_file()]
    of: dict[str, list[Path]] = {}
    for folder in folders:
        of.setdefault(str(read_json(folder / "final_results.json").get("competition")), []).append(folder)
    if not of:
        raise UserError("no finished run", where=data_loader.shown(results), fix="Train first.")
    if wanted is not None and wanted not in of:
        raise UserError(f"no run of {wanted!r}", where="--competition", fix=did_you_mean(wanted, of))
    if wanted is None and len(of) > 1:
        raise UserError(
            f"runs of {len(of)} competitions: {', '.join(sorted(of))}",
            where=data_loader.shown(results),
            fix=f"Say which: --competition {min(of)}",
        )
    found = []
    for folder in of[wanted or next(iter(of))]:
        try:
            found.append(open_run(folder, data_path=data))
        except UserError as error:
            console.print(f"Left out: {folder.name}: {error}", soft_wrap=True, markup=False, style="yellow")
    return found


def _show(choice: Choice, console: Console) -> None:
    console.print(choice_table(choice))
    for number, reason in enumerate(choice.reasons, start=1):
        console.print(f"{number}. {reason}", soft_wrap=True, markup=False, style="bold")
    for candidate in (choice.best, choice.second):
        if candidate is not None:
            console.print(
                f"   {data_loader.shown(_submission(candidate.run))}",
                soft_wrap=True,
                markup=False,
                style="dim",
            )


def choice_table(choice: Choice) -> Table:
    """Every run that was looked at."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, caption=f"differs: {choice.measure}", caption_justify="left")
    table.add_column("run", overflow="fold")
    table.add_column(f"{choice.scored_on} CV", justify="right")
    table.add_column("differs", justify="right")
    table.add_column("good", justify="center")
    table.add_column("why", overflow="fold")
    for one in choice.candidates:
        mark = "1 " if one is choice.best else "2 " if one is choice.second else "  "
        table.add_row(
            Text(f"{mark}{one.run.name}"),
            f"{one.score:.4f} ({one.low:.4f} - {one.high:.4f})",
            f"{one.differs:.3f}",
            "yes" if one.good else "no",
            Text(one.why),
        )
    return table


def _submission(run: FinishedRun) -> Path:
    return run.folder / Path(run.results["submission"]["file"]).name


def _copy(choice: Choice, folder: Path, console: Console) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, candidate in enumerate((choice.best, choice.second), start=1):
        if candidate is None:
            continue
        source = _submission(candidate.run)
        if not source.is_file():
            raise UserError(
                "the run has no submission", where=candidate.run.folder, fix="Repeat its command."
            )
        target = folder / f"{number}_{candidate.run.name}.csv"
        shutil.copyfile(source, target)
        console.print(f"Copied to {data_loader.shown(target)}", soft_wrap=True, markup=False)


if __name__ == "__main__":
    sys.exit(main())
