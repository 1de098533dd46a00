"""Does anything grow while training? Twenty epochs of a small run with worker processes, watched after every epoch.

    python benchmarks/soak.py [--epochs 20] [--images 240] [--workers 2]

Writes results/soak.csv: how memory, open files and threads change over the epochs after the first five (slope with its 95%
interval, of this process and its workers together; what they share is counted once), how many processes there were at most
beyond the workers, and what of processes, threads, open files, shared memory and temporary files is there after the run that
was not before it. A slope is flat where its interval lies below what is allowed. Exit code 1: something is not flat.
"""

from __future__ import annotations

import argparse
import gc
import os
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
from grandmaster.pipeline.hardware import cpu_name
from grandmaster.pipeline.machine import usable_cores
from grandmaster.pipeline.run import RunRequest, run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings
from grandmaster.storage import write_csv

RESULTS = Path(__file__).resolve().parent / "results" / "soak.csv"
MEGABYTE = 2**20
SETTLED = 5  # epochs after which allocators and caches have what they need
# Most that may be added in an epoch: 1000 epochs, more than a session has, then take 2 GB, and no limit of files is met.
ALLOWED = {"memory": 2.0, "memory of this process": 1.0, "open files": 0.1, "threads": 0.1}


def memory_mb(processes: list[psutil.Process]) -> float:
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


def open_files(process: psutil.Process) -> int:
    count: int = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
    return count


def of_others(path: Path) -> bool:
    """Whether a living process that is not one of ours made this file of shared memory: torch writes whose it is into its name."""
    made_by, own = int(path.name.split("_")[1]), psutil.Process()
    family = {own.pid, *(child.pid for child in own.children(recursive=True))}
    return made_by not in family and psutil.pid_exists(made_by)


def open_things(temporary: Path) -> dict[str, int]:
    """What a process may leave behind."""
    gc.collect()
    own = psutil.Process()
    return {
        "processes": len(own.children(recursive=True)),
        "threads": threading.active_count(),
        "open files": open_files(own),
        "shared memory files": sum(not of_others(path) for path in Path("/dev/shm").glob("torch_*")),
        "temporary files": sum(1 for _ in temporary.rglob("*")),
    }


class Watch(SilentProgress):
    """Looks at the process whenever an epoch has ended."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    def advance(self, task: str, units: int = 1, **facts: Any) -> None:
        if not (task.startswith("train") and "loss" in facts):
            return
        gc.collect()
        own = psutil.Process()
        children = own.children(recursive=True)
        self.epochs.append(
            {
                "epoch": len(self.epochs) + 1,
                "memory": memory_mb([own, *children]),
                "memory of this process": own.memory_info().rss / MEGABYTE,
                "open files": open_files(own),
                "threads": own.num_threads(),
                "processes": len(children),
            }
        )


def growth(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """Slope over the settled epochs."""
    settled = table[table["epoch"] > SETTLED]
    line = stats.linregress(settled["epoch"], settled[name])
    error = np.nan_to_num(line.stderr)  # none where all are the same
    half = stats.t.ppf(0.975, len(settled) - 2) * error
    return {
        "figure": f"{name}, an epoch",
        "unit": "MB" if name.startswith("memory") else "",
        "value": round(line.slope, 3),
        "low": round(line.slope - half, 3),
        "high": round(line.slope + half, 3),
        "allowed": ALLOWED[name],
        "flat": bool(line.slope + half < ALLOWED[name]),
    }


def count(figure: str, value: int) -> dict[str, Any]:
    """Something that there must be none of."""
    return {"figure": figure, "unit": "", "value": value, "allowed": 0, "flat": value <= 0}


def request(place: Path, name: str, epochs: int, workers: int) -> RunRequest:
    settings = [
        "model.backbones=resnet10t",
        "model.pretrained=false",
        "model.image_size=64",
        "folds.train=1",
        f"training.epochs={epochs}",
        "training.patience=0",
        "augmentation.policy=light",
        "inspect.shift_effort=0.1",
        "inspect.shift_pictures=40",
        f"hardware.workers={workers}",
    ]
    return RunRequest(
        data_path=place / "sample",
        run_folder=place / name,
        config=with_settings(Config(), settings),
        mode="quick_test",
        command="benchmarks/soak.py",
        until="predict",
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--images", type=int, default=240)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        make_sample(place / "sample", images=options.images, test_images=100, seed=0)
        temporary = place / "temporary"
        temporary.mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        # What is imported and opened once.
        run_pipeline(request(place, "warm", 1, options.workers), SilentProgress())
        before, watch = open_things(temporary), Watch()
        run_pipeline(request(place, "soak", options.epochs, options.workers), watch)
        after = open_things(temporary)
        half_written = sum(1 for _ in (place / "soak").rglob("*.part"))
        tempfile.tempdir = None
    epochs = pd.DataFrame(watch.epochs)
    print(epochs.round(1).to_string(index=False))
    lines = [growth(epochs, name) for name in ALLOWED]
    lines.append(count("processes beyond the workers", int(epochs["processes"].max()) - options.workers))
    lines += [count(f"{thing} left behind", after[thing] - before[thing]) for thing in before]
    lines.append(count("half-written files left behind", half_written))
    table = pd.DataFrame(lines).assign(
        memory_mb=round(float(epochs["memory"].median())),
        epochs=len(epochs),
        workers=options.workers,
        machine=f"{cpu_name()}, {usable_cores()} cores",
    )
    write_csv(options.out, table)
    print(table.drop(columns="machine").to_string(index=False))
    return 0 if table["flat"].all() else 1


if __name__ == "__main__":
    sys.exit(main())
