"""Every layout, from the folder to a file that passed the gate; and what is near to it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from competition.layout_makers import (
    LAYOUT_MAKERS,
    draw,
    herbarium,
    humpback,
    one_hot,
    rsna_breast,
    siim_isic,
    table,
)
from competition.making import pictures, put, read
from grandmaster.competition.csv_files import read_table
from grandmaster.competition.layouts import LAYOUTS
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.submission import gate, write_submission
from grandmaster.competition.table import Competition
from grandmaster.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a layout's example is read as; `shape` is that of the targets."""

    kind: str = "multiclass"
    form: str = "hard_label"
    shape: tuple[int, ...]
    columns: tuple[str, str]  # id, first target
    metric: str = "macro_f1"
    group: str | None = None
    top_k: int = 1
    classes: tuple[str, ...] | None = None
    says: tuple[str, ...] = ()


EXPECTED = {
    "L1": Expected(
        shape=(20,),
        columns=("image_id", "label"),
        classes=("0", "1", "2", "3"),
        says=("class names from label_num_to_disease_map.json",),
    ),
    "L2": Expected(
        form="class_probabilities", shape=(18,), columns=("id", "affenpinscher"), metric="log_loss"
    ),
    "L3": Expected(
        form="class_probabilities", shape=(20,), columns=("image_id", "healthy"), metric="log_loss"
    ),
    "L4": Expected(
        kind="multilabel",
        form="label_set",
        shape=(24, 5),
        columns=("image", "labels"),
        metric="sample_f1",
        classes=("complex", "frog_eye_leaf_spot", "healthy", "rust", "scab"),
        says=("5 labels, up to 3 in one cell between blanks",),
    ),
    "L5": Expected(
        kind="multilabel",
        form="independent_probabilities",
        shape=(24, 4),
        columns=("StudyInstanceUID", "ETT - Abnormal"),
        metric="macro_roc_auc",
        group="PatientID",
        says=("rows hold 0 to 4 of them", "column 'PatientID', 6 groups of 24 pictures"),
    ),
    "L6": Expected(
        form="one_probability",
        shape=(24,),
        columns=("image_name", "target"),
        metric="roc_auc",
        group="patient_id",
        says=("positive class: '1'", "'anatom_site_general_challenge'", "the sample holds 0 only"),
    ),
    "L7": Expected(
        kind="regression",
        form="real_number",
        shape=(24, 1),
        columns=("Id", "Pawpularity"),
        metric="rmse",
        classes=(),
        says=("'Subject Focus'", "the sample submission holds values such as 14.74", "called like a group"),
    ),
    "L8": Expected(
        kind="ordinal",
        form="ordinal_label",
        shape=(20, 1),
        columns=("id_code", "diagnosis"),
        metric="quadratic_weighted_kappa",
        classes=("0", "1", "2", "3", "4"),
        says=("its name says 'diagnosis' and it holds the whole numbers 0 to 4",),
    ),
    "L9": Expected(shape=(18,), columns=("image_id", "label"), says=("'variety'", "empty cells")),
    "L10": Expected(
        shape=(18,),
        columns=("file", "species"),
        classes=("Black-grass", "Common wheat", "Shepherds Purse"),
        says=("names of folders in train/",),
    ),
    "L11": Expected(
        form="one_probability",
        shape=(20,),
        columns=("id", "label"),
        metric="roc_auc",
        classes=("cat", "dog"),
        says=("positive class: 'dog', the second", "`positive_class: cat`"),
    ),
    "L12": Expected(
        shape=(18,),
        columns=("Id", "Predicted"),
        classes=("3", "8106", "15504"),
        says=("class names from metadata.json", "their files from metadata.json"),
    ),
    "L13": Expected(
        form="one_probability",
        shape=(24,),
        columns=("prediction_id", "cancer"),
        metric="roc_auc",
        group="patient_id",
        says=("'patient_id_laterality'", "mean of its pictures' predictions (4 rows, 8 pictures)"),
    ),
    "L14": Expected(
        form="ranked_labels",
        shape=(21,),
        columns=("Image", "Id"),
        metric="map_at_k",
        top_k=5,
        says=("the class for the unknown, 'new_whale'",),
    ),
}


