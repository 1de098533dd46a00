"""Builds a small competition with rendered pictures, and a run folder with every artefact that a run leaves."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from grandmaster.competition.predictions import Predictions
from grandmaster.competition.table import Competition
from grandmaster.storage import write_atomic, write_csv, write_json

BACKBONES = ("mobilenetv3_small_100", "resnet18")
COMMAND = "python 04_training/grandmaster_train.py --mode quick_test --data_path 'data/my shapes' --experiment_name shapes"

TECHNIQUES: tuple[dict[str, Any], ...] = (
    {
        "name": "augmentation",
        "title": "Augmentation fitted to the test set",
        "scored_on": "corrupted",
        "before": 0.7001,
        "after": 0.7912,
        "gain": 0.0911,
        "low": 0.0501,
        "high": 0.1321,
        "level": 0.95,
        "verdict": "better",
        "kept": True,
        "why": "The fitted augmentation is kept",
    },
    {
        "name": "blend",
        "title": "Weights of <models>",
        "scored_on": "clean",
        "before": 0.9124,
        "after": 0.9011,
        "gain": -0.0113,
        "low": -0.0202,
        "high": -0.0021,
        "level": 0.95,
        "verdict": "worse",
        "kept": False,
        "why": "equal weights are better",
    },
    {
        "name": "pseudo",
        "title": "Pseudo-labels",
        "before": None,
        "after": None,
        "gain": None,
        "low": None,
        "high": None,
        "level": None,
        "verdict": None,
        "kept": False,
        "why": "the rules forbid them",
    },
    {
        "name": "tta",
        "title": "Test-time augmentation, 8 views",
        "before": 0.90518,
        "after": 0.91237,
        "gain": 0.00719,
        "low": -0.0012,
        "high": 0.0151,
        "level": 0.95,
        "verdict": "no difference shown",
        "kept": True,
        "why": "No difference shown between one look and the mean of 8 views",
    },
)


def render(path: Path, label: int, seed: int, *, test: bool) -> None:
    """A letter-like page with a coloured sign of its class; test pictures are turned and brighter."""
    random = np.random.default_rng(seed)
    page = np.full((190, 150, 3), 232, np.uint8)
    colour = tuple(
        int(value) for value in cv2.applyColorMap(np.uint8([[label * 53 % 256]]), cv2.COLORMAP_HSV)[0, 0]
    )
    cv2.rectangle(page, (14, 14), (136, 34), colour, -1)
    cv2.putText(
        page, f"FORM {label}", (20, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA
    )
    for line in range(8):
        cv2.line(
            page, (14, 50 + 12 * line), (int(random.integers(60, 136)), 50 + 12 * line), (120, 120, 120), 2
        )
    cv2.circle(page, (110, 165), 14, colour, 3)
    if test:
        turn = cv2.getRotationMatrix2D((75, 95), float(random.uniform(-170, 170)), 0.8)
        page = cv2.warpAffine(page, turn, (150, 190), borderValue=(255, 255, 255))
        page = cv2.GaussianBlur(page, (3, 3), 0)
    path.write_bytes(bytes(cv2.imencode(".jpg", page)[1]))


def make_competition(
    root: Path,
    *,
    labels: tuple[str, ...] = ("0", "1", "2", "3", "4"),
    names: tuple[str, ...] = ("bank statement", "driving licence", "passport", "medical bill", "resume"),
    per_class: int = 12,
    test_images: int = 20,
    id_suffix: str = "",
) -> Competition:
    """Train and test with their pictures on disk."""
    (root / "train").mkdir(parents=True)
    (root / "test").mkdir()
    train, test = [], []
    for label in range(len(labels)):
        for number in range(per_class):
            path = root / "train" / f"{label:02d}{number:02d}.jpg"
            render(path, label, 100 * label + number, test=False)
            train.append((f"{label:02d}{number:02d}{id_suffix}.jpg", str(path), label))
    for number in range(test_images):
        path = root / "test" / f"t{number:03d}.jpg"
        render(path, number % len(labels), 9000 + number, test=True)
        test.append((f"t{number:03d}{id_suffix}.jpg", str(path)))
    table = pd.DataFrame(test, columns=["id", "path"])
    frame = pd.DataFrame(train, columns=["id", "path", "label"])
    return Competition(
        name=root.name,
        root=root,
        layout="L1",
        understood=("train.csv: one label a picture", "ids carry their extension"),
        id_column="ID",
        target_columns=("target",),
        classes=labels,
        class_names=names,
        train=frame.assign(group=frame["id"], row=frame["id"]),
        targets=frame["label"].to_numpy(np.int64),
        test=table.assign(row=table["id"]),
        sample_submission=pd.DataFrame({"ID": table["id"], "target": "0"}),
        submission_format="hard_label",
        metric="macro_f1",
        metric_reason="hard labels, unbalanced classes",
    )


def make_probabilities(labels: np.ndarray, n_classes: int, *, seed: int, skill: float = 2.2) -> np.ndarray:
    """Softmax of noise that leans towards the truth: mostly right, sometimes surely wrong."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(len(labels), n_classes)) * 1.6
    scores[np.arange(len(labels)), labels] += skill
    odds = np.exp(2 * scores)
    return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


