"""Is the sample competition worth having? Plain augmentation must lose clearly on its corrupted test set.

Trains the same backbone, size, epochs and seed twice, with `augmentation.policy` light and test_like, and scores
both on the solution that the pipeline itself never reads.

    python benchmarks/sample_difficulty.py [--images 800] [--test_images 600] [--weights_dir DIR] [--epochs 24] [--size 96]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import pandas as pd

from grandmaster.competition.sample import make_sample
from grandmaster.competition.solution import score_solution
from grandmaster.config import Config
from grandmaster.pipeline.run import RunRequest, run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings
from grandmaster.storage import read_json, write_csv

RESULTS = Path(__file__).resolve().parent / "results" / "sample_difficulty.csv"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=800)
    parser.add_argument("--test_images", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights_dir")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "sample"
        make_sample(data, images=options.images, test_images=options.test_images, seed=options.seed)
        for policy in ("light", "test_like"):
            settings = [
                "folds.train=1",
                f"training.epochs={options.epochs}",
                f"model.image_size={options.size}",
                f"augmentation.policy={policy}",
                "training.patience=0",
            ]
            settings += (
                [f"model.weights_dir={options.weights_dir}"]
                if options.weights_dir
                else ["model.pretrained=false"]
            )
            folder = Path(place) / policy
            request = RunRequest(
                data_path=data,
                run_folder=folder,
                config=with_settings(Config(), settings),
                mode="quick_test",
                command="benchmarks/sample_difficulty.py",
            )
            results = run_pipeline(request, SilentProgress())
            private = score_solution(
                folder / results["submission"]["file"], data / "solution.csv", metric=results["metric"]
            )
            plan = read_json(folder / "plan.json")
            rows.append(
                {
                    "policy": policy,
                    "backbone": plan["models"][0]["backbone"],
                    "start": plan["models"][0]["weights"]["source"].split(":")[0],
                    "size": options.size,
                    "epochs": options.epochs,
                    "images": options.images,
                    "clean_cv": round(results["cross_validation"]["score"], 4),
                    "corrupted_cv": round(results["corrupted_validation"]["score"], 4),
                    "private": round(private.value, 4),
                    "private_low": round(private.low, 4),
                    "private_high": round(private.high, 4),
                }
            )
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    earlier = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame()
    write_csv(RESULTS, pd.concat([earlier, table], ignore_index=True))
    print(table.to_string(index=False))
    print(f"private score, light / test_like: {rows[0]['private'] / max(rows[1]['private'], 1e-9):.2f}")


if __name__ == "__main__":
    main()
