"""Epochs that are written while the next one is trained."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
import torch
from torch import nn
from training_cases import make_spec

from grandmaster.errors import UserError
from grandmaster.training import checkpoint
from grandmaster.training.checkpoint import TrainState, load_state
from grandmaster.training.epoch_choice import Leader
from grandmaster.training.keeping import EpochKeeper, OneBehind


def test_a_job_runs_beside_and_the_next_one_waits_for_it():
    go_on, done = threading.Event(), []
    with OneBehind() as behind:
        behind.do(lambda: done.append(go_on.wait(10)))
        assert done == []  # the caller is back already
        threading.Timer(0.05, go_on.set).start()
        behind.do(lambda: done.append("second"))
        assert done[0] is True
    assert done == [True, "second"]


def fail() -> None:
    raise UserError("cannot write: No space left on device", where="x", fix="Free some space.")


def ends(*jobs: Callable[[], None]) -> None:
    with OneBehind() as behind:
        for job in jobs:
            behind.do(job)


def interrupted() -> None:
    with OneBehind() as behind:
        behind.do(fail)
        raise KeyboardInterrupt


def test_what_a_job_raises_is_raised_at_the_next_or_at_the_end():
    begun = []
    for jobs in ((fail, lambda: begun.append(1)), (fail,)):
        with pytest.raises(UserError, match="No space left"):
            ends(*jobs)
    assert not begun  # after a job that failed
    with pytest.raises(KeyboardInterrupt):  # the first reason is the one that counts
        interrupted()


@pytest.mark.parametrize("half", [False, True])
def test_what_is_kept_is_the_epoch_however_training_goes_on(tmp_path, monkeypatch, half):
    spec = make_spec(half_weights=half)
    net, average = nn.Linear(3, 2), nn.Linear(3, 2)
    with torch.no_grad():
        for model in (net, average):
            model.weight[:] = torch.tensor(1 / 3)
    expected = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    moment = torch.full((3,), 5.0)
    state = TrainState(
        epoch=1,
        step=7,
        leader=Leader(score=0.5, epoch=1),
        leaders=[Leader(score=0.5, epoch=1)],
        history=[{"epoch": 1}],
        optimiser={"state": {0: {"moment": moment}}, "param_groups": [{"lr": 0.1}]},
    )
    trained, save_best = threading.Event(), checkpoint.save_best

    def after_training(*args) -> None:
        assert trained.wait(10)
        save_best(*args)

    monkeypatch.setattr(checkpoint, "save_best", after_training)
    with EpochKeeper(spec, tmp_path) as keeper:
        keeper.keep(state, net, average, best={"fit": spec.digest, "epoch": 1}, whole=True)
        with torch.no_grad():
            for model in (net, average):
                model.weight.zero_()
            moment.zero_()
        state.epoch, state.history = 2, [*state.history, {"epoch": 2}]
        trained.set()
    other, averaged = nn.Linear(3, 2), nn.Linear(3, 2)
    found = load_state(tmp_path / "checkpoint", other, averaged, fit_digest=spec.digest)
    assert found is not None
    assert (found.epoch, found.step, found.history) == (1, 7, [{"epoch": 1}])
    assert found.optimiser["state"][0]["moment"].tolist() == [5.0] * 3
    assert found.optimiser["param_groups"] == [{"lr": 0.1}]
    assert torch.equal(other.weight, expected["weight"])  # the state is never rounded
    assert torch.equal(averaged.weight, expected["weight"])
    rounded = expected["weight"].half().float()
    checkpoint.load_best(tmp_path / "checkpoint", other, fit_digest=spec.digest)
    assert torch.equal(other.weight, rounded if half else expected["weight"])
    checkpoint.load_leader(tmp_path / "checkpoint", averaged, 1)
    assert torch.equal(averaged.weight, rounded)
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"epoch": 1}


def test_half_an_epoch_is_nothing_to_go_on_from(tmp_path):
    spec, net = make_spec(), nn.Linear(3, 2)
    with EpochKeeper(spec, tmp_path) as keeper:
        keeper.keep(TrainState(epoch=1, history=[{"epoch": 1}]), net, None, best=None, whole=False)
    assert not checkpoint.has_state(tmp_path / "checkpoint")
    assert (tmp_path / "metrics.jsonl").exists()


def test_weights_are_row_major_copies_that_share_nothing():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)).to(memory_format=torch.channels_last)
    net[1].weight = net[0].weight
    assert not net[0].weight.is_contiguous()
    found = checkpoint.weights_of(net)
    assert all(tensor.is_contiguous() for tensor in found.values())
    assert torch.equal(found["0.weight"], net[0].weight)
    pointers = {tensor.data_ptr() for tensor in (*found.values(), *net.state_dict().values())}
    assert len(pointers) == 4 + 3
