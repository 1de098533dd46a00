"""Processes that load pictures: no shared memory (row 26), OpenCV's threads (27), killed or hanging (27, 49)."""

from __future__ import annotations

import gc
import multiprocessing
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from app.app_fakes import run_environment
from faults.command import PROGRAM, arguments
from faults.forked import PATIENCE
from grandmaster.images import loading_processes
from grandmaster.images.dataset import Item, PictureDataset
from grandmaster.images.loader import eval_loader
from grandmaster.images.store import PictureStore
from grandmaster.pipeline.run import run_pipeline
from pipeline.small_competition import Record, request, write_competition
from training.training_cases import write_pictures

pytestmark = [
    pytest.mark.slow,  # whole runs, and what depends on when a process is killed: not beside other tests
    pytest.mark.skipif(
        "fork" not in multiprocessing.get_all_start_methods(), reason="no processes that can be forked"
    ),
]
ONCE = ("folds.train=1", "training.epochs=2")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole") / "run"
    run_pipeline(request(data, folder, *ONCE), Record())
    return results_of(folder)


def results_of(folder: Path) -> dict[str, bytes]:
    names = ("submission_run.csv", "test/test_resnet_fold0.npz", "fold_0/test_resnet/oof.npz")
    weights = "fold_0/test_resnet/checkpoint/best.safetensors"
    return {name: (folder / name).read_bytes() for name in (*names, weights)}


def workers() -> list[psutil.Process]:
    return [psutil.Process(child.pid) for child in multiprocessing.active_children() if child.daemon]


