"""The first stage of a run: what it writes, and what runs share."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_competition import Record, request, write_competition

import grandmaster.eda.signature as signature_module
from grandmaster.eda.picture_table import PictureTable
from grandmaster.eda.statistics import NAMES
from grandmaster.pipeline.run import plan_only, run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.storage import read_json


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_competition(tmp_path / "squares", train=12, test=6)


def test_statistics_of_every_picture_are_kept_beside_the_fingerprint(data, tmp_path):
    folder = tmp_path / "results" / "one"
    run_pipeline(request(data, folder, until="inspect"), SilentProgress())
    table = PictureTable.load(folder / "picture_statistics.npz")
    fingerprint = read_json(folder / "fingerprint.json")
    assert (len(table.of("train")), len(table.of("test"))) == (12, 6)
    brightness = table.of("test")[:, NAMES.index("brightness")]
    assert fingerprint["test"]["statistics"]["brightness"]["mean"] == pytest.approx(brightness.mean())
    (folder / "picture_statistics.npz").unlink()
    progress = Record()
    run_pipeline(request(data, folder, until="inspect"), progress)
    assert "good: Inspect: done before." not in progress.messages
    assert PictureTable.load(folder / "picture_statistics.npz").ids.tolist() == table.ids.tolist()


def test_another_run_beside_it_decodes_nothing_again(data, tmp_path, monkeypatch):
    run_pipeline(request(data, tmp_path / "results" / "one", until="inspect"), SilentProgress())
    monkeypatch.setattr(signature_module, "decode_picture", None)
    run_pipeline(request(data, tmp_path / "results" / "two", until="inspect"), SilentProgress())
    one, two = (read_json(tmp_path / "results" / name / "fingerprint.json") for name in ("one", "two"))
    assert one | {"seconds": 0} == two | {"seconds": 0}


def test_a_dry_run_writes_no_run_but_keeps_what_it_measured(data, tmp_path, monkeypatch):
    plan_only(request(data, tmp_path / "results" / "dry"), SilentProgress())
    assert [path.name for path in (tmp_path / "results").iterdir()] == [".cache"]
    monkeypatch.setattr(signature_module, "decode_picture", None)
    plan_only(request(data, tmp_path / "results" / "dry"), SilentProgress())
    run_pipeline(request(data, tmp_path / "results" / "one", until="inspect"), SilentProgress())
