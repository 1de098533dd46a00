"""How long until a command says something: `--help`, the system check, the menu, a plan.

    python benchmarks/start.py [--rounds 5] [--no_csv]

Seconds from the start of the process to its first line, and to its end where it ends by itself. Beside them what a user would
wait for elsewhere: importing the libraries of the same work. Medians of rounds in turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import pandas as pd

from grandmaster.pipeline.hardware import cpu_name
from grandmaster.pipeline.machine import usable_cores
from grandmaster.storage import write_csv

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "start.csv"
# What is started, and the target for its first line, s.
COMMANDS: dict[str, tuple[list[str], float | None]] = {
    "grandmaster_train.py --help": (["04_training/grandmaster_train.py", "--help"], 0.3),
    "run_training.py (menu)": (["04_training/run_training.py"], 3.0),
    "grandmaster_train.py --mode debug": (
        ["04_training/grandmaster_train.py", "--mode", "debug", "--plain"],
        3.0,
    ),
    "models.py": (["04_training/models.py"], None),
    "import torch, timm, albumentations": (
        ["-c", "import torch, timm, albumentations; print('there')"],
        None,
    ),
}


def one_start(words: list[str]) -> tuple[float, float]:
    """Seconds to the first line, and to the end."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    process.stdout.readline()
    first = time.perf_counter() - started
    process.stdout.read()
    process.wait()
    return first, time.perf_counter() - started


def main() -> None:
    """Take turns, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no_csv", action="store_true")
    options = parser.parse_args()
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for number in range(options.rounds + 1):
        for name, (words, _) in COMMANDS.items():
            found = one_start(words)
            if number:  # the first fills the system's memory with files
                took[name].append(found)
    table = pd.DataFrame(
        {
            "machine": f"{cpu_name()}, {usable_cores()} cores",
            "command": name,
            "first_line": round(statistics.median(first for first, _ in took[name]), 2),
            "end": round(statistics.median(end for _, end in took[name]), 2),
            "target_first_line": target,
        }
        for name, (_, target) in COMMANDS.items()
    )
    print(table.drop(columns="machine").to_string(index=False, na_rep=""))
    if not options.no_csv:
        write_csv(RESULTS, table)


if __name__ == "__main__":
    main()
