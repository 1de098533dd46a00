"""The range test: the same for a seed, a rate with which training works, and an error where none does."""

from __future__ import annotations

import pytest
import torch
from training_cases import make_data, make_spec

from grandmaster.errors import UserError
from grandmaster.training.fit import start_model
from grandmaster.training.losses import Loss
from grandmaster.training.precision import Precision
from grandmaster.training.rate_finder import HIGHEST, LOWEST, STEPS, find_rate


def test_it_is_the_same_for_a_seed_and_between_doing_nothing_and_ruin(tmp_path):
    spec = make_spec()
    pictures = make_data(tmp_path, spec).train
    counted: list[int] = []
    first = find_rate(spec, pictures, Precision("cpu", "fp32"), workers=0, on_batch=counted.append)
    torch.rand(3)  # whatever was drawn before
    assert find_rate(spec, pictures, Precision("cpu", "fp32"), workers=0) == first
    # another planned rate and length make no difference: the test has its own
    other = find_rate(make_spec(learning_rate=0.5, epochs=9), pictures, Precision("cpu", "fp32"), workers=0)
    assert other == first
    assert sum(counted) >= len(first.rates) * spec.micro_batch
    assert 1e-4 < first.rate < 0.1
    assert first.rates[0] == LOWEST
    assert len(first.rates) == len(first.losses) <= STEPS
    assert first.losses[-1] < 2 * min(first.losses)  # what diverged is not in the curve
    assert max(first.rates) <= HIGHEST
    assert min(first.losses) < first.losses[0]
    at_least = first.rates[first.losses.index(min(first.losses))]
    assert first.rate == pytest.approx(at_least / 10, rel=0.05)
    # a fit after it begins as one without it
    fresh = start_model(spec, grad_checkpointing=False).state_dict()
    again = start_model(spec, grad_checkpointing=False).state_dict()
    assert all(torch.equal(fresh[name], again[name]) for name in fresh)


def test_where_the_loss_never_falls_there_is_no_rate(tmp_path):
    spec = make_spec(loss=Loss(name="cross_entropy", class_weights=(0.0, 0.0, 0.0)))
    with pytest.raises(UserError, match="the loss of test_resnet falls at no rate"):
        find_rate(spec, make_data(tmp_path, spec).train, Precision("cpu", "fp32"), workers=0)
