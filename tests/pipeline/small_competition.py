"""A competition of small pictures that a tiny net can learn, and the settings for a run of seconds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from grandmaster.config import Config
from grandmaster.pipeline.run import RunRequest, run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings

SETTINGS = (
    "model.backbones=test_resnet",
    "model.image_size=32",
    "model.pretrained=false",
    "folds.count=3",
    "folds.train=2",
    "training.epochs=2",
    "training.effective_batch=16",
    "training.micro_batch=8",
    "prediction.tta_views=2",
    "ensemble.bootstrap_rounds=100",
    "hardware.device=cpu",
    "hardware.workers=0",
    "hardware.threads=1",
)


def write_competition(root: Path, *, train: int = 48, test: int = 18) -> Path:
    """Layout L1 with three classes: where a bright square lies."""
    rng = np.random.default_rng(1)
    rows = {"train": ["ID,target"], "test": ["ID,target"]}
    for split, count in (("train", train), ("test", test)):
        (root / split).mkdir(parents=True)
        for number in range(count):
            label = number % 3
            picture = rng.integers(0, 90, (48, 48, 3), np.uint8)
            picture[6:24, label * 15 : label * 15 + 15] += 150
            name = f"{split}{number:03d}.png"
            cv2.imwrite(str(root / split / name), picture)
            rows[split].append(f"{name},{label if split == 'train' else 0}")
    (root / "train.csv").write_text("\n".join(rows["train"]) + "\n")
    (root / "sample_submission.csv").write_text("\n".join(rows["test"]) + "\n")
    return root


def request(data: Path, folder: Path, *changes: str, **others: Any) -> RunRequest:
    return RunRequest(
        data_path=data,
        run_folder=folder,
        config=with_settings(Config(), [*SETTINGS, *changes]),
        mode="quick_test",
        command="python 04_training/grandmaster_train.py --mode quick_test",
        **others,
    )


def handed_in(wanted: RunRequest, progress: SilentProgress | None = None) -> dict[str, Any]:
    """All stages but the report, which takes the longest; the content of `final_results.json`."""
    run_pipeline(dataclasses.replace(wanted, until="submit"), progress or SilentProgress())
    found: dict[str, Any] = json.loads((wanted.run_folder / "final_results.json").read_text())
    return found


class Record(SilentProgress):
    """Remembers what was said and how much was trained."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.notes: dict[str, str] = {}
        self.expected: dict[str, float] = {}

    def message(self, text: str, level: str = "info") -> None:
        self.messages.append(f"{level}: {text}")

    def finish(self, task: str, note: str = "") -> None:
        self.notes[task] = note

    def expect(self, tasks: dict[str, float]) -> None:
        self.expected = tasks


class Killed(Exception):
    pass


class KillInSecondFold(Record):
    """Killed in the second epoch of the second fold: one fit is finished, one has a state."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def advance(self, task: str, units: int = 1, **facts: Any) -> None:
        if task == "train test_resnet fold 1" and units:
            self.seen += 1
            if self.seen == 6:
                raise Killed