def random_predictions(competition: Competition, seed: int = 0) -> Predictions:
    """What a model of this kind of target may say of the test pictures, in sorted order of ids."""
    ids = tuple(sorted(competition.test["id"]))
    rng, shape = np.random.default_rng(seed), (len(ids), len(competition.outputs))
    if competition.kind == "multiclass":
        values = rng.dirichlet(np.ones(shape[1]), size=shape[0])
    elif competition.kind == "multilabel":
        values = rng.random(shape)
    else:
        low, high = competition.targets.min(), competition.targets.max()
        values = rng.uniform(low, high, shape)
    return Predictions(ids=ids, outputs=competition.outputs, values=values.astype(np.float32))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: make(tmp_path_factory.mktemp("made") / name) for name, make in LAYOUT_MAKERS.items()}


def test_every_layout_has_an_example():
    assert LAYOUTS.keys() == LAYOUT_MAKERS.keys() == EXPECTED.keys() == {f"L{n}" for n in range(1, 15)}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_layout_is_found_without_being_named(made: dict[str, Path], name: str) -> None:
    c, expected = read(made[name]), EXPECTED[name]
    assert (c.layout, c.kind, c.submission_format) == (name, expected.kind, expected.form)
    assert (c.id_column, c.target_columns[0]) == expected.columns
    assert c.targets.shape == expected.shape
    assert c.targets.dtype == (np.int64 if expected.kind == "multiclass" else np.float32)
    assert (c.metric, c.group_column, c.top_k) == (expected.metric, expected.group, expected.top_k)
    if expected.classes is not None:
        assert c.classes == expected.classes
    text = "\n".join(c.understood)
    assert all(part in text for part in expected.says), text
    assert f"kind: {expected.kind}" in text
    assert any(line.startswith("metric: ") and c.metric_reason in line for line in c.understood)
    # What later parts rely on.
    assert c.train["id"].tolist() == sorted(c.train["id"])
    assert c.train["group"].map(type).eq(str).all()
    assert all(Path(path).is_file() for path in [*c.train["path"], *c.test["path"]])
    assert ("label" in c.train) == (expected.kind in ("multiclass", "ordinal"))
    assert set(c.test["row"]) == set(c.sample_submission[c.id_column])
    if expected.group:
        assert c.train["group"].tolist() == c.train[f"meta_{expected.group}"].tolist()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_layout_ends_in_a_file_that_reads_back(made: dict[str, Path], name: str, tmp_path: Path) -> None:
    c = read(made[name])
    path = tmp_path / "submission.csv"
    write_submission(path, random_predictions(c), c)
    back = read_table(path).reset_index(drop=True)
    assert back[c.id_column].tolist() == c.sample_submission[c.id_column].tolist()
    assert gate(back, c).passed


@pytest.mark.parametrize("name", EXPECTED)
def test_the_order_of_rows_does_not_matter(made: dict[str, Path], name: str, tmp_path: Path) -> None:
    root = tmp_path / name
    shutil.copytree(made[name], root)
    for file in ("train.csv", "labels.csv"):
        if (root / file).exists():
            header, *rows = (root / file).read_text().splitlines()
            (root / file).write_text("\n".join([header, *rows[::-1]]))
    first, second = read(made[name]), read(root)
    assert first.train.drop(columns="path").equals(second.train.drop(columns="path"))
    np.testing.assert_array_equal(first.targets, second.targets)
    assert first.understood == second.understood


