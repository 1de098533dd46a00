"""What a model knows of a picture before its last layer, and other last layers upon it."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn


def penultimate(model: Any, pictures: Tensor) -> Tensor:
    """What a timm model gives its classifier.

    Args:
        pictures: normalised, (b, c, h, w).

    Returns:
        (b, d).
    """
    found: Tensor = model.forward_head(model.forward_features(pictures), pre_logits=True)
    return found


class LinearHeads(nn.Module):
    """A timm model with p linear outputs of its penultimate features instead of its own.

    Args:
        model: left as it is.
        slopes: (p, d).
        biases: (p,).
    """

    def __init__(self, model: nn.Module, slopes: npt.NDArray[Any], biases: npt.NDArray[Any]) -> None:
        super().__init__()
        self.body = model
        device = next(model.parameters()).device
        self.register_buffer("slopes", torch.as_tensor(slopes, dtype=torch.float32, device=device))
        self.register_buffer("biases", torch.as_tensor(biases, dtype=torch.float32, device=device))
        self.slopes: Tensor
        self.biases: Tensor

    def forward(self, pictures: Tensor) -> Tensor:
        """(b, c, h, w) -> float32 (b, p); the heads in float32 also under mixed precision."""
        found = penultimate(self.body, pictures)
        with torch.autocast(found.device.type, enabled=False):
            return F.linear(found.float(), self.slopes, self.biases)
