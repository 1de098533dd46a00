"""The submission file: predictions in the form of the sample submission, written if the gate lets them through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from grandmaster.competition.csv_files import first_few
from grandmaster.competition.decisions import DecisionRule, plain_rule
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.sample_form import SampleForm
from grandmaster.competition.submission_gate import GateReport, gate
from grandmaster.competition.table import Competition, SubmissionFormat
from grandmaster.errors import UserError
from grandmaster.storage import write_csv

__all__ = ["GateReport", "build_submission", "gate", "write_submission"]

Values = npt.NDArray[np.float32]
Columns = dict[str, npt.ArrayLike]


def build_submission(
    competition: Competition, predictions: Predictions, rule: DecisionRule | None = None
) -> pd.DataFrame:
    """Predictions in the form of the sample submission, joined on ids.

    Where several pictures belong to one row, their values are averaged before anything is decided.

    Args:
        competition: what the file is for.
        predictions: of every test picture.
        rule: how values become decisions; None: `decisions.plain_rule`. Probabilities and values need none.

    Returns:
        The sample's columns, in its order of rows and columns: ids as written; labels in the training file's
        spelling; sets of labels in the order of classes, with the best label alone where none is at its threshold
        (unless the sample shows empty cells); ranked labels best first; probabilities of classes float32, each row
        scaled to sum 1; other probabilities and values float32.

    Raises:
        UserError: a test id has no prediction, or there are predictions for other ids.
        ValueError: the predictions are for other classes, or another order of them; the rule does not give what
            the format needs.
    """
    if predictions.outputs != competition.outputs:
        raise ValueError("the predictions are for other classes than the competition's, or in another order")
    ids = competition.test["id"].tolist()
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
    rows = dict(zip(ids, competition.test["row"], strict=True))
    wanted = competition.sample_submission[competition.id_column].tolist()
    averaged = predictions.mean_over(rows)
    for left, right, what in (
        (wanted, averaged.ids, "rows of the sample submission have no test picture"),
        (averaged.ids, wanted, "rows of test pictures are not in the sample submission"),
    ):
        there = set(right)
        extra = [row for row in left if row not in there]
        if extra:
            raise UserError(f"{len(extra)} {what}: {first_few(extra)}")
    values = averaged.aligned_to(wanted).values
    rule = rule or plain_rule(competition.kind, len(competition.outputs), len(competition.classes))
    columns = _COLUMNS[competition.submission_format](competition, values, rule)
    columns[competition.id_column] = wanted
    return pd.DataFrame({column: columns[column] for column in competition.sample_submission.columns})


def write_submission(
    path: Path, predictions: Predictions, competition: Competition, *, rule: DecisionRule | None = None
) -> GateReport:
    """Build a submission, check it, and write it, whole or not at all.

    Returns:
        The gate's report; it has no problems, but may have warnings.

    Raises:
        UserError: the gate found problems (nothing is written, what was there stays), predictions do not cover
            the test set, or the file cannot be written.
        ValueError: as `build_submission`.
    """
    frame = build_submission(competition, predictions, rule)
    report = gate(frame, competition)
    if not report.passed:
        raise UserError(
            f"the submission did not pass the gate and was not written: {'; '.join(report.problems)}",
            where=path,
        )
    write_csv(path, frame)
    return report


def _labels(competition: Competition, values: Values, rule: DecisionRule) -> Columns:
    places = _decided(rule, values, np.int64, (len(values),))
    if places.min(initial=0) < 0 or places.max(initial=0) >= len(competition.classes):
        raise ValueError(f"the rule {rule.name!r} decides for a class that there is not")
    return {competition.target_columns[0]: [competition.classes[place] for place in places]}


def _class_probabilities(competition: Competition, values: Values, rule: DecisionRule) -> Columns:
    # float32 prints as the shortest text that reads back the same: stable, and no digits that mean nothing.
    return _wide(competition, _scaled(values).astype(np.float32))


def _numbers(competition: Competition, values: Values, rule: DecisionRule) -> Columns:
    return _wide(competition, values.astype(np.float32))


def _one_probability(competition: Competition, values: Values, rule: DecisionRule) -> Columns:
    positive = _scaled(values)[:, competition.positive_class].astype(np.float32)
    return {competition.target_columns[0]: positive}


def _label_set(competition: Competition, values: Values, rule: DecisionRule) -> Columns:
    chosen = _decided(rule, values, np.bool_, values.shape).copy()
    sample = _sample_form(competition)
    if not sample.has_empty:
        empty = np.flatnonzero(~chosen.any(axis=1))
        chosen[empty, values[empty].argmax(axis=1)] = True
    cells = [
        competition.separator.join(competition.classes[place] for place in np.flatnonzero(row))
        for row in chosen
    ]
    return {competition.target_columns[0]: cells}


def _ranked_labels(competition: Competition, values: Values, rule: DecisionRule) -> Columns:
    best = np.argsort(-values, axis=1, kind="stable")[:, : competition.top_k]
    cells = [competition.separator.join(competition.classes[place] for place in row) for row in best]
    return {competition.target_columns[0]: cells}


_COLUMNS: dict[SubmissionFormat, Callable[[Competition, Values, DecisionRule], Columns]] = {
    "hard_label": _labels,
    "class_probabilities": _class_probabilities,
    "independent_probabilities": _numbers,
    "one_probability": _one_probability,
    "real_number": _numbers,
    "ordinal_label": _labels,
    "label_set": _label_set,
    "ranked_labels": _ranked_labels,
}


def _decided(
    rule: DecisionRule, values: Values, dtype: type[np.generic], shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    decisions = np.asarray(rule.decide(values))
    if decisions.dtype != dtype or decisions.shape != shape:
        raise ValueError(
            f"the rule {rule.name!r} gives {decisions.dtype} {decisions.shape}, the submission needs "
            f"{np.dtype(dtype)} {shape}"
        )
    return decisions


def _scaled(values: Values) -> npt.NDArray[np.float64]:
    """Rows scaled to sum 1, in float64."""
    wide = values.astype(np.float64)
    scaled: npt.NDArray[np.float64] = wide / wide.sum(axis=1, keepdims=True)
    return scaled


def _wide(competition: Competition, values: Values) -> Columns:
    return {column: values[:, place] for place, column in enumerate(competition.target_columns)}


def _sample_form(competition: Competition) -> SampleForm:
    return SampleForm(
        path=competition.root,
        table=competition.sample_submission,
        id_column=competition.id_column,
        targets=competition.target_columns,
    )
