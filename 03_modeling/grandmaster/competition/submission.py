"""The submission file, and the gate that it must pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from grandmaster.competition.csv_files import first_few
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.sample_form import PROBABILITY_SUM_TOLERANCE
from grandmaster.competition.table import Competition
from grandmaster.errors import UserError
from grandmaster.storage import write_csv

# How far a row of probabilities may be from summing to 1: what rounding to float32 and nothing else leaves.
SUM_TOLERANCE = 1e-4
# A class with this share of the training pictures, and this many expected in the test set, should appear.
EXPECTED_SHARE = 0.01
EXPECTED_ROWS = 5


@dataclass(frozen=True, kw_only=True)
class GateReport:
    """What the gate found.

    Attributes:
        problems: each of them forbids handing the file over.
        warnings: things to look at; the file is valid.
    """

    problems: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the file may be handed over."""
        return not self.problems


def build_submission(competition: Competition, predictions: Predictions) -> pd.DataFrame:
    """Predictions in the form of the sample submission, joined on ids.

    Returns:
        The sample's columns, in its order of rows and columns: ids as written; for hard labels the most probable
        class in the training file's spelling, for class probabilities float32, each row scaled to sum 1.

    Raises:
        UserError: a test id has no prediction, or there are predictions for other ids.
        ValueError: the predictions are for other classes, or another order of them.
    """
    if predictions.outputs != competition.classes:
        raise ValueError("the predictions are for other classes than the competition's, or in another order")
    ids = competition.sample_submission[competition.id_column].tolist()
    for left, right, what in (
        (ids, predictions.ids, "test ids have no prediction"),
        (predictions.ids, ids, "predictions are for ids that the sample submission does not have"),
    ):
        known = set(right)
        extra = [picture_id for picture_id in left if picture_id not in known]
        if extra:
            raise UserError(
                f"{len(extra)} {what}: {first_few(extra)}",
                fix="Predict the test pictures of this competition.",
            )
    probabilities = predictions.aligned_to(ids).values
    columns: dict[str, npt.ArrayLike] = {}
    if competition.submission_format == "hard_label":
        best = probabilities.argmax(axis=1)
        columns[competition.target_columns[0]] = [competition.classes[place] for place in best]
    else:
        # float32 prints as the shortest text that reads back the same: stable, and no digits that mean nothing.
        wide = probabilities.astype(np.float64)
        scaled = (wide / wide.sum(axis=1, keepdims=True)).astype(np.float32)
        columns |= {column: scaled[:, place] for place, column in enumerate(competition.target_columns)}
    columns[competition.id_column] = ids
    return pd.DataFrame({column: columns[column] for column in competition.sample_submission.columns})


def gate(frame: pd.DataFrame, competition: Competition) -> GateReport:
    """Check a submission against the sample submission and the training classes.

    Problems: other columns or ids than the sample's, or in another order; ids that are missing, repeated or
    foreign; labels that are not spelled as in the training file; probabilities that are no numbers, not finite,
    outside 0..1, or do not sum to 1 where the sample's do. Warnings: a degenerate distribution of classes.

    Args:
        frame: the submission, as `build_submission` makes it or as read from a file.
        competition: what it is for.
    """
    sample = competition.sample_submission
    if list(frame.columns) != list(sample.columns):
        problem = f"columns are {list(frame.columns)}, the sample submission has {list(sample.columns)}"
        return GateReport(problems=(problem,), warnings=())
    problems = _id_problems(frame[competition.id_column], sample[competition.id_column])
    if competition.submission_format == "hard_label":
        more, chosen = _label_problems(frame, competition)
    else:
        more, chosen = _probability_problems(frame, competition)
    problems += more
    warnings = [] if problems or chosen is None else _distribution_warnings(chosen, competition)
    return GateReport(problems=tuple(problems), warnings=tuple(warnings))


