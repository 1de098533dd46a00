"""Small things that the training tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from grandmaster.images.augment import build_augmentation
from grandmaster.images.dataset import PictureDataset
from grandmaster.images.operation import Operation
from grandmaster.images.store import PictureStore
from grandmaster.models.head import Head
from grandmaster.models.weights import Weights
from grandmaster.training.judging import FoldData
from grandmaster.training.losses import USUAL, Loss
from grandmaster.training.spec import FitSpec

RANDOM = Weights(source="none", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
OPERATIONS = (
    Operation(name="HorizontalFlip", probability=0.5),
    Operation(name="RandomBrightnessContrast", probability=0.5),
)


def make_spec(**changes: Any) -> FitSpec:
    values: dict[str, Any] = {
        "backbone": "test_resnet",
        "timm_name": "test_resnet",
        "weights": RANDOM,
        "fold": 0,
        "head": Head(kind="multiclass", outputs=3),
        "classes_hash": "c",
        "pictures_hash": "p",
        "metric": "macro_f1",
        "top_k": 1,
        "positive_class": 1,
        "selection": "clean",
        "input_size": 32,
        "store_size": 36,
        "operations": OPERATIONS,
        "corruption": (),
        "mix_probability": 0.3,
        "epochs": 3,
        "micro_batch": 8,
        "accumulation": 2,
        "learning_rate": 3e-3,
        "layer_decay": 1.0,
        "rate_groups": (),
        "weight_decay": 0.05,
        "warmup_fraction": 0.1,
        "final_rate_fraction": 0.01,
        "balanced_sampling": False,
        "clip_norm": 1.0,
        "ema_decay": 0.9,
        "batch_norm": "train",
        "drop_rate": 0.1,
        "drop_path": 0.1,
        "grad_checkpointing": False,
        "patience": 0,
        "device": "cpu",
        "precision": "fp32",
        "memory_format": "channels_last",
        "fused": True,
        "compile": False,
        "prediction_batch": 16,
        "tta_views": 2,
        "seed": 5,
    }
    values |= changes
    if "loss" not in values:
        values["loss"] = Loss(name=USUAL[values["head"].kind], smoothing=0.05)
    return FitSpec(**values)


def write_pictures(folder: Path, count: int, classes: int = 3) -> tuple[list[Path], np.ndarray]:
    """Noisy pictures whose class is the place of a bright square."""
    rng = np.random.default_rng(0)
    paths, labels = [], np.arange(count) % classes
    for number, label in enumerate(labels):
        picture = rng.integers(0, 90, (40, 40, 3), np.uint8)
        picture[5:20, label * 12 : label * 12 + 12] += 150
        paths.append(folder / f"{number:03d}.png")
        cv2.imwrite(str(paths[-1]), picture)
    return paths, labels


def make_data(folder: Path, spec: FitSpec, count: int = 45) -> FoldData:
    """Targets as the spec's head wants them: the class, also as labels of which it has one, and as a number."""
    paths, classes = write_pictures(folder, count)
    labels = {
        "multiclass": classes,
        "multilabel": np.eye(3, dtype=np.float32)[classes],
        "ordinal": classes[:, None].astype(np.float32),
        "regression": 100 + 10 * classes[:, None].astype(np.float32),
    }[spec.head.kind]
    store = PictureStore(paths, spec.store_size, memory_budget=10**8)
    held = np.arange(0, count, 5)
    trained = np.setdiff1d(np.arange(count), held)
    augmentation = build_augmentation(spec.operations, spec.input_size)
    return FoldData(
        train=PictureDataset(store, labels, augmentation, spec.input_size, spec.seed, rows=trained),
        validation=PictureDataset(store, labels, None, spec.input_size, spec.seed, rows=held),
        corrupted=None,
    )