def gone(worker: psutil.Process) -> bool:
    try:
        return worker.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def all_at_once() -> Iterator[None]:
    """This process hears of the end of its children when it is left, not in between."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


class Disturb(Record):
    """Does something to a loading process, once, in mid-task; a reader that is asleep would hide it, so all are.

    Those that are to end have ended before the task goes on, however much of it they had loaded ahead.
    """

    def __init__(self, task: str, number: int, after: int = 1) -> None:
        super().__init__()
        self.task, self.number, self.left, self.hit = task, number, after, 0

    def advance(self, task: str, units: int = 1, **facts: Any) -> None:
        if task != self.task or not units:
            return
        self.left -= 1
        if self.left != 0:
            return
        hit = workers()
        self.hit = len(hit)
        with all_at_once():
            for worker in hit:
                worker.send_signal(self.number)
            while self.number != signal.SIGSTOP and not all(map(gone, hit)):
                time.sleep(0.01)


@pytest.mark.parametrize("after", [7, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.fault(49, "SIGKILL to the loading processes, in training's first and second epoch")
# Torch tells of it by an exception out of a signal handler, which Python drops where it hits a callback of its own.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_row_49_killed_in_training(data, undisturbed, tmp_path, after):
    record = Disturb("train test_resnet fold 0", signal.SIGKILL, after)
    run_pipeline(request(data, tmp_path / "run", *ONCE, "hardware.workers=2"), record)
    assert record.hit == 2
    said = [message for message in record.messages if "was lost" in message]
    # In the last epoch all may be loaded ahead: then nobody misses them.
    assert len(said) == 1 or (after > 1 and not said)
    for message in said:
        assert message.startswith(
            "warn: train test_resnet fold 0: a process that loads pictures was lost (DataLoader"
        )
    assert results_of(tmp_path / "run") == undisturbed
    assert not workers()


@pytest.mark.fault(49, "SIGKILL to the loading processes while the test set is predicted")
def test_row_49_killed_in_prediction(data, undisturbed, tmp_path):
    record = Disturb("predict test_resnet fold 0", signal.SIGKILL)
    how = (*ONCE, "hardware.workers=2", "training.micro_batch=8")
    run_pipeline(request(data, tmp_path / "run", *how), record)
    assert record.hit == 2
    assert any(
        "predict test_resnet fold 0" in message and "was lost" in message for message in record.messages
    )
    assert results_of(tmp_path / "run") == undisturbed


@pytest.mark.fault(27, "loading processes that are stopped for good while training")
def test_row_27_hanging_workers_are_given_up(data, undisturbed, tmp_path, monkeypatch):
    class Stop(Disturb):
        waited: float = 0

        def advance(self, task: str, units: int = 1, **facts: Any) -> None:
            super().advance(task, units, **facts)
            if not self.hit or self.waited:
                return  # what is being made by other threads must not be looked at without need
            for reader in [one for one in gc.get_objects() if type(one) is _MultiProcessingDataLoaderIter]:
                if not self.waited:
                    # Not from the beginning: on a busy machine the first batch may take longer than this.
                    self.waited, reader._timeout = reader._timeout, 2
                    monkeypatch.setattr(loading_processes, "TIMEOUT_SECONDS", 2)

    record = Stop("train test_resnet fold 0", signal.SIGSTOP)
    run_pipeline(request(data, tmp_path / "run", *ONCE, "hardware.workers=2"), record)
    assert record.hit == 2
    assert record.waited == 300
    assert sum("was lost" in message for message in record.messages) == 1
    # Which of the two it is depends on where the main process waits: for a batch, or for the memory of one.
    lost = ("DataLoader timed out after 2 seconds", "DataLoader worker (pid")
    assert any(text in message for text in lost for message in record.messages), record.messages
    assert results_of(tmp_path / "run") == undisturbed
    assert not workers(), "one that is stopped would be waited for when this process ends"


class Threads(PictureDataset):
    """Tells how many threads OpenCV has where pictures are loaded, after it was made to use them."""

    def __getitem__(self, index: int) -> Item:
        item = super().__getitem__(index)
        cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (0, 0), 3)
        return item._replace(target=cv2.getNumThreads())


@pytest.mark.fault(27, "OpenCV's pool of threads at work before the fork")
def test_row_27_opencv_has_one_thread_in_workers(tmp_path):
    paths, labels = write_pictures(tmp_path, 12)
    before = cv2.getNumThreads()
    cv2.setNumThreads(4)
    try:
        cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (0, 0), 3)  # starts them
        dataset = Threads(PictureStore(paths, 32, memory_budget=0), labels, None, 32, 0)
        seen = [batch.targets.tolist() for batch in eval_loader(dataset, batch_size=3, workers=2)]
    finally:
        cv2.setNumThreads(before)
    assert seen == [[1, 1, 1]] * 4


def can_mount() -> bool:
    tried = ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /dev/shm"]
    try:
        return sys.platform == "linux" and subprocess.run(tried, capture_output=True).returncode == 0
    except OSError:
        return False


needs_mount = pytest.mark.skipif(not can_mount(), reason="mounting a file system is not permitted")


def with_shared_memory(kilobytes: int, command: list[str]) -> subprocess.CompletedProcess[str]:
    """A command that has so much of it."""
    mount = f"mount -t tmpfs -o size={kilobytes}k tmpfs /dev/shm && exec {shlex.join(command)}"
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", mount],
        env=run_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [(), ("hardware.workers=2",)], ids=["planned", "set by hand"])
@needs_mount
@pytest.mark.fault(26, "/dev/shm of 64 kB, mounted for the run, workers planned and set by hand")
def test_row_26_a_run_with_hardly_any_shared_memory(data, undisturbed, tmp_path, wanted):
    command = [
        sys.executable,
        str(PROGRAM),
        *arguments(data, tmp_path, "hardware.workers=none", *ONCE, *wanted),
    ]
    ended = with_shared_memory(64, command)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert ended.stderr == ""
    assert ended.stdout.count("Pictures are loaded by 0 processes of 2") == len(wanted)
    assert results_of(tmp_path / "run") == undisturbed


FULL = """
import sys
from pathlib import Path
import numpy as np
from grandmaster.images.dataset import PictureDataset
from grandmaster.images.loader import eval_loader
from grandmaster.images.loading_processes import is_worker_lost
from grandmaster.images.store import PictureStore

paths = sorted(Path(sys.argv[1]).glob("train/*.png"))
dataset = PictureDataset(PictureStore(paths, 64, memory_budget=10**7), np.zeros(len(paths), np.int64), None, 64, 0)
try:
    batches = list(eval_loader(dataset, batch_size=24, workers=2))
except RuntimeError as error:
    assert is_worker_lost(error), error
    print(error)
"""


@needs_mount
@pytest.mark.fault(26, "/dev/shm that has room for a loader, but not for what it loads")
def test_row_26_a_batch_that_cannot_be_handed_over_is_no_reason_to_wait(data):
    """Torch alone says so on standard error, loses the batch and waits for it, here 300 seconds."""
    ended = with_shared_memory(64, [sys.executable, "-W", "ignore", "-c", FULL, str(data)])
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("DataLoader worker")
    assert ended.stderr == ""


@pytest.mark.slow
@pytest.mark.fault(49, "SIGTERM to the loading processes alone")
def test_row_49_workers_that_are_asked_to_end(data, undisturbed, tmp_path):
    record = Disturb("train test_resnet fold 0", signal.SIGTERM)
    run_pipeline(request(data, tmp_path / "run", *ONCE, "hardware.workers=2"), record)
    assert record.hit == 2
    assert results_of(tmp_path / "run") == undisturbed
    assert os.getpid() not in {worker.pid for worker in workers()}
