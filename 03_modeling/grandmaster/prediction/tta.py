"""Test-time augmentation: each test picture seen in several ways, through ttach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import ttach
from torch import Tensor
from torch.nn import functional
from ttach.base import DualTransform

ZOOM_IN, ZOOM_OUT = 1.15, 0.87


@dataclass(frozen=True, kw_only=True)
class View:
    """One way of seeing a batch.

    Attributes:
        name: for reports.
        augment: (b, c, h, w) -> the batch as seen; the same size where h = w.
        inverse: undoes `augment` for anything laid out like the pictures; zooming in loses the margin for good.
    """

    name: str
    augment: Callable[[Tensor], Tensor]
    inverse: Callable[[Tensor], Tensor]


class Zoom(DualTransform):
    """Magnify about the centre and keep the frame: vision transformers accept one input size only.

    What a smaller picture leaves free is filled with its own border pixels. (ttach's `Scale` changes the size
    of the tensor.)
    """

    identity_param = 1.0

    def __init__(self, factors: list[float]) -> None:
        super().__init__("factor", [self.identity_param, *factors])

    def apply_aug_image(self, image: Tensor, factor: float = 1.0, **_: object) -> Tensor:
        """(b, c, h, w), magnified by `factor`; bilinear."""
        if factor == self.identity_param:
            return image
        # In float32: half precision cannot place pixels within a 512 px picture.
        theta = torch.tensor([[1 / factor, 0.0, 0.0], [0.0, 1 / factor, 0.0]], device=image.device)
        grid = functional.affine_grid(
            theta.expand(len(image), 2, 3), [len(image), 1, *image.shape[-2:]], align_corners=False
        )
        seen = functional.grid_sample(image.float(), grid, padding_mode="border", align_corners=False)
        return seen.to(image.dtype)

    def apply_deaug_mask(self, mask: Tensor, factor: float = 1.0, **_: object) -> Tensor:
        """Undo `apply_aug_image`, as far as the frame still holds it."""
        return self.apply_aug_image(mask, factor=1 / factor)

    def apply_deaug_label(self, label: Tensor, **_: object) -> Tensor:
        """A class does not change with the size."""
        return label


def views(n: Literal[1, 2, 4, 8]) -> list[View]:
    """The first `n` of eight views, the harmless ones first.

    1: the picture itself; 2: also mirrored; 4: also nearer and farther, so all still upright; 8: also upside
    down and turned by 90, 180 and 270 degrees, for pictures that may lie any way.
    """
    mirror, upside_down, turns, zooms = (
        list(ttach.Compose([transform]))
        for transform in (
            ttach.HorizontalFlip(),
            ttach.VerticalFlip(),
            ttach.Rotate90(angles=[90, 180, 270]),
            Zoom([ZOOM_IN, ZOOM_OUT]),
        )
    )
    every = {
        "identity": mirror[0],
        "mirrored": mirror[1],
        "nearer": zooms[1],
        "farther": zooms[2],
        "upside down": upside_down[1],
        "turned 90": turns[1],
        "turned 180": turns[2],
        "turned 270": turns[3],
    }
    if n not in (1, 2, 4, 8):
        raise ValueError(f"n is {n}, must be 1, 2, 4 or 8")
    return [
        View(name=name, augment=view.augment_image, inverse=view.deaugment_mask)
        for name, view in list(every.items())[:n]
    ]


def predict_views(forward: Callable[[Tensor], Tensor], batch: Tensor, n: Literal[1, 2, 4, 8]) -> Tensor:
    """What a model says of every view.

    Args:
        forward: normalised pictures (b, c, h, w) -> values (b, outputs), activated: probabilities are averaged, not
            logits, so that one sure view does not outvote the others.
        batch: normalised pictures, h = w.
        n: number of views.

    Returns:
        float32, shape (n, b, outputs), in the order of `views(n)`; not averaged, so that what
        each number of views is worth can be measured afterwards.
    """
    return torch.stack([forward(view.augment(batch)).float() for view in views(n)])
