"""The one way in which pictures are made square."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt


def to_square(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Resize (H, W, 3) to (size, size, 3); the aspect ratio is not kept, so nothing is cropped or padded.

    Sides that shrink are averaged over the pixels that fall together (no aliasing), sides that grow are
    interpolated. An image of the right size is returned itself, not a copy.
    """
    height, width = image.shape[:2]
    smaller = (min(width, size), min(height, size))
    if smaller != (width, height):
        image = np.asarray(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    if smaller != (size, size):
        image = np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)
    return image
