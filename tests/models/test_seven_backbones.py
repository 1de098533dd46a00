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
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    loss = torch.nn.functional.cross_entropy(model(torch.randn(2, 3, size, size)), torch.tensor([3, 11]))
    loss.backward()
    assert torch.isfinite(loss)
    assert all(
        parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters()
    )
    optimiser.step()
    # Blocks whose last scale starts at zero (ResNet) have no gradient behind it yet; all that has one must move.
    learning = [bool((parameter.grad.abs() > 1e-6).any()) for parameter in model.parameters()]
    moved = [not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)]
    assert sum(learning) > 0.2 * len(learning)
    assert all(new for new, had in zip(moved, learning, strict=True) if had)
    assert all(
        not torch.equal(old, new) for old, new in list(zip(before, model.parameters(), strict=True))[-2:]
    )
    del model, optimiser, before
    gc.collect()
