"""A command line whose pipeline is recorded instead of run."""

from __future__ import annotations

import sys
from pathlib import Path

import app_fakes
import pytest

import data_loader
import options


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "GRANDMASTER_LANG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: `data/toy` is a competition, `runs/` takes results, nothing comes from Kaggle."""
    app_fakes.make_competition(tmp_path / "data" / "toy")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data_loader, "DATA_FOLDER", tmp_path / "data")
    monkeypatch.setattr(data_loader, "KAGGLE_INPUT", tmp_path / "kaggle")
    monkeypatch.setattr(options, "RESULTS_FOLDER", tmp_path / "runs")
    return tmp_path


@pytest.fixture
def pipeline(home: Path, monkeypatch: pytest.MonkeyPatch) -> app_fakes.FakePipeline:
    """What the command line calls in place of the real pipeline, reader and decoder."""
    fake = app_fakes.FakePipeline()
    for name, module in fake.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return fake
