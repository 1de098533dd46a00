"""Killed at any moment, the same command ends with the same files, and does nothing twice that was finished."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
from pathlib import Path

import pytest

from faults.killing import contents, decided, finished_files, killed_after, whole_run
from grandmaster.pipeline.run import run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.storage import read_json
from pipeline.small_competition import handed_in, request, write_competition

HOW = "SIGKILL at a random moment of a run of all stages, then the same command"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares")


def kill_and_resume(data: Path, place: Path, kills: int, seed: int, injected: list[object]) -> None:
    whole_run(data, place / "warm" / "run")  # starts the server of processes
    seconds = whole_run(data, place / "whole" / "run")
    expected, plan = contents(place / "whole" / "run"), decided(place / "whole" / "run")
    assert len(expected) > 20
    draw = random.Random(seed)
    for number in range(kills):
        folder = place / f"kill{number}" / "run"
        moment = draw.uniform(0.02, seconds)
        while not killed_after(data, folder, moment):
            moment /= 2  # the run was quicker than the measured one, which had less of the machine
            shutil.rmtree(folder.parent)
        done = finished_files(folder)
        whole_run(data, folder)
        again = [path for path, stamp in done.items() if path.stat().st_mtime_ns != stamp]
        assert not again, f"killed after {moment:.2f} of {seconds:.2f} s: done twice"
        assert contents(folder) == expected, f"killed after {moment:.2f} of {seconds:.2f} s"
        assert decided(folder) == plan
        injected.append(moment)
        shutil.rmtree(folder.parent)


@pytest.mark.slow
@pytest.mark.fault(29, HOW)
def test_row_29_killed_at_100_moments(data, tmp_path, injected):
    kill_and_resume(data, tmp_path, int(os.environ.get("FAULT_KILLS", "100")), 2, injected)


@pytest.mark.fault(29, "ended between the last blend and its submission")
def test_row_29_a_blend_whose_submission_is_missing_is_not_made_again(data, tmp_path):
    wanted = request(data, tmp_path / "run")
    run_pipeline(dataclasses.replace(wanted, until="ensemble"), SilentProgress())
    blend = tmp_path / "run" / "ensemble"
    before = {path: path.stat().st_mtime_ns for path in blend.iterdir()}
    assert (blend / "tta.json") in before, "nothing was chosen"
    handed_in(wanted)
    assert {path: path.stat().st_mtime_ns for path in blend.iterdir()} == before
    assert len(read_json(tmp_path / "run" / "submission_members.json")) == 2


@pytest.mark.fault(29, "ended while the state of a finished fit is removed: planned, tried and taught")
def test_row_29_what_only_an_unfinished_fit_needs_goes_with_the_next_start(data, tmp_path):
    folder = tmp_path / "run"
    whole_run(data, folder)
    expected = contents(folder)
    places = {path.parent / "checkpoint" for path in folder.rglob("metrics.jsonl")}
    assert {place.relative_to(folder).parts[0] for place in places} >= {
        "fold_0",
        "trial",
        "distill",
    }
    for place in places:
        place.mkdir(exist_ok=True)
        (place / "leader_0001.safetensors").write_bytes(b"left")
        (place / "epoch_0001.safetensors").write_bytes(b"left")
    (folder / "trial.manifest.json").unlink()  # as killed in the midst of the trial
    whole_run(data, folder)
    assert contents(folder) == expected
