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

    def before_epoch(self, last: Mapping[str, Any], epochs: int) -> int:
        self.asked.append(last["epoch"])
        return last["epoch"] if last["epoch"] >= self.epochs else epochs

    def in_epoch(self, pictures: int, seconds: float, *, has_best: bool) -> bool:
        assert seconds > 0
        return len(self.asked) == min(self.epochs, 1) * has_best and pictures >= self.pictures


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


class Change:
    """Wants other epochs after some."""

    def __init__(self, wanted: dict[int, int]) -> None:
        self.wanted = wanted

    def before_epoch(self, last: Mapping[str, Any], epochs: int) -> int:
        return self.wanted.get(last["epoch"], epochs)

    def in_epoch(self, pictures: int, seconds: float, *, has_best: bool) -> bool:
        return False


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
    assert brake.asked == [1, 2, 3]


@pytest.mark.parametrize(
    ("wanted", "epochs"),
    [({2: 4}, 4), ({1: 6, 2: 6}, 6), ({1: 6, 3: 4}, 4), ({5: 9}, 5), ({5: 2}, 5)],
    ids=["fewer", "more", "more, then fewer", "more at the end", "fewer than are done, at the end"],
)
def test_epochs_that_change_on_the_way(tmp_path, wanted, epochs):
    spec = make_spec(epochs=5)
    data = make_data(tmp_path, spec)
    if wanted == {5: 9}:
        epochs = 9
    found = fit(tmp_path / "fit", spec, data, Change(wanted))
    assert (found.epochs, found.planned_epochs) == (epochs, epochs)
    assert not found.out_of_time
    assert not found.stopped_early
    rates = [line["learning_rate"] for line in history(tmp_path / "fit")]
    if epochs < 9:
        # The rate is that of an epoch's last step.
        assert rates[-1] < 0.2 * max(rates), "in the last epoch it is low"


def test_killed_after_the_epochs_changed_it_goes_on_with_them(tmp_path):
    spec = make_spec(epochs=6)
    data = make_data(tmp_path, spec)
    whole = fit(tmp_path / "whole", spec, data, Change({1: 4}))

    class Killed(Exception):
        pass

    class Kill(SilentProgress):
        def advance(self, task: str, units: int = 1, **facts: Any) -> None:
            if facts.get("epoch") == "3/4" and units:
                raise Killed

    with pytest.raises(Killed):
        fit_fold(
            spec,
            data,
            tmp_path / "killed",
            Precision("cpu", "fp32"),
            workers=0,
            progress=Kill(),
            task="t",
            brake=Change({1: 4}),
        )
    assert len(history(tmp_path / "killed")) == 2
    on = fit(tmp_path / "killed", spec, data)  # without a limit: what was settled stays
    assert (on.epochs, on.planned_epochs) == (4, 4)
    assert same(on, whole)
    assert history(tmp_path / "killed") == history(tmp_path / "whole")
