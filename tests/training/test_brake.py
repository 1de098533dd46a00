"""A fit that is told to end early has a scored model, and goes on from its last whole epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
import torch
from training_cases import make_data, make_spec

from grandmaster.progress import SilentProgress
from grandmaster.training.checkpoint import has_state
from grandmaster.training.fit import FitResult, fit_fold
from grandmaster.training.precision import Precision


class Stop:
    """Ends a fit before an epoch, or after so many pictures of it."""

    def __init__(self, *, epochs: int = 99, pictures: int = 10**6) -> None:
        self.epochs, self.pictures, self.asked = epochs, pictures, []

    def before_epoch(self, last: Mapping[str, Any]) -> bool:
        self.asked.append(last["epoch"])
        return last["epoch"] >= self.epochs

    def in_epoch(self, pictures: int, seconds: float, *, has_best: bool) -> bool:
        assert seconds > 0
        return len(self.asked) == min(self.epochs, 1) * has_best and pictures >= self.pictures


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fit(folder, spec, data, brake=None) -> FitResult:
    return fit_fold(
        spec,
        data,
        folder,
        Precision("cpu", "fp32"),
        workers=0,
        progress=SilentProgress(),
        task="t",
        brake=brake,
    )


def weights(result: FitResult) -> list[torch.Tensor]:
    return list(result.model.state_dict().values())


def history(folder) -> list[dict[str, Any]]:
    lines = [msgspec.json.decode(line) for line in (folder / "metrics.jsonl").read_bytes().splitlines()]
    return [
        {name: value for name, value in line.items() if name not in ("seconds", "images_per_second")}
        for line in lines
    ]


def same(first: FitResult, second: FitResult) -> bool:
    return all(torch.equal(one, other) for one, other in zip(weights(first), weights(second), strict=True))


@pytest.mark.parametrize("brake", [Stop(epochs=1), Stop(epochs=2), Stop(pictures=9)], ids=["1", "2", "mid"])
def test_ended_early_and_gone_on_with_is_as_never_ended(tmp_path, brake):
    spec = make_spec()
    data = make_data(tmp_path, spec)
    whole = fit(tmp_path / "whole", spec, data)
    cut = fit(tmp_path / "cut", spec, data, brake)
    assert cut.out_of_time
    assert not cut.stopped_early
    assert cut.epochs == (brake.epochs if brake.epochs < 99 else 1)
    assert len(history(tmp_path / "cut")) == cut.epochs
    on = fit(tmp_path / "cut", spec, data)
    assert not on.out_of_time
    assert on.epochs == 3
    assert same(on, whole)
    assert history(tmp_path / "cut") == history(tmp_path / "whole")


def test_cut_before_any_epoch_is_whole_what_there_is_is_judged(tmp_path):
    spec = make_spec()
    data = make_data(tmp_path, spec)
    cut = fit(tmp_path / "cut", spec, data, Stop(epochs=0, pictures=17))
    assert cut.out_of_time
    assert (cut.epochs, cut.best_epoch) == (1, 1)
    assert cut.best_score >= 0
    line = msgspec.json.decode((tmp_path / "cut" / "metrics.jsonl").read_bytes())
    assert line["cut"] == 24, "micro-batches of 8"
    assert line["train_loss"] is None
    assert not has_state(tmp_path / "cut" / "checkpoint"), "half an epoch is nothing to go on from"
    assert same(fit(tmp_path / "cut", spec, data), fit(tmp_path / "whole", spec, data))


def test_a_brake_that_never_stops_changes_nothing(tmp_path):
    spec = make_spec()
    data = make_data(tmp_path, spec)
    brake = Stop()
    assert same(fit(tmp_path / "a", spec, data, brake), fit(tmp_path / "b", spec, data))
    assert brake.asked == [1, 2]
