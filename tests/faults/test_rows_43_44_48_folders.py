"""Results folders that cannot be written (row 43), hold another run (44), are in use (48), or moved with the data (60)."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from faults.command import (
    NAMELESS,
    arguments,
    as_nobody,
    become_nobody,
    can_become_nobody,
    end_of,
    run,
    start,
)
from grandmaster.errors import UserError
from grandmaster.pipeline.heartbeat import FILE_NAME
from grandmaster.pipeline.run import run_pipeline
from pipeline.small_competition import Record, request, write_competition

pytestmark = pytest.mark.slow  # whole runs in processes of their own

BAD_INPUT = 2


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that another user may enter; pytest's own are root's alone."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.skipif(sys.platform == "win32", reason="no such rights")
@pytest.mark.fault(43, "a results folder that may not be written, a run in it; a file where it should be")
def test_row_43_a_folder_that_cannot_be_written_is_refused_before_training(data, open_place, tmp_path):
    results = open_place / "results"
    results.mkdir()
    results.chmod(0o555)
    with as_nobody(reads=True), pytest.raises(UserError, match="results folder cannot be written") as refused:
        run_pipeline(request(data, results / "run"), Record())
    assert "--output" in str(refused.value)
    assert list(results.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="results folder cannot be written"):
        run_pipeline(request(data, tmp_path / "file" / "run"), Record())
    ended = run(arguments(data, tmp_path / "file"), tmp_path)
    assert ended.code == BAD_INPUT
    assert ended.error.count("\n") == 1
    assert "--output" in ended.error


@pytest.mark.fault(43, "a results folder that is missing, several levels deep")
def test_row_43_a_missing_folder_is_made(data, tmp_path):
    assert run_pipeline(request(data, tmp_path / "a" / "b" / "run", until="inspect"), Record()) == {}
    assert (tmp_path / "a" / "b" / "run" / "fingerprint.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no such rights")
@pytest.mark.fault(43, "a results folder that may not be written any more after the plan was made")
def test_row_43_a_folder_that_becomes_read_only_in_mid_run(open_place):
    data = write_competition(open_place / "squares")
    results = open_place / "results"
    folder = results / "run"
    results.mkdir()
    results.chmod(0o777)
    with as_nobody(reads=True):
        run_pipeline(request(data, folder, until="plan"), Record())

    class Close(Record):
        def start(self, task: str, total: int) -> None:
            if task == "train test_resnet fold 1":
                folder.chmod(0o555)

    try:
        with (
            as_nobody(reads=True),
            pytest.raises(UserError, match="cannot write: Permission denied") as refused,
        ):
            run_pipeline(request(data, folder), Close())
    finally:
        folder.chmod(0o755)
    assert "what was there before is untouched" in str(refused.value)
    assert (folder / "fold_0" / "test_resnet" / "manifest.json").exists()


@pytest.mark.fault(44, "another seed, other data, another mode in a run's folder, from the command line")
def test_row_44_another_run_in_the_folder_is_refused_with_the_difference(data, tmp_path):
    other = write_competition(tmp_path / "other")
    assert run(arguments(data, tmp_path, flags=["--until", "plan"]), tmp_path).code == 0
    folder = tmp_path / "run"
    before = contents(folder)
    for argv, says in (
        (arguments(data, tmp_path, "training.seed=7"), ["training.seed was 42, now 7"]),
        (arguments(other, tmp_path), [f"data_path was {data.resolve()}, now {other.resolve()}"]),
        (arguments(data, tmp_path, flags=["--mode", "full_training"]), ["mode was quick_test, now"]),
    ):
        ended = run(argv, tmp_path)
        assert ended.code == BAD_INPUT
        assert ended.error.count("\n") == 1
        for part in ["this folder holds a run with other settings", "another --experiment_name", *says]:
            assert part in ended.error
        assert contents(folder) == before, "its log, too: the last line says whether a run is finished"


@pytest.mark.fault(48, "a second command on the folder of one that is at work")
def test_row_48_two_runs_into_one_folder(data, tmp_path):
    first = start(arguments(data, tmp_path, "training.epochs=30"), tmp_path / "first")
    heartbeat = tmp_path / "run" / FILE_NAME
    while not heartbeat.exists():
        assert first.is_alive(), (tmp_path / "first" / "error.txt").read_text()
        time.sleep(0.05)
    second = run(arguments(data, tmp_path, "training.epochs=30"), tmp_path / "second")
    assert second.code == BAD_INPUT
    assert second.error.startswith("error: another run is at work in this folder")
    assert "another --experiment_name" in second.error
    ended = end_of(first, tmp_path / "first")
    assert ended.code == 0, ended.error
    assert (tmp_path / "run" / "report.html").exists()
    assert "at work" not in (tmp_path / "run" / "train.log").read_text(), (
        "the other's refusal is not its news"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no such rights")
@pytest.mark.skipif(
    not can_become_nobody(), reason="root may not give up its rights and still read its interpreter"
)
@pytest.mark.fault(59, "data that may only be read, as Kaggle's input is")
@pytest.mark.fault(62, "a home folder that does not exist, for a user without a name")
def test_rows_59_and_62_read_only_data_and_no_home_folder(open_place):
    data = write_competition(open_place / "squares")
    for path in [data, *data.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = contents(data)
    results = open_place / "results"
    results.mkdir()
    results.chmod(0o777)
    ended = run(arguments(data, results, "training.epochs=1"), open_place / "told", _nobody_without_a_home)
    assert ended.code == 0, ended.error
    assert contents(data) == before
    page = results / "run" / "report.html"
    assert page.exists()
    assert os.geteuid() != 0 or page.stat().st_uid == NAMELESS


def _nobody_without_a_home() -> None:
    os.environ["HOME"] = "/nonexistent"
    become_nobody()


@pytest.mark.fault(60, "the whole results folder moved, then the data")
def test_row_60_moved_results_go_on_and_moved_data_are_named(data, tmp_path):
    run_pipeline(request(data, tmp_path / "here" / "run", until="train"), Record())
    shutil.move(tmp_path / "here", tmp_path / "there")
    record = Record()
    run_pipeline(request(data, tmp_path / "there" / "run"), record)
    assert record.notes["train test_resnet fold 1"].startswith("done before")
    moved = shutil.copytree(data, tmp_path / "elsewhere" / "squares")
    with pytest.raises(UserError, match=r"data_path was .*, now .*elsewhere"):
        run_pipeline(request(moved, tmp_path / "there" / "run"), Record())


@pytest.mark.parametrize("planned", [True, False], ids=["before the plan", "when processes start"])
@pytest.mark.fault(
    63, "24 open files more than a bare process has, from the beginning and from when it trains"
)
@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_row_63_few_open_files(data, tmp_path, planned):
    inject = partial(_few_open_files, 24) if planned else _few_when_processes_start
    ended = run(arguments(data, tmp_path, "hardware.workers=2", "training.epochs=1"), tmp_path, inject)
    assert ended.code == 0, ended.error
    said = "Pictures are loaded by 0 processes of 2" if planned else "a process that loads pictures was lost"
    assert ended.out.replace("\n", " ").count(said) == 1
    assert "Traceback" not in ended.out + ended.error


def _few_open_files(more: int) -> None:
    import resource

    import psutil

    allowed = psutil.Process().num_fds() + more
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))


def _few_when_processes_start() -> None:
    """Some of the first process's pipes can be made, then no more."""
    from grandmaster.images.loading_processes import LoadingProcesses

    begin = LoadingProcesses._start

    def disturbed(self):  # type: ignore[no-untyped-def]
        _few_open_files(7)
        return begin(self)

    LoadingProcesses._start = disturbed
