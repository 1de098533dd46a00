"""The ten forms of a submission: what is written for known predictions, what reads back, and what the gate stops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from competition.layout_makers import LAYOUT_MAKERS
from competition.making import pictures, put, read
from grandmaster.competition.csv_files import read_table
from grandmaster.competition.decisions import DecisionRule
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.submission import build_submission, gate, write_submission
from grandmaster.competition.table import Competition
from grandmaster.errors import UserError


@pytest.fixture(scope="module")
def competitions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Competition]:
    found = {}
    for name, make in LAYOUT_MAKERS.items():
        found[name] = read(make(tmp_path_factory.mktemp("formats") / name))
    return found


def predicted(c: Competition, rows: list[list[float]]) -> Predictions:
    """These values for the test pictures in the sample's order, but handed over in another."""
    ids = c.test["id"].tolist()
    values = np.array(rows, np.float32)
    return Predictions(ids=tuple(ids[::-1]), outputs=c.outputs, values=values[::-1].copy())


# name -> layout, values for its six test pictures (four rows of two for L13), the first target column's cells
FORMATS: dict[str, tuple[str, list[list[float]], list[str]]] = {
    "hard integer": (
        "L1",
        [[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1], *[[0.1, 0.6, 0.2, 0.1]] * 4],
        ["3", "0", "1", "1", "1", "1"],
    ),
    "hard string": (
        "L10",
        [[0.1, 0.8, 0.1], [0.2, 0.2, 0.6], *[[0.5, 0.4, 0.1]] * 4],
        ["Common wheat", "Shepherds Purse", *["Black-grass"] * 4],
    ),
    "wide class probabilities": (
        "L2",
        [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], *[[0.125, 0.125, 0.75]] * 4],
        ["0.5", "0.25", *["0.125"] * 4],
    ),
    "wide independent probabilities": (
        "L5",
        [[0.5, 0.75, 1.0, 0.0], [0.25, 0.0, 0.0, 0.5], *[[0.125, 0.5, 1.0, 0.25]] * 4],
        ["0.5", "0.25", *["0.125"] * 4],
    ),
    "one probability": (
        "L11",
        [[0.75, 0.25], [0.5, 0.5], [0.0, 1.0], [0.875, 0.125], [1.0, 0.0], [0.25, 0.75]],
        ["0.25", "0.5", "1.0", "0.125", "0.0", "0.75"],
    ),
    "real number": (
        "L7",
        [[12.5], [33.25], [1.0], [93.0], [40.0], [41.0]],
        ["12.5", "33.25", "1.0", "93.0", "40.0", "41.0"],
    ),
    "ordinal integer": (
        "L8",
        [[-0.4], [0.49], [0.51], [2.2], [3.6], [9.0]],
        ["0", "0", "1", "2", "4", "4"],
    ),
    "label set": (
        "L4",
        [[0.6, 0.1, 0.1, 0.1, 0.7], [0.1, 0.2, 0.4, 0.3, 0.1], *[[0.0, 0.5, 0.0, 0.9, 0.0]] * 4],
        ["complex scab", "healthy", *["frog_eye_leaf_spot rust"] * 4],
    ),
    "ranked top-k": (
        "L14",
        [[0.1, 0.3, 0.05, 0.2, 0.15, 0.12, 0.08], *[[0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]] * 5],
        [
            "w_0287fbc w_2287fbc w_3287fbc w_4287fbc new_whale",
            *["new_whale w_0287fbc w_1287fbc w_2287fbc w_3287fbc"] * 5,
        ],
    ),
    "one row per group": (
        "L13",
        [[0.0, 1.0], [0.5, 0.5], [0.75, 0.25], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.5, 0.5], [0.5, 0.5]],
        ["0.75", "0.125", "0.0", "0.5"],
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_reads_back(competitions: dict[str, Competition], name: str, tmp_path: Path) -> None:
    layout, rows, cells = FORMATS[name]
    c = competitions[layout]
    path = tmp_path / "submission.csv"
    report = write_submission(path, predicted(c, rows), c)
    assert report.warnings == ()
    back = read_table(path).reset_index(drop=True)
    assert list(back.columns) == list(c.sample_submission.columns)
    assert back[c.id_column].tolist() == c.sample_submission[c.id_column].tolist()
    assert back[c.target_columns[0]].tolist() == cells
    assert gate(back, c).passed


