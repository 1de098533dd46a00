"""The one way in which pictures are made square."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

_AT_ONCE = 4  # channels that all of OpenCV's functions take


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

    Sides that shrink are averaged over the pixels that fall together (no aliasing), sides that grow are
    interpolated. An image of the right size is returned itself, not a copy.
    """
    if image.shape[:2] == (size, size):
        return image
    return by_channels(lambda part: _resized(part, size), image)


def _resized(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    height, width = image.shape[:2]
    smaller = (min(width, size), min(height, size))
    if smaller != (width, height):
        image = np.asarray(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    if smaller != (size, size):
        image = np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)
    return image
