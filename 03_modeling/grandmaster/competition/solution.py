"""The score of a submission against the answers, where one has them: never part of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from grandmaster.competition.csv_files import first_few, read_table, require_filled, require_unique
from grandmaster.competition.labels import one_hot_labels, ordered_classes
from grandmaster.competition.metrics import METRICS, bootstrap_interval
from grandmaster.errors import UserError, did_you_mean

USAGE_COLUMN = "Usage"  # Kaggle's: Public, Private or Ignored


@dataclass(frozen=True, kw_only=True)
class SolutionScore:
    """A score with its bootstrap interval.

    Attributes:
        metric, metric_title: name in `METRICS`, and for people.
        value, low, high, level: as in `metrics.Interval`.
        images: pictures scored.
    """

    metric: str
    metric_title: str
    value: float
    low: float
    high: float
    level: float
    images: int


def score_solution(submission: Path, solution: Path, *, metric: str | None) -> SolutionScore:
    """Score a submission against a file of true labels, joined on ids.

    The answers are one label column or one-hot columns; a `Usage` column is understood (rows marked `Ignored` do
    not count), further columns of a label file are passed over.

    Args:
        submission: a file as `write_submission` makes it; its first column holds the ids.
        solution: the answers.
        metric: a key of `METRICS`; None: log loss for probabilities, macro F1 for labels.

    Raises:
        UserError: unknown metric, ids of the two files differ, an id is repeated, a probability is no number, or
            the metric needs probabilities and there are labels.
    """
    if metric is not None and metric not in METRICS:
        raise UserError(f"unknown metric {metric!r}", fix=did_you_mean(metric, METRICS))
    given, answers = read_table(submission), read_table(solution)
    id_column, *targets = given.columns
    if not targets:
        raise UserError("it has no column beside the ids", where=submission)
    if id_column not in answers.columns:
        raise UserError(
            f"there is no id column {id_column!r}",
            where=solution,
            fix=did_you_mean(id_column, answers.columns),
        )
    _require_same_ids(given, submission, answers, solution, id_column)
    if USAGE_COLUMN in answers.columns:
        answers = answers[answers[USAGE_COLUMN].str.lower() != "ignored"]
        if answers.empty:
            raise UserError(f"every row is marked Ignored in column {USAGE_COLUMN!r}", where=solution)
    truth = _true_labels(answers, id_column, targets, solution)
    joined = given.set_index(id_column).loc[answers[id_column].tolist()]
    if len(targets) == 1:
        classes, probabilities = _from_labels(joined[targets[0]].tolist(), truth)
    else:
        classes, probabilities = tuple(targets), _numbers(joined, targets, submission)
    name = metric or ("macro_f1" if len(targets) == 1 else "log_loss")
    if len(targets) == 1 and not METRICS[name].needs_labels_only:
        raise UserError(
            f"{METRICS[name].title} needs probabilities; the submission holds labels",
            where=submission,
            fix=f"Choose {' or '.join(key for key, entry in METRICS.items() if entry.needs_labels_only)}.",
        )
    foreign = sorted(set(truth) - set(classes))
    if foreign:
        raise UserError(f"true labels have no column in the submission: {first_few(foreign)}", where=solution)
    position = {label: place for place, label in enumerate(classes)}
    try:
        interval = bootstrap_interval(name, [position[label] for label in truth], probabilities)
    except ValueError as error:
        raise UserError(str(error), where=submission) from error
    return SolutionScore(
        metric=name,
        metric_title=METRICS[name].title,
        value=interval.value,
        low=interval.low,
        high=interval.high,
        level=interval.level,
        images=len(truth),
    )


def _require_same_ids(
    given: pd.DataFrame, submission: Path, answers: pd.DataFrame, solution: Path, id_column: str
) -> None:
    for table, path in ((given, submission), (answers, solution)):
        require_filled(table, id_column, path)
        require_unique(table, id_column, path)
    for one, other, path, what in (
        (answers, given, submission, "ids of the solution are missing"),
        (given, answers, solution, "ids of the submission are missing"),
    ):
        extra = sorted(set(one[id_column]) - set(other[id_column]))
        if extra:
            raise UserError(f"{len(extra)} {what}: {first_few(extra)}", where=path)


def _true_labels(answers: pd.DataFrame, id_column: str, targets: list[str], path: Path) -> list[str]:
    others = [column for column in answers.columns if column not in (id_column, USAGE_COLUMN)]
    if len(targets) == 1 and targets[0] in others:
        require_filled(answers, targets[0], path)
        return answers[targets[0]].tolist()
    if len(targets) > 1 and set(targets) <= set(others):
        return one_hot_labels(answers, targets, id_column, path)
    if len(targets) == 1 and len(others) > 1:
        return one_hot_labels(answers, others, id_column, path)
    if len(others) == 1:
        require_filled(answers, others[0], path)
        return answers[others[0]].tolist()
    raise UserError(
        f"no true labels for {first_few(targets, 3)}; columns: {first_few(list(answers.columns))}", where=path
    )


def _from_labels(given: list[str], truth: list[str]) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    """Classes of both files together, and 1 for the submitted label of each picture."""
    classes = ordered_classes([*given, *truth])
    position = {label: place for place, label in enumerate(classes)}
    return classes, np.eye(len(classes))[[position[label] for label in given]]


def _numbers(table: pd.DataFrame, columns: list[str], path: Path) -> npt.NDArray[np.float64]:
    values = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise UserError(f"probabilities of id {table.index[bad][0]!r} are no finite numbers", where=path)
    return values
