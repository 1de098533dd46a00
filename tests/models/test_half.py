"""Rounding weights to half precision: what is rounded, what is not, and that it is the closer of the two formats."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from grandmaster.models.half import rounded


def tensors(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def test_large_parameters_are_rounded_and_all_else_stays_bit_for_bit():
    net = timm.create_model("test_resnet", num_classes=3)
    before, after = tensors(net), rounded(tensors(net), net)
    assert list(before) == list(after)
    shrunk = {name for name, tensor in after.items() if tensor.dtype == torch.float16}
    assert shrunk == {name for name, value in net.named_parameters() if value.ndim >= 2}
    assert any("running_var" in name for name in before)
    for name in before.keys() - shrunk:
        assert torch.equal(before[name], after[name])
        assert before[name].dtype == after[name].dtype
    for name in shrunk:
        assert torch.equal(after[name], before[name].half())


@pytest.mark.parametrize("bad", [1e5, float("inf"), float("nan")])
def test_a_tensor_that_overflows_stays_whole(bad):
    net = nn.Linear(4, 4)
    with torch.no_grad():
        net.weight[0, 0] = bad
    assert rounded(tensors(net), net)["weight"].dtype == torch.float32


def test_a_tensor_of_numbers_too_small_for_half_precision_stays_whole():
    net = nn.Linear(64, 64)
    with torch.no_grad():
        net.weight.mul_(1e-6)
    assert rounded(tensors(net), net)["weight"].dtype == torch.float32
    with torch.no_grad():
        net.weight.mul_(1e6)
        net.weight[0, 0] = 1e-6  # one of them among larger ones changes nothing that counts
    assert rounded(tensors(net), net)["weight"].dtype == torch.float16


def test_it_predicts_closer_than_bfloat16():
    torch.manual_seed(0)
    net = timm.create_model("test_resnet", num_classes=3).eval()
    pictures = torch.randn(8, 3, 64, 64)
    whole = tensors(net)
    coarse = {
        name: value.bfloat16() if name in dict(net.named_parameters()) and value.ndim > 1 else value
        for name, value in whole.items()
    }
    away = []
    with torch.inference_mode():
        expected = net(pictures)
        for stored in (rounded(whole, net), coarse):
            net.load_state_dict(stored)
            away.append(float((net(pictures) - expected).abs().max()))
    assert 0 < away[0] < away[1] / 3