def test_targets_belong_to_their_pictures(made: dict[str, Path]) -> None:
    sets = read(made["L4"])
    by_id = dict(zip(sets.train["id"], sets.targets, strict=True))
    assert by_id["8002cb321f8c7ca.jpg"].tolist() == [1, 1, 0, 0, 1]  # complex, frog_eye_leaf_spot, scab
    columns = read(made["L5"])
    assert columns.targets[5].tolist() == [1, 0, 1, 0]
    grades = read(made["L8"])
    assert grades.targets[:, 0].tolist() == grades.train["label"].tolist() == [n % 5 for n in range(20)]
    values = read(made["L7"])
    assert values.targets[:3, 0].tolist() == [1, 5, 9]
    assert values.train["meta_Subject Focus"].tolist()[:3] == ["0", "1", "0"]


def test_several_pictures_make_one_row(made: dict[str, Path], tmp_path: Path) -> None:
    c = read(made["L13"])
    assert c.sample_submission["prediction_id"].tolist() == ["10021_R", "10021_L", "10020_R", "10020_L"]
    assert c.test["row"].tolist() == [row for row in c.sample_submission["prediction_id"] for _ in range(2)]
    assert c.train["row"].tolist()[:3] == ["10006_L", "10006_L", "10006_R"]
    positive = {
        "7000": 0.2,
        "7001": 0.4,
        "7002": 0.0,
        "7003": 1.0,
        "7004": 0.5,
        "7005": 0.5,
        "7006": 0.9,
        "7007": 0.1,
    }
    values = np.array([[1 - p, p] for p in positive.values()], np.float32)
    path = tmp_path / "submission.csv"
    write_submission(path, Predictions(ids=tuple(positive), outputs=c.outputs, values=values), c)
    back = read_table(path)
    rows = dict(zip(back["prediction_id"], back["cancer"].astype(float), strict=True))
    assert rows == pytest.approx({"10020_L": 0.3, "10020_R": 0.5, "10021_L": 0.5, "10021_R": 0.5})


def test_dicom_files_are_pictures(tmp_path: Path) -> None:
    c = read(rsna_breast(tmp_path, suffix=".dcm"))
    assert (c.layout, len(c.train)) == ("L13", 24)
    assert all(path.endswith(".dcm") for path in c.train["path"])


def test_ids_that_name_folders_of_pictures(tmp_path: Path) -> None:
    """As rsna-miccai-brain-tumor: one label a patient, leading zeros, files that are called alike."""
    for split, patients in (("train", range(6)), ("test", range(6, 8))):
        for patient in patients:
            for n in range(3):
                draw(tmp_path / split / f"{patient:05d}" / "FLAIR" / f"Image-{n}.png", [patient % 2], n)
    table(tmp_path / "train_labels.csv", "BraTS21ID,MGMT_value", ((f"{n:05d}", n % 2) for n in range(6)))
    table(tmp_path / "sample_submission.csv", "BraTS21ID,MGMT_value", ((f"{n:05d}", "0.5") for n in (7, 6)))
    c = read(tmp_path)
    assert (c.layout, c.submission_format, len(c.train)) == ("L13", "one_probability", 18)
    assert (
        c.train["row"].tolist()
        == c.train["group"].tolist()
        == [f"{n:05d}" for n in range(6) for _ in range(3)]
    )
    assert c.test["row"].tolist() == ["00007"] * 3 + ["00006"] * 3
    assert c.test["id"][0] == "test/00007/FLAIR/Image-0.png"
    assert any("mean of its pictures' predictions (2 rows, 6 pictures)" in line for line in c.understood)


