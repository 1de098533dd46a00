"""Whether another version of the code predicts as well as this one: the same competition, settings and seeds, paired.

    python benchmarks/versions.py --base REVISION --data DIR [--weights_dir DIR] [--seeds 3] [--epochs 6] [--size 96]
        [--policy auto] [--set training.loss=focal] [--runs DIR] [--what "what changed"] [--no_csv]

For every change that touches what pictures look like on their way to a model: how they are decoded, resized, augmented,
normalised. Each version runs in a process of its own from its own copy of the code (a git worktree of `--base` beside this
one): look at the data, fit fold 0, one view of the test set, submission. What is compared is the submissions, against
`DIR/solution.csv`, which neither version reads. The interval is a bootstrap over test pictures with all seeds of a picture
drawn together; the gains of each seed stand beside it. With `--runs` finished runs are kept and not made again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import numpy as np
import pandas as pd

from grandmaster.competition.comparison import Pair, compare
from grandmaster.pipeline.hardware import cpu_name
from grandmaster.pipeline.mode_comparison import share_steps
from grandmaster.storage import write_csv

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "versions.csv"
FIRST_SEED = 42
ONE = """
import json, sys
from pathlib import Path
told = json.loads(sys.argv[1])
from grandmaster.config import Config
from grandmaster.pipeline.run import RunRequest, run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings
run_pipeline(
    RunRequest(
        data_path=Path(told["data"]), run_folder=Path(told["run"]), config=with_settings(Config(), told["settings"]),
        mode="quick_test", command="benchmarks/versions.py",
    ),
    SilentProgress(),
)
"""


@contextlib.contextmanager
def code_of(revision: str) -> Iterator[Path]:
    """A copy of the code as it was, as long as this lasts."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) / "code"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run(
            [*git, "add", "--detach", "--force", str(place), revision], check=True, capture_output=True
        )
        try:
            yield place
        finally:
            subprocess.run([*git, "remove", "--force", str(place)], check=True, capture_output=True)


def run(code: Path, folder: Path, first: Path | None, options: argparse.Namespace, seed: int) -> None:
    """One run of one version, unless it is there."""
    if list(folder.glob("submission*.csv")):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if first is not None:  # of the same version: what is measured does not follow from the seed
        share_steps(first, folder)
    settings = [
        "folds.train=1",
        f"training.epochs={options.epochs}",
        f"training.seed={seed}",
        "training.patience=0",
        f"model.image_size={options.size}",
        f"augmentation.policy={options.policy}",
        "augmentation.trial=false",
        "inspect.shift_pictures=400",
        "inspect.shift_effort=0.4",
        "prediction.tta_views=1",
        *(
            [f"model.weights_dir={options.weights_dir}"]
            if options.weights_dir
            else ["model.pretrained=false"]
        ),
        *options.set,
    ]
    told = {"data": str(options.data.resolve()), "run": str(folder), "settings": settings}
    done = subprocess.run(
        [sys.executable, "-c", ONE, json.dumps(told)],
        env={**os.environ, "PYTHONPATH": str(code / "03_modeling")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", required=True, help="revision of git to compare with")
    parser.add_argument("--data", type=Path, required=True, help="a competition with solution.csv")
    parser.add_argument("--weights_dir", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--policy", default="auto")
    parser.add_argument("--set", action="append", default=[], help="a setting of both versions (repeatable)")
    parser.add_argument("--runs", type=Path, help="keep the runs here, and go on with those that are there")
    parser.add_argument("--what", default="", help="for the table")
    parser.add_argument("--no_csv", action="store_true")
    options = parser.parse_args()

    solution = pd.read_csv(options.data / "solution.csv", dtype=str, keep_default_na=False)
    key, column = solution.columns[:2]
    labels = sorted(solution[column].unique())

    def submitted(folder: Path) -> Any:
        """One-hot (n, classes) in the order of the solution."""
        (path,) = folder.glob("submission*.csv")
        found = pd.read_csv(path, dtype=str, keep_default_na=False).set_index(key)[column]
        return np.array([[found[row] == label for label in labels] for row in solution[key]], float)

    with contextlib.ExitStack() as stack:
        place = options.runs or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        versions = {"before": stack.enter_context(code_of(options.base)), "now": ROOT}
        pairs = []
        for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
            for name, code in versions.items():
                first = None if seed == FIRST_SEED else place / f"{name}_seed{FIRST_SEED}"
                run(code, place / f"{name}_seed{seed}", first, options, seed)
            before, now = (submitted(place / f"{name}_seed{seed}") for name in versions)
            pairs.append(Pair(first=before, second=now, name=str(seed)))
            print(f"seed {seed}: done", flush=True)
    truth = np.array([labels.index(label) for label in solution[column]])
    found = compare("macro_f1", truth, pairs, rounds=2000)
    revision = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", options.base],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    row = {
        "machine": cpu_name(),
        "competition": options.data.name,
        "base": revision,
        "what": options.what,
        "size": options.size,
        "epochs": options.epochs,
        "policy": options.policy,
        "settings": " ".join(options.set),
        "seeds": options.seeds,
        "pictures": len(truth),
        "before": round(found.before, 4),
        "now": round(found.after, 4),
        "gain": round(found.gain, 4),
        "low": round(found.low, 4),
        "high": round(found.high, 4),
        "gain_by_seed": " ".join(f"{one.gain:+.4f}" for one in found.by_fold),
        "verdict": found.verdict,
    }
    print(pd.Series(row).to_string())
    if not options.no_csv:
        earlier = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame()
        write_csv(RESULTS, pd.concat([earlier, pd.DataFrame([row])], ignore_index=True))


if __name__ == "__main__":
    main()
