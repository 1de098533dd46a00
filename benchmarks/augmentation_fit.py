"""What fitting the augmentation to the test set is worth: plain, fitted, fitted by class group, all else equal.

Trains one backbone on fold 0 once an arm and seed, with the same weights, size and epochs: `augmentation.policy` light,
test_like, and test_like with `augmentation.class_groups`. All are scored on the same validation pictures, clean and
corrupted as the test set was found to be (the same draws for all). Gains are paired over the pictures of all seeds.
Where the folder holds a solution the pipeline never reads, the submissions are scored on it.

    python benchmarks/augmentation_fit.py --data DIR [--weights_dir DIR] [--epochs 10] [--size 160] [--seeds 42,43,44]
        [--runs DIR]

With `--runs` the runs are kept, and the same command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import numpy as np
import pandas as pd
import torch

from grandmaster.competition.metrics import METRICS, Interval, paired_gain
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.reader import read_competition
from grandmaster.competition.solution import score_solution
from grandmaster.config import Config
from grandmaster.pipeline.machine import usable_cores
from grandmaster.pipeline.mode_comparison import share_steps
from grandmaster.pipeline.run import RunRequest, run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings
from grandmaster.storage import read_json, write_csv

RESULTS = Path(__file__).resolve().parent / "results" / "augmentation_fit.csv"
GAINS = RESULTS.with_name("augmentation_gain.csv")


def machine() -> str:
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else f"{usable_cores()} CPU cores"


# Arm -> its settings; each is compared with the one before.
ARMS = {
    "plain": ("augmentation.policy=light", "augmentation.class_groups=false"),
    "fitted": ("augmentation.policy=test_like", "augmentation.class_groups=false"),
    "by class": ("augmentation.policy=test_like", "augmentation.class_groups=true"),
}


def run(data: Path, folder: Path, arm: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    settings = [
        f"folds.train={options.folds}",
        f"training.epochs={options.epochs}",
        f"training.seed={seed}",
        f"model.image_size={options.size}",
        *ARMS[arm],
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


def gain(before: list[Path], after: list[Path], file: str, data: Path, metric: str) -> Interval:
    """Second minus first on the same validation pictures; those of all seeds together, a picture's seeds one group."""
    competition = read_competition(data, Config().data)
    target_of = dict(zip(competition.train["id"], competition.targets.tolist(), strict=True))
    ids: list[str] = []
    values: tuple[list[Any], list[Any]] = ([], [])
    for one, other in zip(before, after, strict=True):
        first, second = (Predictions.load(folder / "ensemble" / file) for folder in (one, other))
        ids += first.ids
        values[0].append(first.values)
        values[1].append(second.aligned_to(first.ids).values)
    truth = np.array([target_of[picture_id] for picture_id in ids])
    return paired_gain(
        metric, truth, np.concatenate(values[0]), np.concatenate(values[1]), groups=np.array(ids, object)
    )


def row(
    folder: Path, results: dict[str, Any], arm: str, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    plan, shift = read_json(folder / "plan.json"), read_json(folder / "shift.json")
    told, reading = shift["adversarial"], shift["reading"]
    corrupted, solution = results["corrupted_validation"], options.data / "solution.csv"
    private = None
    if solution.exists():
        private = score_solution(folder / results["submission"]["file"], solution, metric=results["metric"])
    after = told if arm == "plain" or reading is None else reading["fitted"]
    return {
        "machine": machine(),
        "competition": results["competition"],
        "arm": arm,
        "policy": plan["decisions"]["augmentation"]["value"],
        "class_groups": "; ".join(policy["name"] for policy in plan["class_policies"]),
        "backbone": plan["models"][0]["backbone"],
        "start": plan["models"][0]["weights"]["source"].split(":")[0],
        "size": options.size,
        "epochs": options.epochs,
        "seed": seed,
        "train_minutes": round(sum(model["minutes"] for model in results["models"]), 2),
        "auc": after["auc"],
        "auc_low": after["low"],
        "auc_high": after["high"],
        "clean": round(results["cross_validation"]["score"], 4),
        "corrupted": None if corrupted is None else round(corrupted["score"], 4),
        "private": None if private is None else round(private.value, 4),
        "private_low": None if private is None else round(private.low, 4),
        "private_high": None if private is None else round(private.high, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights_dir")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--seeds", default="42,43,44")
    parser.add_argument("--folds", type=int, default=1)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--runs", type=Path)
    options = parser.parse_args()
    arms, seeds = options.arms.split(","), [int(text) for text in options.seeds.split(",")]
    rows, folders = [], {arm: [] for arm in arms}
    with contextlib.ExitStack() as stack:
        place = options.runs or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        first: Path | None = None
        for seed in seeds:
            for arm in arms:
                folder = place / f"{arm}_{seed}".replace(" ", "_")
                if first is not None and not folder.exists():  # train and test are compared once for all
                    folder.mkdir(parents=True)
                    share_steps(first, folder)
                results = run(options.data, folder, arm, seed, options)
                first = first or folder
                folders[arm].append(folder)
                rows.append(row(folder, results, arm, seed, options))
                print(rows[-1], flush=True)
        metric = results["metric"]
        title = METRICS[metric].title
        gains = []
        for before, after in pairwise(arms):
            for file, what in (("oof.npz", "clean"), ("oof_corrupted.npz", "corrupted")):
                if all((folder / "ensemble" / file).exists() for folder in folders[after] + folders[before]):
                    found = gain(folders[before], folders[after], file, options.data, metric)
                    gains.append(
                        {
                            "machine": machine(),
                            "competition": rows[0]["competition"],
                            "gain": f"{after} - {before}",
                            "on": what,
                            "size": options.size,
                            "epochs": options.epochs,
                            "seeds": len(seeds),
                            "value": round(found.value, 4),
                            "low": round(found.low, 4),
                            "high": round(found.high, 4),
                        }
                    )
    for path, lines in ((RESULTS, rows), (GAINS, gains)):
        table = pd.DataFrame(lines)
        earlier = pd.read_csv(path) if path.exists() else pd.DataFrame()
        write_csv(path, pd.concat([earlier, table], ignore_index=True))
        print(table.to_string(index=False))
    for line in gains:
        print(
            f"{line['on']} validation, {line['gain']}: {title} {line['value']:+.4f} ({line['low']:+.4f} to {line['high']:+.4f})"
        )
    if rows[0]["private"] is not None:
        means = pd.DataFrame(rows).groupby("arm", sort=False)["private"].mean()
        print(
            "private score, mean of the seeds: "
            + ", ".join(f"{arm} {value:.4f}" for arm, value in means.items())
        )


if __name__ == "__main__":
    main()