def write_submission(path: Path, predictions: Predictions, competition: Competition) -> GateReport:
    """Build a submission, check it, and write it, whole or not at all.

    Returns:
        The gate's report; it has no problems, but may have warnings.

    Raises:
        UserError: the gate found problems (nothing is written, what was there stays), predictions do not cover
            the test set, or the file cannot be written.
        ValueError: as `build_submission`.
    """
    frame = build_submission(competition, predictions)
    report = gate(frame, competition)
    if not report.passed:
        raise UserError(
            f"the submission did not pass the gate and was not written: {'; '.join(report.problems)}",
            where=path,
        )
    write_csv(path, frame)
    return report


def _id_problems(given: pd.Series, wanted: pd.Series) -> list[str]:
    ids, expected = given.tolist(), wanted.tolist()
    if ids == expected:
        return []
    problems = []
    texts = [picture_id if isinstance(picture_id, str) else f"not text: {picture_id!r}" for picture_id in ids]
    known, there = set(expected), set(texts)
    repeated = sorted({text for text, again in zip(texts, given.duplicated(), strict=True) if again})
    for names, what in (
        ([text for text in expected if text not in there], "are missing"),
        ([text for text in texts if text not in known], "are not in the sample submission"),
        (repeated, "appear more than once"),
    ):
        if names:
            problems.append(f"{len(names)} ids {what}: {first_few(names)}")
    if not problems:
        row = next(row for row, (one, other) in enumerate(zip(ids, expected, strict=True)) if one != other)
        problems.append(f"ids are in another order than the sample's, from row {row + 1} ({ids[row]!r})")
    return problems


def _label_problems(
    frame: pd.DataFrame, competition: Competition
) -> tuple[list[str], npt.NDArray[np.int64] | None]:
    """Problems, and the class chosen in each row (None where there are problems)."""
    column = competition.target_columns[0]
    # As the cells will stand in the file: an integer 3 is fine for the class "3", a float 3.0 is not.
    texts = ["" if pd.isna(cell) else str(cell) for cell in frame[column]]
    position = {label: place for place, label in enumerate(competition.classes)}
    foreign = sorted({text for text in texts if text not in position})
    if foreign:
        count = sum(text not in position for text in texts)
        return [
            f"{count} labels in {column!r} are not classes of the training file: {first_few(foreign)}"
        ], None
    return [], np.array([position[text] for text in texts], dtype=np.int64)


def _probability_problems(
    frame: pd.DataFrame, competition: Competition
) -> tuple[list[str], npt.NDArray[np.int64] | None]:
    """Problems, and the most probable class of each row (None where there are problems)."""
    columns = list(competition.target_columns)
    values = frame[columns].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    ids = frame[competition.id_column]
    sample = competition.sample_submission[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    sums_to_one = bool((np.abs(sample.sum(axis=1) - 1) <= PROBABILITY_SUM_TOLERANCE).all())
    with np.errstate(invalid="ignore"):
        checks = [
            (~np.isfinite(values).all(axis=1), "are missing, infinite or no numbers"),
            (((values < 0) | (values > 1)).any(axis=1), "are outside 0..1"),
        ]
        if sums_to_one:
            checks.append((np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE, "do not sum to 1"))
    problems = [
        f"probabilities of {int(bad.sum())} rows {what}: {first_few([str(picture_id) for picture_id in ids[bad]])}"
        for bad, what in checks
        if bad.any()
    ]
    return (problems, None) if problems else ([], values.argmax(axis=1))


def _distribution_warnings(chosen: npt.NDArray[np.int64], competition: Competition) -> list[str]:
    """What is odd about how often each class is chosen."""
    classes = competition.classes
    counts = np.bincount(chosen, minlength=len(classes))
    if len(chosen) > 1 and counts.max() == len(chosen):
        return [f"every row is class {classes[int(counts.argmax())]!r}"]
    shares = np.bincount(competition.train["label"], minlength=len(classes)) / len(competition.train)
    expected = (shares >= EXPECTED_SHARE) & (shares * len(chosen) >= EXPECTED_ROWS)
    never = [classes[place] for place in np.flatnonzero(expected & (counts == 0))]
    if not never:
        return []
    return [f"{len(never)} classes of the training set are never predicted: {first_few(never)}"]
