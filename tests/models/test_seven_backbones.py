"""The seven large backbones at full size: built, and one optimiser step taken."""

from __future__ import annotations

import gc

import pytest
import torch

from grandmaster.models.builder import build_model
from grandmaster.models.registry import LARGE_SEVEN
from grandmaster.models.weights import Weights

NONE = Weights(source="none", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
# Smallest inputs that the architectures take; width and depth are the full ones.
INPUT = {"maxvit_large": 128, "swin_large": 96}


@pytest.mark.slow
@pytest.mark.parametrize("backbone", LARGE_SEVEN.values(), ids=lambda backbone: backbone.name)
def test_full_size_backbone_takes_an_optimiser_step(backbone, capsys):
    size = INPUT.get(backbone.name, 64)
    torch.manual_seed(0)
    model = build_model(backbone.timm_name, NONE, classes=17, input_size=size, drop_path=0.1)
    head = sum(parameter.numel() for parameter in model.get_classifier().parameters())
    million = (sum(parameter.numel() for parameter in model.parameters()) - head) / 1e6
    with capsys.disabled():
        print(
            f"\n{backbone.name}: {million:.1f} M parameters without head, documented {backbone.documented_million_parameters} M"
        )
    assert million == pytest.approx(backbone.documented_million_parameters, rel=0.01)
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    before = [parameter.detach().abs().sum().item() for parameter in model.parameters()]
    loss = torch.nn.functional.cross_entropy(model(torch.randn(2, 3, size, size)), torch.tensor([3, 11]))
    loss.backward()
    assert all(
        parameter.grad is not None and torch.isfinite(parameter.grad).all()
        for parameter in model.parameters()
    )
    optimiser.step()
    after = [parameter.detach().abs().sum().item() for parameter in model.parameters()]
    assert torch.isfinite(loss)
    assert sum(old != new for old, new in zip(before, after, strict=True)) > 0.9 * len(before)
    del model, optimiser
    gc.collect()
