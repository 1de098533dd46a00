"""`competition.yaml`, and the errors that ask for a line of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from competition.layout_makers import LAYOUT_MAKERS, siim_isic
from competition.making import documents, pictures, plants, put, read
from grandmaster.competition.description import FILE_NAME
from grandmaster.errors import UserError


def say(root: Path, text: str) -> Path:
    (root / FILE_NAME).write_text(text, encoding="utf-8")
    return root


def flat(root: Path, train: str, sample: str, *, names: int = 6) -> Path:
    """Pictures 0.jpg ... and q.jpg in images/, and these tables."""
    pictures(root / "images", [f"{n}.jpg" for n in range(names)] + ["q.jpg"])
    put(root, train_csv=train, sample_submission_csv=sample)
    return root


def test_it_says_what_is_then_not_found_out(tmp_path: Path) -> None:
    root = LAYOUT_MAKERS["L8"](tmp_path)
    say(root, "kind: multiclass\nmetric: accuracy\n")
    c = read(root)
    assert (c.layout, c.kind, c.submission_format, c.metric) == ("L1", "multiclass", "hard_label", "accuracy")
    assert c.understood[0] == f"{FILE_NAME} says kind: multiclass; metric: accuracy"
    # A setting of the run wins, and the file is not said to have decided it.
    c = read(root, kind="ordinal")
    assert (c.kind, c.metric) == ("ordinal", "accuracy")
    assert c.understood[0] == f"{FILE_NAME} says metric: accuracy"


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    root = documents(tmp_path)
    before = read(root).understood
    assert read(say(root, "# nothing yet\n")).understood == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kinds: ordinal", r"unknown key 'kinds'.*competition\.yaml.*Did you mean 'kind'"),
        ("kind: ordinal\nkind: regression", "keys appear twice: 'kind'"),
        ("kind: ordnal", "kind: 'ordnal' is not allowed"),
        ("top_k: many", "top_k: 'many' is not allowed"),
        ("top_k: 0", "top_k: '0' is not allowed"),
        ("classes: {a: b}", "classes: .* is not allowed"),
        ("layout: L15", "layout: 'L15' is not allowed"),
        ("- kind", "not a list of `key: value` lines"),
        ("kind: [", "not valid YAML"),
        ("kind: !!python/object:os.system x", "kind: 'x' is not allowed"),
        ("train: ../train.csv", r"there is no file '\.\./train\.csv' \(data\.train\)"),
        ("sample: sample.csv", r"there is no file 'sample\.csv' \(data\.sample\)"),
        ("images: pictures", r"no pictures in folder 'pictures' \(data\.images\)"),
        ("id_column: IDs", r"there is no column 'IDs' \(data\.id_column\)"),
        ("target_columns: [label]", r"there is no column 'label' \(data\.target_columns\)"),
        ("group_column: patient", r"there is no column 'patient' \(data\.group_column\)"),
        ("classes: ['2', '9']", r"1 label is missing in the list of classes \(data\.classes\): '10'"),
        ("classes: [2, 9, 10, 9]", "holds a label twice"),
        ("top_k: 3\nsubmission_format: hard_label", r"top_k \(data\.top_k\) means nothing here"),
        ("positive_class: '2'", r"positive_class \(data\.positive_class\) means nothing here"),
        ("separator: ';'", r"separator \(data\.separator\) means nothing here"),
        ("submission_format: label_set", "label_set does not go with one class"),
        (
            "layout: L4",
            r"no known layout fits.*L4 \(several labels in one cell\): train\.csv holds one label",
        ),
    ],
)
def test_a_bad_line_is_one_error_that_names_it(tmp_path: Path, text: str, says: str) -> None:
    root = say(documents(tmp_path), text)
    with pytest.raises(UserError, match=says) as caught:
        read(root)
    assert "\n" not in str(caught.value)


def test_another_spelling_of_the_name_is_not_passed_over(tmp_path: Path) -> None:
    (documents(tmp_path) / "competition.yml").write_text("kind: ordinal")
    with pytest.raises(UserError, match=r"Call it competition\.yaml"):
        read(tmp_path)


def test_words_stay_what_they_are(tmp_path: Path) -> None:
    """YAML would make numbers, booleans and nulls of these."""
    root = flat(tmp_path, "id,label\n0,001\n1,no\n2,NA\n3,1e5\n4,null\n5,001\n", "id,label\nq,no\n")
    say(root, "classes: [no, 001, NA, 1e5, null]\n")
    c = read(root)
    assert c.classes == ("no", "001", "NA", "1e5", "null")
    assert c.train["label"].tolist() == [1, 0, 2, 3, 4, 1]


def test_files_and_folders_that_are_called_otherwise(tmp_path: Path) -> None:
    root = documents(tmp_path)
    (root / "tables").mkdir()
    for name in ("train", "sample_submission"):
        (root / f"{name}.csv").rename(root / "tables" / f"{name}_v2.csv")
    pictures(root / "thumbnails" / "train", ["t0.jpg"])
    say(root, "train: tables/train_v2.csv\nsample: tables/sample_submission_v2.csv\nimages: [train/, test]\n")
    c = read(root)
    assert (c.layout, len(c.train), len(c.test)) == ("L1", 4, 3)
    (root / FILE_NAME).unlink()
    with pytest.raises(UserError, match="no known layout fits"):
        read(root)


def test_two_training_tables(tmp_path: Path) -> None:
    root = documents(tmp_path)
    text = (root / "train.csv").read_text()
    (root / "train.csv").unlink()
    put(root, train_all_clean_csv=text, train_all_clean_T_csv=text.replace("t3.jpg,9", "t3.jpg,2"))
    with pytest.raises(UserError, match=r"may each be the train table.*`train: train_all_clean\.csv`"):
        read(root)
    assert read(say(root, "train: train_all_clean_T.csv")).classes == ("2", "10")


@pytest.mark.parametrize(
    ("train", "sample", "says", "line", "then"),
    [
        (
            "id,a,b\n0,x,y\n1,y,x\n2,x,y\n3,y,x\n4,x,x\n5,y,y\n",
            "id,label\nq,x\n",
            "columns 'a', 'b' may each hold the labels",
            "target_columns: [b]",
            {"layout": "L3", "classes": ("x", "y")},
        ),
        (
            "id,colour\n0,red\n1,dark red\n2,red\n3,blue\n4,dark red\n5,blue\n",
            "id,colour\nq,red\n",
            "cells of column 'colour' such as 'dark red' may be several labels or one name",
            "kind: multiclass",
            {"classes": ("blue", "dark red", "red")},
        ),
        (
            "id,colour\n0,red\n1,dark red\n2,red\n3,blue\n4,dark red\n5,blue\n",
            "id,colour\nq,red\n",
            "several labels or one name",
            "kind: multilabel",
            {"classes": ("blue", "dark", "red"), "submission_format": "label_set"},
        ),
        (
            "id,count\n0,3\n1,7\n2,1\n3,3\n4,7\n5,1\n",
            "id,count\nq,0.5\n",
            r"whole numbers in column 'count' may be classes or values.*holds 0\.5",
            "kind: regression",
            {"layout": "L7", "submission_format": "real_number", "metric": "rmse"},
        ),
        (
            "id,x,y\n0,1,0\n1,1,1\n2,0,0\n3,1,0\n4,0,1\n5,1,0\n",
            "id,x,y\nq,0.5,0.5\n",
            r"2 pictures do not have exactly one class; the first is line 3 \(id '1'\) with 2",
            "kind: multilabel",
            {"layout": "L5", "submission_format": "independent_probabilities"},
        ),
        (
            "id,label\n0,1\n1,0\n2,1\n3,0\n4,0\n5,1\n",
            "id,label\nq,2.5\n",
            "holds '2.5': a probability or an estimated value, not a class",
            "kind: regression",
            {"submission_format": "real_number"},
        ),
    ],
)
def test_what_is_ambiguous_is_asked(
    tmp_path: Path, train: str, sample: str, says: str, line: str, then: dict[str, Any]
) -> None:
    root = flat(tmp_path, train, sample)
    with pytest.raises(UserError, match=says) as caught:
        read(root)
    assert "competition.yaml" in str(caught.value)
    c = read(say(root, line))
    assert {name: getattr(c, name) for name in then} == then


def test_grades_with_names_are_asked(tmp_path: Path) -> None:
    root = LAYOUT_MAKERS["L8"](tmp_path)
    put(root, classes_csv="label,name\n0,none\n1,mild\n2,moderate\n3,severe\n4,proliferative\n")
    with pytest.raises(
        UserError, match=r"may hold grades.*classes\.csv names them.*`kind: ordinal`.*`kind: multiclass`"
    ):
        read(root)
    c = read(say(root, "kind: ordinal"))
    assert (c.kind, c.class_names[4]) == ("ordinal", "proliferative")


def test_whole_numbers_that_hardly_repeat_are_asked(tmp_path: Path) -> None:
    rows = "".join(f"{n},{100 + n % 15}\n" for n in range(24))
    root = flat(tmp_path, f"id,age\n{rows}", "id,age\nq,100\n", names=24)
    with pytest.raises(UserError, match="there are 15 different ones for 24 pictures"):
        read(root)
    assert read(root, kind="regression").targets.shape == (24, 1)
    assert len(read(root, kind="multiclass").classes) == 15


@pytest.mark.parametrize(
    ("column", "labels", "kind"),
    [
        ("isup_grade", "012345", "ordinal"),
        ("KL grade", "012301", "ordinal"),
        ("severityLevel", "123123", "ordinal"),
        ("grade", "013013", "multiclass"),  # a gap
        ("grade", "234234", "multiclass"),  # starts at 2
        ("grade", "010101", "multiclass"),  # two are no scale
        ("upgraded", "012012", "multiclass"),  # the word is another
        ("label", "012012", "multiclass"),
    ],
)
def test_grades_need_both_kinds_of_evidence(tmp_path: Path, column: str, labels: str, kind: str) -> None:
    rows = "".join(f"{n},{label}\n" for n, label in enumerate(labels))
    c = read(flat(tmp_path, f"id,{column}\n{rows}", f"id,{column}\nq,{labels[0]}\n"))
    assert c.kind == kind
    assert ("ordinal, because its name says" in "\n".join(c.understood)) == (kind == "ordinal")


def test_grades_in_words_have_the_order_that_is_said(tmp_path: Path) -> None:
    root = flat(tmp_path, "id,grade\n0,low\n1,high\n2,mid\n3,low\n4,mid\n5,high\n", "id,grade\nq,low\n")
    assert read(root).kind == "multiclass"
    c = read(say(root, "kind: ordinal\nclasses: [low, mid, high]\n"))
    assert (c.layout, c.classes, c.targets[:, 0].tolist()) == (
        "L8",
        ("low", "mid", "high"),
        [0, 2, 1, 0, 1, 2],
    )


def test_one_probability_or_a_label(tmp_path: Path) -> None:
    root = siim_isic(tmp_path)
    assert read(root).submission_format == "one_probability"
    assert read(root, metric="accuracy").submission_format == "hard_label"
    assert read(say(root, "submission_format: hard_label")).submission_format == "hard_label"
    (root / FILE_NAME).unlink()
    sample = (root / "sample_submission.csv").read_text()
    put(root, sample_submission_csv=sample.replace("ISIC_1000003,0", "ISIC_1000003,1"))
    assert read(root).submission_format == "hard_label"


def test_the_positive_class_can_be_said(tmp_path: Path) -> None:
    root = LAYOUT_MAKERS["L11"](tmp_path)
    c = read(say(root, "positive_class: cat"))
    assert (c.classes, c.positive_class) == (("cat", "dog"), 0)
    assert any("positive class: 'cat', as data.positive_class says" in line for line in c.understood)
    with pytest.raises(UserError, match=r"no class 'cow' \(data\.positive_class\)"):
        read(say(root, "positive_class: cow"))


@pytest.mark.parametrize(
    ("labels", "target", "positive"),
    [("no,yes", "label", "yes"), ("benign,malignant", "x", "malignant"), ("cat,dog", "Cat", "cat")],
)
def test_the_positive_class_by_its_name(tmp_path: Path, labels: str, target: str, positive: str) -> None:
    names = labels.split(",")
    rows = "".join(f"{n},{names[n % 2]}\n" for n in range(6))
    c = read(flat(tmp_path, f"id,label\n{rows}", f"id,{target}\nq,0.5\n"))
    assert c.classes[c.positive_class] == positive
    assert not any(line.startswith("warning: positive") for line in c.understood)


def test_columns_of_a_wide_sample_can_be_listed(tmp_path: Path) -> None:
    root = plants(tmp_path, train_csv="image_id,label\nTrain_0,1\nTrain_1,2\nTrain_2,0\n")
    with pytest.raises(UserError, match=r"no column for the labels '0', '1', '2' \(data\.classes lists"):
        read(root)
    c = read(say(root, "classes: [2, 1, 0]"))
    assert (c.target_columns, c.classes) == (("scab", "healthy", "rust"), ("2", "1", "0"))


def test_top_k_and_separator_can_be_said(tmp_path: Path) -> None:
    root = LAYOUT_MAKERS["L14"](tmp_path)
    assert read(say(root, "top_k: 3")).top_k == 3
    flags = flat(tmp_path / "b", "id,tags\n0,a/b\n1,a\n2,b\n3,a/c\n4,c\n5,b/c\n", "id,tags\nq,a\n")
    assert read(flags).kind == "multiclass"
    c = read(say(flags, "separator: /"))
    assert (c.kind, c.separator, c.classes) == ("multilabel", "/", ("a", "b", "c"))


def test_several_values(tmp_path: Path) -> None:
    root = flat(tmp_path, "id,w,h\n0,0.5,9\n1,2.5,8\n2,1.5,3\n3,7,2\n4,8,1.25\n5,9,3\n", "id,h,w\nq,0,0\n")
    c = read(root)
    assert (c.layout, c.kind, c.outputs) == ("L7", "regression", ("h", "w"))
    assert c.targets[0].tolist() == [9.0, 0.5]
    put(root, train_csv=(root / "train.csv").read_text().replace("2.5", "two"))
    with pytest.raises(UserError, match="line 3 has 'two' in column 'w'"):
        read(root, kind="regression")


def test_planet_tags_never_stand_alone(tmp_path: Path) -> None:
    sets = [
        "clear primary",
        "clear primary water",
        "haze primary",
        "haze primary water",
        "clear water",
        "haze water",
    ]
    rows = "".join(f"{n},{text}\n" for n, text in enumerate(sets))
    c = read(flat(tmp_path, f"image_name,tags\n{rows}", "image_name,tags\nq,clear primary\n"))
    assert (c.layout, c.classes) == ("L4", ("clear", "haze", "primary", "water"))


def test_label_sets_for_wide_probabilities(tmp_path: Path) -> None:
    root = flat(tmp_path, "id,labels\n0,a b\n1,a\n2,b\n3,c\n4,a c\n5,b\n", "id,b,c,a\nq,0,0,0\n")
    c = read(root)
    assert (c.layout, c.submission_format, c.classes) == ("L4", "independent_probabilities", ("b", "c", "a"))
    assert c.targets[0].tolist() == [1, 0, 1]
    put(root, train_csv=(root / "train.csv").read_text().replace("a b", "a b a"))
    with pytest.raises(UserError, match="line 2 repeats a label"):
        read(root)


@pytest.mark.parametrize(
    ("cells", "sample", "found"),
    [
        ([".5", ".25"], ".5", ("regression", "real_number")),
        (["-1.5", "2e-3"], "0", ("regression", "real_number")),
        (["0.0", "1.0"], "0.0", ("multiclass", "one_probability")),
        (["True", "False"], "0.5", ("multiclass", "one_probability")),
        (["True", "False"], "False", ("multiclass", "hard_label")),
        (["0.0", "1.0", "2.0"], "1.0", ("multiclass", "hard_label")),
    ],
)
def test_numbers_as_people_write_them(
    tmp_path: Path, cells: list[str], sample: str, found: tuple[str, str]
) -> None:
    rows = "".join(f"{n},{cells[n % len(cells)]}\n" for n in range(6))
    c = read(flat(tmp_path, f"id,y\n{rows}", f"id,y\nq,{sample}\n"))
    assert (c.kind, c.submission_format) == found


def test_one_bad_cell_among_values_is_named(tmp_path: Path) -> None:
    root = flat(tmp_path, "id,y\n0,0.5\n1,nan\n2,1.5\n3,2.5\n4,2\n5,0.1\n", "id,y\nq,0\n")
    with pytest.raises(UserError, match="line 3 has 'nan' in column 'y', which is no number"):
        read(root)


def test_pixel_positions_are_no_labels(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n * 7 + 1} {n + 2} {n * 9 + 400} {n + 3000}\n" for n in range(24))
    root = flat(tmp_path, f"id,EncodedPixels\n{rows}", "id,EncodedPixels\nq,1 1\n", names=24)
    with pytest.raises(UserError, match=r"no known layout fits.*numbers that hardly recur"):
        read(root)


def test_soft_labels_are_asked(tmp_path: Path) -> None:
    rows = "".join(f"{n},0.{n + 1},0.{9 - n - 1}\n" for n in range(6))
    root = flat(tmp_path, f"id,a,b\n{rows}", "id,a,b\nq,0.5,0.5\n")
    with pytest.raises(UserError, match=r"sum to 1 like probabilities of classes.*`kind: regression`"):
        read(root)
    assert read(root, kind="regression").outputs == ("a", "b")
