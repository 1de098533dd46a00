"""Folders of files become competitions, or one line that says why not."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from competition.making import documents, named, pictures, plants, put, read
from grandmaster.competition.layouts import LAYOUTS
from grandmaster.errors import UserError


def test_l1_as_the_first_contest(tmp_path: Path) -> None:
    c = read(documents(tmp_path))
    assert (c.layout, c.id_column, c.target_columns, c.name) == ("L1", "ID", ("target",), tmp_path.name)
    assert c.classes == ("2", "9", "10")  # numeric, not alphabetic
    assert c.class_names == ("class 2", "class 9", "class 10")
    assert c.train["id"].tolist() == ["t0.jpg", "t1.jpg", "t2.jpg", "t3.jpg"]
    assert [c.classes[label] for label in c.train["label"]] == ["10", "2", "10", "9"]
    assert c.train["path"].tolist() == [str(tmp_path.resolve() / "train" / f"t{i}.jpg") for i in range(4)]
    assert c.test["id"].tolist() == c.sample_submission["ID"].tolist() == ["z.jpg", "a.jpg", "001.jpg"]
    assert c.test["path"].str.contains("/test/").all()
    assert c.submission_format == "hard_label"
    assert any("with extension" in line for line in c.understood)


def test_l1_as_cassava(tmp_path: Path) -> None:
    pictures(tmp_path / "train_images", ["1.jpg", "2.jpg", "3.jpg"])
    pictures(tmp_path / "test_images", ["1.jpg"])
    put(
        tmp_path,
        train_csv="image_id,label\n3.jpg,0\n1.jpg,4\n2.jpg,4\n",
        sample_submission_csv="image_id,label\n1.jpg,4\n",
        label_num_to_disease_map_json='{"0": "Blight (CBB)", "4": "Healthy", "3": "Mosaic"}',
    )
    c = read(tmp_path)
    assert (c.layout, c.classes, c.class_names) == ("L1", ("0", "4"), ("Blight (CBB)", "Healthy"))
    assert "/train_images/1.jpg" in named(c.train, "path")["1.jpg"]
    assert "/test_images/1.jpg" in c.test["path"][0]
    assert any(line.startswith("warning") and "3 Mosaic" in line for line in c.understood)


def test_l3_one_hot(tmp_path: Path) -> None:
    c = read(plants(tmp_path))
    assert c.layout == "L3"
    assert c.classes == c.target_columns == ("scab", "healthy", "rust")  # the sample's order, not the file's
    assert [c.classes[label] for label in c.train["label"]] == ["healthy", "scab", "rust", "rust"]
    assert c.test["id"].tolist() == ["Test_2", "Test_0", "Test_1"]
    assert (c.submission_format, c.metric) == ("class_probabilities", "log_loss")
    assert list(c.train.columns) == ["id", "path", "label", "group", "row"]
    assert any("without extension" in line for line in c.understood)


def test_l3_one_label_column_for_wide_probabilities(tmp_path: Path) -> None:
    root = plants(tmp_path, train_csv="image_id,site,kind\nTrain_1,x,rust\nTrain_0,y,scab\n")
    c = read(root)
    assert c.classes == ("scab", "healthy", "rust")
    assert [c.classes[label] for label in c.train["label"]] == ["scab", "rust"]
    assert c.train["meta_site"].tolist() == ["y", "x"]
    assert c.submission_format == "class_probabilities"
    assert any("without a training picture: 'healthy'" in line for line in c.understood)


def test_l3_one_label_column_for_hard_labels(tmp_path: Path) -> None:
    pictures(tmp_path / "images", ["00001.jpg", "00002.jpg", "00010.jpg"])
    put(
        tmp_path,
        train_csv="\ufeffimage_id;label\r\n00010;metal\r\n00001;Glass\r\n",
        test_csv="image_id\r\n00002\r\n",
        sample_submission_csv="image_id,label\r\n00002,metal\r\n",
    )
    c = read(tmp_path)
    assert (c.layout, c.classes, c.train["id"].tolist()) == ("L3", ("Glass", "metal"), ["00001", "00010"])


def test_columns_named_by_the_name_map(tmp_path: Path) -> None:
    root = plants(tmp_path, train_csv="image_id,label\nTrain_0,1\nTrain_1,2\nTrain_2,0\n")
    put(root, classes_csv="label,name\n0,rust\n1,healthy\n2,scab\n")
    c = read(root)
    assert c.target_columns == c.class_names == ("scab", "healthy", "rust")
    assert c.classes == ("2", "1", "0")
    assert [c.classes[label] for label in c.train["label"]] == ["1", "2", "0"]


@pytest.mark.fault(8, "labels and ids that look like numbers or nothing")
def test_strings_that_look_like_something_else_stay_strings(tmp_path: Path) -> None:
    pictures(tmp_path / "images", [f"{name}.jpg" for name in ("001", "1", "NA", "1e5", "=1+1", "nan")])
    put(
        tmp_path,
        train_csv="id,label\n001,NA\n1,None\nNA,null\n1e5,NA\n",
        sample_submission_csv="id,label\n=1+1,None\nnan,None\n",
    )
    c = read(tmp_path)
    assert c.train["id"].tolist() == ["001", "1", "1e5", "NA"]
    assert c.classes == ("NA", "None", "null")
    assert [Path(path).name for path in c.test["path"]] == ["=1+1.jpg", "nan.jpg"]
    assert c.sample_submission.to_numpy().tolist() == [["=1+1", "None"], ["nan", "None"]]


def test_ids_may_be_paths(tmp_path: Path) -> None:
    root = documents(tmp_path)
    text = (root / "train.csv").read_text().replace("t1.jpg", "./train/t1.jpg").replace("t0.jpg", "train\\t0")
    put(root, train_csv=text)
    c = read(root)
    assert [Path(path).name for path in c.train["path"]] == ["t1.jpg", "t2.jpg", "t3.jpg", "t0.jpg"]
    assert any("(file names with extension or without extension)" in line for line in c.understood)
    put(root, train_csv=text.replace("train\\t0", "train/t0.jpg"))
    assert any("(file names with extension)" in line for line in read(root).understood)


def test_order_of_rows_and_files_does_not_matter(tmp_path: Path) -> None:
    first = read(plants(tmp_path / "a" / "same"))
    root = plants(tmp_path / "b" / "same")
    header, *rows = (root / "train.csv").read_text().splitlines()
    random.Random(3).shuffle(rows)
    put(root, train_csv="\n".join([header, *rows]))
    second = read(root)
    assert first.train.drop(columns="path").equals(second.train.drop(columns="path"))
    assert first.classes_hash == second.classes_hash
    assert first.understood == second.understood


def test_answers_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = documents(tmp_path)
    before = read(root)
    for name in ("solution.csv", "solution_map.txt", "test_labels.csv", "answers.csv"):
        (root / name).write_bytes(b"\x00\xff poison, no table")
    opened: list[str] = []
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (opened.append(path.name), real(path))[1])
    after = read(root)
    assert sorted(opened) == ["meta.csv", "sample_submission.csv", "train.csv"]
    assert after.understood == before.understood
    assert after.train.equals(before.train)


def test_metadata_and_the_unnamed_index_column(tmp_path: Path) -> None:
    root = documents(tmp_path)
    rows = "".join(f"{i},t{i}.jpg,NA,{label},{i % 2}\n" for i, label in enumerate(("10", "2", "10", "9")))
    put(root, train_csv=f",ID,age,target,group\n{rows}")
    c = read(root)
    assert list(c.train.columns) == ["id", "path", "label", "group", "row", "meta_age", "meta_group"]
    assert c.train["meta_age"].tolist() == ["NA"] * 4
    assert c.train["meta_group"].tolist() == ["0", "1", "0", "1"]


def test_columns_named_in_the_settings(tmp_path: Path) -> None:
    root = documents(tmp_path)
    put(root, train_csv="file,a,b\nt0.jpg,x,1\nt1.jpg,y,0\n", meta_csv="k,v\nq,r\n")
    with pytest.raises(UserError, match=r"no label column.*data\.target_columns"):
        read(root)
    c = read(root, target_columns=("a",))
    assert (c.classes, c.id_column, c.target_columns) == (("x", "y"), "ID", ("target",))
    assert any("ids in column 'file'" in line for line in c.understood)
    assert read(root, id_column="file", target_columns=("a",)).train.equals(c.train)
    settings: dict[str, Any]
    for settings in ({"id_column": "flie"}, {"id_column": "file", "target_columns": ("aa",)}):
        with pytest.raises(UserError, match=r"there is no column '(flie|aa)'.*(Did you mean|Known)"):
            read(root, **settings)


def test_metric_is_named_or_chosen_with_a_reason(tmp_path: Path) -> None:
    root = documents(tmp_path)
    c = read(root)
    assert c.metric == "macro_f1"
    assert "2.0 times" in c.metric_reason
    assert any(c.metric_reason in line for line in c.understood)
    assert read(root, metric="accuracy").metric == "accuracy"
    assert any("needs probabilities" in line for line in read(root, metric="log_loss").understood)
    balanced = documents(tmp_path / "b", labels=["1", "2", "1", "2"], sample_label="1")
    assert "similar size" in read(balanced).metric_reason


@pytest.mark.parametrize(
    ("train_csv", "says"),
    [
        ("ID,target\nt0.jpg,2\nt1.jpg,\n", "column 'target' are empty, the first in line 3"),
        ("ID,target\nt0.jpg,2\n ,3\n", "column 'ID' are empty, the first in line 3"),
        (
            "ID,target\nt0.jpg,2\nt1.jpg,9\nt0.jpg,2\n",
            "repeats? a ID; the first is 't0.jpg', in lines 2 and 4",
        ),
        ("ID,target\nt0.jpg,2\nt1.jpg,9\nt0.jpg,9\n", "'t0.jpg' has label '2' in line 2 and '9' in line 4"),
        (
            "ID,target\nt0.jpg,2\nt1.jpg,3\n",
            r"1 label of the training file without a name: '3' \(in .*meta.csv",
        ),
        ("ID,target\nt0.jpg,2\nt1.jpg,2\n", "one class only: '2'"),
        ("ID,target\nt0.jpg,2\n../train/t1.jpg,9\n", r"lead out of the data folder: '\.\./train/t1\.jpg'"),
        ("ID,target\nt0.jpg,2\nt9.jpg,9\n", r"no picture: 't9\.jpg'"),
        (
            "file,target\nq0.jpg,2\nq1.jpg,9\n",
            "has no column 'ID'.*none that names the pictures.*data.id_column",
        ),
    ],
)
def test_faults_of_the_training_file_name_row_and_id(tmp_path: Path, train_csv: str, says: str) -> None:
    root = documents(tmp_path)
    put(root, train_csv=train_csv)
    with pytest.raises(UserError, match=says):
        read(root)


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        ("ID,target\nz.jpg,2\nz.jpg,2\n", "repeats? a ID; the first is 'z.jpg'"),
        ("ID,target\nz.jpg,2\n,2\n", "column 'ID' are empty"),
        ("ID,target\nq.jpg,2\n", r"1 of 1 test ids have no picture: 'q\.jpg'"),
        ("ID,target\nz.jpg,0.5\n", "probability or an estimated value"),
        ("ID\nz.jpg\n", "one column"),
        ("ID,x,y\nz.jpg,0.5,0.5\n", "no column for the labels '10', '2', '9'"),
    ],
)
def test_faults_of_the_sample_submission(tmp_path: Path, sample: str, says: str) -> None:
    root = documents(tmp_path)
    put(root, sample_submission_csv=sample)
    with pytest.raises(UserError, match=says):
        read(root)


def test_a_placeholder_in_the_sample_is_only_a_warning(tmp_path: Path) -> None:
    c = read(documents(tmp_path, sample_label=""))
    assert any(line.startswith("warning") and "placeholder" in line for line in c.understood)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("Train_3,1,0,1", r"line 5 \(id 'Train_3'\) with 2.*multi-label"),
        ("Train_3,0,0,0", r"line 5 \(id 'Train_3'\) with 0.*multi-label"),
        ("Train_3,0.5,0.5,0", r"line 5 \(id 'Train_3'\) has '0.5' in column 'healthy'"),
        ("Train_3,,0,1", r"line 5 \(id 'Train_3'\) has '' in column 'healthy'"),
    ],
)
def test_rows_that_are_not_one_hot(tmp_path: Path, row: str, says: str) -> None:
    root = plants(tmp_path)
    put(root, train_csv=(root / "train.csv").read_text().replace("Train_3,0,1,0", row))
    with pytest.raises(UserError, match=says):
        read(root)


@pytest.mark.parametrize("sample", ["0,0,0", "0.5,0.5,0.5", "0.2,0.3,0.5"])
def test_wide_samples_hold_class_probabilities(tmp_path: Path, sample: str) -> None:
    assert read(plants(tmp_path, sample=sample)).submission_format == "class_probabilities"


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        ("0.1,0.2,0.3", "neither sum to 1 nor hold one constant.*`kind: multiclass`.*`kind: multilabel`"),
        ("a,b,c", "no known layout fits.*something else than numbers"),
        ("inf,inf,inf", "no known layout fits.*something else than numbers"),
    ],
)
def test_other_wide_samples_are_refused(tmp_path: Path, sample: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        read(plants(tmp_path, sample=sample))


def test_test_csv_and_sample_must_agree(tmp_path: Path) -> None:
    root = plants(tmp_path)
    put(root, test_csv="image_id\nTest_0\nTest_1\n")
    with pytest.raises(UserError, match=r"in sample_submission\.csv but not in test\.csv: 'Test_2'"):
        read(root)


def test_pictures_in_both_splits_are_told(tmp_path: Path) -> None:
    root = plants(tmp_path)
    (root / "test.csv").unlink()
    put(root, sample_submission_csv="image_id,scab,healthy,rust\nTest_0,0,0,0\nTrain_1,0,0,0\n")
    assert any(
        line.startswith("warning: 1 picture is in train and in test") for line in read(root).understood
    )


def test_two_name_maps(tmp_path: Path) -> None:
    root = documents(tmp_path)
    put(root, class_names_json='{"class 2": 2, "class 9": 9, "class 10": 10}')
    assert read(root).class_names == ("class 2", "class 9", "class 10")
    put(root, class_names_json='{"2": "x", "9": "y", "10": "z"}')
    with pytest.raises(UserError, match="name the classes differently"):
        read(root)


def test_a_table_of_pictures_is_no_name_map(tmp_path: Path) -> None:
    root = documents(tmp_path)
    put(root, meta_csv="image,target\n" + "".join(f"t{i}.jpg,{10 if i else 2}\n" for i in range(5)))
    assert read(root).class_names == ("2", "9", "10")


def test_an_unknown_layout_says_what_was_found_and_what_is_known(tmp_path: Path) -> None:
    pictures(tmp_path / "train" / "cats", ["1.jpg", "2.jpg"])
    put(tmp_path, captions_json="{}")
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    text = str(caught.value)
    assert "captions.json" in text
    assert "2 pictures in 'train/cats/'" in text
    assert "there is no train.csv" in text
    assert all(f"{name} ({layout.title})" in text for name, layout in LAYOUTS.items())


def test_the_folder_above_points_to_the_right_one(tmp_path: Path) -> None:
    documents(tmp_path / "docs")
    with pytest.raises(UserError, match=r"give the folder '.*docs' instead"):
        read(tmp_path)


def test_no_pictures_no_folder_no_directory(tmp_path: Path) -> None:
    root = documents(tmp_path / "docs")
    for picture in sorted(root.rglob("*.jpg")):
        picture.unlink()
    with pytest.raises(UserError, match=r"0 pictures.*Unpack the competition's pictures"):
        read(root)
    with pytest.raises(UserError, match=r"no such folder.*Did you mean 'docs'"):
        read(tmp_path / "docz")
    with pytest.raises(UserError, match="a file, not a folder"):
        read(root / "train.csv")


def test_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = documents(tmp_path)
    real = os.scandir

    def scandir(path: Path) -> Any:
        if Path(path).name == "test":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(UserError, match="folder cannot be read: Permission denied"):
        read(root)
