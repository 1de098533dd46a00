"""Two pictures in one: MixUp and CutMix, on the device, with soft targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def mix_batch(
    images: Tensor,
    targets: Tensor,
    rng: np.random.Generator,
    probability: float,
    *,
    alpha: float = 1.0,
    own_share: tuple[float, float] = (0.5, 1.0),
    cutmix_share: float = 0.3,
) -> tuple[Tensor, Tensor]:
    """Mix pictures of a batch with others of it: Zhang et al. 2018 (MixUp), Yun et al. 2019 (CutMix).

    Each picture is mixed or not by itself; the partner is never the picture itself. Its own share is
    `low + (high - low) * |2 B - 1|` with B drawn from Beta(alpha, alpha) and (low, high) = `own_share`. CutMix
    pastes a rectangle of the partner that lies wholly inside; the targets follow its exact area in pixels.

    Args:
        images: floating point, shape (b, c, h, w), any device.
        targets: floating point, shape (b, c): shares of classes, labels, or numbers; blended like the pictures.
        rng: all randomness; draws do not depend on the device.
        probability: share of pictures that are mixed.
        alpha: of the Beta distribution; 1: all shares are equally likely.
        own_share: smallest and largest share that a picture keeps of itself.
        cutmix_share: share of CutMix among the mixed; the rest is MixUp.

    Returns:
        New images and targets of the same shapes; a batch of one picture comes back as it is.
    """
    import torch

    low, high = own_share
    if not (0.0 <= low <= high <= 1.0 and 0.0 <= probability <= 1.0 and 0.0 <= cutmix_share <= 1.0):
        raise ValueError(f"shares out of range: {probability=}, {own_share=}, {cutmix_share=}")
    count, _, height, width = images.shape
    order = rng.permutation(count)
    partner = np.empty(count, np.int64)
    partner[order] = np.roll(order, 1)
    mixed = rng.random(count) < probability
    cut = mixed & (rng.random(count) < cutmix_share)
    share = low + (high - low) * np.abs(2 * rng.beta(alpha, alpha, count) - 1)
    place = rng.random((count, 2))
    if count < 2 or not mixed.any():
        return images, targets

    side = np.sqrt(1 - share)
    box_height, box_width = np.rint(side * height).astype(int), np.rint(side * width).astype(int)
    top = np.floor(place[:, 0] * (height - box_height + 1)).astype(int)
    left = np.floor(place[:, 1] * (width - box_width + 1)).astype(int)
    share = np.where(cut, 1 - box_height * box_width / (height * width), share)
    share = np.where(mixed, share, 1.0)

    box = torch.from_numpy(np.stack([top, top + box_height, left, left + box_width])).to(
        images.device, non_blocking=True
    )
    y0, y1, x0, x1 = box[:, :, None, None]
    y = torch.arange(height, device=images.device)[None, :, None]
    x = torch.arange(width, device=images.device)[None, None, :]
    pasted = (y >= y0) & (y < y1) & (x >= x0) & (x < x1)
    own = torch.from_numpy(share).to(images.device, images.dtype, non_blocking=True)
    is_cut = torch.from_numpy(cut).to(images.device, non_blocking=True)
    weight = torch.where(is_cut[:, None, None], (~pasted).to(images.dtype), own[:, None, None])[:, None]

    index = torch.from_numpy(partner).to(images.device, non_blocking=True)
    own_target = torch.from_numpy(share).to(targets.device, targets.dtype, non_blocking=True)[:, None]
    other_targets = targets[index.to(targets.device)]
    # lerp is exact at weights 0 and 1: unmixed pictures and pasted rectangles keep every bit.
    return torch.lerp(images[index], images, weight), torch.lerp(other_targets, targets, own_target)
