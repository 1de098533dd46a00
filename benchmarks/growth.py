"""How a whole run grows: with the number of pictures, of folds, and of models.

    python benchmarks/growth.py [--sizes 1000,2000,5000,10000,20000,50000] [--size 32] [--epochs 1] [--no_csv]

Made-up JPEGs of 160 x 120 px, five classes, one in fifty a copy of another; half as many test pictures. Every run is a process of
its own with an empty cache, one fold of a small convolutional net; its stages are timed by the run itself. Exponents are slopes of
log seconds over log pictures from the third size on: 1 is linear, 2 quadratic. Memory is the process's peak, and what it gains per
picture beside the bytes of a kept picture. Then, on the first size: fits of 1 and 2 models on 1, 2 and 3 folds.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import cv2
import numpy as np
import pandas as pd

from grandmaster.config import Config
from grandmaster.pipeline.fold_pictures import STORE_MARGIN
from grandmaster.pipeline.hardware import cpu_name
from grandmaster.pipeline.machine import usable_cores
from grandmaster.pipeline.run import RunRequest, run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.settings import with_settings
from grandmaster.storage import read_json, write_csv

RESULTS = Path(__file__).parent / "results" / "growth.csv"
CLASSES, WIDTH, HEIGHT, COPIES = 5, 160, 120, 50
STAGES = ("inspect", "shift", "train", "predict", "ensemble", "submit", "report")
ANSWER = "answer: "


def make_data(place: Path, count: int) -> None:
    """`count` training pictures and half as many of the test set: coarse colours, a square whose place is the class, grain."""
    rng = np.random.default_rng(count)
    for split, number in (("train", count), ("test", count // 2)):
        (place / split).mkdir(parents=True)
        lines = ["id,label"]
        for row in range(number):
            if row % COPIES or not row:
                coarse = rng.integers(0, 200, (6, 8, 3), dtype=np.uint8)
                picture = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
                label = int(rng.integers(CLASSES))
                picture[30:90, 30 * label : 30 * label + 28] //= 2
                picture = cv2.add(picture, rng.integers(0, 20, picture.shape, dtype=np.uint8))
            cv2.imwrite(str(place / split / f"{row:06d}.jpg"), picture)
            lines.append(f"{row:06d}.jpg,class_{label if split == 'train' else 0}")
        name = "train.csv" if split == "train" else "sample_submission.csv"
        (place / name).write_text("\n".join(lines) + "\n")


def one_run(options: dict[str, Any]) -> None:
    """In a process of its own: run, tell the seconds of every stage and the peak of memory."""
    settings = [
        f"model.backbones={options['models']}",
        "model.pretrained=false",
        f"model.image_size={options['size']}",
        "folds.count=5",
        f"folds.train={options['folds']}",
        f"training.epochs={options['epochs']}",
        "augmentation.policy=light",
        "prediction.tta_views=1",
        "hardware.workers=0",
    ]
    request = RunRequest(
        data_path=Path(options["data"]),
        run_folder=Path(options["run"]),
        config=with_settings(Config(), settings),
        mode="full_training",
        command="benchmarks/growth.py",
    )
    run_pipeline(request, SilentProgress())
    seconds = read_json(request.run_folder / "timings.json")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(ANSWER + json.dumps({"seconds": seconds, "peak": peak}), flush=True)


def measure(
    data: Path, size: int, epochs: int, *, models: str = "resnet10t", folds: int = 1
) -> dict[str, Any]:
    """One run."""
    with tempfile.TemporaryDirectory() as place:
        options = {"data": str(data), "run": f"{place}/runs/run", "size": size, "epochs": epochs}
        options |= {"models": models, "folds": folds}
        done = subprocess.run(
            [sys.executable, __file__, "--one", json.dumps(options)],
            capture_output=True,
            text=True,
            check=False,
        )
    answers = [line for line in done.stdout.splitlines() if line.startswith(ANSWER)]
    if not answers:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(answers[-1].removeprefix(ANSWER))
    return found


def slope(sizes: list[int], values: list[float]) -> float:
    """Of logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-3)), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="1000,2000,5000,10000,20000,50000")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--no_csv", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one_run(json.loads(options.one))
        return
    sizes, rows = [int(text) for text in options.sizes.split(",")], []
    machine = f"{cpu_name()}, {usable_cores()} cores"
    with tempfile.TemporaryDirectory() as temporary:
        for number in sizes:
            data = Path(temporary) / str(number)
            make_data(data, number)
            found = measure(data, options.size, options.epochs)
            row = {"machine": machine, "what": "pictures", "pictures": number, "models": 1, "folds": 1}
            row |= {stage: round(found["seconds"].get(stage, 0.0), 2) for stage in STAGES}
            row |= {
                "whole": round(sum(value or 0.0 for value in found["seconds"].values()), 2),
                "peak_mb": round(found["peak"] / 2**20),
            }
            rows.append(row)
            print(row, flush=True)
        for models, folds in (
            ("resnet10t", 1),
            ("resnet10t", 2),
            ("resnet10t", 3),
            ("resnet10t,mobilenetv3_small_050", 1),
        ):
            found = measure(
                Path(temporary) / str(sizes[0]), options.size, 4 * options.epochs, models=models, folds=folds
            )
            row = {
                "machine": machine,
                "what": "fits",
                "pictures": sizes[0],
                "models": models.count(",") + 1,
                "folds": folds,
            }
            row |= {stage: round(found["seconds"].get(stage, 0.0), 2) for stage in STAGES}
            rows.append(row)
            print(row, flush=True)
    table = pd.DataFrame(rows)
    grown = table[table["what"] == "pictures"]
    steep = grown.iloc[min(2, len(grown) - 2) :]
    for stage in (*STAGES, "whole"):
        exponent = slope(steep["pictures"].tolist(), steep[stage].tolist())
        print(f"{stage}: seconds grow as pictures to the {exponent:.2f}")
    gained = np.polyfit(grown["pictures"] * 1.5, grown["peak_mb"] * 2**20, 1)[0]
    kept = round(options.size * STORE_MARGIN) ** 2 * 3
    print(f"memory: {gained:,.0f} bytes a picture, of which {kept:,} are its decoded pixels")
    if not options.no_csv:
        write_csv(RESULTS, table)


if __name__ == "__main__":
    main()
