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
    if torch.device(device).type == "cpu":
        return _on_cpu(batch, centre, spread, channels_last=channels_last).to(dtype)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    values = batch.to(device, non_blocking=True).to(torch.float32, memory_format=layout)
    return values.sub_(centre).div_(spread).to(dtype)


def _on_cpu(batch: Tensor, centre: Tensor, spread: Tensor, *, channels_last: bool) -> Tensor:
    """The same numbers in a quarter of the time: picture by picture, so that all three passes are in the processor's
    cache, and along whole rows, since vectors are longer than three channels.
    """
    count, channels, height, width = batch.shape
    if not channels_last:
        made = torch.empty(batch.shape)
        for picture, source in zip(made, batch, strict=True):
            picture.copy_(source).sub_(centre[0]).div_(spread[0])
        return made
    rows = torch.empty((count, height, width * channels))
    centre, spread = (values.view(1, channels).repeat(1, width) for values in (centre, spread))
    for picture, source in zip(rows, batch.permute(0, 2, 3, 1).flatten(2), strict=True):
        picture.copy_(source).sub_(centre).div_(spread)
    return rows.view(count, height, width, channels).permute(0, 3, 1, 2)


@lru_cache(maxsize=32)
def _scale(values: tuple[float, ...], device: str) -> Tensor:
    """Kept on the device: to copy a few numbers there for every batch would make the host wait for it every time."""
    with torch.inference_mode(False):  # whoever asks first, training may ask next
        return torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1) * 255
