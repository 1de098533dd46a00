"""Corrected labels beside the training file: what they change, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from competition.making import documents, named, read
from grandmaster.competition.label_fixes import apply_label_fixes, label_delimiter, with_label_fixes
from grandmaster.competition.table import Competition
from grandmaster.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """t0.jpg to t3.jpg with the labels 10, 2, 10, 9; the classes are 2, 9, 10."""
    return documents(tmp_path / "forms")


def fixed(root: Path, text: str) -> Competition:
    (root / "label_fixes.csv").write_text(text)
    return with_label_fixes(read(root), None)


def other_kind(
    competition: Competition, kind: str, targets: list[list[float]], **more: object
) -> Competition:
    """The same pictures with targets of another kind."""
    train = competition.train if kind == "ordinal" else competition.train.drop(columns="label")
    return dataclasses.replace(
        competition,
        kind=kind,  # type: ignore[arg-type]
        train=train,
        targets=np.array(targets, np.float32),
        **more,  # type: ignore[arg-type]
    )


def test_labels_change_and_pictures_go_without_touching_the_training_file(root: Path) -> None:
    before, file = read(root), (root / "train.csv").read_bytes()
    after = fixed(root, "id,label\nt3.jpg,2\nt1.jpg,drop\nt0.jpg,10\n")
    assert (root / "train.csv").read_bytes() == file
    assert after.classes == before.classes
    assert named(after.train, "label") == {"t0.jpg": 2, "t2.jpg": 2, "t3.jpg": 0}
    assert after.targets.tolist() == after.train["label"].tolist()
    assert after.targets.dtype == np.int64
    assert list(after.train.columns) == list(before.train.columns)
    assert after.train.index.tolist() == [0, 1, 2]
    told = "label_fixes.csv: 1 label changed, 1 picture dropped, 1 row says what is so already"
    assert told in after.understood
    assert named(before.train, "label")["t3.jpg"] == 1, "the competition that was read is not changed"


def test_a_class_that_loses_its_last_picture_is_warned_of(root: Path) -> None:
    after = fixed(root, "id,label\nt3.jpg,2\n")
    assert after.understood[-1] == "warning: label_fixes.csv leaves no training picture of 1 class: '9'"
    assert "warning" not in "".join(fixed(root, "id,label\nt0.jpg,2\n").understood[-1])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("id,label\nt9.jpg,2\n", ["line 2", "'t9.jpg'", "for example 't0.jpg'"]),
        ("id,label\nt0.jpg,2\nt3,2\n", ["line 3", "'t3'", "Did you mean 't3.jpg'?"]),
        ("id,label\nz.jpg,2\n", ["line 2", "'z.jpg'", "a test picture"]),
        ("id,label\nt0.jpg,02\n", ["line 2", "'02'", "Did you mean '2'?"]),
        ("id,label\nt0.jpg,passport\n", ["line 2", "'passport'", "Known: 10, 2, 9"]),
        ("id,label\nt0.jpg,\n", ["line 2", "''"]),
        ("id,label\nt0.jpg,2\nt0.jpg,9\n", ["'t0.jpg'", "lines 2 and 3"]),
        ("id,label\n,2\n", ["empty", "line 2"]),
        ("id,label,suggested\nt0.jpg,2,9\n", ["'suggested'", "have to be id and label"]),
        ("id\nt0.jpg\n", ["have to be id and label"]),
        ("id,label\n" + "".join(f"t{i}.jpg,drop\n" for i in range(4)), ["drops every training picture"]),
    ],
)
def test_what_cannot_be_followed_is_one_clear_line(root: Path, text: str, parts: list[str]) -> None:
    with pytest.raises(UserError) as error:
        fixed(root, text)
    for part in [*parts, "label_fixes.csv"]:
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_may_lie_elsewhere(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "mine.csv"
    elsewhere.write_text("label;id\r\n9;t0.jpg\r\n")
    (root / "label_fixes.csv").write_text("id,label\nt0.jpg,drop\n")
    after = with_label_fixes(read(root), str(elsewhere))
    assert named(after.train, "label")["t0.jpg"] == 1
    assert after.understood[-1] == "mine.csv: 1 label changed, 0 pictures dropped"
    with pytest.raises(UserError, match=r"no such file.*data\.label_fixes"):
        with_label_fixes(read(root), str(tmp_path / "gone.csv"))


def test_no_file_changes_nothing(root: Path) -> None:
    competition = read(root)
    assert with_label_fixes(competition, None) is competition


def test_a_class_called_drop_is_not_mistaken_for_dropping(tmp_path: Path) -> None:
    root = documents(tmp_path / "forms", labels=("drop", "keep", "drop", "keep"), sample_label="keep")
    with pytest.raises(UserError, match="'drop' is a class"):
        fixed(root, "id,label\nt0.jpg,drop\n")


@pytest.mark.parametrize(
    ("classes", "cell"), [(("2", "9", "10"), "10 2"), (("ETT - Normal", "9", "10"), "10|ETT - Normal")]
)
def test_several_labels_in_one_cell(root: Path, classes: tuple[str, ...], cell: str) -> None:
    competition = other_kind(
        read(root), "multilabel", [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]], classes=classes
    )
    path = root / "label_fixes.csv"
    path.write_text(f"id,label\nt1.jpg,{cell}\nt2.jpg,\n")
    after = apply_label_fixes(competition, path)
    assert after.targets.tolist() == [[1, 0, 0], [1, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert after.targets.dtype == np.float32
    assert after.understood[-1] == "warning: label_fixes.csv leaves no training picture of 1 class: '9'"
    assert label_delimiter(classes).join(["10", classes[0]]) == cell
    path.write_text("id,label\nt1.jpg,10 3\n")
    with pytest.raises(UserError, match=r"line 2: '(10 )?3' is not a label"):
        apply_label_fixes(competition, path)


def test_grades_and_numbers(root: Path) -> None:
    path = root / "label_fixes.csv"
    path.write_text("id,label\nt0.jpg,9\nt2.jpg,drop\n")
    grades = apply_label_fixes(other_kind(read(root), "ordinal", [[2], [0], [2], [1]]), path)
    assert grades.targets.tolist() == [[1], [0], [1]]
    assert grades.train["label"].tolist() == [1, 0, 1]
    numbers = other_kind(read(root), "regression", [[2.5], [0], [2], [1]], classes=())
    path.write_text("id,label\nt0.jpg,-3.25\nt2.jpg,drop\n")
    assert apply_label_fixes(numbers, path).targets.tolist() == [[-3.25], [0], [1]]
    path.write_text("id,label\nt0.jpg,many\n")
    with pytest.raises(UserError, match="line 2: 'many' is not 1 numbers"):
        apply_label_fixes(numbers, path)