def history(epochs: int, *, seed: int) -> list[dict[str, Any]]:
    """A training that goes well and then overfits a little."""
    random = np.random.default_rng(seed)
    lines: list[dict[str, Any]] = []
    for epoch in range(1, epochs + 1):
        done = epoch / epochs
        lines.append(
            {
                "epoch": epoch,
                "train_loss": 1.5 * math.exp(-3 * done) + 0.2 + 0.02 * random.random(),
                "learning_rate": 3e-4
                * (done / 0.2 if done < 0.2 else 0.5 * (1 + math.cos(math.pi * (done - 0.2) / 0.8))),
                "val_loss": 1.4 * math.exp(-2.4 * done) + 0.35 + 0.05 * random.random(),
                "val_score": 0.92 - 0.75 * math.exp(-4 * done) + 0.015 * random.random(),
                "val_score_corrupted": 0.81 - 0.7 * math.exp(-3 * done) + 0.02 * random.random(),
                "seconds": 9.5,
                "images_per_second": 41.2,
            }
        )
    best = -1.0
    for line in lines:
        line["best"] = line["val_score"] > best
        best = max(best, line["val_score"])
    return lines


def statistics(scale: float) -> dict[str, dict[str, float]]:
    """Made-up distributions; `scale` moves them."""
    centres = {
        "brightness": (149.9, 28.0, 1 + 0.15 * scale),
        "contrast": (61.2, 12.0, 1 - 0.08 * scale),
        "sharpness": (1446.0, 610.0, 1 - 0.58 * scale),
        "noise": (2.1, 1.1, 1 + 1.2 * scale),
        "overexposed": (0.031, 0.03, 1 + 2.4 * scale),
        "corner_fill": (0.004, 0.02, 1 + 90 * scale),
        "axis_alignment": (0.62, 0.09, 1 - 0.5 * scale),
        "width": (502.0, 60.0, 1 + 0.03 * scale),
        "height": (534.0, 66.0, 1 - 0.02 * scale),
        "aspect": (0.95, 0.2, 1.0),
        "bytes": (61_300.0, 15_000.0, 1 + 0.2 * scale),
    }
    quantiles = {"q05": -1.64, "q25": -0.67, "q50": 0.0, "q75": 0.67, "q95": 1.64}
    found = {}
    for name, (mean, std, factor) in centres.items():
        found[name] = {"mean": mean * factor, "std": std}
        found[name] |= {key: max(0.0, mean * factor + sigma * std) for key, sigma in quantiles.items()}
    return found


