"""From stored bytes to what a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor


def to_input(
    batch: Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    device: torch.device | str,
    dtype: torch.dtype = torch.float32,
    channels_last: bool = False,
) -> Tensor:
    """Normalise on the device, where it is free; only bytes cross the bus.

    Args:
        batch: uint8, shape (b, c, h, w).
        mean, std: per channel, for values of 0 to 1, as timm gives them; where there are fewer than c they repeat in
            turn, as timm repeats the weights of a first layer.
        device: where the result shall be.
        dtype: of the result; the arithmetic is float32.
        channels_last: memory format of the result.

    Returns:
        (batch / 255 - mean) / std, shape (b, c, h, w).
    """
    if batch.dtype != torch.uint8:
        raise ValueError(f"batch is {batch.dtype}, must be uint8")
    channels = batch.shape[1]
    centre, spread = (
        _scale(tuple(values[place % len(values)] for place in range(channels)), str(device))
        for values in (mean, std)
    )
    layout = torch.channels_last if channels_last else torch.contiguous_format
    values = batch.to(device, non_blocking=True).to(torch.float32, memory_format=layout)
    return values.sub_(centre).div_(spread).to(dtype)


@lru_cache(maxsize=32)
def _scale(values: tuple[float, ...], device: str) -> Tensor:
    """Kept on the device: to copy a few numbers there for every batch would make the host wait for it every time."""
    with torch.inference_mode(False):  # whoever asks first, training may ask next
        return torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1) * 255
