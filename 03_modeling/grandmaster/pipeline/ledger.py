"""`LEADERBOARD.csv` beside the runs: what each was worth by cross-validation, and what the board said of it.

The columns `public` and `private` are the person's: written by `board_score.py` or by hand, never by a run. Columns that
the person adds are kept too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pandas as pd
from scipy import stats

from grandmaster.competition.csv_files import read_table
from grandmaster.errors import UserError
from grandmaster.storage import file_sha256, read_json, write_csv

FILE_NAME = "LEADERBOARD.csv"
BOARDS = ("public", "private")
COLUMNS = (
    "experiment",
    "created",
    "competition",
    "metric",
    "cv",
    "cv_low",
    "cv_high",
    "corrupted",
    "corrupted_low",
    "corrupted_high",
    "models",
    "folds",
    "submission_sha256",
    "submitted",
    *BOARDS,
)
FEWEST = 3
"""Runs with a board score from which a correlation is told at all."""
WAIT_SECONDS = 20.0
BEYOND = 1e100  # nan and inf are no scores, nor is what nobody can square


def ledger_of(run_folder: Path) -> Path:
    """The ledger that a run belongs to."""
    return run_folder.parent / FILE_NAME


def record_run(run_folder: Path) -> None:
    """Append the line of a finished run, or bring it up to date; its board scores are left as they are.

    Raises:
        UserError: the run has no result, or the ledger cannot be read, written or waited for.
    """
    line = _line_of(run_folder)
    with _held(ledger_of(run_folder)) as path:
        table = read_ledger(path)
        _put(table, line)
        write_csv(path, table)


def record_board(run_folder: Path, scores: dict[str, float]) -> pd.DataFrame:
    """Note what the board said of a run, under "public" and "private"; returns the ledger.

    A submission that has changed since its line was written is the run's own matter: its line is brought up to date.

    Raises:
        UserError: as `record_run`, or a score that is no number.
    """
    for board, score in scores.items():
        if board not in BOARDS or not math.isfinite(score):
            raise UserError(f"{score} is no score", where=board, fix="Give the number that the board shows.")
    line = _line_of(run_folder)
    with _held(ledger_of(run_folder)) as path:
        table = read_ledger(path)
        _put(table, line | {board: _text(score) for board, score in scores.items()})
        write_csv(path, table)
    return table


def record_submission(run_folder: Path, when: str) -> None:
    """Note that a run's submission was handed in.

    Args:
        when: for people; once more is noted beside what stands there.

    Raises:
        UserError: as `record_run`.
    """
    line = _line_of(run_folder)
    with _held(ledger_of(run_folder)) as path:
        table = read_ledger(path)
        before = table.loc[table["experiment"] == line["experiment"], "submitted"].tolist()
        _put(table, line | {"submitted": "; ".join([*filter(None, before[:1]), when])})
        write_csv(path, table)


def read_ledger(path: Path) -> pd.DataFrame:
    """The ledger, every cell a text, empty where nothing is known; without rows where there is none yet.

    Raises:
        UserError: it is not one.
    """
    if not path.exists():
        return pd.DataFrame({name: pd.Series(dtype=object) for name in COLUMNS})
    table = read_table(path, may_be_empty=True).reset_index(drop=True).astype(object)
    if "experiment" not in table:
        raise UserError(
            "the column 'experiment' is missing",
            where=path,
            fix="Save it with commas between the cells and the columns it had, or move it away.",
        )
    for name in COLUMNS:
        if name not in table:
            table[name] = ""
    return table


def correlations(table: pd.DataFrame) -> list[str]:
    """How well cross-validation foretold the board, a sentence for each pair with `FEWEST` scores or more.

    Runs of one competition and metric are compared with each other. A rank correlation, and Pearson's with its interval
    by Fisher's transformation from four runs on.
    """
    lines = []
    for (competition, metric), runs in table.groupby(["competition", "metric"], sort=True):
        for board in BOARDS:
            for column, title in (("cv", "clean CV"), ("corrupted", "corrupted CV")):
                both = runs[[column, board]].apply(pd.to_numeric, errors="coerce")
                both = both[(both.abs() < BEYOND).all(axis=1)]
                if len(both) >= FEWEST:
                    found = _correlation(both[column].to_numpy(), both[board].to_numpy())
                    lines.append(f"{competition}, {metric}: {title} against the {board} score: {found}")
    return lines


def _correlation(first: Any, second: Any) -> str:
    count = len(first)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return f"{count} runs, all alike on one side: nothing to correlate."
    rank, straight = (
        float(measure(first, second).statistic) for measure in (stats.spearmanr, stats.pearsonr)
    )
    line = f"rank correlation {rank:+.2f} over {count} runs, Pearson {straight:+.2f}"
    if count > 3:
        middle, reach = math.atanh(min(max(straight, -0.999999), 0.999999)), 1.96 / math.sqrt(count - 3)
        line += f" (95% interval {math.tanh(middle - reach):+.2f} to {math.tanh(middle + reach):+.2f})"
    if count < 6:
        return f"{line}. So few runs say next to nothing: by chance alone the sign is right in half of all cases."
    if count < 12:
        return f"{line}. With {count} runs take it as a hint; choose by CV, not by the board."
    return f"{line}. The public board is part of the test set only: choose by CV."


def _line_of(run_folder: Path) -> dict[str, str]:
    path = run_folder / "final_results.json"
    if not path.exists():
        raise UserError(
            "the run has no result yet",
            where=run_folder,
            fix="Repeat its command; it goes on where it stopped.",
        )
    results = read_json(path)
    clean, corrupted = results["cross_validation"], results["corrupted_validation"] or {}
    submission = run_folder / Path(results["submission"]["file"]).name
    found = {
        "experiment": run_folder.name,
        "created": results["created"],
        "competition": results["competition"],
        "metric": results["metric"],
        "cv": clean["score"],
        "cv_low": clean["low"],
        "cv_high": clean["high"],
        "corrupted": corrupted.get("score"),
        "corrupted_low": corrupted.get("low"),
        "corrupted_high": corrupted.get("high"),
        "models": " + ".join(dict.fromkeys(model["backbone"] for model in results["models"])),
        "folds": f"{clean['folds_trained']} of {clean['folds_total']}",
        "submission_sha256": file_sha256(submission) if submission.exists() else "",
    }
    return {name: _text(value) for name, value in found.items()}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _put(table: pd.DataFrame, line: dict[str, str]) -> None:
    """Into the row of its experiment, or a new one; columns that it does not name stay as they are."""
    known = np.flatnonzero((table["experiment"] == line["experiment"]).to_numpy())
    if len(known):
        for name, value in line.items():
            table.iloc[known[0], table.columns.get_loc(name)] = value  # type: ignore[index]
    else:
        table.loc[len(table)] = [line.get(name, "") for name in table.columns]


@contextmanager
def _held(path: Path) -> Iterator[Path]:
    """The ledger, to itself: several runs may end at once."""
    try:
        with filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=WAIT_SECONDS):
            yield path
    except filelock.Timeout:
        raise UserError(
            "another process holds the ledger", where=path, fix="Repeat the command when it has ended."
        ) from None
    except OSError as error:
        raise UserError(f"the ledger cannot be written: {error.strerror or error}", where=path) from error
