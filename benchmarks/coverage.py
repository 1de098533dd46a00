"""Do the intervals of cross-validation hold the truth? The sample competition, made anew with every seed.

For every seed a sample competition is made with more training pictures than are trained on. A small model is trained on
all folds of a part of them; the rest stays back. Two intervals of the run are compared with what they foretell:

- clean: the cross-validated score with its interval against the score on the pictures that stayed back;
- corrupted: the score on validation pictures corrupted like the test set against the score on the hidden test labels.

The truth of a cross-validated score is what the models of the folds score on new pictures, each alone, on average; the
blend of all folds (which is handed in) scores more, and is printed beside. Of 10 seeds, 9 or more should be held by a
95 % interval. That covers the choice of pictures; the truth is measured on pictures of limited number too, which counts
against it: with 500 of them a perfect interval would miss one time in seven, with 2,000 one in twelve.

    python benchmarks/coverage.py [--seeds 10] [--train 300] [--extra 2000] [--test 2000] [--size 64] [--epochs 10]
        [--folds 3] [--backbone resnet10t] [--weights_dir DIR] [--set training.loss=focal] [--runs DIR]

With `--runs` the runs are kept, and the same command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import numpy as np
import pandas as pd
import torch

from grandmaster.competition.metrics import score
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.sample import make_sample
from grandmaster.config import Config
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.machine import usable_cores
from grandmaster.pipeline.members import finished_members
from grandmaster.pipeline.predicting import predict_member
from grandmaster.pipeline.run import RunRequest, open_context, run_pipeline
from grandmaster.pipeline.training import make_spec
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings
from grandmaster.storage import read_json, write_csv

RESULTS = Path(__file__).resolve().parent / "results" / "coverage.csv"


def machine() -> str:
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else f"{usable_cores()} CPU cores"


def make_data(folder: Path, extra: Path, seed: int, options: argparse.Namespace) -> pd.DataFrame:
    """A sample competition of `--train` pictures; those that stay back go to `extra`; their columns ID and target."""
    kept_back = extra / "kept_back.csv"
    if not kept_back.exists():
        if not (folder / "train.csv").exists():
            make_sample(folder, images=options.train + options.extra, test_images=options.test, seed=seed)
        table = pd.read_csv(folder / "train.csv", dtype=str, keep_default_na=False)
        order = np.random.default_rng(seed).permutation(len(table))
        write_csv(folder / "train.csv", table.iloc[np.sort(order[: options.train])])
        extra.mkdir(exist_ok=True)
        rest = table.iloc[np.sort(order[options.train :])]
        for name in rest["ID"]:
            (folder / "train" / name).rename(extra / name)
        write_csv(kept_back, rest)
    return pd.read_csv(kept_back, dtype=str, keep_default_na=False)


def configuration(seed: int, options: argparse.Namespace) -> Config:
    weights = (
        ["model.pretrained=false"]
        if options.weights_dir is None
        else [f"model.weights_dir={options.weights_dir}"]
    )
    return with_settings(
        Config(),
        [
            f"folds.count={options.folds}",
            f"folds.train={options.folds}",
            f"folds.seed={seed}",
            f"training.seed={seed}",
            f"training.epochs={options.epochs}",
            f"model.backbones={options.backbone}",
            f"model.image_size={options.size}",
            "augmentation.trial=false",
            "inspect.shift_pictures=300",
            "inspect.shift_effort=0.2",
            "prediction.tta_views=1",
            *weights,
            *options.set,
        ],
    )


def scores_of(context: RunContext, tables: list[Predictions], answers: pd.DataFrame) -> tuple[float, float]:
    """Mean score of models each alone, and that of their blend."""
    competition = context.competition
    wanted = answers.set_index("ID")["target"]
    truth = np.array([competition.classes.index(wanted[name]) for name in tables[0].ids])
    values = [table.aligned_to(tables[0].ids).values for table in tables]
    alone = [score(competition.metric, truth, one) for one in values]
    return float(np.mean(alone)), score(competition.metric, truth, np.mean(values, axis=0))


def one_seed(seed: int, place: Path, options: argparse.Namespace) -> dict[str, Any]:
    data, aside, folder = (place / f"{name}_{seed}" for name in ("data", "extra", "run"))
    extra, started = make_data(data, aside, seed, options), time.perf_counter()
    request = RunRequest(
        data_path=data,
        run_folder=folder,
        config=configuration(seed, options),
        mode="quick_test",
        command="benchmarks/coverage.py",
        until="submit",
    )
    run_pipeline(request, SilentProgress())
    context = open_context(request, SilentProgress())
    members = finished_members(context)
    pictures = pd.DataFrame({"id": extra["ID"], "path": [str(aside / name) for name in extra["ID"]]})
    beside = replace(
        context,
        competition=replace(context.competition, test=pictures.assign(row=pictures["id"])),
        _stores={},
    )
    clean = []
    for member in members:
        own = replace(member, test=folder / "extra" / member.test.name)
        predict_member(beside, own, make_spec(beside, member.model, member.fold))
        clean.append(Predictions.load(own.test))
    hidden = [Predictions.load(member.test) for member in members]
    solution = pd.read_csv(data / "solution.csv", dtype=str, keep_default_na=False)
    results = read_json(folder / "final_results.json")
    line: dict[str, Any] = {"machine": machine(), "seed": seed, "backbone": options.backbone}
    line |= {name: getattr(options, name) for name in ("size", "epochs", "folds", "train", "extra", "test")}
    for name, key, tables, answers in (
        ("clean", "cross_validation", clean, extra),
        ("corrupted", "corrupted_validation", hidden, solution),
    ):
        found = results[key]
        truth, blend = scores_of(context, tables, answers)
        line |= {f"{name}_truth": round(truth, 4), f"{name}_blend": round(blend, 4)}
        if found is not None:
            line |= {f"{name}_{end}": round(found[end], 4) for end in ("score", "low", "high")}
            line[f"{name}_held"] = bool(found["low"] <= truth <= found["high"])
    return line | {"minutes": round((time.perf_counter() - started) / 60, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--train", type=int, default=300)
    parser.add_argument("--extra", type=int, default=2000)
    parser.add_argument("--test", type=int, default=2000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--backbone", default="resnet10t")
    parser.add_argument("--weights_dir", type=Path)
    parser.add_argument("--set", action="append", default=[], help="a further setting (repeatable)")
    parser.add_argument("--runs", type=Path, help="keep the runs here, and go on with those that are there")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the table to append to")
    options = parser.parse_args()
    rows = []
    with contextlib.ExitStack() as stack:
        place = options.runs or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            rows.append(one_seed(seed, place, options))
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    earlier = pd.read_csv(options.results) if options.results.exists() else pd.DataFrame()
    write_csv(options.results, pd.concat([earlier, table], ignore_index=True))
    for name in ("clean", "corrupted"):
        held = table.get(f"{name}_held", pd.Series(dtype=object)).dropna().astype(bool)
        lean = (table.get(f"{name}_score", pd.Series(dtype=float)) - table[f"{name}_truth"]).mean()
        print(
            f"{name}: {int(held.sum())} of {len(held)} intervals hold the truth; mean score - truth {lean:+.4f}"
        )


if __name__ == "__main__":
    main()
