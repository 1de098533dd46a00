"""How fast the pictures of a competition are looked at, against the loop a notebook would use, and the memory it takes.

    python benchmarks/eda_speed.py [--images 400] [--rounds 3] [--memory 2000 8000] [--no_csv]

The plain loop (Pillow open and convert, NumPy mean, standard deviation and variance of the Laplacian, entropy of the
histogram, ImageHash's pHash, all at full size) measures less than ours does, which also finds duplicates, noise, corners
and odd files. Both look at the same pictures, made here, in turns within one run: trust the ratios, and on a
machine with other work those of CPU seconds. Cold: nothing is known. Warm: the cache knows all files. Moved: it knows
their content, not their names.

Memory: the peak of a process of its own at two numbers of pictures (many names for few files, so that the disk stays
small; each has other bytes at its end, so that the cache knows none), and what each further picture adds. Linux only.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import imagehash
import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

from grandmaster.competition.table import Competition
from grandmaster.config import InspectConfig
from grandmaster.eda.fingerprint import make_fingerprint
from grandmaster.progress import SilentProgress
from grandmaster.storage import write_csv

RESULTS = Path(__file__).parent / "results" / "eda_speed.csv"
SIZES = ((1500, 1100), (500, 530))
MB = 1024 * 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=400, help="pictures of each size (default 400)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each way (default 3)")
    parser.add_argument(
        "--memory", type=int, nargs=2, default=(2000, 8000), help="pictures of the memory test"
    )
    parser.add_argument("--no_csv", action="store_true", help="print only")
    options = parser.parse_args()
    machine = (
        f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} CPU cores"
    )
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for width, height in SIZES:
            folder = Path(place) / f"{width}x{height}"
            make_pictures(folder, options.images, width, height)
            medians = compare(folder, options.rounds)
            for way, (seconds, busy) in medians.items():
                rows.append(
                    {
                        "pictures": f"{options.images} JPEG {width}x{height}",
                        "way": way,
                        "images_per_second": round(options.images / seconds, 1),
                        "times_plain": round(medians["plain loop"][0] / seconds, 1),
                        "cpu_ms_per_image": round(1000 * busy / options.images, 2),
                        "times_plain_per_core": round(medians["plain loop"][1] / busy, 1),
                        "machine": machine,
                    }
                )
                print(rows[-1], flush=True)
        peaks = [peak_memory(Path(place), count) for count in options.memory]
        each = (peaks[1] - peaks[0]) / (options.memory[1] - options.memory[0])
        for count, peak in zip(options.memory, peaks, strict=True):
            rows.append(
                {
                    "pictures": f"{count} JPEG 500x530",
                    "way": "ours, cold",
                    "peak_mb": round(peak / MB, 1),
                    "kb_per_further_picture": round(each / 1024, 2),
                    "machine": machine,
                }
            )
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    if not options.no_csv:
        write_csv(RESULTS, table)


def make_pictures(folder: Path, count: int, width: int, height: int) -> None:
    """Smooth clouds with text-like strokes and some noise: their JPEGs are as large as those of photos."""
    folder.mkdir(parents=True)
    for number in range(count):
        rng = np.random.default_rng([number, width])
        pixels: npt.NDArray[np.float32] = np.full((height, width, 3), 128, np.float32)
        for cell, strength in ((64, 40), (16, 20), (5, 10)):
            coarse = rng.normal(0, strength, (height // cell + 1, width // cell + 1, 3)).astype(np.float32)
            pixels += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        for _ in range(60):
            x, y = int(rng.integers(width)), int(rng.integers(height))
            cv2.line(pixels, (x, y), (x + int(rng.integers(60)), y), (20, 20, 20), 2)
        noise = rng.normal(0, 3, (height, width, 1)).astype(np.float32)
        Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(
            folder / f"{number:05}.jpg", quality=90
        )


def plain_loop(folder: Path) -> None:
    """What is usual: one picture after the other, at full size."""
    for path in sorted(folder.glob("*.jpg")):
        image = Image.open(path).convert("RGB")
        grey = np.asarray(image.convert("L"), np.float32)
        histogram = np.bincount(grey.astype(np.uint8).ravel(), minlength=256) / grey.size
        known = histogram[histogram > 0]
        laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
        found = (
            np.asarray(image).mean(axis=(0, 1)),
            np.asarray(image).std(axis=(0, 1)),
            laplacian.var(),
            -(known * np.log2(known)).sum(),
            imagehash.phash(image),
            image.size,
            path.stat().st_size,
        )
        assert len(found) == 7


def ours(folder: Path, cache: Path | None) -> None:
    """The whole fingerprint, one half of the pictures as train and one as test."""
    make_fingerprint(competition_of(folder), InspectConfig(), SilentProgress(), cache_folder=cache)


def competition_of(folder: Path) -> Competition:
    paths = sorted(folder.glob("*.jpg"))
    train, test = paths[::2], paths[1::2]
    ids = [path.stem for path in train]
    return Competition(
        name="benchmark",
        root=folder,
        layout="L1",
        understood=(),
        id_column="id",
        target_columns=("label",),
        classes=("0",),
        class_names=("0",),
        train=pd.DataFrame(
            {"id": ids, "path": [str(path) for path in train], "label": 0, "group": ids, "row": ids}
        ),
        targets=np.zeros(len(train), np.int64),
        test=pd.DataFrame({"id": [path.stem for path in test], "path": [str(path) for path in test]}),
        sample_submission=pd.DataFrame({"id": [path.stem for path in test], "label": "0"}),
        submission_format="hard_label",
        metric="accuracy",
        metric_reason="benchmark",
    )


def compare(folder: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """Median wall and CPU seconds of each way over the rounds, the ways in turns."""
    cache, moved = folder.parent / "cache", folder.parent / "moved"
    ways: dict[str, Callable[[], None]] = {
        "plain loop": lambda: plain_loop(folder),
        "ours, cold": lambda: ours(folder, cache),
        "ours, warm": lambda: ours(folder, cache),
        "ours, moved": lambda: ours(moved, cache),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        shutil.rmtree(cache, ignore_errors=True)
        shutil.rmtree(moved, ignore_errors=True)
        shutil.copytree(folder, moved)
        for name, way in ways.items():
            began, busy = time.perf_counter(), time.process_time()
            way()
            seconds[name].append((time.perf_counter() - began, time.process_time() - busy))
    shutil.rmtree(moved)
    shutil.rmtree(cache)
    return {
        name: (statistics.median(wall for wall, _ in turns), statistics.median(cpu for _, cpu in turns))
        for name, turns in seconds.items()
    }


def peak_memory(place: Path, count: int) -> int:
    """Bytes of resident memory at the peak of a fresh process that looks at `count` pictures."""
    folder = place / f"memory{count}"
    folder.mkdir()
    sources = [path.read_bytes() for path in sorted((place / "500x530").glob("*.jpg"))[:200]]
    for number in range(count):
        # Bytes after the end of a JPEG are ignored: another file, another hash, as far as the cache knows.
        (folder / f"{number:06}.jpg").write_bytes(sources[number % len(sources)] + number.to_bytes(4, "big"))
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_look_and_tell, args=(folder, queue))
    process.start()
    peak = int(queue.get())
    process.join()
    shutil.rmtree(folder)
    return peak


def _look_and_tell(folder: Path, queue: multiprocessing.Queue[int]) -> None:
    ours(folder, folder / "cache")
    # Not `ru_maxrss`: that starts from what the parent held.
    lines = Path("/proc/self/status").read_text().splitlines()
    queue.put(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")))


if __name__ == "__main__":
    main()
