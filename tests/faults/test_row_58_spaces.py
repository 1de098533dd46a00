"""Column names with spaces around them, as spreadsheets leave them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from grandmaster.competition.reader import read_competition
from grandmaster.config import DataConfig
from grandmaster.pipeline.run import run_pipeline
from pipeline.small_competition import Record, request, write_competition


def rename(path: Path, header: str) -> None:
    path.write_text("\n".join([header, *path.read_text().splitlines()[1:]]) + "\n")


@pytest.mark.parametrize(
    ("train", "sample"),
    [("ID ,target", "ID,target"), ("ID,target", "ID ,target "), ("ID , target", "ID , target")],
)
@pytest.mark.fault(58, "a space behind the id column's name, in train.csv, in the sample, in both")
def test_row_58_a_column_with_a_space_behind_its_name(tmp_path, train, sample):
    data = write_competition(tmp_path / "squares")
    rename(data / "train.csv", train)
    rename(data / "sample_submission.csv", sample)
    competition = read_competition(data, DataConfig())
    assert (len(competition.train), len(competition.test), competition.classes) == (48, 18, ("0", "1", "2"))
    run_pipeline(request(data, tmp_path / "run", "folds.train=1", "training.epochs=1"), Record())
    written = (tmp_path / "run" / "submission_run.csv").read_text().splitlines()
    assert written[0] == sample, "the header of the sample, to the letter"
    assert [line.split(",")[0] for line in written[1:]] == pd.read_csv(
        data / "sample_submission.csv", dtype=str
    ).iloc[:, 0].tolist()
