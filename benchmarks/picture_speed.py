"""Decoding and the cache of decoded pictures, against Pillow's full decode with an antialiased resize.

    python benchmarks/picture_speed.py [--images 200] [--rounds 5] [--size 384] [--no_csv]

JPEGs of 1500 x 1100 px, made here, one thread, all ways in turns within one run: trust the ratios. Ours decodes at 1/2, 1/4 or
1/8 where that is enough. PSNR is against Pillow's full decode with its antialiased bilinear filter. Files and cache lie in
the system's memory after the first round, so this is what processors do, not disks.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

from grandmaster.images.cache import CacheRoom
from grandmaster.images.decode import read_picture
from grandmaster.images.resize import to_square
from grandmaster.images.store import PictureStore
from grandmaster.pipeline.machine import usable_cores
from grandmaster.storage import write_csv

RESULTS = Path(__file__).parent / "results" / "picture_speed.csv"
WIDTH, HEIGHT, QUALITY = 1500, 1100, 90
Pixels = npt.NDArray[np.uint8]


def make(folder: Path, count: int) -> list[Path]:
    """Coloured shapes, lines and grain: detail at all scales, as photos and pages have."""
    rng, paths = np.random.default_rng(0), []
    for number in range(count):
        base = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        picture = cv2.resize(base, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        for _ in range(60):
            start, end = rng.integers(0, (WIDTH, HEIGHT), (2, 2))
            colour = [int(value) for value in rng.integers(0, 256, 3)]
            cv2.line(picture, start.tolist(), end.tolist(), colour, int(rng.integers(1, 12)), cv2.LINE_AA)
        noisy = picture + rng.normal(0, 4, picture.shape)
        path = folder / f"{number}.jpg"
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=QUALITY)
        paths.append(path)
    return paths


def by_pillow(path: Path, size: int) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))


def by_opencv(path: Path, size: int) -> Pixels:
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def ours(path: Path, size: int) -> Pixels:
    return to_square(read_picture(path, at_least=size), size)


def psnr(one: Pixels, other: Pixels) -> float:
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(255**2 / error))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--no_csv", action="store_true", help="print only")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    size, seconds = options.size, {}
    with tempfile.TemporaryDirectory() as place:
        paths, room = make(Path(place), options.images), CacheRoom(folder=Path(place) / "cache", limit=10**12)

        def store(*, keep: bool) -> PictureStore:
            return PictureStore(paths, size, memory_budget=0, cache=room if keep else None, threads=1)

        def build() -> None:
            shutil.rmtree(room.folder, ignore_errors=True)
            store(keep=True)

        def read_all(pictures: PictureStore) -> None:
            for row in range(len(pictures)):
                pictures[row].sum(dtype=np.uint8)  # every byte is touched

        ways: dict[str, Callable[[], object]] = {
            "Pillow, whole, antialiased": lambda: [by_pillow(path, size) for path in paths],
            "OpenCV, whole, bilinear": lambda: [by_opencv(path, size) for path in paths],
            "ours": lambda: [ours(path, size) for path in paths],
            "ours, a pass of the store": lambda: store(keep=False),
            "the same, building the cache": build,
            "from the cache, opened and compared": lambda: read_all(store(keep=True)),
        }
        kept = None
        for number in range(options.rounds + 1):
            for name, way in ways.items():
                started = time.perf_counter()
                way()
                if number:
                    seconds.setdefault(name, []).append(time.perf_counter() - started)
            kept = kept or store(keep=True)
            started = time.perf_counter()
            read_all(kept)
            if number:
                seconds.setdefault("from the cache, mapped", []).append(time.perf_counter() - started)
        truth = [by_pillow(path, size) for path in paths[:20]]
        exact = {
            "OpenCV, whole, bilinear": [
                psnr(by_opencv(p, size), t) for p, t in zip(paths, truth, strict=False)
            ],
            "ours": [psnr(ours(path, size), true) for path, true in zip(paths, truth, strict=False)],
        }
    base = statistics.median(seconds["Pillow, whole, antialiased"])
    table = pd.DataFrame(
        {
            "machine": f"{usable_cores()} CPU cores, one thread",
            "way": name,
            "px": size,
            "images_per_second": round(options.images / statistics.median(took), 1),
            "slowest": round(options.images / max(took), 1),
            "fastest": round(options.images / min(took), 1),
            "times_pillow": round(base / statistics.median(took), 2),
            "psnr_db": round(statistics.median(exact[name]), 1) if name in exact else None,
        }
        for name, took in seconds.items()
    )
    print(table.to_string(index=False))
    building, plain = (
        statistics.median(seconds[name])
        for name in ("the same, building the cache", "ours, a pass of the store")
    )
    print(f"building the cache / one pass without it: {building / plain:.2f}")
    if not options.no_csv:
        write_csv(RESULTS, table)


if __name__ == "__main__":
    main()