# name -> bad cells of the first two rows' first target column (None: left alone), what the gate says
FAULTS: list[tuple[str, list[Any], str]] = [
    ("hard integer", ["03"], "1 label in 'label' is not among the classes"),
    ("hard integer", [3.0], "1 label in 'label' is not among the classes"),
    ("hard string", ["common wheat"], "not among the classes of the training file: 'common wheat'"),
    ("hard string", [np.nan], "not among the classes of the training file: ''"),
    ("wide class probabilities", [0.9], "do not sum to 1"),
    ("wide class probabilities", [np.nan], "are missing, infinite or no numbers"),
    ("wide independent probabilities", [1.01], "are outside 0..1"),
    ("wide independent probabilities", [np.inf], "are missing, infinite or no numbers"),
    ("wide independent probabilities", ["x"], "are missing, infinite or no numbers"),
    ("one probability", [-0.01], "are outside 0..1"),
    ("one probability", ["dog"], "are missing, infinite or no numbers"),
    ("real number", [None], "values of 1 row are missing"),
    ("real number", [-np.inf], "values of 1 row are missing, infinite"),
    ("ordinal integer", ["5"], "not among the classes of the training file: '5'"),
    ("ordinal integer", ["2.0"], "not among the classes of the training file: '2.0'"),
    ("label set", ["scab mildew"], "not among the classes of the training file: 'mildew'"),
    ("label set", ["scab scab"], "1 row repeats a label in its set: '85f8cb619c66b80.jpg'"),
    ("label set", ["scab  rust"], "does not have exactly ' ' between labels"),
    ("label set", ["scab,rust"], "not among the classes of the training file: 'scab,rust'"),
    ("label set", [""], "1 row has no label, which no row of the sample does"),
    ("ranked top-k", ["new_whale"], "1 row does not have 5 labels: '00028a000.jpg'"),
    ("ranked top-k", ["new_whale " * 5], "1 row repeats a label"),
    ("ranked top-k", [""], "does not have 5 labels"),
    (
        "ranked top-k",
        ["new_whale w_0287fbc w_1287fbc w_2287fbc w_9"],
        "not among the classes of the training file: 'w_9'",
    ),
    ("one row per group", [2], "are outside 0..1"),
]


@pytest.mark.parametrize(("name", "bad", "says"), FAULTS)
def test_the_gate_stops(competitions: dict[str, Competition], name: str, bad: list[Any], says: str) -> None:
    layout, rows, _ = FORMATS[name]
    c = competitions[layout]
    frame = build_submission(c, predicted(c, rows)).astype(object)
    frame.loc[: len(bad) - 1, c.target_columns[0]] = bad
    problems = gate(frame, c).problems
    assert any(says in problem for problem in problems), problems


@pytest.mark.parametrize("name", FORMATS)
def test_ids_order_and_columns_are_the_samples(competitions: dict[str, Competition], name: str) -> None:
    layout, rows, _ = FORMATS[name]
    c = competitions[layout]
    frame = build_submission(c, predicted(c, rows))
    assert any("another order" in problem for problem in gate(frame.iloc[::-1], c).problems)
    assert any("1 ids are missing" in problem for problem in gate(frame.iloc[1:], c).problems)
    twice = pd.concat([frame, frame.iloc[:1]], ignore_index=True)
    assert any("appear more than once" in problem for problem in gate(twice, c).problems)
    other = frame.assign(**{c.id_column: [f"{name}x" for name in frame[c.id_column]]})
    assert any("not in the sample submission" in problem for problem in gate(other, c).problems)
    assert "columns are" in gate(frame.iloc[:, ::-1], c).problems[0]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hard integer", "every row is class '3'"),
        ("ordinal integer", "every row is class '0'"),
        ("wide class probabilities", "every row is class 'affenpinscher'"),
        ("wide independent probabilities", "every row has the same probability in 'ETT - Abnormal'"),
        ("one probability", "every row has the same probability in 'label'"),
        ("real number", "every row has the same value in 'Pawpularity'"),
        ("label set", "every row is labelled 'complex', 'scab'"),
        ("ranked top-k", "every row has 'w_0287fbc' in the first place"),
        ("one row per group", "every row has the same probability in 'cancer'"),
    ],
)
def test_one_answer_everywhere_is_warned_of(
    competitions: dict[str, Competition], name: str, says: str
) -> None:
    layout, rows, _ = FORMATS[name]
    c = competitions[layout]
    report = gate(build_submission(c, predicted(c, [rows[0]] * len(rows))), c)
    assert report.passed
    assert any(warning.startswith(says) for warning in report.warnings), report.warnings


def test_values_far_outside_are_warned_of(competitions: dict[str, Competition]) -> None:
    c = competitions["L7"]
    rows = [*FORMATS["real number"][1][:5], [500.0]]
    assert gate(build_submission(c, predicted(c, rows)), c).warnings == (
        "1 row is far outside the training values: '43a2262d5'",
    )


