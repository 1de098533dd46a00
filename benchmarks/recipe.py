"""What each part of the training recipe is worth: one change at a time against the plain recipe, paired.

Every candidate trains the same backbone on fold 0 with the weights, size, epochs, order of pictures and seed of the
plain recipe (the settings as they come), and is scored on the same validation pictures. All candidates run with the
first seed; the best `--keep` of them, and the plain recipe, also run with the others. The interval is a bootstrap over
groups of pictures with all seeds of a group drawn together, so it covers the choice of pictures; what the seeds add is
seen in the gains of each, and from three seeds on in the verdict (grandmaster.competition.comparison). Equal epochs
are not equal minutes where a change costs time: both are printed.

    python benchmarks/recipe.py --data DIR --weights_dir DIR [--candidates focal,bce] [--seeds 3] [--keep 3]
        [--epochs 5] [--size 96] [--folds 3] [--policy light] [--set training.loss=focal] [--runs DIR]

With `--runs` the runs are kept, and the same command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import numpy as np
import pandas as pd
import torch

from grandmaster.competition.comparison import Comparison, Pair, compare
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.reader import read_competition
from grandmaster.competition.table import Competition
from grandmaster.config import Config
from grandmaster.errors import did_you_mean
from grandmaster.pipeline.machine import usable_cores
from grandmaster.pipeline.mode_comparison import share_steps
from grandmaster.pipeline.run import RunRequest, run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings
from grandmaster.storage import read_json, write_csv, write_json

RESULTS = Path(__file__).resolve().parent / "results" / "recipe.csv"
FIRST_SEED = 42
CANDIDATES: dict[str, tuple[str, ...]] = {
    "focal": ("training.loss=focal",),
    "bce": ("training.loss=bce",),
    "arcface": ("training.loss=arcface",),
    "advanced": ("training.loss=advanced",),
    "class_weights": ("training.class_balance=weights",),
    "class_sampling": ("training.class_balance=sampling",),
    "layer_decay_off": ("training.layer_decay=1",),
    "layer_decay_0.75": ("training.layer_decay=0.75",),
    "layer_decay_0.9": ("training.layer_decay=0.9",),
    "ema_off": ("training.ema_decay=0",),
    "drop_path_off": ("model.drop_path=0",),
    "drop_path_0.2": ("model.drop_path=0.2",),
    "mix_off": ("augmentation.mix_probability=0",),
    "mix_0.5": ("augmentation.mix_probability=0.5",),
    "smoothing_off": ("training.label_smoothing=0",),
    "smoothing_0.1": ("training.label_smoothing=0.1",),
    "batch_norm_train": ("training.batch_norm=train",),
    "batch_norm_re_estimated": ("training.batch_norm=re_estimated",),
    "warmup_off": ("training.warmup_fraction=0",),
    "warmup_0.3": ("training.warmup_fraction=0.3",),
    "rate_6e-4": ("training.learning_rate=0.0006",),
    "rate_1e-3": ("training.learning_rate=0.001",),
    "find_rate": ("training.find_rate=true",),
    "focal_weights": ("training.loss=focal", "training.class_balance=weights"),
    # None of what the recipe adds to AdamW with warm-up and cosine.
    "bare": (
        "training.layer_decay=1",
        "training.ema_decay=0",
        "training.batch_norm=train",
        "training.label_smoothing=0",
        "augmentation.mix_probability=0",
        "model.drop_path=0",
        "model.drop_rate=0",
    ),
}


def machine() -> str:
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else f"{usable_cores()} CPU cores"


class Bench:
    """Runs of one competition, each done once."""

    def __init__(self, options: argparse.Namespace, place: Path) -> None:
        self.options, self.place = options, place
        self.competition: Competition = read_competition(options.data, Config().data)
        self.first: Path | None = None

    def folder(self, name: str, seed: int) -> Path:
        return self.place / f"{name}_seed{seed}"

    def run(self, name: str, settings: Sequence[str], seed: int) -> float:
        """Train; minutes of it, with what was done to find a rate."""
        options, folder = self.options, self.folder(name, seed)
        folder.mkdir(exist_ok=True)
        if self.first is not None and not (folder / "plan.json").exists():
            share_steps(self.first, folder)
        config = with_settings(
            Config(),
            [
                f"folds.count={options.folds}",
                "folds.train=1",
                f"training.epochs={options.epochs}",
                f"training.seed={seed}",
                "training.patience=0",
                f"model.image_size={options.size}",
                f"model.weights_dir={options.weights_dir}",
                f"augmentation.policy={options.policy}",
                "augmentation.trial=false",
                "inspect.shift_pictures=200",
                "inspect.shift_effort=0.1",
                "prediction.tta_views=1",
                *options.set,
                *settings,
            ],
        )
        request = RunRequest(
            data_path=options.data,
            run_folder=folder,
            config=config,
            mode="quick_test",
            command="benchmarks/recipe.py",
        )
        if not (folder / "plan.json").exists():
            run_pipeline(replace(request, until="plan"), SilentProgress())
            plan = read_json(folder / "plan.json")
            if plan["decisions"]["selection"]["value"] == "clean" and plan["corruption"]:
                # Scored on clean pictures alone: predicting corrupted ones after every epoch would only take time.
                write_json(folder / "plan.json", plan | {"corruption": []})
        run_pipeline(replace(request, until="train"), SilentProgress())
        self.first = self.first or folder
        (fit,) = read_json(folder / "training_results.json")["fits"]
        return (fit["seconds"] + read_json(folder / "timings.json").get("find_rate", 0.0)) / 60

    def predictions(self, name: str, seed: int) -> Predictions:
        """Of fold 0, corrupted like the test set where epochs are chosen on such."""
        (fit,) = self.folder(name, seed).glob("fold_0/*")
        corrupted = fit / "oof_corrupted.npz"
        return Predictions.load(corrupted if corrupted.exists() else fit / "oof.npz")

    def compare(self, name: str, seeds: Sequence[int]) -> Comparison:
        """Candidate against plain over all seeds; all seeds of a group of pictures are drawn together."""
        competition = self.competition
        target_of = dict(zip(competition.train["id"], competition.targets.tolist(), strict=True))
        folds = pd.read_csv(
            self.folder("plain", seeds[0]) / "folds.csv", dtype={"id": str}, keep_default_na=False
        )
        group_of = dict(zip(folds["id"], folds["group"].astype(str), strict=True))
        ids = self.predictions("plain", seeds[0]).ids
        pairs = [
            Pair(
                first=self.predictions("plain", seed).aligned_to(ids).values,
                second=self.predictions(name, seed).aligned_to(ids).values,
                name=str(seed),
            )
            for seed in seeds
        ]
        return compare(
            competition.metric,
            np.array([target_of[picture_id] for picture_id in ids]),
            pairs,
            groups=[group_of[picture_id] for picture_id in ids],
            trainable=len(folds),
            top_k=competition.top_k,
            positive=competition.positive_class,
            rounds=2000,
        )


def chosen(names: str | None) -> dict[str, tuple[str, ...]]:
    if names is None:
        return CANDIDATES
    for name in names.split(","):
        if name not in CANDIDATES:
            raise SystemExit(f"no candidate is called {name!r}. {did_you_mean(name, CANDIDATES)}")
    return {name: CANDIDATES[name] for name in names.split(",")}


def table_row(bench: Bench, name: str, seeds: list[int], minutes: dict[tuple[str, int], float]) -> dict:
    found = bench.compare(name, seeds)
    options = bench.options
    mean = {which: np.mean([minutes[which, seed] for seed in seeds]) for which in ("plain", name)}
    return {
        "machine": machine(),
        "competition": bench.competition.name,
        "size": options.size,
        "epochs": options.epochs,
        "folds": options.folds,
        "policy": options.policy,
        "base": " ".join(options.set),
        "candidate": name,
        "seeds": len(seeds),
        "metric": bench.competition.metric,
        "plain": round(found.before, 4),
        "changed": round(found.after, 4),
        "gain": round(found.gain, 4),
        "low": round(found.low, 4),
        "high": round(found.high, 4),
        "verdict": found.verdict,
        "gain_by_seed": " ".join(f"{one.gain:+.4f}" for one in found.by_fold),
        "plain_minutes": round(float(mean["plain"]), 2),
        "changed_minutes": round(float(mean[name]), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights_dir", type=Path, required=True)
    parser.add_argument("--candidates", help=f"of {', '.join(CANDIDATES)}; default: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=int, default=3, help="candidates that also run with the other seeds")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--folds", type=int, default=3, help="1 / folds of the pictures are validated on")
    parser.add_argument("--policy", default="light")
    parser.add_argument("--set", action="append", default=[], help="a setting of both sides (repeatable)")
    parser.add_argument("--runs", type=Path, help="keep the runs here, and go on with those that are there")
    options = parser.parse_args()
    candidates = chosen(options.candidates)
    seeds = list(range(FIRST_SEED, FIRST_SEED + options.seeds))
    minutes: dict[tuple[str, int], float] = {}
    with contextlib.ExitStack() as stack:
        place = options.runs or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        place.mkdir(parents=True, exist_ok=True)
        bench = Bench(options, place)

        def run(name: str, seed: int) -> None:
            minutes[name, seed] = bench.run(name, candidates.get(name, ()), seed)

        run("plain", seeds[0])
        rows = {}
        for name in candidates:
            run(name, seeds[0])
            rows[name] = table_row(bench, name, seeds[:1], minutes)
            print({key: rows[name][key] for key in ("candidate", "plain", "changed", "gain", "low", "high", "plain_minutes", "changed_minutes")}, flush=True)  # fmt: skip
        best = sorted(rows, key=lambda name: -rows[name]["gain"])[: options.keep]
        for seed in seeds[1:]:
            for name in ("plain", *best):
                run(name, seed)
        if len(seeds) > 1:
            rows |= {name: table_row(bench, name, seeds, minutes) for name in best}
    table = pd.DataFrame(sorted(rows.values(), key=lambda row: (-row["seeds"], -row["gain"])))
    earlier = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame()
    write_csv(RESULTS, pd.concat([earlier, table], ignore_index=True))
    print(table.drop(columns=["machine", "base"]).to_string(index=False))


if __name__ == "__main__":
    main()
