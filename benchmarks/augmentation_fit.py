"""What fitting the augmentation to the test set is worth: plain against fitted, all else equal.

Trains one backbone twice on fold 0 with the same weights, size, epochs and seed, `augmentation.policy` light and
test_like, and scores both on the same validation pictures, clean and corrupted as the test set was found to be (the
same draws for both). Where the folder holds a solution the pipeline never reads, both submissions are scored on it.

    python benchmarks/augmentation_fit.py --data DIR [--weights_dir DIR] [--epochs 10] [--size 160] [--seed 42] [--folds 1]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import numpy as np
import pandas as pd
import torch

from grandmaster.competition.metrics import METRICS, Interval, paired_gain
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.reader import read_competition
from grandmaster.competition.solution import score_solution
from grandmaster.config import Config, with_settings
from grandmaster.pipeline.machine import usable_cores
from grandmaster.pipeline.run import RunRequest, run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.storage import read_json, write_csv

RESULTS = Path(__file__).resolve().parent / "results" / "augmentation_fit.csv"
SHARED = (
    "fingerprint.json",
    "fingerprint.manifest.json",
    "picture_statistics.npz",
    "shift.json",
    "shift.manifest.json",
)


def machine() -> str:
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else f"{usable_cores()} CPU cores"


def run(data: Path, folder: Path, policy: str, options: argparse.Namespace) -> dict:
    settings = [
        f"folds.train={options.folds}",
        f"training.epochs={options.epochs}",
        f"training.seed={options.seed}",
        f"model.image_size={options.size}",
        f"augmentation.policy={policy}",
        "training.patience=0",
    ]
    settings.append(
        f"model.weights_dir={options.weights_dir}" if options.weights_dir else "model.pretrained=false"
    )
    request = RunRequest(
        data_path=data,
        run_folder=folder,
        config=with_settings(Config(), settings),
        mode="quick_test",
        command="benchmarks/augmentation_fit.py",
    )
    return run_pipeline(request, SilentProgress())


def gain(folders: list[Path], file: str, data: Path, metric: str) -> Interval:
    """Second minus first on the same validation pictures, with its paired bootstrap interval."""
    competition = read_competition(data, Config().data)
    first, second = (Predictions.load(folder / "ensemble" / file) for folder in folders)
    target_of = dict(zip(competition.train["id"], competition.targets.tolist(), strict=True))
    truth = np.array([target_of[picture_id] for picture_id in first.ids])
    return paired_gain(metric, truth, first.values, second.aligned_to(first.ids).values)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights_dir")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--folds", type=int, default=1)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place) / policy for policy in ("light", "test_like")]
        for folder in folders:
            if folder is not folders[0]:  # train and test are compared once for both
                folder.mkdir()
                for name in SHARED:
                    shutil.copy2(folders[0] / name, folder / name)
            results = run(options.data, folder, folder.name, options)
            metric = results["metric"]
            plan, shift = read_json(folder / "plan.json"), read_json(folder / "shift.json")
            told, reading = shift["adversarial"], shift["reading"]
            clean, corrupted = results["cross_validation"], results["corrupted_validation"]
            solution = options.data / "solution.csv"
            private = None
            if solution.exists():
                private = score_solution(folder / results["submission"]["file"], solution, metric=metric)
            after = told if folder.name == "light" or reading is None else reading["fitted"]
            rows.append(
                {
                    "machine": machine(),
                    "competition": results["competition"],
                    "policy": folder.name,
                    "backbone": plan["models"][0]["backbone"],
                    "start": plan["models"][0]["weights"]["source"].split(":")[0],
                    "size": options.size,
                    "epochs": options.epochs,
                    "seed": options.seed,
                    "folds": options.folds,
                    "train_minutes": round(sum(model["minutes"] for model in results["models"]), 2),
                    "auc": after["auc"],
                    "auc_low": after["low"],
                    "auc_high": after["high"],
                    "clean": round(clean["score"], 4),
                    "corrupted": None if corrupted is None else round(corrupted["score"], 4),
                    "private": None if private is None else round(private.value, 4),
                    "private_low": None if private is None else round(private.low, 4),
                    "private_high": None if private is None else round(private.high, 4),
                }
            )
            print(rows[-1], flush=True)
        title = METRICS[metric].title
        for file, what in (("oof.npz", "clean"), ("oof_corrupted.npz", "corrupted")):
            if (folders[0] / "ensemble" / file).exists():
                gain, low, high = paired_gain(folders, file, options.data, metric)
                print(
                    f"{what} validation, fitted minus plain: {title} {gain:+.4f} ({low:+.4f} to {high:+.4f})"
                )
    table = pd.DataFrame(rows)
    earlier = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame()
    write_csv(RESULTS, pd.concat([earlier, table], ignore_index=True))
    print(table.to_string(index=False))
    if rows[0]["private"] is not None:
        print(f"private score, fitted / plain: {rows[1]['private'] / max(rows[0]['private'], 1e-9):.3f}")


if __name__ == "__main__":
    main()