def write_run(
    folder: Path, competition: Competition, *, folds_trained: int = 2, epochs: int = 12, skill: float = 2.2
) -> None:
    """Every artefact of a finished run of two backbones on `folds_trained` of five folds."""
    train = competition.train
    ids, labels = train["id"].tolist(), train["label"].to_numpy()
    n_classes, folds_total = len(competition.classes), 5
    fold_of = np.arange(len(ids)) % folds_total
    write_csv(folder / "folds.csv", pd.DataFrame({"id": ids, "group": ids, "fold": fold_of}))
    write_json(folder / "config.json", {"folds": {"count": folds_total, "train": folds_trained}})
    write_json(
        folder / "environment.json",
        {
            "python": "3.11.9",
            "platform": "Linux 6.1",
            "cpu": "AMD EPYC 7763",
            "cores": 8,
            "memory_gb": 31.2,
            "gpu": {"name": "NVIDIA RTX 4090 Laptop", "memory_gb": 16.0, "capability": "8.9"},
            "versions": {"torch": "2.12.0", "timm": "1.0.20", "albumentations": "2.0.8"},
            "command": COMMAND,
            "mode": "quick_test",
        },
    )
    counts = np.bincount(labels, minlength=n_classes)
    write_json(
        folder / "fingerprint.json",
        {
            "analysis_size": 256,
            "train": {"count": len(ids), "statistics": statistics(0.0)},
            "test": {"count": len(competition.test), "statistics": statistics(1.0)},
            "fill_value": 255,
            "classes": [
                {
                    "index": index,
                    "label": competition.classes[index],
                    "name": competition.class_names[index],
                    "count": int(counts[index]),
                    "share": counts[index] / len(ids),
                }
                for index in range(n_classes)
            ],
            "unreadable": [
                {"split": "test", "id": "broken.jpg", "path": "test/broken.jpg", "reason": "truncated JPEG"}
            ],
            "duplicates": {
                "exact": [ids[:2], ids[4:6]],
                "near": [ids[6:9]],
                "groups": [ids[:2], ids[4:6], ids[6:9]],
                "label_conflicts": [[ids[0], ids[-1]]],
                "across": [[ids[3], competition.test["id"].iloc[0]]],
            },
            "seconds": 4.2,
        },
    )
    write_json(
        folder / "trial.json",
        {
            "backbone": "resnet10t",
            "epochs": 3,
            "won": "fitted",
            "text": "The fitted augmentation is kept: +0.1",
        },
    )
    write_json(
        folder / "plan.json",
        {
            "decisions": {
                "input_size": {"value": 224, "reason": "the largest that fits the time"},
                "augmentation": {"value": "test_like", "reason": "test is turned and blurred, train is not"},
                "pseudo_labels": {"value": None, "reason": "off unless the rules allow it"},
                "learning_rate": {"value": 3.0e-4, "reason": "pretrained start"},
                "training_mode": {"value": "full_training", "reason": "as set"},
            },
            "operations": [
                {
                    "name": "FilledRotation",
                    "probability": 0.78,
                    "reason": "about 68% of test pictures are turned",
                },
                {"name": "<b>Odd</b>", "probability": 0.25, "reason": "a person's <own> words"},
            ],
            "class_policies": [
                {
                    "name": "photos",
                    "classes": ["0", "<i>2</i>"],
                    "operations": [{"name": "HueSaturationValue", "probability": 0.3, "reason": "cameras"}],
                    "reason": "median brightness 45 to 74 against 132 to 186",
                }
            ],
            "models": [
                {
                    "backbone": backbone,
                    "timm_name": backbone,
                    "weights": {"source": "file:/home/someone/lamb.safetensors" if number == 0 else "none"},
                    "input_size": 224,
                    "micro_batch": 16,
                    "accumulation": 4,
                    "grad_checkpointing": False,
                    "epochs": epochs,
                    "learning_rate": 3e-4,
                    "minutes_per_fold": 2.5,
                    "memory_gb": 3.4,
                    "disk_gb": 0.1,
                }
                for number, backbone in enumerate(BACKBONES)
            ],
            "folds_total": folds_total,
            "folds_trained": folds_trained,
        },
    )
    for line in TECHNIQUES:
        write_json(folder / "techniques" / f"{line['name']}.json", line)
    fits, models = [], []
    for number, backbone in enumerate(BACKBONES):
        for fold in range(folds_trained):
            place = folder / f"fold_{fold}" / backbone
            lines = history(epochs, seed=10 * number + fold)
            best = max(line["epoch"] for line in lines if line["best"])
            text = "".join(f"{json.dumps(line)}\n" for line in lines)
            write_atomic(place / "metrics.jsonl", text)
            fit = {
                "backbone": backbone,
                "fold": fold,
                "score": lines[best - 1]["val_score"],
                "best_epoch": best,
                "epochs": epochs,
                "seconds": 110.0 + 7 * fold,
                "weights": "hub:lamb_in1k",
                "parameters": 2_540_000,
                "images_per_second": 41.2,
                "stopped_early": fold == 1,
                "memory_gb": 2.9,
            }
            write_json(place / "result.json", fit)
            fits.append(fit)
            models.append(
                {key: fit[key] for key in ("backbone", "fold", "score", "best_epoch", "epochs", "weights")}
                | {"low": fit["score"] - 0.06, "high": fit["score"] + 0.05, "minutes": fit["seconds"] / 60}
            )
    chosen = np.flatnonzero(fold_of < folds_trained)
    Predictions(
        ids=tuple(ids[row] for row in chosen),
        outputs=competition.classes,
        values=make_probabilities(labels[chosen], n_classes, seed=5, skill=skill),
    ).save(folder / "ensemble" / "oof.npz")
    Predictions(
        ids=tuple(competition.test["id"]),
        outputs=competition.classes,
        values=make_probabilities(np.zeros(len(competition.test), int), n_classes, seed=6),
    ).save(folder / "ensemble" / "test.npz")
    write_csv(folder / "submission_shapes.csv", competition.sample_submission)
    seconds = {"inspect": 4.2, "plan": 0.3, "train": 454.0, "predict": 61.5, "ensemble": 2.1, "submit": 0.4}
    write_json(folder / "training_results.json", {"fits": fits, "seconds": {"train": 454.0}})
    write_json(
        folder / "final_results.json",
        {
            "experiment": "shapes",
            "mode": "quick_test",
            "competition": competition.name,
            "layout": competition.layout,
            "metric": "macro_f1",
            "metric_title": "macro F1",
            "higher_is_better": True,
            "cross_validation": {
                "score": 0.91237,
                "low": 0.87612,
                "high": 0.94158,
                "level": 0.95,
                "images": len(chosen),
                "folds_trained": folds_trained,
                "folds_total": folds_total,
            },
            "corrupted_validation": {"score": 0.83491, "low": 0.78833, "high": 0.87219, "level": 0.95},
            "models": models,
            "ensemble": {
                "method": "mean",
                "members": [f"{fit['backbone']} fold {fit['fold']}" for fit in fits],
            },
            "tta": {"views": 8, "score_without": 0.90518, "score_with": 0.91237},
            "baseline": {"name": "majority class", "score": 0.03333},
            "submission": {
                "file": "submission_shapes.csv",
                "rows": len(competition.test),
                "format": "hard_label",
                "problems": [],
                "warnings": ["class 3 is predicted 1 time"],
            },
            "training_pictures": len(ids),
            "test_pictures": len(competition.test),
            "quarantined": 1,
            "seconds": seconds,
            "steps": {
                "train": {"training": 400.0, "prediction": 30.0, "waiting": 10.0},
                "predict": {"prediction": 60.0, "waiting": 1.0},
            },
            "total_seconds": sum(seconds.values()),
            "command": COMMAND,
            "created": "2026-03-14T15:09:26+09:00",
        },
    )
