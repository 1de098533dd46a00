"""Nobody is left behind when the process that started others is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "03_modeling"
LONGEST = 30.0  # s

SAMPLE = """
from pathlib import Path
from grandmaster.competition.sample import make_sample
if __name__ == "__main__":
    make_sample(Path({place!r}), images=20_000, test_images=100, seed=0, workers=2)
"""
# What the probe starts on a GPU, with something that takes long in the place of the training steps.
PROBE = """
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from grandmaster.orphans import end_with_parent
if __name__ == "__main__":
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=end_with_parent) as pool:
        pool.submit(time.sleep, 600).result()
"""


@pytest.mark.parametrize(("program", "workers"), [(SAMPLE, 2), (PROBE, 1)], ids=["sample", "at work"])
@pytest.mark.fault(64, "SIGKILL while its pool has work")
def test_row_64_the_processes_of_a_pool_end_with_the_one_that_was_killed(tmp_path, program, workers):
    script = tmp_path / "program.py"
    script.write_text(program.format(place=str(tmp_path / "sample")))
    process = subprocess.Popen(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(PACKAGE)}, start_new_session=True
    )
    try:
        started = wait_for(lambda: pool_of(process.pid), workers)
        time.sleep(3)  # until they have been initialised and are at work
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        ended = time.monotonic() + LONGEST
        while left := [one for one in started if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]:
            assert time.monotonic() < ended, f"{left} are still there"
            time.sleep(0.1)
    finally:
        for one in [*psutil.process_iter()]:
            if one.pid != os.getpid() and session(one.pid) == process.pid:
                one.kill()


def session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def pool_of(pid: int) -> list[psutil.Process]:
    """The processes that a pool started; the tracker of resources is none."""
    children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def wait_for(found, count: int) -> list[psutil.Process]:
    ended = time.monotonic() + 2 * LONGEST
    while len(processes := found()) < count:
        assert time.monotonic() < ended, "the pool has not started"
        time.sleep(0.1)
    return processes
