"""The one way in which pictures change their size."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

_AT_ONCE = 4  # channels that all of OpenCV's functions take
# Made smaller by less than this, neighbouring pixels already blend as an average over the area would have them.
_AVERAGED_FROM = 1.25


def by_channels(
    change: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]], image: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """`change` of a picture (h, w, c) with any number of channels, which keep their dimension."""
    if image.shape[2] in (3, 4):
        return change(image)
    parts = [
        change(np.ascontiguousarray(image[..., start : start + _AT_ONCE]))
        for start in range(0, image.shape[2], _AT_ONCE)
    ]
    return np.concatenate([part if part.ndim == 3 else part[..., None] for part in parts], axis=2)


def to_square(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Resize (H, W, c) to (size, size, c); the aspect ratio is not kept, so nothing is cropped or padded.

    As `resized`.
    """
    return resized(image, size, size)


def resized(image: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    """Resize (H, W, c) or (H, W) to (height, width, c) or (height, width) by a filter as wide as the reduction, so that nothing aliases.

    The filter is Pillow's bicubic (`Image.Resampling.BICUBIC`), which most of timm's weights were trained with, by torch's
    code for uint8: three times as fast as Pillow's and as OpenCV's `INTER_AREA`. The bilinear one is no faster, and blurs:
    it scored 0.012 lower (benchmarks/LOG.md). Reductions too small to alias, and enlargements, go through OpenCV's
    `INTER_LINEAR`. An image of the right size is returned itself, not a copy.
    """
    high, wide = image.shape[:2]
    if (high, wide) == (height, width):
        return image
    if max(high / height, wide / width) < _AVERAGED_FROM:
        return (
            _interpolated(image, width, height)
            if image.ndim == 2
            else by_channels(lambda part: _interpolated(part, width, height), image)
        )
    return (
        _averaged(image, width, height)
        if image.ndim == 3
        else _averaged(image[..., None], width, height)[..., 0]
    )


def _interpolated(image: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _averaged(image: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    # Here, since what measures pictures without a model must not wait for torch.
    import torch

    # torch neither takes negative strides nor likes what it may not write to, as pictures mapped from the cache.
    if not image.flags.writeable or min(image.strides) < 0:
        image = image.copy()
    picture = torch.from_numpy(image).permute(2, 0, 1)[None]
    made = torch.nn.functional.interpolate(picture, (height, width), mode="bicubic", antialias=True)
    # Its memory is (h, w, c) already where the channels are three or four.
    return np.ascontiguousarray(made[0].permute(1, 2, 0).numpy())
