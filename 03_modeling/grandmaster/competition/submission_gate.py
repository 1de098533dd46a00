"""The gate that a submission must pass: what the sample submission and the training labels allow, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from grandmaster.competition.csv_files import first_few
from grandmaster.competition.sample_form import PROBABILITY_SUM_TOLERANCE, numbers, split_labels
from grandmaster.competition.table import Competition, SubmissionFormat
from grandmaster.texts import counted

# How far a row of probabilities may be from summing to 1: what rounding to float32 and nothing else leaves.
SUM_TOLERANCE = 1e-4
# A class with this share of the training pictures, and this many expected in the test set, should appear.
EXPECTED_SHARE = 0.01
EXPECTED_ROWS = 5
# Estimated values further outside the training values than these are wide.
OUTSIDE_RANGE = 1.0


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


# Problems, and warnings (empty where there are problems).
Found = tuple[list[str], list[str]]


def gate(frame: pd.DataFrame, competition: Competition) -> GateReport:
    """Check a submission against the sample submission and the training labels.

    Problems: other columns or ids than the sample's, or in another order; ids that are missing, repeated or
    foreign; labels that are not spelled as in the training file, a label twice in one set, another number of ranked
    labels than is asked for, empty sets where the sample has none; numbers that are none, not finite, or (for
    probabilities) outside 0..1 or not summing to 1 where the sample's do. Warnings: a degenerate distribution.

    Args:
        frame: the submission, as `build_submission` makes it or as read from a file.
        competition: what it is for.
    """
    sample = competition.sample_submission
    if list(frame.columns) != list(sample.columns):
        problem = f"columns are {list(frame.columns)}, the sample submission has {list(sample.columns)}"
        return GateReport(problems=(problem,), warnings=())
    problems = _id_problems(frame[competition.id_column], sample[competition.id_column])
    more, warnings = _CHECKS[competition.submission_format](frame, competition)
    problems += more
    return GateReport(problems=tuple(problems), warnings=() if problems else tuple(warnings))


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


def _cells(frame: pd.DataFrame, column: str) -> list[str]:
    """As they will stand in the file: an integer 3 is fine for the class "3", a float 3.0 is not."""
    return ["" if pd.isna(cell) else str(cell) for cell in frame[column]]


def _check_labels(frame: pd.DataFrame, competition: Competition) -> Found:
    column = competition.target_columns[0]
    texts = _cells(frame, column)
    problems = _foreign_labels(texts, column, competition)
    if problems:
        return problems, []
    return [], _distribution_warnings([[text] for text in texts], competition)


def _check_label_sets(frame: pd.DataFrame, competition: Competition) -> Found:
    column, ids = competition.target_columns[0], frame[competition.id_column]
    cells = _cells(frame, column)
    sets = [split_labels(cell, competition.separator) for cell in cells]
    problems = _foreign_labels([label for labels in sets for label in labels], column, competition)
    repeating = [len(set(labels)) != len(labels) for labels in sets]
    problems += _rows_with(repeating, ids, ("repeats a label in its set", "repeat a label in their set"))
    written = [cell != competition.separator.join(labels) for cell, labels in zip(cells, sets, strict=True)]
    problems += _rows_with(written, ids, _not_having(f"exactly {competition.separator!r} between labels"))
    empty = [not labels for labels in sets]
    may_be_empty = (competition.sample_submission[column].str.strip() == "").any()
    if not may_be_empty:
        problems += _rows_with(
            empty,
            ids,
            (
                "has no label, which no row of the sample does",
                "have no label, which no row of the sample does",
            ),
        )
    if problems:
        return problems, []
    warnings = _distribution_warnings(sets, competition)
    return [], warnings + _rows_with(empty, ids, ("has no label", "have no label"))


def _check_ranked_labels(frame: pd.DataFrame, competition: Competition) -> Found:
    column, ids = competition.target_columns[0], frame[competition.id_column]
    ranked = [split_labels(cell, competition.separator) for cell in _cells(frame, column)]
    problems = _foreign_labels([label for labels in ranked for label in labels], column, competition)
    k = min(competition.top_k, len(competition.classes))
    problems += _rows_with([len(labels) != k for labels in ranked], ids, _not_having(counted(k, "label")))
    problems += _rows_with(
        [len(set(labels)) != len(labels) for labels in ranked], ids, ("repeats a label", "repeat a label")
    )
    if problems:
        return problems, []
    first = {labels[0] for labels in ranked}
    if len(ranked) > 1 and len(first) == 1:
        return [], [f"every row has {min(first)!r} in the first place"]
    return [], []


def _foreign_labels(texts: Sequence[str], column: str, competition: Competition) -> list[str]:
    known = set(competition.classes)
    foreign = sorted(set(texts) - known)
    if not foreign:
        return []
    count = sum(text not in known for text in texts)
    told = counted(count, "label", f"in {column!r} is", f"in {column!r} are")
    return [f"{told} not among the classes of the training file: {first_few(foreign)}"]


def _not_having(what: str) -> tuple[str, str]:
    return f"does not have {what}", f"do not have {what}"


def _rows_with(
    bad: Sequence[bool] | npt.NDArray[np.bool_], ids: pd.Series, what: tuple[str, str]
) -> list[str]:
    """`3 rows repeat a label: 'a', 'b', 'c'`; nothing where no row is bad.

    Args:
        what: such rows do, of one row and of several.
    """
    found = [str(picture_id) for picture_id, is_bad in zip(ids, bad, strict=True) if is_bad]
    return [f"{counted(len(found), 'row', *what)}: {first_few(found)}"] if found else []


def _check_numbers(
    frame: pd.DataFrame, competition: Competition, what: str
) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Problems with missing or infinite numbers, and the numbers (n, targets)."""
    values = numbers(frame, competition.target_columns)
    ids = frame[competition.id_column]
    bad = ~np.isfinite(values).all(axis=1)
    return _number_problems(bad, ids, what, "are missing, infinite or no numbers"), values