def test_coco_beside_its_pictures(tmp_path: Path) -> None:
    """As iWildCam: JSON right in the folder, ids that are file names, places and sequences as groups."""
    images = [
        {"id": f"86{n:02d}a", "file_name": f"86{n:02d}a.jpg", "location": n // 3, "seq_id": f"s{n // 2}"}
        for n in range(18)
    ]
    for n, image in enumerate(images):
        draw(tmp_path / "train" / str(image["file_name"]), one_hot(n % 3, 3), n)
    for n in range(4):
        draw(tmp_path / "test" / f"99{n}b.jpg", one_hot(n % 3, 3), 50 + n)
    annotations = [
        {"image_id": image["id"], "category_id": n % 3, "id": str(n)} for n, image in enumerate(images)
    ]
    known: dict[str, Any] = {
        "images": images,
        "annotations": annotations[:-1],
        "categories": [{"id": n, "name": name} for n, name in enumerate(("empty", "tapir", "puma"))],
    }
    (tmp_path / "iwildcam2020_train_annotations.json").write_text(json.dumps(known))
    hidden = [{"id": f"99{n}b", "file_name": f"99{n}b.jpg", "location": 40} for n in range(4)]
    (tmp_path / "iwildcam2020_test_information.json").write_text(json.dumps({"images": hidden}))
    table(tmp_path / "sample_submission.csv", "Id,Category", ((f"99{n}b", 0) for n in (2, 0, 3, 1)))
    c = read(tmp_path)
    assert (c.layout, c.class_names, c.group_column) == ("L12", ("empty", "tapir", "puma"), "location")
    assert c.test["id"].tolist() == ["992b", "990b", "993b", "991b"]
    assert any(
        "1 listed pictures have no annotation and are left out: '8617a'" in line for line in c.understood
    )
    known["annotations"].append({"image_id": "stranger", "category_id": 0})
    (tmp_path / "iwildcam2020_train_annotations.json").write_text(json.dumps(known))
    with pytest.raises(UserError, match="1 annotations are of pictures that are not listed: 'stranger'"):
        read(tmp_path)
    (tmp_path / "iwildcam2020_train_annotations.json").write_text('{"images": 3}')
    with pytest.raises(UserError, match="not in the format of COCO"):
        read(tmp_path)


def test_coco_with_other_names_for_ids(tmp_path: Path) -> None:
    """As herbarium-2022: `image_id`, `scientificName`, test pictures as a bare list, several taxa in one picture."""
    for n in range(9):
        draw(tmp_path / "train_images" / "000" / f"00000__{n:03d}.jpg", one_hot(n % 3, 3), n)
    draw(tmp_path / "test_images" / "000" / "000.jpg", one_hot(0, 3), 50)
    known = {
        "images": [{"image_id": f"00000__{n:03d}", "file_name": f"000/00000__{n:03d}.jpg"} for n in range(9)],
        "annotations": [{"image_id": f"00000__{n:03d}", "category_id": n % 3} for n in range(9)],
        "categories": [{"category_id": n, "scientificName": f"Abies {n}"} for n in range(3)],
    }
    (tmp_path / "train_metadata.json").write_text(json.dumps(known))
    (tmp_path / "test_metadata.json").write_text('[{"image_id": "0", "file_name": "000/000.jpg"}]')
    table(tmp_path / "sample_submission.csv", "Id,Predicted", [("0", 42)])
    c = read(tmp_path)
    assert (c.layout, c.kind, c.class_names) == ("L12", "multiclass", ("Abies 0", "Abies 1", "Abies 2"))
    assert c.train["id"][0] == "00000__000"
    assert Path(c.test["path"][0]).parts[-3:] == ("test_images", "000", "000.jpg")
    known["annotations"].append({"image_id": "00000__000", "category_id": 2})
    (tmp_path / "train_metadata.json").write_text(json.dumps(known))
    c = read(tmp_path)
    assert (c.kind, c.targets[0].tolist()) == ("multilabel", [1, 0, 1])


def test_coco_annotations_are_not_passed_over_for_class_folders(tmp_path: Path) -> None:
    root = herbarium(tmp_path)
    (root / "nybg2020" / "train" / "metadata.json").write_text('{"images": []}')
    with pytest.raises(UserError, match=r"no known layout fits.*L10 .*metadata\.json may hold the labels"):
        read(root)
    assert read(root, layout="L10").layout == "L10"


def test_imet_labels_are_numbers_with_names(tmp_path: Path) -> None:
    pictures(tmp_path / "train", [f"t{n}.png" for n in range(4)])
    pictures(tmp_path / "test", ["q.png"])
    put(
        tmp_path,
        train_csv="id,attribute_ids\nt0,147 616 813\nt1,3\nt2,\nt3,147\n",
        labels_csv="attribute_id,attribute_name\n3,country::x\n147,culture::a b\n616,tag::c\n813,tag::d\n",
        sample_submission_csv="id,attribute_ids\nq,0 1 2\n",
    )
    c = read(tmp_path)
    assert (c.layout, c.classes) == ("L4", ("3", "147", "616", "813"))
    assert c.class_names == ("country::x", "culture::a b", "tag::c", "tag::d")
    assert c.targets.tolist() == [[0, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert any("1 training pictures have none" in line for line in c.understood)


def test_happywhale_takes_the_column_that_the_sample_speaks_of(tmp_path: Path) -> None:
    pictures(tmp_path / "train_images", [f"t{n}.jpg" for n in range(8)])
    pictures(tmp_path / "test_images", ["q.jpg"])
    ids = [f"37c7aba965a{n}" for n in range(4)]
    rows = "".join(f"t{n}.jpg,{('beluga', 'bottlenose')[n % 2]},{ids[n % 4]}\n" for n in range(8))
    put(
        tmp_path,
        train_csv=f"image,species,individual_id\n{rows}",
        sample_submission_csv=f"image,predictions\nq.jpg,{' '.join(ids[:3])}\n",
    )
    c = read(tmp_path)
    assert (c.layout, c.top_k, c.classes) == ("L14", 3, tuple(ids))
    assert c.train["meta_species"][0] == "beluga"
    assert c.group_column is None  # individuals are what is asked for
    assert any("there is no class for the unknown" in line for line in c.understood)


def test_a_repeated_word_is_no_ranking(tmp_path: Path) -> None:
    pictures(tmp_path / "images", ["0.jpg", "1.jpg", "2.jpg", "q.jpg"])
    put(tmp_path, train_csv="id,label\n0,tut\n1,pom\n2,pom\n", sample_submission_csv="id,label\nq,pom pom\n")
    assert read(tmp_path).submission_format == "hard_label"


def test_ids_that_name_pictures_in_the_sample_only(tmp_path: Path) -> None:
    pictures(tmp_path / "images", ["a.jpg", "b.jpg", "q.jpg"])
    put(tmp_path, train_csv="id,image,label\n0,a,x\n1,b,y\n", sample_submission_csv="id,label\nq,x\n")
    c = read(tmp_path)
    assert (c.layout, c.train["id"].tolist(), c.train["meta_id"].tolist()) == ("L3", ["a", "b"], ["0", "1"])
    put(tmp_path, train_csv="id,image,copy,label\n0,a,b,x\n1,b,a,y\n")
    with pytest.raises(UserError, match=r"'image', 'copy' may each hold the ids.*`id_column: image`"):
        read(tmp_path)
    assert read(tmp_path, id_column="copy").train["label"].tolist() == [1, 0]


def test_ranked_labels_cannot_hold_the_separator(tmp_path: Path) -> None:
    root = humpback(tmp_path)
    put(root, train_csv=(root / "train.csv").read_text().replace("w_5287fbc", "w 5"))
    with pytest.raises(UserError, match=r"1 label holds the separator ' '.*'w 5'"):
        read(root, kind="multiclass")


def test_class_folders_may_lie_deep_and_the_csv_counts(tmp_path: Path) -> None:
    root = LAYOUT_MAKERS["L10"](tmp_path / "a")
    (root / "train").rename(root / "x")
    (root / "train").mkdir()
    (root / "x").rename(root / "train" / "train")
    assert read(root).classes == ("Black-grass", "Common wheat", "Shepherds Purse")
    pictures(root / "train" / "train", ["loose.png"])
    with pytest.raises(UserError, match=r"L10 .*'loose\.png', not in class folders"):
        read(root)
    odd = LAYOUT_MAKERS["L9"](tmp_path / "b")
    text = (odd / "train.csv").read_text()
    put(odd, train_csv=text.replace("100330.jpg,bacterial_leaf_blight", "100330.jpg,normal"))
    c = read(odd)
    assert c.layout == "L9"
    assert c.classes[c.train["label"][0]] == "normal"
    assert any("1 picture lies in the folder of another class" in line for line in c.understood)


def test_file_names_without_labels(tmp_path: Path) -> None:
    pictures(tmp_path / "train", ["Image-1.jpg", "Image-2.jpg"])
    pictures(tmp_path / "test", ["1.jpg"])
    put(tmp_path, sample_submission_csv="id,label\n1,0.5\n")
    with pytest.raises(UserError, match=r"L11 .*hold no recurring labels: 'Image'"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("ids", "rows"),
    [("patient", ["a", "a", "b", "b", "c", "c"]), ("seqid", ["a", "b", "a", "b", "c", "c"])],
)
def test_groups_are_found_by_name(tmp_path: Path, ids: str, rows: list[str]) -> None:
    pictures(tmp_path / "images", [f"t{n}.jpg" for n in range(6)] + ["q.jpg"])
    lines = "".join(f"t{n},{('x', 'y')[n % 2]},{row}\n" for n, row in enumerate(rows))
    put(tmp_path, train_csv=f"id,label,{ids}\n{lines}", sample_submission_csv="id,label\nq,x\n")
    c = read(tmp_path)
    assert (c.group_column, c.train["group"].tolist()) == (ids, rows)
    none = read(tmp_path, group_column="id")
    assert (none.group_column, none.train["group"].tolist()) == (None, none.train["id"].tolist())
    with pytest.raises(UserError, match=r"no column 'patiend' \(data\.group_column\) \(in .*\.csv\)"):
        read(tmp_path, group_column="patiend")
    with pytest.raises(UserError, match=r"'label' \(data\.group_column\) holds the target \(in .*\.csv\)"):
        read(tmp_path, group_column="label")


@pytest.mark.parametrize("column", ["age_group", "location_of_body", "laterality", "patient_age"])
def test_other_columns_are_no_groups(tmp_path: Path, column: str) -> None:
    pictures(tmp_path / "images", [f"t{n}.jpg" for n in range(6)] + ["q.jpg"])
    lines = "".join(f"t{n},{('x', 'y')[n % 2]},{n // 2}\n" for n in range(6))
    put(tmp_path, train_csv=f"id,label,{column}\n{lines}", sample_submission_csv="id,label\nq,x\n")
    c = read(tmp_path)
    assert c.group_column is None
    assert c.train[f"meta_{column}"].tolist() == ["0", "0", "1", "1", "2", "2"]


def test_two_groups_are_told(tmp_path: Path) -> None:
    root = siim_isic(tmp_path)
    header, *rows = (root / "train.csv").read_text().splitlines()
    more = [f"{row},s{n // 2}" for n, row in enumerate(rows)]
    put(root, train_csv="\n".join([f"{header},study_id", *more]))
    c = read(root)
    assert c.group_column == "patient_id"
    assert any("`group_column: study_id` says so" in line for line in c.understood)
    assert read(root, group_column="study_id").train["group"][0] == "s0"


@pytest.mark.parametrize(
    ("make", "old", "new"),
    [
        (LAYOUT_MAKERS["L2"], "000bec180eb18c7604dcecc8fe0dba07,", "../labels,"),
        (LAYOUT_MAKERS["L4"], "8000cb321f8c7ca.jpg", "../train_images/8000cb321f8c7ca.jpg"),
        (LAYOUT_MAKERS["L7"], "0000ef0a4f84,", "/etc/passwd,"),
    ],
)
def test_ids_that_leave_the_folder(tmp_path: Path, make: Any, old: str, new: str) -> None:
    root = make(tmp_path)
    file = root / ("labels.csv" if (root / "labels.csv").exists() else "train.csv")
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(UserError, match="lead out of the data folder"):
        read(root)


def test_coco_file_names_are_those_beside_it(tmp_path: Path) -> None:
    root = herbarium(tmp_path)
    for split in ("train", "test"):
        shutil.copytree(root / "nybg2020" / split / "images", root / "small" / split / "images")
    c = read(root)
    assert [path.count("/nybg2020/") for path in (*c.train["path"], *c.test["path"])] == [1] * 24


def test_coco_file_names_that_leave_the_folder(tmp_path: Path) -> None:
    root = herbarium(tmp_path)
    path = root / "nybg2020" / "train" / "metadata.json"
    path.write_text(path.read_text().replace("images/000/00/437000.jpg", "../../../outside.jpg"))
    with pytest.raises(UserError, match="lead out of the data folder"):
        read(root)


def test_prediction_rows_must_have_pictures(made: dict[str, Path]) -> None:
    c = read(made["L13"])
    fewer = replace(c, test=c.test.iloc[2:].reset_index(drop=True))
    with pytest.raises(UserError, match="1 rows of the sample submission have no test picture: '10021_R'"):
        write_submission(Path("never.csv"), random_predictions(fewer), fewer)


def test_rows_that_the_training_table_cannot_tell(tmp_path: Path) -> None:
    root = rsna_breast(tmp_path)
    for name in ("train.csv", "test.csv"):
        frame = read_table(root / name).drop(columns=["laterality", "patient_id"])
        frame.to_csv(root / name, index=False)
    c = read(root)
    assert c.train["row"].tolist() == c.train["id"].tolist()
    assert any("no columns that make it up: validation scores pictures" in line for line in c.understood)


def test_rows_are_groups_where_there_are_no_others(tmp_path: Path) -> None:
    root = rsna_breast(tmp_path)
    for name in ("train.csv", "test.csv"):
        file = root / name
        file.write_text(file.read_text().replace("patient_id", "who"))
    c = read(root)
    assert c.group_column is None
    assert c.train["group"].tolist() == c.train["row"].tolist()
    assert c.train["row"][0] == "10006_L"
    assert any("groups: the 12 rows that pictures belong to" in line for line in c.understood)
    text = (root / "train.csv").read_text()
    put(root, train_csv=text.replace("10006,3000,L,CC,61.0,1", "10006,3000,L,CC,61.0,0"))
    assert any(
        "pictures of 1 training rows are labelled differently: '10006_L'" in line
        for line in read(root).understood
    )


def test_two_files_of_one_picture_are_settled_by_the_folder(tmp_path: Path) -> None:
    """As siim-isic: the same ids as JPEG and as DICOM."""
    root = siim_isic(tmp_path)
    for split in ("train", "test"):
        shutil.copytree(root / "jpeg" / split, root / split)
        for path in (root / split).iterdir():
            path.rename(path.with_suffix(".dcm"))
    with pytest.raises(UserError, match=r"fit more than one picture.*`images: \[\.\.\.\]`"):
        read(root)
    c = read(root, images=("jpeg",))
    assert c.train["path"].str.contains("/jpeg/").all()


def test_a_table_beside_class_folders(tmp_path: Path) -> None:
    root = LAYOUT_MAKERS["L10"](tmp_path)
    put(root, train_notes_csv="remark,who\nnone,me\n")
    with pytest.raises(UserError, match=r"L10 .*there is a training table, train_notes\.csv"):
        read(root)
    assert read(root, layout="L10").classes == ("Black-grass", "Common wheat", "Shepherds Purse")


def test_rows_of_test_csv_and_sample_must_agree(tmp_path: Path) -> None:
    root = rsna_breast(tmp_path)
    text = (root / "sample_submission.csv").read_text()
    put(root, sample_submission_csv=text.replace("10021_R", "10099_R"))
    with pytest.raises(UserError, match=r"in test\.csv but not in sample_submission\.csv: '10021_R'"):
        read(root)
