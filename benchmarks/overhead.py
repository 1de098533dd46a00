"""What of a whole run is neither a training nor a prediction step: by stage, as every report shows it.

    python benchmarks/overhead.py [--minutes 3.5,10] [--images 800] [--test_images 400] [--no_csv]

Whole runs of `quick_test` on the sample competition, planned for so many minutes, with everything that a newcomer's run has: the
look at the data, the comparison of train with test, reading what was done to the test pictures, views, blend, report. The shares
are the run's own (`timings_of_steps.json`). What takes as long however long is trained is told apart: on it follows what a run of
half an hour (a quick test as the menu announces it) and one of eight hours would spend, which nobody waits for here.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "04_training"))

import pandas as pd

from config import MODES
from grandmaster.competition.sample import make_sample
from grandmaster.pipeline.hardware import cpu_name
from grandmaster.pipeline.machine import usable_cores
from grandmaster.pipeline.run import RunRequest, run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.report.wall_time import wall_time
from grandmaster.settings import with_settings
from grandmaster.storage import read_json, write_csv

RESULTS = Path(__file__).parent / "results" / "overhead.csv"
# Their own time follows from the pictures, not from how long is trained.
ONCE = ("inspect", "shift", "plan", "ensemble", "label_quality", "submit", "report")
LONG = {"half_hour": 1800.0, "eight_hours": 8 * 3600.0}  # s


def one_run(data: Path, folder: Path, minutes: float) -> dict[str, Any]:
    """Shares of a run's time, percent."""
    request = RunRequest(
        data_path=data,
        run_folder=folder,
        config=with_settings(
            MODES["quick_test"].config, [f"run.minutes={minutes}", "model.pretrained=false"]
        ),
        mode="quick_test",
        command="benchmarks/overhead.py",
    )
    run_pipeline(request, SilentProgress())
    steps = read_json(folder / "timings_of_steps.json")
    found = wall_time(read_json(folder / "timings.json"), steps)
    assert found is not None, "a run has timings"
    assert found.shares is not None, "and steps"
    own = {
        stage.name: found.seconds
        * sum(part.percent for part in stage.parts if part.kind in ("own", "waiting"))
        / 100
        for stage in found.stages
    }
    once = sum(own.get(name, 0.0) for name in ONCE)
    growing = sum(own.values()) - once
    row: dict[str, Any] = {
        "machine": f"{cpu_name()}, {usable_cores()} cores",
        "planned_minutes": minutes,
        "seconds": round(found.seconds, 1),
    }
    row |= {f"{kind}_percent": round(100 * share, 2) for kind, share in found.shares.items()}
    row["overhead_percent"] = round(100 * (found.overhead or 0.0), 2)
    row |= {
        f"own_{name}_s": round(own.get(name, 0.0), 1)
        for name in ("shift", "inspect", "plan", "train", "report")
    }
    for name, seconds in LONG.items():
        grown = growing * (seconds - once) / (found.seconds - once)
        row[f"{name}_percent"] = round(100 * (once + grown) / seconds, 2)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", default="3.5,10")
    parser.add_argument("--images", type=int, default=800)
    parser.add_argument("--test_images", type=int, default=400)
    parser.add_argument("--no_csv", action="store_true")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        make_sample(place / "sample", images=options.images, test_images=options.test_images, seed=0)
        for number, text in enumerate(options.minutes.split(",")):
            rows.append(one_run(place / "sample", place / f"{number}" / "run", float(text)))
            print(rows[-1], flush=True)
    if not options.no_csv:
        write_csv(RESULTS, pd.DataFrame(rows))


if __name__ == "__main__":
    main()
