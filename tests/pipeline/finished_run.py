"""One small run to its end, and copies of it whose models are made better, worse or otherwise."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from grandmaster.competition.predictions import Predictions
from grandmaster.pipeline.run import run_pipeline
from grandmaster.storage import read_json, write_json
from pipeline.small_competition import Record, request, write_competition


def make_run(place: Path, *changes: str) -> Path:
    """`place/data` and a finished run in `place/runs/first`: three folds, an epoch each, no report."""
    before = torch.get_num_threads()
    write_competition(place / "data")
    settings = ("training.epochs=1", "folds.train=3", "prediction.tta_views=1", *changes)
    run_pipeline(request(place / "data", place / "runs" / "first", *settings, until="submit"), Record())
    torch.set_num_threads(before)
    return place / "runs" / "first"


def truth_of(ids: tuple[str, ...]) -> Any:
    """Labels of pictures of the small competition, train and test alike."""
    return np.array([int(picture_id.removesuffix(".png")[-3:]) % 3 for picture_id in ids])


def copy_run(first: Path, name: str, *, right: float, seed: int = 0, corrupted: float | None = None) -> Path:
    """A run beside the first whose models are right on about that share of pictures.

    Args:
        corrupted: the same for corrupted validation pictures; None: it has none.
    """
    folder = first.parent / name
    shutil.copytree(first, folder)
    for kind, share in (("oof", right), ("oof_plain", right), ("test", right), ("oof_corrupted", corrupted)):
        if share is None:
            continue
        known = Predictions.load(first / "ensemble" / ("test.npz" if kind == "test" else "oof.npz"))
        # The same pictures are easy for every copy: the larger share holds the smaller.
        order = np.random.default_rng(99).permutation(len(known.ids))
        rng = np.random.default_rng(seed)
        hit = order < share * len(known.ids)
        said = np.where(hit, truth_of(known.ids), (truth_of(known.ids) + rng.integers(1, 3, len(hit))) % 3)
        values = 0.8 * np.eye(3)[said] + 0.2 * rng.dirichlet(np.ones(3), len(said))
        Predictions(ids=known.ids, outputs=known.outputs, values=values.astype(np.float32)).save(
            folder / "ensemble" / f"{kind}.npz"
        )
    results = read_json(folder / "final_results.json")
    write_json(folder / "final_results.json", results | {"experiment": name})
    return folder
