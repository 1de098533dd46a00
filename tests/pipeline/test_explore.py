"""Exploring: only looking, in a folder of its own or in that of a run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import filelock
import pytest
from small_competition import Record, request, write_competition

from grandmaster.errors import UserError
from grandmaster.pipeline.run import explore_data, read_data, run_pipeline
from grandmaster.progress import SilentProgress


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares")


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_it_looks_and_writes_one_page(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where weights are nowhere to be had: it needs none."""
    before = contents(data)
    record = Record()
    page = explore_data(
        request(data, tmp_path / "look", "model.weights_dir=/nowhere", "model.pretrained=true"), record
    )
    assert page == tmp_path / "look" / "eda.html"
    html = page.read_text(encoding="utf-8")
    assert "<h1>squares</h1>" in html
    assert "layout L1" in html
    names = set(contents(tmp_path / "look"))
    assert names >= {"eda.html", "fingerprint.json", "fingerprint.manifest.json"}
    of_runs = {"config.json", "environment.json", "plan.json", "folds.csv", "timings.json", "report.html"}
    assert not names & of_runs, "nothing of a run, so that no run is thought to be there"
    assert set(record.notes) == {"inspect", "explore"}
    assert contents(data) == before


def test_what_was_inspected_is_not_inspected_again(data: Path, tmp_path: Path) -> None:
    asked = request(data, tmp_path / "look")
    explore_data(asked, SilentProgress())
    record = Record()
    explore_data(asked, record)
    assert record.notes["inspect"] == "done before"
    record = Record()
    run_pipeline(request(data, tmp_path / "look", until="plan"), record)
    assert record.notes["inspect"] == "done before", "a run begun in this folder does not look again"


def test_until_inspect_writes_no_page(data: Path, tmp_path: Path) -> None:
    assert explore_data(request(data, tmp_path / "look", until="inspect"), SilentProgress()) is None
    assert (tmp_path / "look" / "fingerprint.json").is_file()
    assert not (tmp_path / "look" / "eda.html").exists()
    with pytest.raises(UserError, match="no stage is called 'train'"):
        explore_data(request(data, tmp_path / "look", until="train"), SilentProgress())


def test_inside_a_run_it_leaves_the_run_as_it_was(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run_pipeline(request(data, folder, until="plan"), SilentProgress())
    before = contents(folder)
    explore_data(request(data, folder, "training.epochs=9"), SilentProgress())
    after = contents(folder)
    assert after.pop("eda.html")
    assert after == before
    other = write_competition(tmp_path / "others", train=9, test=3)
    with pytest.raises(UserError, match="a run of other data"):
        explore_data(request(other, folder), SilentProgress())
    with filelock.FileLock(folder / ".lock"), pytest.raises(UserError, match="another run is at work"):
        explore_data(request(data, folder), SilentProgress())


def test_reading_alone_follows_the_label_fixes_and_writes_nothing(tmp_path: Path) -> None:
    data = write_competition(tmp_path / "squares", train=9, test=3)
    (data / "label_fixes.csv").write_text("id,label\ntrain000.png,drop\n")
    record = Record()
    competition = read_data(request(data, tmp_path / "none"), record)
    assert len(competition.train) == 8
    assert "info: label_fixes.csv: 0 labels changed, 1 picture dropped" in record.messages
    assert not (tmp_path / "none").exists()
