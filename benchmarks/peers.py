"""An epoch of training, a pass of prediction and test-time augmentation: this pipeline against timm, fastai and AutoGluon.

    python benchmarks/peers.py [--data DIR] [--model mobilenetv2_100] [--size 160] [--epochs 3] [--rounds 3] [--peers timm,fastai]

The same pictures, architecture, size, batch and cores for all; each with its own loaders, augmentation and defaults, as who
picks it would have it. Programs take turns, each round in another order, so that a machine's moods meet all. Of an epoch, the
last one counts: loading processes are up, and what is kept in memory is there (the first is in the table, too). Weights are
random: speed does not depend on them.

Peers live in environments of their own, which are made below `--environments` at the first call (minutes; the PyPI registry is
needed). One that cannot be made is a row that says so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))
sys.path.insert(0, str(Path(__file__).resolve().parent / "peer_programs"))

import numpy as np
import pandas as pd
import torch
from pictures import ANSWER, Task

from grandmaster.competition.reader import read_competition
from grandmaster.competition.sample import make_sample
from grandmaster.config import DataConfig
from grandmaster.pipeline.hardware import cpu_name
from grandmaster.pipeline.machine import usable_cores
from grandmaster.storage import write_csv

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "peers.csv"
ENVIRONMENTS = Path.home() / ".cache" / "grandmaster" / "peers"
OURS = "ours"
# As here: what a peer asks for may be a pair of which one does not load the other.
TORCH = tuple(f"{name}=={version(name).split('+')[0]}" for name in ("torch", "torchvision"))
# Program, and what its environment is made of; None: this one, which has timm.
PEERS: dict[str, tuple[str, tuple[str, ...] | None]] = {
    OURS: ("ours.py", None),
    "timm": ("timm_train.py", None),
    "fastai": ("fastai_learner.py", ("fastai==2.8.12", *TORCH, "timm")),
    "autogluon": ("autogluon_predictor.py", ("autogluon.multimodal==1.6.3", *TORCH)),
}
MEASURED = {
    "first epoch": "pictures/s",
    "epoch": "pictures/s",
    "epoch with validation": "pictures/s",
    "prediction": "pictures/s",
    "views": "times one view",
    "whole run": "s",
    "import": "s",
}
SMALLER_IS_BETTER = {"views", "import", "whole run"}


def machine() -> str:
    """What was measured on."""
    return (
        torch.cuda.get_device_name(0)
        if torch.cuda.is_available()
        else f"{cpu_name()}, {usable_cores()} cores"
    )


def lay_out(data: Path, place: Path, limit: int, seed: int) -> int:
    """Training pictures of a competition, in folders: 64 % train, 16 % valid, 20 % test. Returns the number of classes."""
    source = read_competition(data, DataConfig())
    order = np.random.default_rng(seed).permutation(len(source.train))[:limit]
    bounds = np.cumsum([round(0.64 * len(order)), round(0.16 * len(order))])
    taught = {source.targets[row] for row in order[: bounds[0]]}
    for part, rows in zip(("train", "valid", "test"), np.split(order, bounds), strict=True):
        for row in rows:
            if part == "valid" and source.targets[row] not in taught:
                continue  # not every peer can do with a class that it has not seen
            path = Path(source.train["path"].iloc[row])
            folder = place / part / (f"class_{source.targets[row]}" if part != "test" else "")
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / f"{row:06d}{path.suffix}")
    for number in range(len(source.classes)):  # the same classes for all
        for part in ("train", "valid"):
            (place / part / f"class_{number}").mkdir(exist_ok=True)
    return len([folder for folder in (place / "train").iterdir() if any(folder.iterdir())])


def environment(name: str, packages: tuple[str, ...], place: Path) -> tuple[Path | None, str]:
    """The peer's Python, made where it is not there yet; or None and why it could not be made."""
    python = place / name / "bin" / "python"
    made = place / name / "made_of.json"
    if made.exists() and json.loads(made.read_text()) == list(packages):
        return python, ""
    print(f"making the environment of {name} below {place} ...", file=sys.stderr, flush=True)
    shutil.rmtree(place / name, ignore_errors=True)
    for command in (
        [sys.executable, "-m", "venv", str(place / name)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            return None, (lines or done.stderr.splitlines() or ["pip failed"])[-1][:200]
    made.write_text(json.dumps(list(packages)))
    return python, ""


def measure(python: Path, program: str, task: Task) -> dict[str, Any] | str:
    """One start of a program: its answer, or the last line of what went wrong."""
    threads = str(task.threads)
    done = subprocess.run(
        [str(python), "-W", "ignore", str(HERE / "peer_programs" / program), json.dumps(asdict(task))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": threads, "HF_HUB_OFFLINE": "1", "AG_DOCKER": "0"},
    )
    answers = [line for line in done.stdout.splitlines() if line.startswith(ANSWER)]
    if done.returncode or not answers:
        return ([line for line in done.stderr.splitlines() if line.strip()] or ["it told nothing"])[-1][:200]
    found: dict[str, Any] = json.loads(answers[-1].removeprefix(ANSWER))
    return found


def figures(answer: dict[str, Any]) -> dict[str, float | None]:
    """The rows of the table that an answer fills."""
    epochs, validated = answer["epochs"], answer["validated"]
    return {
        "first epoch": epochs[0] if epochs else None,
        "epoch": epochs[-1] if epochs else None,
        # The median: whether an epoch's weights are kept, too, differs from epoch to epoch.
        "epoch with validation": statistics.median(validated) if validated else None,
        "prediction": answer["predict"],
        "views": answer["tta"],
        "whole run": answer["whole"],
        "import": answer["imported"],
    }


def rows_of(
    answers: dict[str, list[dict[str, Any]]], refused: dict[str, str], task: Task, count: int
) -> list[dict[str, Any]]:
    """Medians over rounds, and of ratios within rounds: above 1 ours is ahead."""
    rows = []
    facts = {
        "machine": machine(),
        "model": task.model,
        "size": task.size,
        "batch": task.batch,
        "pictures": count,
    }
    ours = [figures(answer) for answer in answers.get(OURS, [])]
    for name in PEERS:
        if name in refused:
            rows.append({**facts, "who": name, "note": refused[name]})
        found = answers.get(name, [])
        theirs = [figures(answer) for answer in found]
        for what, unit in MEASURED.items():
            values = [one[what] for one in theirs if one[what] is not None]
            if not values:
                continue
            pairs = [
                (one[what] or 0.0) / (other[what] or 1.0)
                if what not in SMALLER_IS_BETTER
                else (other[what] or 0.0) / (one[what] or 1.0)
                for one, other in zip(ours, theirs, strict=False)
                if one[what] and other[what]
            ]
            row = {**facts, "who": f"{name} {found[0]['version']}", "what": what, "unit": unit}
            row |= {
                "median": statistics.median(values),
                "low": min(values),
                "high": max(values),
                "rounds": len(values),
            }
            if what == "views":
                row["what"] = f"{found[0]['views']} views"
            if name != OURS and pairs:
                row |= {"ratio": statistics.median(pairs), "ratio_low": min(pairs), "ratio_high": max(pairs)}
            rows.append(
                {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}
            )
    return rows


def main() -> None:
    """Take turns, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, help="a competition; its training pictures are used. Default: a made-up one"
    )
    parser.add_argument("--model", default="mobilenetv2_100")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=",".join(name for name in PEERS if name != OURS))
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS)
    parser.add_argument("--no_csv", action="store_true")
    options = parser.parse_args()
    wanted = [OURS, *(name for name in options.peers.split(",") if name)]
    pythons: dict[str, Path] = {}
    refused: dict[str, str] = {}
    for name in wanted:
        if name not in PEERS:
            parser.error(f"no peer is called {name!r}; there are {', '.join(PEERS)}")
        packages = PEERS[name][1]
        if packages is None:
            pythons[name] = Path(sys.executable)
            continue
        python, why = environment(name, packages, options.environments)
        if python is None:
            refused[name] = f"cannot be installed here: {why}"
        else:
            pythons[name] = python
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        data = options.data
        if data is None:
            data = place / "made"
            make_sample(data, images=options.pictures, test_images=20, seed=3)
        classes = lay_out(data, place / "pictures", options.pictures, seed=0)
        count = sum(1 for path in (place / "pictures" / "train").rglob("*") if path.is_file())
        task = Task(
            root=str(place / "pictures"),
            model=options.model,
            classes=classes,
            size=options.size,
            batch=options.batch,
            epochs=options.epochs,
            threads=usable_cores(),
            workers=usable_cores(),
        )
        answers = take_turns(pythons, refused, task, options.rounds)
    rows = rows_of(answers, refused, task, count)
    table = pd.DataFrame(rows)
    print(
        table.drop(columns=["machine", "model", "size", "batch", "pictures"]).to_string(
            index=False, na_rep=""
        )
    )
    if not options.no_csv:
        earlier = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame()
        write_csv(RESULTS, pd.concat([earlier, table], ignore_index=True))


def take_turns(
    pythons: dict[str, Path], refused: dict[str, str], task: Task, rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """Answers by peer; one that fails is out, and why is noted in `refused`."""
    answers: dict[str, list[dict[str, Any]]] = {}
    for number in range(rounds):
        names: Sequence[str] = [name for name in pythons if name not in refused]
        for name in random.Random(number).sample(names, len(names)):
            found = measure(pythons[name], PEERS[name][0], task)
            print(f"round {number + 1}, {name}: {found}", file=sys.stderr, flush=True)
            if isinstance(found, str):
                refused[name] = f"failed: {found}"
            else:
                answers.setdefault(name, []).append(found)
    return answers


if __name__ == "__main__":
    main()
