"""What is handed in: the files of a run through the gate, the ledger, and the final two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from grandmaster.competition.csv_files import read_table
from grandmaster.competition.submission_gate import GateReport, gate
from grandmaster.errors import UserError
from grandmaster.page.places import find_run, runs_in, submissions_of
from grandmaster.pipeline.choosing import Choice, choose
from grandmaster.pipeline.finished import FinishedRun, open_run
from grandmaster.pipeline.ledger import FILE_NAME, correlations, read_ledger, record_board
from grandmaster.storage import read_object


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A submission file that went through the gate."""

    file: Path
    rows: int
    form: str
    verdict: GateReport


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The ledger of all runs, and how well cross-validation foretold the board."""

    table: pd.DataFrame
    sentences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The final two, and the runs that could not be looked at: (name, why)."""

    choice: Choice
    left_out: tuple[tuple[str, str], ...]


def check_submissions(results: Path, name: str) -> list[Checked]:
    """Every submission file of a finished run, checked anew against the sample submission.

    Raises:
        UserError: no such run, not finished, or its data are gone.
    """
    run = open_run(find_run(results, name))
    competition = run.context.competition
    form = competition.submission_format.replace("_", " ")
    found = []
    for path in submissions_of(run.folder):
        frame = read_table(path)
        found.append(Checked(file=path, rows=len(frame), form=form, verdict=gate(frame, competition)))
    return found


def ledger(results: Path) -> Ledger:
    """The ledger as it stands; without rows where there is none yet.

    Raises:
        UserError: it was edited to something else.
    """
    table = read_ledger(results / FILE_NAME)
    return Ledger(table=table, sentences=tuple(correlations(table)))


def note_scores(results: Path, name: str, *, public: float | None, private: float | None) -> None:
    """What the board said of a run, into the ledger.

    Raises:
        UserError: no score, no such run, or see `record_board`.
    """
    given = {"public": public, "private": private}
    scores = {board: score for board, score in given.items() if score is not None}
    if not scores:
        raise UserError("no score is given", fix="Give a public or a private one.")
    record_board(find_run(results, name), scores)


def finished_names(results: Path) -> dict[str, list[str]]:
    """Runs that came to their end, by competition, the newest first."""
    found: dict[str, list[str]] = {}
    for name, folder in runs_in(results).items():
        path = folder / "final_results.json"
        if not path.is_file():
            continue
        try:
            competition = str(read_object(path).get("competition"))
        except UserError:
            continue  # damaged: it has no result to hand in
        found.setdefault(competition, []).append(name)
    return found


def choose_two(results: Path, names: Sequence[str]) -> Chosen:
    """Two of these runs, as `choose_final.py` chooses them.

    Raises:
        UserError: none of them can be looked at, or they are of different competitions.
    """
    runs: list[FinishedRun] = []
    left_out = []
    for name in names:
        try:
            runs.append(open_run(find_run(results, name)))
        except UserError as error:
            left_out.append((name, str(error)))
    if not runs and left_out:
        raise UserError(f"no run can be looked at; {left_out[0][0]}: {left_out[0][1]}")
    return Chosen(choice=choose(runs), left_out=tuple(left_out))
