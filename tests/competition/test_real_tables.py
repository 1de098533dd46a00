"""Tables of real competitions, with tiny pictures for their first rows: every trap in them survives a round trip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from competition.making import pictures, read
from competition.test_layouts import random_predictions
from grandmaster.competition.csv_files import read_table
from grandmaster.competition.submission import gate, write_submission
from grandmaster.competition.table import Competition
from grandmaster.errors import UserError

TABLES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "kaggle_csv"
pytestmark = pytest.mark.skipif(not TABLES.is_dir(), reason="the tables are not part of this repository")


def copied(source: str, target: Path, rows: int) -> pd.DataFrame:
    """The first lines of a real table, byte for byte; returns them as they were read."""
    lines = (TABLES / source).read_bytes().splitlines(keepends=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"".join(lines[: rows + 1]))
    return read_table(target)


def round_trip(c: Competition, path: Path) -> pd.DataFrame:
    """A submission of random predictions, read back."""
    write_submission(path, random_predictions(c), c)
    back = read_table(path).reset_index(drop=True)
    assert gate(back, c).passed
    assert list(back.columns) == list(c.sample_submission.columns)
    assert back[c.id_column].tolist() == c.sample_submission[c.id_column].tolist()
    return back


def test_documents(tmp_path: Path) -> None:
    root = tmp_path / "doc17"
    train = copied("upstage_doc17/train.csv", root / "train.csv", 120)
    sample = copied("upstage_doc17/sample_submission.csv", root / "sample_submission.csv", 40)
    copied("upstage_doc17/meta.csv", root / "meta.csv", 17)
    pictures(root / "train", train["ID"].tolist())
    pictures(root / "test", sample["ID"].tolist())
    c = read(root)
    assert (c.layout, c.submission_format, c.classes) == ("L1", "hard_label", tuple(map(str, range(17))))
    assert c.class_names[0] == "account_number"
    assert set(round_trip(c, tmp_path / "out.csv")["target"]) <= set(c.classes)


def test_cassava_has_an_index_column_paths_and_a_class_called_none(tmp_path: Path) -> None:
    root = tmp_path / "cassava"
    train = copied("cassava/train.csv", root / "train.csv", 60)
    more = (TABLES / "cassava/train.csv").read_text().splitlines()[-20:]
    more[0] = more[0].rpartition(",")[0] + ",None"
    (root / "train.csv").write_text((root / "train.csv").read_text() + "\n".join(more) + "\n")
    train = read_table(root / "train.csv")
    test = copied("cassava/test.csv", root / "test.csv", 25)
    pictures(root, [*train["path"], *test["path"]])
    (root / "competition.yaml").write_text("sample: test.csv\n")
    c = read(root)
    assert (c.layout, c.id_column, c.target_columns) == ("L1", "path", ("class",))
    assert c.classes == ("None", "cbb", "healthy")
    assert c.train["id"][0].startswith("./data/images/train/train/")
    back = round_trip(c, tmp_path / "out.csv")
    assert "None" in set(back["class"])
    assert back["path"][0] == "./data/images/test/test/0/test-img-0.jpg"


def test_cables_have_two_tables_and_metadata(tmp_path: Path) -> None:
    root = tmp_path / "cable"
    train = copied("nishika_cable/train_all_clean.csv", root / "train_all_clean.csv", 150)
    copied(
        "nishika_cable/train_all_clean_Lightning_T_all.csv",
        root / "train_all_clean_Lightning_T_all.csv",
        150,
    )
    sample = copied("nishika_cable/sample_submission.csv", root / "sample_submission.csv", 30)
    pictures(root / "train", train["filename"].tolist())
    pictures(root / "test", sample["filename"].tolist())
    with pytest.raises(UserError, match=r"`train: train_all_clean\.csv`"):
        read(root)
    (root / "competition.yaml").write_text("train: train_all_clean.csv\n")
    c = read(root)
    assert (c.submission_format, c.target_columns) == ("hard_label", ("class",))
    assert "USB_Micro_B_3.1" in c.classes
    assert c.train.filter(like="meta_").columns.tolist() == [
        f"meta_{name}" for name in ("target", "x_center", "y_center", "width", "height")
    ]
    assert set(round_trip(c, tmp_path / "out.csv")["class"]) <= set(c.classes)


def test_catheters_have_names_with_blanks_and_dashes_and_patients(tmp_path: Path) -> None:
    root = tmp_path / "ranzcr"
    train = copied("ranzcr_clip/train.csv", root / "train.csv", 400)
    copied("ranzcr_clip/annotated_train.csv", root / "annotated_train.csv", 20)
    sample = copied("ranzcr_clip/sample_submission.csv", root / "sample_submission.csv", 25)
    pictures(root / "train", [f"{name}.jpg" for name in train["StudyInstanceUID"]])
    pictures(root / "test", [f"{name}.jpg" for name in sample["StudyInstanceUID"]])
    c = read(root)
    assert (c.layout, c.kind, c.submission_format) == ("L5", "multilabel", "independent_probabilities")
    assert (c.group_column, c.classes[5]) == ("PatientID", "NGT - Incompletely Imaged")
    assert c.targets.shape == (400, 11)
    by_id = train.set_index("StudyInstanceUID").loc[c.train["id"], list(c.classes)]
    np.testing.assert_array_equal(c.targets, by_id.to_numpy().astype(np.float32))
    assert (
        c.train["group"].tolist()
        == train.set_index("StudyInstanceUID").loc[c.train["id"], "PatientID"].tolist()
    )
    round_trip(c, tmp_path / "out.csv")


def test_tumours_have_leading_zeros_and_windows_paths(tmp_path: Path) -> None:
    """The table has no target: it gets one, and a sample submission like the competition's."""
    root = tmp_path / "tumour"
    name = "task_1_train_labels.csv"
    table = copied(f"rsna_miccai_brain_tumor/task_1_csv/{name}", root / name, 30)
    lines = (root / name).read_text().splitlines()
    labelled = [f"{lines[0]},MGMT_value", *(f"{line},{n % 2}" for n, line in enumerate(lines[1:]))]
    (root / name).write_text("\n".join(labelled) + "\n")
    for patient in table["patientid"]:
        pictures(root / "train" / patient, ["Image-1.png", "Image-2.png"])
    hidden = ["00001", "00013", "00015"]
    for patient in hidden:
        pictures(root / "test" / patient, ["Image-1.png", "Image-2.png"])
    (root / "sample_submission.csv").write_text(
        "patientid,MGMT_value\n" + "".join(f"{n},0.5\n" for n in hidden)
    )
    (root / "competition.yaml").write_text(f"train: {name}\n")
    c = read(root)
    assert (c.layout, c.submission_format, len(c.train), len(c.test)) == ("L13", "one_probability", 60, 6)
    assert c.train["row"][0] == "00000"
    assert c.train["meta_full_path"][0] == table["full_path"].iloc[0]
    assert c.train["meta_full_path"][0].startswith("C:\\Users\\")
    assert round_trip(c, tmp_path / "out.csv")["patientid"].tolist() == hidden
    with pytest.raises(UserError, match="lead out of the data folder"):
        read(root, id_column="full_path", layout="L3")


def test_cells_have_empty_predictions(tmp_path: Path) -> None:
    root = tmp_path / "cells"
    sample = copied("sartorius/sample_submission.csv", root / "sample_submission.csv", 3)
    pictures(root / "test", [f"{name}.png" for name in sample["id"]])
    pictures(root / "train", [f"{n:04d}.png" for n in range(6)])
    kinds = ["shsy5y", "astro", "cort", "shsy5y astro", "astro cort", ""]
    (root / "train.csv").write_text(
        "id,predicted\n" + "".join(f"{n:04d},{kind}\n" for n, kind in enumerate(kinds))
    )
    c = read(root)
    assert (c.submission_format, c.classes) == ("label_set", ("astro", "cort", "shsy5y"))
    assert round_trip(c, tmp_path / "out.csv")["id"].tolist() == sample["id"].tolist()
