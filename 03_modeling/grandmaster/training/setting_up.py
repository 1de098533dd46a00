"""From a built network to what `train_one_epoch` takes, in the one order in which the parts fit together."""

from __future__ import annotations

from typing import Any

import torch
from timm.utils import ModelEmaV3
from torch import nn

from grandmaster.models.memory_format import to_memory_format
from grandmaster.training.optimiser import make_optimiser
from grandmaster.training.precision import Precision
from grandmaster.training.spec import FitSpec


def set_up(net: nn.Module, spec: FitSpec, precision: Precision) -> tuple[Any, Any, ModelEmaV3 | None]:
    """Put the network on its device in its memory format, with optimiser and weight average.

    Args:
        net: changed in place; its parameters stay the same objects.

    Returns:
        Model and optimiser as Fabric wraps them; the average of the weights, None where there is none.
    """
    # Before the optimiser: its moments take the memory format of the weights, and a fused step needs them alike.
    to_memory_format(net, spec.memory_format)
    optimiser = make_optimiser(net, spec)
    # Only the training step is compiled: `net` itself, its average and their names stay as they are.
    trained: Any = torch.compile(net) if spec.compile else net
    model, wrapped = precision.fabric.setup(trained, optimiser)
    average = ModelEmaV3(net, decay=spec.ema_decay, use_warmup=True) if spec.ema_decay > 0 else None
    return model, wrapped, average
