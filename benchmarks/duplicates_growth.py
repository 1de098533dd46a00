"""How the time of the near-duplicate search grows with the number of pictures.

Random 64-bit hashes, one in ten a copy of another with up to four bits turned. Each row has two to ten times the hashes
of the row before; a ratio near the ratio of sizes means linear growth, its square means quadratic growth.

    python benchmarks/duplicates_growth.py [--distance 6] [--largest 1000000] [--no_csv]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

from grandmaster.eda.hash_pairs import near_hash_pairs
from grandmaster.storage import write_csv

RESULTS = Path(__file__).parent / "results" / "duplicates_growth.csv"
SIZES = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 1_000_000)
REPEATS = 3


def synthetic_hashes(count: int, seed: int = 0) -> npt.NDArray[np.uint64]:
    """uint64 (count,): random, every tenth a copy of an earlier one with 0 to 4 bits turned."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    rows = np.arange(10, count, 10)
    copies = hashes[rng.integers(0, rows)]
    turned = rng.integers(0, 5, len(rows))
    for bit in range(4):  # a bit that is drawn twice is turned back
        chosen = np.uint64(1) << rng.integers(0, 64, len(rows), dtype=np.uint64)
        copies = np.where(bit < turned, copies ^ chosen, copies)
    hashes[rows] = copies
    return hashes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--distance", type=int, default=6, help="largest distance, bits of 64 (default 6)")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="skip larger sizes")
    parser.add_argument("--no_csv", action="store_true", help="print only")
    options = parser.parse_args()
    machine = (
        f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} CPU cores"
    )
    print(f"distance {options.distance}, best of {REPEATS}, one thread")
    print(f"{'hashes':>9} {'pairs':>8} {'seconds':>9} {'ratio':>7} {'of sizes':>9}")
    rows: list[dict[str, object]] = []
    before: tuple[int, float] | None = None
    for size in (size for size in SIZES if size <= options.largest):
        hashes = synthetic_hashes(size)
        best = float("inf")
        for _ in range(REPEATS):
            began = time.perf_counter()
            pairs = sum(len(block) for block in near_hash_pairs(hashes, options.distance))
            best = min(best, time.perf_counter() - began)
        growth = "" if before is None else f"{best / before[1]:7.2f} {size / before[0]:9.2f}"
        print(f"{size:>9,} {pairs:>8,} {best:>9.4f} {growth}", flush=True)
        rows.append(
            {
                "hashes": size,
                "distance": options.distance,
                "pairs": pairs,
                "seconds": round(best, 4),
                "machine": machine,
            }
        )
        before = size, best
    if not options.no_csv:
        write_csv(RESULTS, pd.DataFrame(rows))


if __name__ == "__main__":
    main()
