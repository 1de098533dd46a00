"""Does a run end within its limit, with a submission that passes the gate, and does the score rise with the limit?

Makes the sample competition and starts the whole command once for each limit, as a process of its own in a results
folder of its own; its time is taken from outside, imports included. `solution.csv` is read only afterwards.

    python benchmarks/time_limit.py [--limits 3m,6m,12m] [--mode full_training] [--weights_dir DIR]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))
# Before this folder, whose time_limit is another.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "04_training"))

import pandas as pd

from grandmaster.competition.reader import read_competition
from grandmaster.competition.sample import make_sample
from grandmaster.competition.solution import score_solution
from grandmaster.competition.submission import gate
from grandmaster.config import DataConfig
from grandmaster.pipeline.machine import usable_cores
from grandmaster.storage import read_json, write_csv
from time_limit import read_time_limit

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results" / "time_limit.csv"


def run(data: Path, folder: Path, limit: str, mode: str, weights_dir: str | None) -> dict[str, Any]:
    """One command, and what came of it."""
    command = [sys.executable, str(ROOT / "04_training" / "grandmaster_train.py"), "--plain"]
    command += ["--mode", mode, "--data_path", str(data), "--output", str(folder), "--experiment_name", "run"]
    command += ["--time_limit", limit, *(["--weights_dir", weights_dir] if weights_dir else [])]
    began = time.monotonic()
    end = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    row: dict[str, Any] = {
        "limit": limit,
        "seconds": round(seconds, 1),
        "within": seconds <= 60 * read_time_limit(limit),
        "exit_code": end.returncode,
    }
    submission = folder / "run" / "submission_run.csv"
    if not submission.exists():
        print(end.stdout[-2000:], end.stderr[-2000:], file=sys.stderr)
        return row
    verdict = gate(pd.read_csv(submission, dtype=str), read_competition(data, DataConfig()))
    private = score_solution(submission, data / "solution.csv", metric=None)
    row |= {"gate": "passed" if verdict.passed else "failed"}
    row |= {"private": round(private.value, 4)}
    row |= {"private_low": round(private.low, 4), "private_high": round(private.high, 4)}
    results_file = folder / "run" / "final_results.json"
    if results_file.exists():
        row |= _from_results(read_json(results_file), read_json(folder / "run" / "plan.json"))
    return row


def _from_results(results: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    cross, corrupted = results["cross_validation"], results["corrupted_validation"] or {}
    return {
        "out_of_fold": round(cross["score"], 4),
        "low": round(cross["low"], 4),
        "high": round(cross["high"], 4),
        "corrupted": round(corrupted["score"], 4) if corrupted else None,
        "model": ", ".join(dict.fromkeys(fit["backbone"] for fit in results["models"])),
        "size": plan["models"][0]["input_size"],
        "folds": cross["folds_trained"],
        "epochs": "+".join(str(fit["epochs"]) for fit in results["models"]),
        "views": results["tta"]["views"],
        "gave_up": "; ".join(results["time"]["gave_up"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limits", default="3m,6m,12m", help="comma-separated, shortest first")
    parser.add_argument("--mode", default="full_training")
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--test_images", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weights_dir")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the CSV that is written")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "sample"
        make_sample(data, images=options.images, test_images=options.test_images, seed=options.seed)
        for limit in options.limits.split(","):
            row = run(data, Path(place) / limit, limit, options.mode, options.weights_dir)
            rows.append(row | {"machine": f"{usable_cores()} CPU cores"})
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    table = pd.DataFrame(rows)
    write_csv(options.out, table)
    print(table.drop(columns=["gave_up"], errors="ignore").to_string(index=False))
    private = table.get("private", pd.Series(dtype=float)).tolist()
    rises = private == sorted(private) if len(private) > 1 else "one limit says nothing"
    print(f"all within their limits: {bool(table['within'].all())}; score rises: {rises}")


if __name__ == "__main__":
    main()
