"""From a plain training to everything there is, one technique after the other, on the same folds with the same seed.

    python benchmarks/ablation.py --data DIR [--weights_dir DIR] [--models A,B,C] [--epochs 6] [--size 96] [--folds 3]
        [--steps plain,augmentation,...] [--runs DIR]

Each step keeps what the ones before have added, whether it helped or not, and is compared with the step before it on the
same out-of-fold pictures (corrupted as the test set is, where it differs from train). The policy of the test set is read
once. Where the folder holds a solution, which the pipeline never reads, the submissions are scored on it afterwards.
Pseudo-labels learn from test pictures: that the rules allow it is taken for granted here. `mobilenetv1_050` and `_025` are
names of `narrow_mobilenets.py`.

With `--runs` the runs are kept, and the same command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import narrow_mobilenets  # noqa: F401  (registers two more small models)
import pandas as pd
import torch

from grandmaster.competition.solution import score_solution
from grandmaster.config import Config
from grandmaster.errors import did_you_mean
from grandmaster.pipeline.finished import open_run
from grandmaster.pipeline.machine import usable_cores
from grandmaster.pipeline.mode_comparison import share_steps
from grandmaster.pipeline.run import RunRequest, run_pipeline
from grandmaster.pipeline.run_comparison import compare_runs
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings
from grandmaster.storage import read_json, write_csv

RESULTS = Path(__file__).resolve().parent / "results" / "ablation.csv"
# AdamW with warm-up and cosine, and nothing else.
BARE = (
    "training.layer_decay=1",
    "training.ema_decay=0",
    "training.batch_norm=train",
    "training.label_smoothing=0",
    "augmentation.mix_probability=0",
    "model.drop_path=0",
    "model.drop_rate=0",
)
ONE_VIEW = ("prediction.tta_views=1",)
# Step -> its settings, whole; "{first}" is the first model, "{all}" all of them.
STEPS: dict[str, tuple[str, ...]] = {
    "plain": (*BARE, *ONE_VIEW, "augmentation.policy=light", "model.backbones={first}"),
    "augmentation": (*BARE, *ONE_VIEW, "augmentation.policy=auto", "model.backbones={first}"),
    "recipe": (*ONE_VIEW, "model.backbones={first}"),
    "tta": ("model.backbones={first}",),
    "pseudo_labels": ("run.allow_test_training=true", "model.backbones={first}"),
    "distillation": (
        "run.allow_test_training=true",
        "distill.on=true",
        "distill.in_blend=true",
        "model.backbones={first}",
    ),
    "ensemble": ("run.allow_test_training=true", "model.backbones={all}"),
    # One small model that learnt from the ensemble, to be used in its stead; what is handed in stays the ensemble.
    "student": (
        "run.allow_test_training=true",
        "distill.on=true",
        "distill.student={first}",
        "model.backbones={all}",
    ),
}
# Whose fits are those of an earlier step, where that was made with the same settings of training.
TAKES_FITS_OF = {
    "pseudo_labels": "tta",
    "distillation": "pseudo_labels",
    "ensemble": "pseudo_labels",
    "student": "ensemble",
}


def machine() -> str:
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else f"{usable_cores()} CPU cores"


def settings_of(step: str, options: argparse.Namespace) -> list[str]:
    models = options.models.split(",")
    own = [text.replace("{first}", models[0]).replace("{all}", ",".join(models)) for text in STEPS[step]]
    return [
        f"folds.count={options.folds}",
        f"folds.train={options.folds}",
        f"training.epochs={options.epochs}",
        f"training.seed={options.seed}",
        "training.patience=0",
        "augmentation.trial=false",
        f"model.image_size={options.size}",
        f"model.weights_dir={options.weights_dir}" if options.weights_dir else "model.pretrained=false",
        *options.set,
        *own,
    ]


def prepare(step: str, place: Path, steps: list[str]) -> None:
    """The folder of a step, with what it need not do again."""
    folder = place / step
    if folder.exists():
        return
    before = TAKES_FITS_OF.get(step)
    if before in steps and (place / before / "final_results.json").exists():
        shutil.copytree(place / before, folder)
        # Other settings make another run, with a plan of its own; its fits are known by what they depend on.
        for name in (
            "config.json",
            "plan.json",
            "plan.manifest.json",
            "timings.json",
            "timings_of_steps.json",
        ):
            (folder / name).unlink(missing_ok=True)
        return
    folder.mkdir(parents=True)
    if step != steps[0]:
        share_steps(place / steps[0], folder)


def row_of(
    step: str, folder: Path, before: Path | None, results: dict[str, Any], options: argparse.Namespace
) -> dict[str, Any]:
    clean, corrupted = results["cross_validation"], results["corrupted_validation"] or {}
    row: dict[str, Any] = {
        "machine": machine(),
        "competition": results["competition"],
        "metric": results["metric"],
        "step": step,
        "models": ", ".join(dict.fromkeys(fit["backbone"] for fit in results["models"])),
        "size": options.size,
        "epochs": options.epochs,
        "folds": options.folds,
        "seed": options.seed,
        "oof": clean["score"],
        "oof_low": clean["low"],
        "oof_high": clean["high"],
        "corrupted": corrupted.get("score"),
        "corrupted_low": corrupted.get("low"),
        "corrupted_high": corrupted.get("high"),
    }
    if before is not None:
        compared = compare_runs([open_run(before)], [open_run(folder)])
        gain = compared.deciding
        row |= {"gain": gain.gain, "gain_low": gain.low, "gain_high": gain.high, "verdict": gain.verdict}
        row["gain_on"] = "corrupted" if compared.corrupted else "clean"
    kept = [one for one in results["techniques"] if one["name"].startswith(("tta", "pseudo", "distill"))]
    row["kept"] = "; ".join(f"{one['title']}: {'kept' if one['kept'] else 'not kept'}" for one in kept)
    if step == "student":
        row |= _student(read_json(folder / "distill" / "distill.json"))
    solution = options.data / "solution.csv"
    if solution.exists():
        private = score_solution(folder / results["submission"]["file"], solution, metric=results["metric"])
        row |= {"private": private.value, "private_low": private.low, "private_high": private.high}
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}


def _student(found: dict[str, Any]) -> dict[str, Any]:
    """One student in the stead of all fits of the ensemble: score and cost of a picture and view."""
    many, one = found["seconds"]
    return {
        "teachers": found["teachers"]["score"],
        "student": found["student"]["score"],
        "student_gain": found["compared"]["gain"],
        "student_gain_low": found["compared"]["low"],
        "student_gain_high": found["compared"]["high"],
        "student_cost": one / many,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights_dir")
    parser.add_argument("--models", default="mobilenetv2_100,resnet10t,mobilenetv3_small_100")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--steps", default=",".join(STEPS))
    parser.add_argument("--set", action="append", default=[], help="a setting of all steps (repeatable)")
    parser.add_argument("--runs", type=Path, help="keep the runs here, and go on with those that are there")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    steps = options.steps.split(",")
    for step in steps:
        if step not in STEPS:
            raise SystemExit(f"no step is called {step!r}. {did_you_mean(step, STEPS)}")
    rows: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        place = options.runs or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number, step in enumerate(steps):
            prepare(step, place, steps)
            request = RunRequest(
                data_path=options.data,
                run_folder=place / step,
                config=with_settings(Config(), settings_of(step, options)),
                mode="full_training",
                command="benchmarks/ablation.py",
            )
            run_pipeline(request, SilentProgress())
            before = place / steps[number - 1] if number else None
            rows.append(
                row_of(step, place / step, before, read_json(place / step / "final_results.json"), options)
            )
            print(
                {key: value for key, value in rows[-1].items() if key not in ("machine", "kept")}, flush=True
            )
    table = pd.DataFrame(rows)
    earlier = pd.read_csv(options.out) if options.out.exists() else pd.DataFrame()
    write_csv(options.out, pd.concat([earlier, table], ignore_index=True))
    print(table.drop(columns=["machine", "kept"]).to_string(index=False))


if __name__ == "__main__":
    main()
