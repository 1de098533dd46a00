"""In which order a model and its inputs keep channels and pixels in memory: a question of speed alone."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

MemoryFormat = Literal["contiguous", "channels_last"]

_FORMATS: dict[MemoryFormat, torch.memory_format] = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
}


def to_memory_format(model: nn.Module, memory_format: MemoryFormat) -> nn.Module:
    """The same model; its 4-D weights are stored in this order, in place."""
    options: dict[str, Any] = {"memory_format": _FORMATS[memory_format]}
    return model.to(**options)
