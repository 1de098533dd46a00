"""How fast the sample competition is rendered: pictures a second on one core, JPEG writing included.

    python benchmarks/sample_speed.py [--images N] [--rounds R]

Prints the median over rounds for train and for the corrupted test, in CPU time (what one core does when it has
nothing else to do) and in wall time, after a first round that fills the cache of rendered text.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import cv2

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

from grandmaster.competition.sample_maker.plan import hidden_pictures, training_pictures
from grandmaster.competition.sample_maker.render import FOLDERS, write_pictures


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=204, help="pictures a round and split (default: 204)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    splits = dict(
        zip(FOLDERS, (training_pictures(given.images, 0), hidden_pictures(given.images)), strict=True)
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in FOLDERS:
            (Path(folder) / name).mkdir()
        start = time.process_time()
        for pictures in splits.values():
            write_pictures(pictures, 0, Path(folder))
        cold = 2 * given.images / (time.process_time() - start)
        print(f"first round, both splits: {cold:.0f} images/s of CPU time")
        for name, pictures in splits.items():
            cpu, wall = [], []
            for seed in range(1, given.rounds + 1):
                began, start = time.perf_counter(), time.process_time()
                write_pictures(pictures, seed, Path(folder))
                cpu.append(given.images / (time.process_time() - start))
                wall.append(given.images / (time.perf_counter() - began))
            print(
                f"{name:5s}: median {statistics.median(cpu):.0f} images/s of CPU time "
                f"({min(cpu):.0f} to {max(cpu):.0f}), {statistics.median(wall):.0f} by the clock"
            )


if __name__ == "__main__":
    main()
