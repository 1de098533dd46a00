"""Models as their fits left them."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from grandmaster.models.builder import build_model
from grandmaster.training.checkpoint import load_best
from grandmaster.training.spec import FitSpec


def load_fitted(spec: FitSpec, folder: Path) -> nn.Module:
    """The best epoch's model, on the CPU, in evaluation mode.

    Args:
        folder: of the fit.

    Raises:
        UserError: there are no best weights, or they belong to another fit.
    """
    net = build_model(
        spec.timm_name,
        # The trained weights are loaded next; fetching the pretrained ones first would be for nothing.
        spec.weights.unloaded(),
        classes=spec.head.outputs,
        input_size=spec.input_size,
        in_channels=spec.in_channels,
        cosine_scale=spec.loss.cosine_scale,
    )
    load_best(folder / "checkpoint", net, fit_digest=spec.digest)
    return net.eval()
