"""Bundles of every layout, kind of target and form of a submission, and of a student, hand in what their runs did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from competition.layout_makers import LAYOUT_MAKERS
from grandmaster.competition.predictions import Predictions
from grandmaster.config import Config
from grandmaster.pipeline.bundling import write_bundle
from grandmaster.pipeline.clock import Clock
from grandmaster.pipeline.finished import open_run
from grandmaster.pipeline.inferring import InferenceRequest, infer
from grandmaster.pipeline.run import run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings
from grandmaster.storage import read_json
from pipeline.small_competition import request, write_competition

pytestmark = pytest.mark.slow

MACHINE = with_settings(
    Config(), ["hardware.device=cpu", "hardware.workers=0", "hardware.picture_cache_gb=0"]
)
QUICK = ("folds.count=2", "training.epochs=1", "hardware.picture_cache_gb=0")


def by_bundle(run: Path, data: Path, place: Path, *, student: bool = False) -> pd.DataFrame:
    """The submission of a bundle of the run."""
    write_bundle(open_run(run), place / "bundle", student=student, full=True, progress=SilentProgress())
    out = place / "submission.csv"
    wanted = InferenceRequest(bundle=place / "bundle", data=data, out=out, clock=Clock(), config=MACHINE)
    assert infer(wanted, SilentProgress()).prior == 0
    return pd.read_csv(out, dtype=str, keep_default_na=False)


@pytest.mark.parametrize("layout", LAYOUT_MAKERS)
def test_the_bundle_hands_in_what_its_run_did(layout: str, tmp_path: Path) -> None:
    data, run = LAYOUT_MAKERS[layout](tmp_path / "data"), tmp_path / "runs" / "run"
    run_pipeline(request(data, run, *QUICK, until="submit"), SilentProgress())
    found = by_bundle(run, data, tmp_path)
    name = read_json(run / "final_results.json")["submission"]["file"]
    expected = pd.read_csv(run / name, dtype=str, keep_default_na=False)
    assert list(found.columns) == list(expected.columns)
    for column in expected.columns:
        if found[column].tolist() == expected[column].tolist():
            continue
        numbers = [frame[column].astype(float).to_numpy() for frame in (found, expected)]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-4, abs=1e-5), column


def test_the_student_alone_says_what_it_said_in_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grandmaster.pipeline.exporting.onnx_missing", lambda: "no ONNX file")
    data, run = write_competition(tmp_path / "data"), tmp_path / "runs" / "run"
    settings = ("distill.on=true", "distill.in_blend=true", *QUICK)
    run_pipeline(request(data, run, *settings, until="submit"), SilentProgress())
    found = by_bundle(run, data, tmp_path, student=True)
    said = Predictions.load(run / "distill" / "test" / "test_resnet_fold0.npz").aligned_to(tuple(found["ID"]))
    assert np.array_equal(found["target"].astype(int), said.values.argmax(axis=1))
