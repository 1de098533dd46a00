"""Submissions join on ids, and nothing wrong gets through the gate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from competition.making import documents, pictures, plants, predicted, put, read
from grandmaster.competition.csv_files import read_table
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.submission import build_submission, gate, write_submission
from grandmaster.competition.table import Competition
from grandmaster.errors import UserError


@pytest.fixture
def hard(tmp_path: Path) -> Competition:
    return read(documents(tmp_path / "documents"))


@pytest.fixture
def wide(tmp_path: Path) -> Competition:
    return read(plants(tmp_path / "plants"))


def test_hard_labels_join_on_ids(hard: Competition) -> None:
    # Predictions in sorted order (001, a, z), the sample in its own (z, a, 001).
    frame = build_submission(hard, predicted(hard, [0, 1, 2]))
    assert frame.to_numpy().tolist() == [["z.jpg", "10"], ["a.jpg", "9"], ["001.jpg", "2"]]
    assert gate(frame, hard).passed


def test_probabilities_join_on_ids(wide: Competition) -> None:
    predictions = predicted(wide, [0, 1, 2])
    frame = build_submission(wide, predictions)
    assert list(frame.columns) == ["image_id", "scab", "healthy", "rust"]
    assert frame["image_id"].tolist() == ["Test_2", "Test_0", "Test_1"]
    assert frame.iloc[:, 1:].to_numpy().argmax(axis=1).tolist() == [2, 0, 1]
    np.testing.assert_allclose(
        frame.iloc[1, 1:].to_numpy(float), predictions.values[0].astype(float), rtol=1e-6
    )
    assert gate(frame, wide).passed


def test_column_order_is_the_samples(tmp_path: Path) -> None:
    root = documents(tmp_path)
    put(root, sample_submission_csv="target,ID\n2,z.jpg\n2,a.jpg\n")
    c = read(root, id_column="ID")
    frame = build_submission(c, predicted(c, [0, 1]))
    assert frame.to_numpy().tolist() == [["9", "z.jpg"], ["2", "a.jpg"]]


def test_written_file_reads_back_exactly(hard: Competition, wide: Competition, tmp_path: Path) -> None:
    path = tmp_path / "submission_a.csv"
    report = write_submission(path, predicted(hard, [0, 1, 2]), hard)
    assert report.problems == ()
    assert path.read_bytes() == b"ID,target\nz.jpg,10\na.jpg,9\n001.jpg,2\n"
    write_submission(path, predicted(wide, [0, 1, 2]), wide)
    first = path.read_bytes()
    write_submission(path, predicted(wide, [0, 1, 2]), wide)
    assert path.read_bytes() == first
    back = read_table(path)
    assert gate(back.reset_index(drop=True), wide).passed
    sums = back.iloc[:, 1:].to_numpy(float).sum(axis=1)
    np.testing.assert_allclose(sums, 1, atol=1e-6)
    assert max(len(cell) for cell in back["scab"]) <= 13  # the shortest text of a float32
    assert [item.name for item in tmp_path.glob("*.part")] == []


@pytest.mark.fault(8, "ids 001, NA, 1e5")
@pytest.mark.fault(13, "ids that begin with = and +")
def test_ids_are_written_verbatim(tmp_path: Path) -> None:
    names = ["001", "=1+1", "1e5", "NA", "a b", 'q"q', "c,d", "+x", "한글"]
    pictures(tmp_path / "images", [f"{name}.jpg" for name in [*names, "t0", "t1"]])
    quoted = ['"q""q"' if '"' in name else f'"{name}"' if "," in name else name for name in names]
    put(
        tmp_path,
        train_csv="id,label\nt0,NA\nt1,None\n",
        sample_submission_csv="id,label\n" + "".join(f"{name},None\n" for name in quoted),
    )
    c = read(tmp_path)
    assert c.test["id"].tolist() == names
    path = tmp_path / "out.csv"
    write_submission(path, predicted(c, [0, 1] * 4 + [0]), c)
    assert path.read_text().splitlines() == [
        "id,label",
        *(
            f"{cell},{c.classes[i % 2]}"
            for cell, i in zip(quoted, [sorted(names).index(name) for name in names], strict=True)
        ),
    ]


def test_predictions_must_be_for_this_test_set(hard: Competition) -> None:
    full = predicted(hard, [0, 1, 2])
    short = Predictions(ids=full.ids[1:], outputs=full.outputs, values=full.values[1:])
    with pytest.raises(UserError, match="1 test ids have no prediction: '001.jpg'".replace(".", r"\.")):
        build_submission(hard, short)
    other = Predictions(ids=(*full.ids[:2], "q.jpg"), outputs=full.outputs, values=full.values)
    with pytest.raises(UserError, match=r"'z\.jpg'"):
        build_submission(hard, other)
    more = Predictions(ids=(*full.ids, "q.jpg"), outputs=full.outputs, values=full.values[[0, 1, 2, 0]])
    with pytest.raises(UserError, match=r"does not have: 'q\.jpg'"):
        build_submission(hard, more)
    turned = Predictions(ids=full.ids, outputs=full.outputs[::-1], values=full.values)
    with pytest.raises(ValueError, match="other classes"):
        build_submission(hard, turned)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([1, 0, 2], "another order than the sample's, from row 1 ('a.jpg')"),
        ([0, 1], "1 ids are missing: '001.jpg'"),
        ([0, 1, 1], "1 ids appear more than once: 'a.jpg'"),
        ([0, 1, 2, 2], "1 ids appear more than once: '001.jpg'"),
    ],
)
@pytest.mark.fault(12, "rows shuffled, missing, repeated")
def test_rows_shuffled_missing_or_repeated(hard: Competition, rows: list[int], says: str) -> None:
    frame = build_submission(hard, predicted(hard, [0, 1, 2])).iloc[rows].reset_index(drop=True)
    assert any(says in problem for problem in gate(frame, hard).problems)


def test_ids_changed_on_the_way(hard: Competition) -> None:
    frame = build_submission(hard, predicted(hard, [0, 1, 2]))
    frame["ID"] = ["z.jpg", "a.jpg", "1.jpg"]
    problems = gate(frame, hard).problems
    assert "1 ids are missing: '001.jpg'" in problems
    assert "1 ids are not in the sample submission: '1.jpg'" in problems
    frame["ID"] = [1, 2, 3]
    assert len(gate(frame, hard).problems) == 2


@pytest.mark.parametrize("columns", [["target", "ID"], ["ID", "label"], ["ID"], ["ID", "target", "x"]])
def test_columns_must_be_the_samples(hard: Competition, columns: list[str]) -> None:
    frame = build_submission(hard, predicted(hard, [0, 1, 2])).reindex(columns=columns)
    (problem,) = gate(frame, hard).problems
    assert "the sample submission has ['ID', 'target']" in problem


@pytest.mark.parametrize("bad", ["02", "2.0", 2.0, "", None, np.nan, "class 2", " 2", "3"])
def test_labels_must_be_spelled_as_in_training(hard: Competition, bad: object) -> None:
    frame = build_submission(hard, predicted(hard, [0, 1, 2]))
    frame["target"] = pd.Series([bad, "2", "10"], dtype=object)
    (problem,) = gate(frame, hard).problems
    assert problem.startswith("1 label in 'target' is not among the classes of the training file")


def test_whole_numbers_are_fine_for_whole_number_labels(hard: Competition) -> None:
    frame = build_submission(hard, predicted(hard, [0, 1, 2])).astype({"target": int})
    assert gate(frame, hard).passed


def test_a_missing_cell_is_not_the_class_nan(tmp_path: Path) -> None:
    root = documents(tmp_path, labels=["nan", "None", "nan", "None"], sample_label="nan")
    c = read(root)
    frame = pd.DataFrame({"ID": c.test["id"], "target": pd.Series([np.nan, None, "nan"], dtype=object)})
    assert gate(frame, c).problems[0].startswith("2 labels")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ([np.nan, 0.5, 0.5], "missing, infinite"),
        ([np.inf, 0.0, 0.0], "missing, infinite"),
        (["x", 0.5, 0.5], "missing, infinite"),
        ([1.5, -0.5, 0.0], "outside 0..1"),
        ([0.4, 0.4, 0.4], "do not sum to 1"),
        ([0.0, 0.0, 0.0], "do not sum to 1"),
    ],
)
def test_probabilities_must_be_some(wide: Competition, row: list[object], says: str) -> None:
    frame = build_submission(wide, predicted(wide, [0, 1, 2])).astype(object)
    frame.iloc[1, 1:] = row
    problems = gate(frame, wide).problems
    assert any(says in problem and "'Test_0'" in problem for problem in problems)


def test_sums_are_asked_for_only_where_the_sample_has_them(tmp_path: Path) -> None:
    c = read(plants(tmp_path, sample="0,0,0"))
    frame = build_submission(c, predicted(c, [0, 1, 2])).astype({"rust": float})
    frame.loc[1, "rust"] = 0.9
    frame.loc[1, "scab"] = 0.9
    assert gate(frame, c).passed


def test_a_failing_file_is_never_written(wide: Competition, tmp_path: Path) -> None:
    path = tmp_path / "submission_a.csv"
    path.write_text("what was there")
    broken = replace(wide, sample_submission=wide.sample_submission.assign(image_id=["Test_2"] * 3))
    with pytest.raises(UserError):
        write_submission(path, predicted(wide, [0, 1, 2]), broken)
    zero = predicted(wide, [0, 1, 2])
    negative = Predictions(ids=zero.ids, outputs=zero.outputs, values=zero.values - 0.5)
    with pytest.raises(UserError, match=r"did not pass the gate.*outside 0\.\.1"):
        write_submission(path, negative, wide)
    assert path.read_text() == "what was there"
    assert sorted(item.name for item in tmp_path.iterdir() if item.is_file()) == ["submission_a.csv"]


def test_one_class_everywhere_is_warned_of(hard: Competition, wide: Competition) -> None:
    for competition in (hard, wide):
        frame = build_submission(competition, predicted(competition, [1, 1, 1]))
        report = gate(frame, competition)
        assert report.passed
        assert report.warnings == (f"every row is class {competition.classes[1]!r}",)
        assert (
            gate(build_submission(competition, predicted(competition, [0, 1, 2])), competition).warnings == ()
        )


def test_classes_never_predicted_are_warned_of(tmp_path: Path) -> None:
    test = [f"x{i:02}" for i in range(40)]
    pictures(tmp_path / "images", [f"{name}.jpg" for name in [*test, *(f"t{i}" for i in range(20))]])
    labels = ["a"] * 9 + ["b"] * 9 + ["c"] * 2
    put(
        tmp_path,
        train_csv="id,label\n" + "".join(f"t{i},{label}\n" for i, label in enumerate(labels)),
        sample_submission_csv="id,label\n" + "".join(f"{name},a\n" for name in test),
    )
    c = read(tmp_path)
    frame = build_submission(c, predicted(c, [0] * 39 + [2]))
    assert gate(frame, c).warnings == ("1 class of the training set is never predicted: 'b'",)
    # Class c is expected four times only: its absence may be chance.
    assert gate(build_submission(c, predicted(c, [0] * 20 + [1] * 20)), c).warnings == ()
