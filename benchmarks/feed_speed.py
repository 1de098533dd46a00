"""Pictures as a training step wants them, a second: this pipeline's store and loader against what people usually write.

    python benchmarks/feed_speed.py [--images 400] [--rounds 3] [--size 384] [--batch 16] [--no_csv]

The usual: a `Dataset` that reads every file with OpenCV in every epoch, albumentations with `Normalize` and `ToTensorV2` at
its end, float32 batches from `DataLoader(num_workers=cores)`. Ours: decoded once, uint8 through augmentation and loader,
normalised on the device (the normalisation is counted here, too). Both with the same two policies, in turns within one run:

- mild: crop, flip, brightness, hue, as for a test set that looks like the training set;
- strong: any rotation, flips, exposure, blur and noise, as a corrupted test set asks for; the usual by albumentations' own
  transforms, ours by those that were made for it.

Epochs after the first count: that is where a training is. Also what one picture takes on one thread, augmentation alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import albumentations as A
import cv2
import numpy as np
import pandas as pd
import torch
from albumentations.pytorch import ToTensorV2
from picture_speed import make
from torch.utils.data import DataLoader, Dataset

from grandmaster.images.augment import build_augmentation, light_policy
from grandmaster.images.dataset import PictureDataset
from grandmaster.images.loader import plan_workers, train_loader
from grandmaster.images.normalise import to_input
from grandmaster.images.operation import Operation
from grandmaster.images.store import PictureStore
from grandmaster.pipeline.hardware import cpu_name
from grandmaster.pipeline.machine import usable_cores
from grandmaster.storage import write_csv

RESULTS = Path(__file__).parent / "results" / "feed_speed.csv"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# An evaluation's own policy of the docs17 kind: probabilities and ranges as `plan.json` has them there.
STRONG = (
    Operation(name="D4", probability=0.5),
    Operation(name="FilledRotation", probability=0.7, params={"levels": ((3.0, 45.0, 1.0),), "fill": 255}),
    Operation(name="Exposure", probability=0.3),
    Operation(name="ScaledBlur", probability=0.5),
    Operation(name="PixelNoise", probability=0.4),
)


def usual(policy: str, size: int) -> A.Compose:
    """The same by albumentations' own transforms, with the usual ending."""
    if policy == "mild":
        steps: list[Any] = [
            A.RandomResizedCrop((size, size), scale=(0.7, 1.0), ratio=(0.85, 1.18), p=1.0),
            A.HorizontalFlip(p=0.5),
            A.RandomBrightnessContrast(0.15, 0.15, p=0.5),
            A.HueSaturationValue(6, 20, 10, p=0.3),
        ]
    else:
        steps = [
            A.D4(p=0.5),
            A.Rotate((-45, 45), border_mode=cv2.BORDER_CONSTANT, fill=255, p=0.7),
            A.Resize(size, size),
            A.RandomBrightnessContrast((-0.2, 0.2), (0, 0), p=0.3),
            A.GaussianBlur(blur_limit=0, sigma_limit=(0.3, 1.2), p=0.5),
            A.GaussNoise(std_range=(2 / 255, 10 / 255), p=0.4),
        ]
    return A.Compose([*steps, A.Normalize(MEAN, STD), ToTensorV2()])


class UsualDataset(Dataset):
    """As in most notebooks."""

    def __init__(self, paths: list[Path], transform: A.Compose) -> None:
        self.paths, self.transform = paths, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        picture = cv2.cvtColor(cv2.imread(str(self.paths[row])), cv2.COLOR_BGR2RGB)
        return self.transform(image=picture)["image"], 0


def usual_epochs(paths: list[Path], policy: str, size: int, batch: int) -> Iterator[float]:
    """Seconds of one epoch after the other."""
    loader = DataLoader(
        UsualDataset(paths, usual(policy, size)),
        batch,
        shuffle=True,
        num_workers=usable_cores(),
        persistent_workers=True,
    )
    while True:
        started = time.perf_counter()
        for inputs, _ in loader:
            inputs.sum()
        yield time.perf_counter() - started


def our_epochs(store: PictureStore, policy: str, size: int, batch: int) -> Iterator[float]:
    """As above, with as many loading processes as the plan chooses for pictures in memory."""
    operations = light_policy() if policy == "mild" else STRONG
    targets = np.zeros(len(store), np.int64)
    data = PictureDataset(store, targets, build_augmentation(operations, size), size, seed=0)
    plan = plan_workers(
        cores=usable_cores(), shm_bytes=None, batch_bytes=batch * 3 * size * size, pictures_in_memory=True
    )
    loader = train_loader(data, batch_size=batch, workers=plan.count, pin_memory=False)
    epoch = 0
    while True:
        started = time.perf_counter()
        for one in loader.epoch(epoch):
            to_input(one.pictures, MEAN, STD, device="cpu", channels_last=False).sum()
        yield time.perf_counter() - started
        epoch += 1


def one_thread(pictures: list[np.ndarray], policy: str, size: int) -> dict[str, float]:
    """Seconds of all pictures through each augmentation, from decoded squares, uint8 to what the loader hands on."""
    ours = build_augmentation(light_policy() if policy == "mild" else STRONG, size)
    theirs, found = usual(policy, size), {}
    for name, call in (
        ("usual", lambda picture, number: theirs(image=picture)),
        ("ours", lambda picture, number: ours(picture, number)),
    ):
        started = time.perf_counter()
        for number, picture in enumerate(pictures):
            call(picture, number)
        found[name] = time.perf_counter() - started
    return found


def main() -> None:
    """Take turns, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--no_csv", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as place:
        paths = make(Path(place), options.images)
        stored = round(options.size * 1.15)
        store = PictureStore(paths, stored, memory_budget=10**11, cache=None, threads=usable_cores())
        squares = [store[row] for row in range(min(100, len(store)))]
        for policy in ("mild", "strong"):
            alone = [one_thread(squares, policy, options.size) for _ in range(options.rounds)]
            ways = {
                "usual": usual_epochs(paths, policy, options.size, options.batch),
                "ours": our_epochs(store, policy, options.size, options.batch),
            }
            whole: dict[str, list[float]] = {name: [] for name in ways}
            for number in range(options.rounds + 1):
                for name, epochs in ways.items():
                    took = next(epochs)
                    if number:  # the first starts processes
                        whole[name].append(took)
            ways.clear()
            for what, seconds, count in (
                (
                    "augmentation, one thread",
                    {n: [one[n] for one in alone] for n in ("usual", "ours")},
                    len(squares),
                ),
                ("whole feed, all cores", whole, len(paths)),
            ):
                ratios = [one / other for one, other in zip(seconds["usual"], seconds["ours"], strict=True)]
                rows.append(
                    {
                        "machine": f"{cpu_name()}, {usable_cores()} cores",
                        "what": what,
                        "policy": policy,
                        "px": options.size,
                        "usual": round(count / statistics.median(seconds["usual"]), 1),
                        "ours": round(count / statistics.median(seconds["ours"]), 1),
                        "ratio": round(statistics.median(ratios), 2),
                        "low": round(min(ratios), 2),
                        "high": round(max(ratios), 2),
                    }
                )
    table = pd.DataFrame(rows)
    print(table.drop(columns="machine").to_string(index=False))
    if not options.no_csv:
        write_csv(RESULTS, table)


if __name__ == "__main__":
    main()
