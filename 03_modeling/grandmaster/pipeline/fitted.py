"""Models as their fits left them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from grandmaster.images.normalise import to_input
from grandmaster.images.resize import to_square
from grandmaster.models.builder import build_model
from grandmaster.models.memory_format import to_memory_format
from grandmaster.pipeline.context import RunContext
from grandmaster.storage import read_json
from grandmaster.training.checkpoint import load_best
from grandmaster.training.precision import Precision
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


def fitted_on_device(context: RunContext, spec: FitSpec, folder: Path) -> tuple[nn.Module, Precision]:
    """The same on its device and in its memory format, with the number format that the fit was eased to.

    A fit that overflowed in half a format and was gone on with in float32 would overflow there again.

    Raises:
        UserError: as `load_fitted`, or there is no such device or format here.
    """
    eased = read_json(folder / "result.json").get("precision")  # fits of earlier versions have the plan's
    precision = context.make_precision(eased)
    net = precision.fabric.to_device(load_fitted(spec, folder))
    return to_memory_format(net, spec.memory_format), precision


def as_fed(pixels: npt.NDArray[np.uint8], spec: FitSpec) -> npt.NDArray[np.uint8]:
    """A decoded picture (h, w, c) as the fit is fed it: (side, side, c), by way of the size that runs store."""
    return to_square(to_square(pixels, spec.store_size), spec.input_size)


def as_input(square: npt.NDArray[np.uint8], spec: FitSpec, device: str) -> torch.Tensor:
    """What `as_fed` gives, as a batch of one (1, c, side, side), normalised, on the device."""
    batch = torch.from_numpy(np.ascontiguousarray(square.transpose(2, 0, 1))[None])
    return to_input(batch, spec.weights.mean, spec.weights.std, device=device)
