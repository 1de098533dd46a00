"""Two dozen epochs: memory does not grow, and nothing is left behind (`benchmarks/soak.py` looks for longer)."""

from __future__ import annotations

import gc
import multiprocessing
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from scipy.stats import linregress, t

from grandmaster.progress import SilentProgress
from grandmaster.training.fit import fit_fold
from grandmaster.training.precision import Precision
from training.training_cases import make_data, make_spec

EPOCHS, SETTLED = 24, 10
MEGABYTE = 2**20

pytestmark = pytest.mark.slow  # whole runs in processes of their own


def memory_of(processes: list[psutil.Process]) -> float:
    """MB that processes hold together. What forked ones share is counted once (Linux) or not at all; files that they mapped,
    and share with whoever else runs on the machine, are not counted."""
    total = 0
    for process in processes:
        rollup = Path(f"/proc/{process.pid}/smaps_rollup")
        if rollup.exists():
            lines = [line.split() for line in rollup.read_text().splitlines()]
            total += 1024 * sum(int(words[1]) for words in lines if words[0] in ("Pss_Anon:", "Pss_Shmem:"))
        else:
            total += process.memory_full_info().uss
    return total / MEGABYTE


class Memory(SilentProgress):
    """Memory at the end of every epoch, of this process and its workers."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def advance(self, task: str, units: int = 1, **facts: Any) -> None:
        if "loss" in facts:
            gc.collect()
            self.seen.append(memory_of([psutil.Process(), *map(psutil.Process, training_workers())]))


def training_workers() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.daemon]


def growth(seen: list[float]) -> tuple[float, float]:
    """MB an epoch, after what the first ones brought: the slope, and the least that it is with 99% confidence."""
    settled = seen[SETTLED:]
    line = linregress(np.arange(len(settled)), settled)
    error = np.nan_to_num(line.stderr)  # none where they are all the same to the last byte
    return line.slope, line.slope - t.ppf(0.99, len(settled) - 2) * error


def left_behind() -> dict[str, Any]:
    gc.collect()
    own = psutil.Process()
    return {
        "workers": training_workers(),
        "descriptors": own.num_fds() if hasattr(own, "num_fds") else own.num_handles(),
        "shared memory": sorted(
            path.name for path in Path("/dev/shm").glob("torch_*") if not of_others(path)
        ),
    }


def of_others(path: Path) -> bool:
    """Whether a living process that is not one of ours made this file of shared memory: torch writes whose it is into its name."""
    made_by, own = int(path.name.split("_")[1]), psutil.Process()
    family = {own.pid, *(child.pid for child in own.children(recursive=True))}
    return made_by not in family and psutil.pid_exists(made_by)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.fault(
    28, "24 epochs, without and with loading processes: resident memory, descriptors, shared memory"
)
def test_row_28_nothing_grows_over_epochs(tmp_path, workers):
    def fit(name: str, epochs: int) -> Memory:
        spec, memory = make_spec(epochs=epochs), Memory()
        fit_fold(
            spec,
            make_data(folder, spec),
            tmp_path / name,
            Precision("cpu", "fp32"),
            workers=workers,
            progress=memory,
            task="t",
        )
        return memory

    folder = tmp_path / "pictures"
    folder.mkdir()
    fit("warm", 1)  # what is imported and opened once
    before = left_behind()
    seen = fit("fit", EPOCHS).seen
    after = left_behind()
    assert len(seen) == EPOCHS
    # A leaked batch of this fit alone would be 0.1 MB an epoch; kept gradients or averages, several. An allocator that
    # takes a larger step once is no slope.
    slope, least = growth(seen)
    assert least < 0.1, [round(value, 1) for value in seen]
    assert slope < 1.0, [round(value, 1) for value in seen]
    assert after == before


@pytest.mark.skipif(sys.platform != "linux", reason="made to be seen on Linux")
def test_a_leak_would_be_seen(tmp_path):
    class Leak(Memory):
        kept: list[Any]

        def advance(self, task: str, units: int = 1, **facts: Any) -> None:
            if "loss" in facts:
                self.kept.append(np.ones(MEGABYTE // 8))
            super().advance(task, units, **facts)

    leak, spec = Leak(), make_spec(epochs=12)
    leak.kept = []
    fit_fold(
        spec,
        make_data(tmp_path, spec),
        tmp_path / "fit",
        Precision("cpu", "fp32"),
        workers=0,
        progress=leak,
        task="t",
    )
    slope, least = growth(leak.seen)
    assert slope > 0.5
    assert least > 0.1
