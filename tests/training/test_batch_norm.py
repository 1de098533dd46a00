"""BatchNorm statistics: kept, or those of the pictures under the weights as they are."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from grandmaster.training import batch_norm
from grandmaster.training.batch_norm import freeze_batch_norm, re_estimate_batch_norm


def test_frozen_batch_norm_keeps_its_statistics():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    before = model[1].running_mean.clone()
    model.train()
    freeze_batch_norm(model)
    model(torch.rand(4, 3, 8, 8))
    assert torch.equal(model[1].running_mean, before)
    model.train()
    model(torch.rand(4, 3, 8, 8))
    assert not torch.equal(model[1].running_mean, before)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Dropout(0.5), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4))


def test_re_estimated_statistics_are_the_plain_mean_of_all_batches():
    model = net()
    model[2].running_mean.fill_(50)  # of whatever was before nothing is left
    batches = [torch.rand(6, 3, 8, 8) for _ in range(5)]
    draws = torch.get_rng_state()
    re_estimate_batch_norm(model, batches)
    assert torch.equal(torch.get_rng_state(), draws)  # dropout is off
    seen = [model[1](batch) for batch in batches]
    means = torch.stack([values.mean(dim=(0, 2, 3)) for values in seen]).mean(dim=0)
    variances = torch.stack([values.var(dim=(0, 2, 3)) for values in seen]).mean(dim=0)
    torch.testing.assert_close(model[2].running_mean, means)
    torch.testing.assert_close(model[2].running_var, variances)
    assert model[2].momentum == 0.1
    assert not any(module.training for module in model.modules())
    # as torch's own, where no dropout is in the way
    other = net()[1:]
    torch.optim.swa_utils.update_bn(batches, other)
    for mine, theirs in zip(model[1:].state_dict().values(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_as_many_batches_are_taken_as_are_enough(monkeypatch):
    monkeypatch.setattr(batch_norm, "RE_ESTIMATION_PICTURES", 10)
    model, taken = net(), []

    def batches():
        for number in range(9):
            taken.append(number)
            yield torch.rand(4, 3, 8, 8)

    re_estimate_batch_norm(model, batches())
    assert len(taken) == int(model[2].num_batches_tracked) == 3
    re_estimate_batch_norm(nn.Linear(2, 2), batches())
    assert len(taken) == 3  # nothing to estimate, nothing read


@pytest.mark.parametrize("own", [True, False])
def test_gradients_do_not_reach_the_estimate(own):
    model = net()
    inputs = torch.rand(4, 3, 8, 8, requires_grad=own)
    re_estimate_batch_norm(model, [inputs])
    assert inputs.grad is None
    assert not model[2].running_mean.requires_grad
