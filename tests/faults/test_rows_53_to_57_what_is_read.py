"""What a run reads of its own: damaged (54), not to be read (55), malicious (53), foreign (61), older than it seems (56, 57)."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from faults.command import as_nobody
from grandmaster.errors import UserError
from grandmaster.pipeline.run import run_pipeline
from grandmaster.storage import read_json
from pipeline.small_competition import Killed, KillInSecondFold, Record, request, write_competition

ONCE = ("folds.train=2", "training.epochs=2")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    run_pipeline(request(data, folder, *ONCE), Record())
    return folder


@pytest.fixture(scope="module")
def half(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("half") / "run"
    with pytest.raises(Killed):
        run_pipeline(request(data, folder, *ONCE), KillInSecondFold())
    return folder


def predicted(folder: Path) -> bytes:
    """What was blended for the test set: decisions made of it may be the same for very different models."""
    return (folder / "ensemble" / "test.npz").read_bytes() + (folder / "submission_run.csv").read_bytes()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "null": lambda path: path.write_bytes(b"null\n"),
    "list": lambda path: path.write_bytes(b'[1, "two"]\n'),
    "object": lambda path: path.write_bytes(b'{"made_for": 3}\n'),
    "binary": lambda path: path.write_bytes(b"\xff\xfe\x00rubbish"),
    "gone": lambda path: path.unlink(),
}
# Written for people and other programs; no run reads them.
NOT_READ = {".lock", "train.log", "environment.json", "report.html", "policy_sheet.jpg"}


def files_of(folder: Path) -> list[str]:
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in NOT_READ]
    return [str(path.relative_to(folder)) for path in found]


def damaged(folder: Path, name: str, damage: str, place: Path) -> Path:
    copy = place / f"{damage}_{name.replace('/', '_')}" / "run"
    shutil.copytree(folder, copy)
    shutil.copytree(folder.parent / ".cache", copy.parent / ".cache")  # a plan made anew is the same, then
    DAMAGE[damage](copy / name)
    return copy


def resumed_or_refused(data: Path, copy: Path, name: str, expected: bytes, until: str | None = None) -> str:
    """Empty where all is well again; else what is wrong with how the run took it."""
    try:
        run_pipeline(request(data, copy, *ONCE, until=until), Record())
    except UserError as error:
        said = str(error)
        named = Path(name).name in said or "holds a run with other settings" in said
        return "" if "\n" not in said and named else f"does not name it: {said}"
    except Exception as error:  # noqa: BLE001 - any other is what this looks for
        return f"{type(error).__name__}: {error}"
    return "" if predicted(copy) == expected else "other predictions"


def failures(
    data: Path,
    folder: Path,
    damages: list[tuple[str, str]],
    expected: bytes,
    place: Path,
    injected: list[object],
    until: str | None = None,
) -> list[str]:
    """What is wrong, for every (file, damage)."""
    found = []
    for name, damage in damages:
        copy = damaged(folder, name, damage, place)
        wrong = resumed_or_refused(data, copy, name, expected, until)
        injected.append(name)
        shutil.rmtree(copy.parent)
        if wrong:
            found.append(f"{name} ({damage}): {wrong}")
    return found


@pytest.mark.fault(
    54, "config, plan, result, curves, state and manifests half written, emptied or made nonsense"
)
def test_row_54_the_files_that_matter_most(data, half, whole, tmp_path, injected):
    fits = ("fold_0/test_resnet", "fold_1/test_resnet")
    damages = [
        ("config.json", "list"),
        ("plan.json", "half"),
        ("plan.manifest.json", "half"),
        ("timings.json", "null"),
        (f"{fits[0]}/result.json", "half"),
        (f"{fits[0]}/manifest.json", "list"),
        (f"{fits[1]}/metrics.jsonl", "empty"),
        (f"{fits[1]}/checkpoint/last.json", "object"),
        (f"{fits[1]}/checkpoint/epoch_0001.state.pt", "half"),
        (f"{fits[1]}/checkpoint/epoch_0001.safetensors", "binary"),
    ]
    expected = predicted(whole)
    found = failures(data, half, damages, expected, tmp_path, injected, until="submit")
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.fault(54, "every file of a run's folder, half-way and at its end, damaged in seven ways")
def test_row_54_every_file(data, half, whole, tmp_path, injected):
    expected = predicted(whole)
    found = []
    for folder in (half, whole):
        damages = [(name, damage) for name in files_of(folder) for damage in DAMAGE]
        found += failures(data, folder, damages, expected, tmp_path, injected)
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such rights")
@pytest.mark.fault(
    55, "a file of the run's folder that may not be read, at every file that a resumed run reads"
)
def test_row_55_a_file_that_may_not_be_read_is_named(half, data, injected):
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o777)
        open_data = shutil.copytree(data, place / "squares")
        first = place / "first" / "run"
        with as_nobody(), pytest.raises(Killed):
            run_pipeline(request(open_data, first, *ONCE), KillInSecondFold())
        for file in files_of(first):
            copy = place / "copy" / "run"
            shutil.copytree(first, copy)
            for path in [copy.parent, copy, *copy.rglob("*")]:
                path.chmod(0o777 if path.is_dir() else 0o666)
            (copy / file).chmod(0)
            said = file
            with as_nobody():
                try:
                    run_pipeline(request(open_data, copy, *ONCE), Record())
                except UserError as error:
                    said = str(error)
            assert Path(file).name in said
            injected.append(file)
            shutil.rmtree(copy.parent)


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.trace),))


def pickled(trace: Path) -> bytes:
    return pickle.dumps({"optimiser": Bomb(trace), "scaler": {}})


def in_torch_file(trace: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"optimiser": Bomb(trace), "scaler": {}}, buffer)
    return buffer.getvalue()


def in_numpy_file(trace: Path) -> bytes:
    buffer = io.BytesIO()
    objects = np.empty(1, object)
    objects[0] = Bomb(trace)
    np.savez(buffer, ids=objects, outputs=objects, values=objects, split=objects, names=objects, fill=objects)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(in_torch_file, marks=pytest.mark.slow),
        pytest.param(pickled, marks=pytest.mark.slow),
        pytest.param(in_numpy_file, marks=pytest.mark.slow),
    ],
)
@pytest.mark.fault(
    53, "a pickle that runs code in place of every file of a run that is no text: states, weights, arrays"
)
def test_row_53_no_file_of_a_run_runs_code(data, half, whole, tmp_path, make, injected):
    trace = tmp_path / "it_ran"
    pickle.loads(pickled(trace))
    trace.rmdir()  # the bomb works
    expected = predicted(whole)
    for folder in (half, whole):
        for name in files_of(folder):
            if Path(name).suffix not in (".npz", ".pt", ".safetensors"):
                continue
            copy = tmp_path / "copy" / "run"
            shutil.copytree(folder, copy)
            (copy / name).write_bytes(make(trace))
            wrong = resumed_or_refused(data, copy, name, expected, until="submit")
            assert not wrong, f"{name}: {wrong}"
            assert not trace.exists(), f"{name} ran code"
            injected.append(name)
            shutil.rmtree(copy.parent)


@pytest.mark.fault(61, "weights of another net, and of this one with other values, in a finished fit's place")
def test_row_61_foreign_weights_are_not_predicted_with(data, whole, tmp_path):
    expected = predicted(whole)
    kept = "fold_0/test_resnet/checkpoint/best.safetensors"
    for number, change in enumerate((lambda tensor: tensor + 1.0, lambda tensor: tensor.flatten())):
        copy = tmp_path / str(number) / "run"
        shutil.copytree(whole, copy)
        tensors = {
            name: change(tensor) if tensor.is_floating_point() else tensor
            for name, tensor in load_file(copy / kept).items()
        }
        save_file(tensors, copy / kept)
        record = Record()
        run_pipeline(request(data, copy, *ONCE), record)
        assert not record.notes["train test_resnet fold 0"].startswith("done before")
        assert predicted(copy) == expected


@pytest.mark.fault(61, "a state to go on from that belongs to another net")
def test_row_61_a_foreign_state_is_named(data, half, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(half, copy)
    pointer = read_json(copy / "fold_1/test_resnet/checkpoint/last.json")
    weights = copy / "fold_1/test_resnet/checkpoint" / pointer["files"]["weights"]
    save_file({"some.weight": torch.zeros(3)}, weights)
    with pytest.raises(UserError, match="checkpoint") as refused:
        run_pipeline(request(data, copy, *ONCE), Record())
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no time zones")
@pytest.mark.fault(
    56, "the clock set back by a day while it trains, under a time limit; another time zone at the resume"
)
def test_row_56_the_wall_clock_decides_nothing(data, whole, tmp_path, monkeypatch):
    real, jumps = time.time, []

    class SetBack(Record):
        def start(self, task: str, total: int) -> None:
            if task.startswith("train") and not jumps:
                jumps.append(task)

    monkeypatch.setattr(time, "time", lambda: real() - (86_400 if jumps else 0))
    record, folder = SetBack(), tmp_path / "run"
    results = run_pipeline(request(data, folder, *ONCE, "run.time_limit=5"), record)
    assert jumps
    assert not results["time"]["gave_up"]
    assert 0 <= results["time"]["used_seconds"] < 300
    assert all(seconds >= 0 for seconds in read_json(folder / "timings.json").values())
    assert predicted(folder) == predicted(whole)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        again = Record()
        run_pipeline(request(data, folder, *ONCE), again)
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert again.notes["train test_resnet fold 1"].startswith("done before")
    assert again.notes["predict test_resnet fold 1"] == "done before"


@pytest.mark.fault(57, "a picture replaced between the plan and the training, and in a fit's midst")
def test_row_57_a_replaced_picture_is_told_and_taken_into_account(tmp_path):
    data = write_competition(tmp_path / "squares")
    run_pipeline(request(data, tmp_path / "planned", *ONCE, until="plan"), Record())
    with pytest.raises(Killed):
        run_pipeline(request(data, tmp_path / "begun", *ONCE), KillInSecondFold())
    picture = data / "train" / "train003.png"
    picture.write_bytes((data / "train" / "train006.png").read_bytes())
    record = Record()
    run_pipeline(request(data, tmp_path / "planned", *ONCE, until="train"), record)
    (said,) = [message for message in record.messages if "The data changed" in message]
    assert said.startswith("warn: The data changed since this run began (1 newer pictures: train003.png)")
    with pytest.raises(
        UserError, match="checkpoint belongs to a fit with other settings, pictures or classes"
    ):
        run_pipeline(request(data, tmp_path / "begun", *ONCE), Record())
    again = Record()
    run_pipeline(request(data, tmp_path / "planned", *ONCE, until="train"), again)
    assert not any("The data changed" in message for message in again.messages)


@pytest.mark.slow
@pytest.mark.fault(
    57, "a picture replaced by one of the same number of bytes; all of them written again as they were"
)
def test_row_57_the_bytes_count_not_their_number(tmp_path):
    data = write_competition(tmp_path / "squares")
    for path in (data / "train").glob("*.png"):  # BMP: as large as any other of its sides
        cv2.imwrite(str(path.with_suffix(".bmp")), cv2.imread(str(path)))
        path.unlink()
    table = data / "train.csv"
    table.write_text(table.read_text().replace(".png", ".bmp"))
    run_pipeline(request(data, tmp_path / "run", *ONCE, until="train"), Record())
    one, other = data / "train" / "train003.bmp", data / "train" / "train006.bmp"
    assert one.stat().st_size == other.stat().st_size
    for path in (data / "train").iterdir():
        path.write_bytes(path.read_bytes())
    record = Record()
    run_pipeline(request(data, tmp_path / "run", *ONCE, until="train"), record)
    assert record.notes["train test_resnet fold 0"].startswith("done before"), "copied, not changed"
    one.write_bytes(other.read_bytes())
    record = Record()
    run_pipeline(request(data, tmp_path / "run", *ONCE, until="train"), record)
    assert not record.notes["train test_resnet fold 0"].startswith("done before")