def _number_problems(bad: npt.ArrayLike, ids: pd.Series, what: str, wrong: str) -> list[str]:
    names = [str(picture_id) for picture_id in ids[np.asarray(bad, np.bool_)]]
    return [f"{what} of {counted(len(names), 'row')} {wrong}: {first_few(names)}"] if names else []


def _check_probabilities(
    frame: pd.DataFrame, competition: Competition
) -> tuple[list[str], npt.NDArray[np.float64]]:
    problems, values = _check_numbers(frame, competition, "probabilities")
    with np.errstate(invalid="ignore"):
        outside = ((values < 0) | (values > 1)).any(axis=1)
    ids = frame[competition.id_column]
    return problems + _number_problems(outside, ids, "probabilities", "are outside 0..1"), values


def _check_class_probabilities(frame: pd.DataFrame, competition: Competition) -> Found:
    problems, values = _check_probabilities(frame, competition)
    sample = numbers(competition.sample_submission, competition.target_columns)
    with np.errstate(invalid="ignore"):
        if (np.abs(sample.sum(axis=1) - 1) <= PROBABILITY_SUM_TOLERANCE).all():
            off = np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE
            problems += _number_problems(
                off, frame[competition.id_column], "probabilities", "do not sum to 1"
            )
    if problems:
        return problems, []
    return [], _distribution_warnings(
        [[competition.classes[place]] for place in values.argmax(axis=1)], competition
    )


def _check_independent_probabilities(frame: pd.DataFrame, competition: Competition) -> Found:
    problems, values = _check_probabilities(frame, competition)
    return (problems, []) if problems else ([], _constant_columns(values, competition, "probability"))


def _check_values(frame: pd.DataFrame, competition: Competition) -> Found:
    problems, values = _check_numbers(frame, competition, "values")
    if problems:
        return problems, []
    warnings = _constant_columns(values, competition, "value")
    low, high = competition.targets.min(axis=0), competition.targets.max(axis=0)
    margin = OUTSIDE_RANGE * (high - low)
    far = ((values < low - margin) | (values > high + margin)).any(axis=1)
    return [], warnings + _rows_with(
        far,
        frame[competition.id_column],
        ("is far outside the training values", "are far outside the training values"),
    )


def _constant_columns(values: npt.NDArray[np.float64], competition: Competition, what: str) -> list[str]:
    if len(values) < 2:
        return []
    same = [
        column
        for column, found in zip(competition.target_columns, values.T, strict=True)
        if (found == found[0]).all()
    ]
    return [f"every row has the same {what} in {first_few(same)}"] if same else []


def _distribution_warnings(chosen: Sequence[Sequence[str]], competition: Competition) -> list[str]:
    """What is odd about how often each class is chosen.

    Args:
        chosen: the labels of each row.
        competition: with the training labels.
    """
    classes = competition.classes
    position = {label: place for place, label in enumerate(classes)}
    counts = np.bincount([position[label] for labels in chosen for label in labels], minlength=len(classes))
    if len(chosen) > 1 and len({tuple(labels) for labels in chosen}) == 1:
        labels = chosen[0]
        what = (
            f"class {labels[0]!r}"
            if len(labels) == 1
            else f"labelled {first_few(labels)}"
            if labels
            else "empty"
        )
        return [f"every row is {what}"]
    if competition.kind == "multilabel":
        shares = competition.targets.mean(axis=0)
    else:
        shares = np.bincount(competition.train["label"], minlength=len(classes)) / len(competition.train)
    expected = (shares >= EXPECTED_SHARE) & (shares * len(chosen) >= EXPECTED_ROWS)
    never = [classes[place] for place in np.flatnonzero(expected & (counts == 0))]
    if not never:
        return []
    named = counted(len(never), "class", "of the training set is", "of the training set are")
    return [f"{named} never predicted: {first_few(never)}"]


_CHECKS: dict[SubmissionFormat, Callable[[pd.DataFrame, Competition], Found]] = {
    "hard_label": _check_labels,
    "class_probabilities": _check_class_probabilities,
    "independent_probabilities": _check_independent_probabilities,
    "one_probability": _check_independent_probabilities,
    "real_number": _check_values,
    "ordinal_label": _check_labels,
    "label_set": _check_label_sets,
    "ranked_labels": _check_ranked_labels,
}
