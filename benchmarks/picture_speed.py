"""Decoding and the cache of decoded pictures, against Pillow's full decode with an antialiased resize.

    python benchmarks/picture_speed.py [--images 100] [--rounds 5] [--size 384] [--pictures DIR] [--no_csv]

JPEGs of 1500 x 1100 px, quality 90, made here, one thread, all ways in turns within one run: trust the ratios. Two kinds: "pages",
six pictures of the sample competition side by side, and "grain", shapes and lines under so much noise that a file is twice as
large, the worst case: reading its bits is most of the work, and half the size shows the noise differently. With
`--pictures` a third, "given": mosaics as "pages", of a folder's pictures. Ours decodes at 1/2, 1/4 or 1/8 where that is enough. The peer is Pillow's full decode with its antialiased
bilinear filter; PSNR is against its full decode with the filter that a way uses, bilinear or bicubic. Files and cache
lie in the system's memory after the first round, so this is what processors do, not disks.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

from grandmaster.competition.sample_maker.plan import training_pictures
from grandmaster.competition.sample_maker.render import render
from grandmaster.images.cache import CacheRoom
from grandmaster.images.decode import read_picture
from grandmaster.images.resize import to_square
from grandmaster.images.store import PictureStore
from grandmaster.pipeline.hardware import cpu_name
from grandmaster.storage import write_csv

RESULTS = Path(__file__).parent / "results" / "picture_speed.csv"
WIDTH, HEIGHT, QUALITY = 1500, 1100, 90
SUFFIXES = {".jpg", ".jpeg", ".png"}
Pixels = npt.NDArray[np.uint8]


def grain(count: int) -> Iterator[Pixels]:
    """Coloured shapes, lines and noise: detail at all scales."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        base = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        picture = cv2.resize(base, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        for _ in range(60):
            start, end = rng.integers(0, (WIDTH, HEIGHT), (2, 2))
            colour = [int(value) for value in rng.integers(0, 256, 3)]
            cv2.line(picture, start.tolist(), end.tolist(), colour, int(rng.integers(1, 12)), cv2.LINE_AA)
        yield (picture + rng.normal(0, 4, picture.shape)).clip(0, 255).astype(np.uint8)


def mosaics(pictures: Iterator[Image.Image]) -> Iterator[Pixels]:
    """Three by two pictures side by side, as long as there are six."""
    shape = (WIDTH // 3, HEIGHT // 2)
    for six in zip(*[iter(pictures)] * 6, strict=False):
        parts = [np.asarray(one.convert("RGB").resize(shape, Image.Resampling.LANCZOS)) for one in six]
        yield np.vstack([np.hstack(parts[:3]), np.hstack(parts[3:])])


def pages(count: int) -> Iterator[Pixels]:
    """Mosaics of pictures of the sample competition."""
    return mosaics(Image.fromarray(render(one, 0)) for one in training_pictures(6 * count, seed=0))


def given(folder: Path, count: int) -> Iterator[Pixels]:
    """Mosaics of a folder's pictures, in the order of their names, from the start again where they are too few."""
    files = itertools.cycle(sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES))
    return mosaics(Image.open(path) for path in itertools.islice(files, 6 * count))


KINDS: dict[str, Callable[[int], Iterator[Pixels]]] = {"pages": pages, "grain": grain}


def make(folder: Path, count: int, kind: str = "grain") -> list[Path]:
    """JPEG files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, picture in enumerate(KINDS[kind](count)):
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(picture).save(paths[-1], quality=QUALITY)
    return paths


def by_pillow(path: Path, size: int, how: Image.Resampling = Image.Resampling.BILINEAR) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((size, size), how))


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
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--pictures", type=Path, help="folder of pictures for a third kind")
    parser.add_argument("--no_csv", action="store_true", help="print only")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    tables = []
    if options.pictures is not None:
        KINDS["given"] = functools.partial(given, options.pictures)
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as place:
            tables.append(measure(Path(place), kind, options))
    table = pd.concat(tables, ignore_index=True)
    if not options.no_csv:
        write_csv(RESULTS, table)


def measure(place: Path, kind: str, options: argparse.Namespace) -> pd.DataFrame:
    """All ways on one kind of pictures."""
    size, seconds = options.size, {}
    paths, room = (
        make(place / "pictures", options.images, kind),
        CacheRoom(folder=place / "cache", limit=10**12),
    )

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
    exact = {
        name: [psnr(way(path, size), by_pillow(path, size, how)) for path in paths[:20]]
        for name, way, how in (
            ("OpenCV, whole, bilinear", by_opencv, Image.Resampling.BILINEAR),
            ("ours", ours, Image.Resampling.BICUBIC),
        )
    }
    base = statistics.median(seconds["Pillow, whole, antialiased"])
    table = pd.DataFrame(
        {
            "machine": f"{cpu_name()}, one thread",
            "pictures": kind,
            "file_kb": round(statistics.median(path.stat().st_size for path in paths) / 1000),
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
    print(table.drop(columns="machine").to_string(index=False))
    building, plain = (
        statistics.median(seconds[name])
        for name in ("the same, building the cache", "ours, a pass of the store")
    )
    print(f"{kind}: building the cache / one pass without it: {building / plain:.2f}", flush=True)
    return table


if __name__ == "__main__":
    main()
