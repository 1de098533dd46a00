"""Exporting a fit from the command line: what is listed, written and refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import export_model
from grandmaster.competition.predictions import Predictions
from grandmaster.models.exported import read_exported
from grandmaster.pipeline.run import run_pipeline
from pipeline.small_competition import Record, request, write_competition


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("export")
    data = write_competition(place / "data")
    settings = ("folds.train=1", "training.epochs=1")
    run_pipeline(request(data, place / "run", *settings, until="train"), Record())
    return place / "run"


def test_fits_are_listed_and_one_is_written(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grandmaster.pipeline.exporting.onnx_missing", lambda: "no ONNX file: not here")
    assert export_model.main(["--run", str(run)]) == 0
    assert capsys.readouterr().out.split() == ["fold_0/test_resnet"]
    flags = ["--run", str(run), "--fit", "fold_0/test_resnet"]
    assert export_model.main([*flags, "--out", str(tmp_path / "model")]) == 0
    assert "read back: predicts the same" in capsys.readouterr().out
    _, told = read_exported(tmp_path / "model")
    assert told.facts["backbone"] == "test_resnet"
    assert export_model.main(flags) == 0
    assert (run / "export" / "fold_0_test_resnet" / "model.json").exists()


def test_the_script_beside_the_model_predicts_what_the_run_does(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From files to values, alone with torch and timm, against the run's own out-of-fold predictions of one view."""
    monkeypatch.setattr("grandmaster.pipeline.exporting.onnx_missing", lambda: "no ONNX file: not here")
    out = tmp_path / "model"
    assert export_model.main(["--run", str(run), "--fit", "fold_0/test_resnet", "--out", str(out)]) == 0
    script = [sys.executable, str(out / "predict.py"), "--pictures", str(run.parent / "data" / "train")]
    subprocess.run([*script, "--out", str(tmp_path / "values.csv")], check=True, capture_output=True)
    found = pd.read_csv(tmp_path / "values.csv").set_index("picture")
    held = Predictions.load(run / "fold_0" / "test_resnet" / "oof_plain.npz")
    assert list(found.columns) == list(held.outputs)
    assert np.allclose(found.loc[list(held.ids)].to_numpy(), held.values, atol=1e-5)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--fit", "fold_0/test_resnt"], "Did you mean 'fold_0/test_resnet'"),
        (["--fit", "fold_1/test_resnet"], "no finished fit is called"),
        (["--run", "nowhere"], "no such folder"),
        (["--what"], "unknown flag --what"),
    ],
)
def test_what_is_not_there_is_refused(
    run: Path, flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export_model.main(["--run", str(run), *flags]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_without_fits_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export_model.main(["--run", str(tmp_path)]) == 2
    assert "no finished fit lies in this folder" in capsys.readouterr().err
