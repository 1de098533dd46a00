"""The best score, its epoch and the patience that is left survive a kill in any epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from grandmaster.progress import SilentProgress
from grandmaster.training.fit import FitResult, fit_fold
from grandmaster.training.precision import Precision
from training.training_cases import make_data, make_spec

PATIENCE = 2
# The rate is so small that nothing is learnt: the first epoch stays the best.
STUCK = {
    "epochs": 4,
    "patience": PATIENCE,
    "learning_rate": 1e-12,
    "ema_decay": 0.0,
    "drop_rate": 0.0,
    "drop_path": 0.0,
}


class Killed(Exception):
    pass


class KillIn(SilentProgress):
    """Killed in the middle of an epoch (from 1)."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def advance(self, task: str, units: int = 1, **facts: Any) -> None:
        if units and str(facts.get("epoch", "")).startswith(f"{self.epoch}/") and "loss" not in facts:
            raise Killed


def fit(folder: Path, data: Any, spec: Any, progress: SilentProgress | None = None) -> FitResult:
    how = {"workers": 0, "progress": progress or SilentProgress(), "task": "t"}
    return fit_fold(spec, data, folder, Precision("cpu", "fp32"), **how)


def told(found: FitResult) -> dict[str, Any]:
    names = ("best_score", "best_epoch", "epochs", "stopped_early")
    return {name: getattr(found, name) for name in names}


@pytest.mark.fault(34, "killed in every epoch of a fit that runs out of patience, one kill after the other")
def test_row_34_patience_is_not_given_anew(tmp_path, injected):
    spec = make_spec(**STUCK)
    data = make_data(tmp_path, spec)
    whole = fit(tmp_path / "whole", data, spec)
    assert whole.stopped_early
    assert whole.best_epoch < whole.epochs < spec.epochs
    for epoch in range(2, whole.epochs + 1):
        with pytest.raises(Killed):
            fit(tmp_path / "cut", data, spec, KillIn(epoch))
        injected.append(epoch)
    assert told(fit(tmp_path / "cut", data, spec)) == told(whole)


@pytest.mark.parametrize("epoch", [3])
@pytest.mark.fault(34, "killed after the best epoch: later, worse ones do not take its place")
def test_row_34_the_best_score_is_remembered(tmp_path, epoch):
    spec = make_spec(epochs=4, learning_rate=1e-2, mix_probability=0.0)
    data = make_data(tmp_path, spec)
    whole = fit(tmp_path / "whole", data, spec)
    with pytest.raises(Killed):
        fit(tmp_path / "cut", data, spec, KillIn(epoch))
    resumed = fit(tmp_path / "cut", data, spec)
    assert told(resumed) == told(whole)
    bests = [line["best"] for line in resumed.history]
    scores = [line["val_score"] for line in resumed.history]
    for number, best in enumerate(bests):
        assert best == (scores[number] > max(scores[:number], default=-1.0)), (number, scores)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
