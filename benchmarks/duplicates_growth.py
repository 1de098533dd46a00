"""How the time of the near-duplicate search grows with the number of pictures.

Random 64-bit hashes, one in ten a copy of another with up to four bits turned. Each row is ten times or twice
the row before; a ratio near the ratio of sizes means linear growth, its square means quadratic growth.

    python benchmarks/duplicates_growth.py [--distance 4] [--largest 100000]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

from grandmaster.eda.duplicates import near_hash_pairs

SIZES = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
REPEATS = 3


def synthetic_hashes(count: int, seed: int = 0) -> npt.NDArray[np.uint64]:
    """uint64 (count,): random, every tenth a copy of an earlier one with 0 to 4 bits turned."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    for row in range(10, count, 10):
        copy = hashes[rng.integers(0, row)]
        for bit in rng.choice(64, rng.integers(0, 5), replace=False):
            copy ^= np.uint64(1) << np.uint64(bit)
        hashes[row] = copy
    return hashes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--distance", type=int, default=4, help="largest distance, bits of 64 (default 4)")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="skip larger sizes")
    arguments = parser.parse_args()
    print(f"distance {arguments.distance}, best of {REPEATS}")
    print(f"{'hashes':>8} {'pairs':>8} {'seconds':>9} {'ratio':>7} {'of sizes':>9}")
    before: tuple[int, float] | None = None
    for size in (size for size in SIZES if size <= arguments.largest):
        hashes = synthetic_hashes(size)
        best = float("inf")
        for _ in range(REPEATS):
            began = time.perf_counter()
            pairs = sum(len(block) for block in near_hash_pairs(hashes, arguments.distance))
            best = min(best, time.perf_counter() - began)
        growth = "" if before is None else f"{best / before[1]:7.2f} {size / before[0]:9.2f}"
        print(f"{size:>8,} {pairs:>8,} {best:>9.4f} {growth}", flush=True)
        before = size, best


if __name__ == "__main__":
    main()
