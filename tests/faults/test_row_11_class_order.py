"""The list of classes is frozen once: in whatever order the files name them, and whoever goes on with the run."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grandmaster.competition.predictions import Predictions
from grandmaster.competition.reader import read_competition
from grandmaster.config import DataConfig
from grandmaster.errors import UserError
from grandmaster.pipeline.run import run_pipeline
from grandmaster.storage import read_json
from pipeline.small_competition import Killed, KillInSecondFold, Record, request, write_competition

# As names sort, numbers do not; and the sample names the columns in a third order.
NAMES = {"0": "10", "1": "9", "2": "a"}
COLUMNS = ["a", "10", "9"]


@pytest.fixture
def data(tmp_path) -> Path:
    """Class probabilities wanted; the classes are called 10, 9 and a."""
    root = write_competition(tmp_path / "squares")
    table = pd.read_csv(root / "train.csv", dtype=str)
    table["target"] = table["target"].map(NAMES)
    table.to_csv(root / "train.csv", index=False)
    sample = pd.read_csv(root / "sample_submission.csv", dtype=str)[["ID"]]
    sample[COLUMNS] = "0.333333"
    sample.to_csv(root / "sample_submission.csv", index=False)
    return root


def shuffle_rows(root: Path) -> None:
    header, *rows = (root / "train.csv").read_text().splitlines()
    random.Random(3).shuffle(rows)
    (root / "train.csv").write_text("\n".join([header, *rows]) + "\n")


@pytest.mark.fault(11, "classes in another order in every file, rows shuffled before the run is resumed")
def test_row_11_one_list_of_classes_in_every_artefact(data, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(Killed):
        run_pipeline(request(data, folder), KillInSecondFold())
    shuffle_rows(data)
    record = Record()
    run_pipeline(request(data, folder), record)
    assert record.notes["train test_resnet fold 0"].startswith("done before")
    frozen = read_competition(data, DataConfig())
    arrays = [*folder.glob("fold_*/*/oof*.npz"), *folder.glob("test/*.npz"), *folder.glob("ensemble/*.npz")]
    predictions = [Predictions.load(path) for path in arrays if "views" not in path.name]
    assert len(predictions) >= 9
    assert {found.outputs for found in predictions} == {frozen.outputs}
    hashes = [read_json(path)["classes"] for path in folder.glob("fold_*/*/checkpoint/best.json")]
    hashes += [read_json(path)["classes_hash"] for path in folder.glob("fold_*/*/spec.json")]
    assert hashes == [frozen.classes_hash] * 4
    # What was handed in is each class's own column, wherever the sample has it.
    written = pd.read_csv(folder / "submission_run.csv", dtype={"ID": str})
    assert list(written.columns) == ["ID", *COLUMNS]
    blend = Predictions.load(folder / "ensemble" / "test.npz").aligned_to(list(written["ID"]))
    for column in COLUMNS:
        assert np.allclose(written[column], blend.values[:, frozen.outputs.index(column)], atol=1e-5), column
    truth = pd.read_csv(data / "train.csv", dtype=str).set_index("ID")["target"]
    taught = [frozen.outputs[target] for target in frozen.targets]
    assert taught == truth.loc[list(frozen.train["id"])].tolist()


@pytest.mark.fault(11, "a class renamed, so that the order changes, before a fit in mid-training is resumed")
def test_row_11_a_checkpoint_of_another_order_is_refused(data, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(Killed):
        run_pipeline(request(data, folder), KillInSecondFold())
    for name in ("train.csv", "sample_submission.csv"):
        table = pd.read_csv(data / name, dtype=str)
        table = table.rename(columns={"10": "z"}).replace({"target": {"10": "z"}})
        table.to_csv(data / name, index=False)
    record = Record()
    with pytest.raises(UserError, match="other settings, pictures or classes") as refused:
        run_pipeline(request(data, folder, "folds.train=2"), record)
    assert "fold_1" in str(refused.value)
    assert any("The data changed since this run began" in message for message in record.messages)
