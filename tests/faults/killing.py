"""A small run of all stages in a process of its own, killed at a moment of one's choosing."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from faults.forked import PATIENCE, fork_context
from grandmaster.errors import UserError
from grandmaster.pipeline import preparing
from grandmaster.pipeline.run import run_pipeline
from grandmaster.progress import SilentProgress
from pipeline.small_competition import request

# Everything that a run can do, on 48 pictures of 32 px.
SETTINGS = (
    "training.find_rate=true",
    "augmentation.trial=true",
    "training.epochs=3",
    "training.loss=focal",
    "run.allow_test_training=true",
    "pseudo_label.confidence=0.4",
    "distill.on=true",
)
# What every test picture is taken to have undergone, so that there is a corruption to fit and a trial to hold.
_TOLD = {"auc": 0.98, "low": 0.97, "high": 0.99, "features": []}
_KIND = {"share": 1.0, "low": 0.95, "high": 1.0, "clean": 0.0, "auc": 0.99}
SHIFT = {
    "adversarial": _TOLD,
    "embedding": None,
    "reading": {
        "kinds": {
            "exposure": _KIND | {"levels": [[0.3, 0.4, 1.0]]},
            "colour": _KIND | {"levels": [[0.0, 0.33, 1.0]]},
        },
        "fitted": _TOLD,
        "method": "weights",
    },
    "fill_value": 255,
    "jpeg_quality": None,
}
# Written with times, or with what depends on times, in them.
TIMED = {
    "environment.json",
    "timings.json",
    "timings_of_steps.json",
    "final_results.json",
    "training_results.json",
    "result.json",
    "metrics.jsonl",
    "report.html",
    "plan.json",
    "picture_statistics.npz",
    "rates.json",
    "fingerprint.json",
    "distill.json",
    # Hashes of manifests, which are of the files above.
    "students.json",
    "standing.json",
}


def run(data: Path, folder: Path, largest_file: int | None = None, told: Connection | None = None) -> None:
    """The whole run, in this process; on a disk, so to speak, that has room for files of so many bytes only."""
    torch.set_num_threads(1)
    if largest_file is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    preparing._compared = lambda context: SHIFT  # type: ignore[assignment]
    try:
        run_pipeline(request(data, folder, *SETTINGS), SilentProgress())
    except UserError as error:
        if told is None:
            raise
        told.send(str(error))
        sys.exit(1)


def start(
    data: Path, folder: Path, largest_file: int | None = None, told: Connection | None = None
) -> BaseProcess:
    """The whole run, in a process that is forked from one which has imported everything."""
    process = fork_context().Process(target=run, args=(data, folder, largest_file, told), daemon=True)
    process.start()
    return process


def whole_run(data: Path, folder: Path) -> float:
    """Seconds of a run that nothing disturbs.

    Raises:
        AssertionError: it failed.
    """
    began = time.monotonic()
    process = start(data, folder)
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - began


def full_disk(data: Path, folder: Path, largest_file: int) -> str:
    """A run that cannot write some file; what it says.

    Raises:
        AssertionError: it ended well all the same.
    """
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = start(data, folder, largest_file, theirs)
    theirs.close()
    said: str = ours.recv() if ours.poll(PATIENCE) else ""
    process.join()
    assert process.exitcode == 1
    return said


def killed_after(data: Path, folder: Path, seconds: float) -> bool:
    """SIGKILL after so many seconds; False: the run had ended before."""
    process = start(data, folder)
    process.join(seconds)
    alive = process.is_alive()
    process.kill()
    process.join()
    return alive


def finished_files(folder: Path) -> dict[Path, int]:
    """Time of writing of everything that a manifest says is done."""
    found = {}
    for manifest in folder.rglob("*manifest.json"):
        known = json.loads(manifest.read_text())
        if known["inputs"].get("chosen", "not asked") is None:
            continue  # a blend of what was there, with nothing chosen: it stands until the last fit is done
        for name in known["outputs"]:
            path = manifest.parent / name
            if path.exists():
                found[path] = path.stat().st_mtime_ns
    return found


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file that has to be the same, however often a run was killed."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in TIMED and "manifest" not in path.name and path.name != ".lock"
    }


def decided(folder: Path) -> Any:
    """What the plan decided, without minutes and the reasons that tell of them."""
    plan = json.loads((folder / "plan.json").read_text())
    for model in plan["models"]:
        for name in ("minutes_per_fold", "test_minutes_per_fold", "reasons"):
            del model[name]
    return (
        plan["models"],
        plan["operations"],
        {name: kept["value"] for name, kept in plan["decisions"].items()},
    )
