# PYTHON_ARGCOMPLETE_OK
"""Hands a run's submission in through Kaggle's official client; without --yes it only shows what it would do."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import data_loader
import kaggle_names
from grandmaster.errors import UserError
from options import BAD_INPUT, CHECK_FAILED, DONE, FAILED, Parser, one_line, parse_flags
from run_folders import find_finished_run

if TYPE_CHECKING:
    from grandmaster.competition.submission import GateReport
    from grandmaster.pipeline.finished import FinishedRun

CLIENT = "kaggle"


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What is to be handed in.

    Attributes:
        kernel: user/slug of the notebook that a code competition runs again, and its version; None: the file itself.
    """

    file: Path
    competition: str
    message: str
    kernel: tuple[str, str] | None

    @property
    def command(self) -> list[str]:
        """Of the official client."""
        words = [CLIENT, "competitions", "submit", self.competition, "-m", self.message]
        if self.kernel is None:
            return [*words, "-f", str(self.file)]
        name, version = self.kernel
        return [*words, "-f", "submission.csv", "-k", name, "-v", version]


def make_parser() -> Parser:
    """Its flags."""
    parser = Parser(
        prog="submit.py",
        description="Checks a finished run's submission once more and hands it in through the official client `kaggle`. "
        "Without --yes nothing is sent: what would be run is shown. What was handed in is noted in LEADERBOARD.csv. Exit "
        "code 0: handed in, or shown; 1: the client failed; 2: bad input; 3: the submission does not pass the gate.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("run", metavar="RUN", help="the run's folder or name")
    add(
        "--competition", metavar="SLUG", help="its address, behind competitions/ (default: its folder's name)"
    )
    add("--message", metavar="TEXT", help="beside the submission on Kaggle (default: the run and its score)")
    add("--kernel", metavar="USER/SLUG", help="code competition: the notebook, see kaggle_bundle.py")
    add("--version", metavar="N", help="of that notebook (Kaggle counts them)")
    add("--data_path", metavar="FOLDER", help="the competition's folder, where it has moved")
    add("--yes", action="store_true", help="really hand it in: every try counts against the day's limit")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Show or submit; return the exit code."""
    try:
        options = parse_flags(make_parser(), sys.argv[1:] if argv is None else argv)
        kernel = _kernel(options)
        folder = find_finished_run(options.run)
        from grandmaster.pipeline.finished import open_run

        moved = None if options.data_path is None else data_loader.resolve(options.data_path)
        run = open_run(folder, data_path=moved)
        wanted = _wanted(run, options, kernel)
        verdict = _gate(run, wanted.file)
        _show(wanted, verdict)
        if not verdict.passed:
            return CHECK_FAILED
        if not options.yes:
            lacking = _lacking_client()
            print(f"note: {lacking}\n" if lacking else "", end="")
            print("Nothing was sent. To hand it in, repeat the command with --yes.")
            return DONE
        return _submit(folder, wanted)
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT


def _kernel(options: Namespace) -> tuple[str, str] | None:
    """Notebook and version.

    Raises:
        UserError: one without the other, or no such name.
    """
    if options.kernel is None and options.version is None:
        return None
    if options.kernel is None or options.version is None:
        raise UserError(
            "--kernel and --version go together", where="the command line", fix="Give both, or neither."
        )
    user, slash, slug = options.kernel.partition("/")
    if not slash:
        raise UserError(f"{options.kernel!r} names no user", where="--kernel", fix="Give USER/SLUG.")
    kaggle_names.checked_slug(user, "--kernel", underscore=True)
    kaggle_names.checked_slug(slug, "--kernel")
    if not options.version.isdecimal():
        raise UserError(f"{options.version!r} is no number", where="--version", fix="For example --version 3")
    return options.kernel, options.version


def _wanted(run: FinishedRun, options: Namespace, kernel: tuple[str, str] | None) -> Submission:
    results, context = run.results, run.context
    file = run.folder / Path(results["submission"]["file"]).name
    if not file.is_file():
        raise UserError(
            "the submission is gone", where=file, fix="Repeat the run's command; it writes it again."
        )
    score = results["cross_validation"]["score"]
    return Submission(
        file=file,
        competition=kaggle_names.checked_slug(
            options.competition or context.competition.root.name, "--competition"
        ),
        message=options.message or f"{run.name}: {results['metric_title']} {score:.4f} by cross-validation",
        kernel=kernel,
    )


def _gate(run: FinishedRun, file: Path) -> GateReport:
    """Of the file as it lies there now: somebody may have edited it."""
    from grandmaster.competition.csv_files import read_table
    from grandmaster.competition.submission import gate

    return gate(read_table(file).reset_index(drop=True), run.context.competition)


def _show(wanted: Submission, verdict: GateReport) -> None:
    lines = [
        ("competition", wanted.competition),
        ("file", data_loader.shown(wanted.file)),
        ("message", wanted.message),
        ("gate", "passed" if verdict.passed else "NOT passed"),
        *(("problem", text) for text in verdict.problems),
        *(("warning", text) for text in verdict.warnings),
        ("command", shlex.join(wanted.command)),
    ]
    print("\n".join(f"{name + ':':<13}{text}" for name, text in lines))


def _lacking_client() -> UserError | None:
    """What is to be said where there is no client; None: there is one."""
    if shutil.which(CLIENT) is not None:
        return None
    return UserError(
        "the official client `kaggle` is not installed",
        fix="pip install kaggle, and put your API token where it looks for it: see docs/kaggle.md.",
    )


def _submit(folder: Path, wanted: Submission) -> int:
    """Run the client and note it; exit code.

    Raises:
        UserError: there is no client, or the ledger cannot be written.
    """
    lacking = _lacking_client()
    if lacking is not None:
        raise lacking
    client = shutil.which(CLIENT) or CLIENT
    ended = subprocess.run([client, *wanted.command[1:]], capture_output=True, text=True)
    said = (ended.stdout + ended.stderr).strip()
    print(said)
    if ended.returncode != 0 or "could not submit" in said.lower():
        print("error: the client did not hand it in; its own words are above", file=sys.stderr)
        return FAILED
    from grandmaster.pipeline.ledger import ledger_of, record_submission

    record_submission(folder, f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC to {wanted.competition}")
    print(
        f"Noted in {data_loader.shown(ledger_of(folder))}. When the score is there: board_score.py {folder.name} --public SCORE"
    )
    return DONE


if __name__ == "__main__":
    sys.exit(main())