def test_rules_decide(competitions: dict[str, Competition]) -> None:
    sets = competitions["L4"]
    rule = DecisionRule(name="thresholds", thresholds=(0.05, 0.9, 0.9, 0.25, 0.05))
    frame = build_submission(sets, predicted(sets, FORMATS["label set"][1]), rule)
    assert frame["labels"].tolist()[:3] == ["complex scab", "complex rust scab", "rust"]
    grades = competitions["L8"]
    cuts = DecisionRule(name="cut_points", cut_points=(-1.0, 0.5, 2.5, 3.0))
    frame = build_submission(grades, predicted(grades, FORMATS["ordinal integer"][1]), cuts)
    assert frame["diagnosis"].tolist() == ["1", "1", "2", "2", "4", "4"]
    for c in (sets, grades, competitions["L1"]):
        with pytest.raises(ValueError, match="the rule 'none' gives"):
            build_submission(c, predicted(c, [[0.5] * len(c.outputs)] * 6), DecisionRule(name="none"))


def test_pictures_are_averaged_before_anything_is_decided(competitions: dict[str, Competition]) -> None:
    c = competitions["L4"]
    rows = c.sample_submission["image"].tolist()[:2]
    one_row_each = replace(
        c,
        sample_submission=c.sample_submission.iloc[:2],
        test=c.test.assign(row=[rows[0]] * 3 + [rows[1]] * 3),
    )
    values = [[0.9, 0.4, 0, 0, 0], [0.0, 0.4, 0, 0, 0], [0.0, 0.9, 0, 0, 0], *[[0.0, 0, 0, 0, 1]] * 3]
    frame = build_submission(one_row_each, predicted(one_row_each, values))
    assert frame["labels"].tolist() == ["frog_eye_leaf_spot", "scab"]


def test_empty_sets_where_the_sample_has_them(tmp_path: Path) -> None:
    """As sartorius: the sample holds nothing in its target column."""
    root = LAYOUT_MAKERS["L4"](tmp_path)
    sample = (root / "sample_submission.csv").read_text()
    put(root, sample_submission_csv=sample.replace(",healthy", ","))
    c = read(root)
    assert (c.kind, c.submission_format) == ("multilabel", "label_set")
    path = tmp_path / "submission.csv"
    report = write_submission(path, predicted(c, FORMATS["label set"][1]), c)
    assert report.warnings == ("1 row has no label: '85f8cb619c66b81.jpg'",)
    back = read_table(path).reset_index(drop=True)
    assert back["labels"].tolist()[:2] == ["complex scab", ""]
    assert gate(back, c).passed


def test_mean_over_rows() -> None:
    values = np.array([[1, 0], [0, 1], [0.5, 0.5], [0.25, 0.75]], np.float32)
    given = Predictions(ids=("d", "c", "b", "a"), outputs=("x", "y"), values=values)
    means = given.mean_over({"a": "r1", "b": "r2", "c": "r2", "d": "r1"})
    assert means.ids == ("r1", "r2")
    np.testing.assert_array_equal(means.values, np.array([[0.625, 0.375], [0.25, 0.75]], np.float32))
    with pytest.raises(ValueError, match="1 ids belong to no row, the first is 'd'"):
        given.mean_over({"a": "r1", "b": "r2", "c": "r2"})


def test_other_separators_and_labels_with_commas_and_quotes(tmp_path: Path) -> None:
    pictures(tmp_path / "images", [f"{n}.jpg" for n in range(6)] + ["q.jpg", "r.jpg"])
    put(
        tmp_path,
        train_csv='id,label\n0,"a, b|c ""d"""\n1,"a, b"\n2,"c ""d"""\n3,None|NA\n4,NA\n5,None\n',
        sample_submission_csv='id,label\nq,NA\nr,"a, b"\n',
    )
    c = read(tmp_path)
    assert (c.kind, c.separator, c.classes) == ("multilabel", "|", ("NA", "None", "a, b", 'c "d"'))
    path = tmp_path / "submission.csv"
    write_submission(path, predicted(c, [[1, 1, 0, 0], [0, 0, 1, 1]]), c)
    assert path.read_text() == 'id,label\nq,NA|None\nr,"a, b|c ""d"""\n'
    assert gate(read_table(path).reset_index(drop=True), c).passed


def test_wrong_outputs_are_refused(competitions: dict[str, Competition]) -> None:
    c = competitions["L7"]
    values = np.zeros((6, 1), np.float32)
    with pytest.raises(ValueError, match="in another order"):
        build_submission(c, Predictions(ids=tuple(c.test["id"]), outputs=("Score",), values=values))
    with pytest.raises(UserError, match="6 test ids have no prediction"):
        build_submission(c, Predictions(ids=("x",), outputs=c.outputs, values=values[:1]))
