"""Does anything grow while training? Twenty epochs of a small run with worker processes, watched after every epoch.

    python benchmarks/soak.py [--epochs 20] [--images 400] [--workers 2]

Prints the slope of resident memory (this process and its workers) over the epochs after the first five, in MB an epoch,
with its standard error, and what of processes, threads, open files and shared memory is there after the run that was not
before it.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import numpy as np
import pandas as pd
import psutil
from scipy import stats

from grandmaster.competition.sample import make_sample
from grandmaster.config import Config
from grandmaster.pipeline.machine import usable_cores
from grandmaster.pipeline.run import RunRequest, run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings
from grandmaster.storage import write_csv

RESULTS = Path(__file__).resolve().parent / "results" / "soak.csv"
MEGABYTE = 2**20
SETTLED = 5  # epochs after which allocators and caches have what they need


def resident() -> tuple[float, int]:
    """Megabytes of this process with all below it, and how many those are."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / MEGABYTE, len(processes)


def open_things() -> dict[str, int]:
    """What a process may leave behind."""
    gc.collect()
    own = psutil.Process()
    return {
        "processes": len(own.children(recursive=True)),
        "threads": threading.active_count(),
        "files": len(own.open_files()),
        "descriptors": own.num_fds() if hasattr(own, "num_fds") else own.num_handles(),
        "shared memory files": sum(1 for _ in Path("/dev/shm").glob("torch_*")),
    }


class Watch(SilentProgress):
    """Looks at the memory whenever an epoch has ended."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self._pictures = 0

    def advance(self, task: str, units: int = 1, **facts: Any) -> None:
        if task.startswith("train") and "loss" in facts:
            megabytes, processes = resident()
            self.epochs.append({"epoch": len(self.epochs) + 1, "mb": megabytes, "processes": processes})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "sample"
        make_sample(data, images=options.images, test_images=100, seed=0)

        def request(name: str, epochs: int) -> RunRequest:
            settings = [
                "model.backbones=resnet10t",
                "model.pretrained=false",
                "model.image_size=64",
                "folds.train=1",
                f"training.epochs={epochs}",
                "training.patience=0",
                "augmentation.policy=light",
                "inspect.shift_effort=0.1",
                f"hardware.workers={options.workers}",
            ]
            return RunRequest(
                data_path=data,
                run_folder=Path(place) / name,
                config=with_settings(Config(), settings),
                mode="quick_test",
                command="benchmarks/soak.py",
            )

        run_pipeline(request("warm", 1), SilentProgress())  # what is imported and opened once
        before, watch = open_things(), Watch()
        run_pipeline(request("soak", options.epochs), watch)
        after = open_things()
    table = pd.DataFrame(watch.epochs)
    settled = table[table["epoch"] > SETTLED]
    line = stats.linregress(settled["epoch"], settled["mb"])
    table["machine"] = f"{usable_cores()} CPU cores"
    write_csv(RESULTS, table.round(1))
    print(table.drop(columns="machine").round(1).to_string(index=False))
    print(
        f"slope over epochs {SETTLED + 1} to {options.epochs}: {line.slope:+.2f} MB an epoch (standard error "
        f"{line.stderr:.2f}), of {np.median(table['mb']):.0f} MB"
    )
    left = {name: after[name] - before[name] for name in before}
    print("left behind: " + ", ".join(f"{count:+d} {name}" for name, count in left.items()))


if __name__ == "__main__":
    main()
