"""The stage that compares train with test: what it writes, and when it is done again."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from small_competition import Record, request, write_competition

from grandmaster.pipeline.run import run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.storage import read_json

DONE = "done before"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares", train=48, test=42)


def said(data: Path, folder: Path, *changes: str) -> str:
    record = Record()
    run_pipeline(request(data, folder, *changes, until="shift"), record)
    return record.notes["compare with test"]


def test_it_is_done_once_and_anew_when_asked_for_otherwise(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert said(data, folder) != DONE
    path, sheet = folder / "shift.json", folder / "policy_sheet.jpg"
    content = read_json(path)
    assert content["pictures"] == {"train": 48, "test": 42}
    assert content["adversarial"]["low"] <= 0.5 <= content["adversarial"]["high"]
    assert content["reading"] is None
    assert cv2.imdecode(np.frombuffer(sheet.read_bytes(), np.uint8), cv2.IMREAD_COLOR).shape[0] > 500
    stamps = [file.stat().st_mtime_ns for file in (path, sheet)]
    assert said(data, folder) == DONE
    assert [file.stat().st_mtime_ns for file in (path, sheet)] == stamps
    assert said(data, folder, "inspect.shift_effort=0.5") != DONE
    assert path.stat().st_mtime_ns != stamps[0]
    assert read_json(path) | {"seconds": 0} == content | {"seconds": 0}
    sheet.unlink()
    assert said(data, folder, "inspect.shift_effort=0.5") != DONE
    assert sheet.is_file()


def test_too_few_pictures_are_not_compared_but_shown(tmp_path: Path) -> None:
    data = write_competition(tmp_path / "few", train=9, test=3)
    run_pipeline(request(data, tmp_path / "run", until="shift"), SilentProgress())
    content = read_json(tmp_path / "run" / "shift.json")
    assert content["adversarial"] is None
    assert content["reason"].startswith("fewer than 40 pictures")
    assert (tmp_path / "run" / "policy_sheet.jpg").is_file()
