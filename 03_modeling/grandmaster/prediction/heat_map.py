"""Where a model looks, through captum, which is optional.

Grad-CAM (Selvaraju et al., ICCV 2017) on the last feature map of timm's models, whatever its layout. Where that says nothing
(one pixel is left, or the head reads a class token that the last map does not reach), occlusion (Zeiler & Fergus, ECCV 2014):
a grey square is moved over the picture, and what it hides that the prediction needed is warm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Heat = npt.NDArray[np.float32]
# Of the picture's side: the grey square, and how far it moves.
WINDOW, STRIDE = 0.25, 0.125
_AT_ONCE = 8  # pictures of an occlusion that go through the model together
_STRONGEST = 0.65  # opacity of the colours where the heat is 1


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """What speaks for an output.

    Attributes:
        values: float32 (h, w), 0 (the coldest part) to 1, as coarse as it was found.
        method: "Grad-CAM" or "occlusion".
    """

    values: Heat
    method: str


def missing() -> str | None:
    """What is to be installed, as a sentence; None: nothing."""
    return "pip install captum" if find_spec("captum") is None else None


def heat_map(net: nn.Module, picture: Tensor, output: int) -> HeatMap:
    """What of a picture speaks for one output of a timm model.

    Args:
        net: in evaluation mode.
        picture: normalised, (1, c, side, side), on the model's device.
    """
    values = _grad_cam(net, picture, output)
    if values is not None:
        return HeatMap(values=values, method="Grad-CAM")
    return HeatMap(values=_occluded(net, picture, output), method="occlusion")


class _Tapped(nn.Module):
    """A timm model whose last features pass through `tap`, laid out as (b, c, h, w)."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net, self.tap = net, nn.Identity()

    def forward(self, pictures: Tensor) -> Tensor:
        features: Tensor = self.net.forward_features(pictures)
        if features.ndim == 4:
            channels_last = features.shape[2] != features.shape[3] and features.shape[1] == features.shape[2]
            maps = features.permute(0, 3, 1, 2) if channels_last else features
            seen = self.tap(maps)
            back = seen.permute(0, 2, 3, 1) if channels_last else seen
        else:
            before = getattr(self.net, "num_prefix_tokens", 0)
            side = math.isqrt(features.shape[1] - before)
            if side * side != features.shape[1] - before:
                raise ValueError("its tokens make no square")
            patches = features[:, before:].transpose(1, 2).unflatten(2, (side, side))
            seen = self.tap(patches)
            back = torch.cat([features[:, :before], seen.flatten(2).transpose(1, 2)], dim=1)
        logits: Tensor = self.net.forward_head(back)
        return logits


def _grad_cam(net: nn.Module, picture: Tensor, output: int) -> Heat | None:
    """None where it says nothing."""
    from captum.attr import LayerGradCam

    tapped = _Tapped(net)
    try:
        found = LayerGradCam(tapped, tapped.tap).attribute(
            picture.detach().clone().requires_grad_(), target=output, relu_attributions=True
        )
    except (ValueError, AttributeError, RuntimeError, AssertionError):
        return None  # a model of another form: no `forward_features`, no gradient to the map
    heat = found.detach().float().mean(dim=1)[0].cpu().numpy()
    return _scaled(heat) if min(heat.shape) > 1 and float(heat.max()) > 0 else None


@torch.no_grad()
def _occluded(net: nn.Module, picture: Tensor, output: int) -> Heat:
    from captum.attr import Occlusion

    channels, side = picture.shape[1], picture.shape[3]
    window, stride = max(1, round(WINDOW * side)), max(1, round(STRIDE * side))
    found = Occlusion(net).attribute(
        picture,
        sliding_window_shapes=(channels, window, window),
        strides=(channels, stride, stride),
        baselines=0,  # of normalised pictures: the mean colour
        target=output,
        perturbations_per_eval=_AT_ONCE,
    )
    return _scaled(np.maximum(found.float().mean(dim=1)[0].cpu().numpy(), 0))


def _scaled(heat: npt.NDArray[np.floating]) -> Heat:
    """From the coldest part to the warmest; all 0 where none is warmer than the others."""
    least, most = float(heat.min()), float(heat.max())
    return ((heat - least) / (most - least) if most > least else np.zeros_like(heat)).astype(np.float32)


def painted(picture: npt.NDArray[np.uint8], heat: Heat) -> npt.NDArray[np.uint8]:
    """A picture (h, w, 3) under the colours of its heat, cold parts as they are."""
    height, width = picture.shape[:2]
    smooth = np.clip(cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    coloured = cv2.applyColorMap((255 * smooth).astype(np.uint8), cv2.COLORMAP_TURBO)
    opacity = (_STRONGEST * smooth)[..., None]
    mixed = picture * (1 - opacity) + cv2.cvtColor(coloured, cv2.COLOR_BGR2RGB) * opacity
    return np.asarray(mixed.round(), np.uint8)
