"""albumentations' transforms that policies use most, with the same draws and the same result by faster functions.

NumPy copies a mirrored or transposed view of interleaved bytes one by one; OpenCV does the same with vectors, in a thirtieth
of the time. Brightness and contrast go through one pass of vectors rather than a table.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from grandmaster.images.effects import symmetry
from grandmaster.images.quiet_albumentations import A

Pixels = npt.NDArray[np.uint8]

_QUARTERS = ("e", "r90", "r180", "r270")  # counter-clockwise, as albumentations turns


class D4(A.D4):
    """As albumentations'."""

    def apply(self, img: Pixels, group_element: str, **params: Any) -> Pixels:
        return symmetry(img, group_element)


class HorizontalFlip(A.HorizontalFlip):
    """As albumentations'."""

    def apply(self, img: Pixels, **params: Any) -> Pixels:
        return symmetry(img, "h")


class VerticalFlip(A.VerticalFlip):
    """As albumentations'."""

    def apply(self, img: Pixels, **params: Any) -> Pixels:
        return symmetry(img, "v")


class Transpose(A.Transpose):
    """As albumentations'."""

    def apply(self, img: Pixels, **params: Any) -> Pixels:
        return symmetry(img, "t")


class RandomRotate90(A.RandomRotate90):
    """As albumentations'."""

    def apply(self, img: Pixels, factor: int, **params: Any) -> Pixels:
        return symmetry(img, _QUARTERS[factor])


class RandomBrightnessContrast(A.RandomBrightnessContrast):
    """As albumentations', rounded rather than cut off to whole grey levels."""

    def apply(self, img: Pixels, alpha: float, beta: float, **params: Any) -> Pixels:
        return np.asarray(cv2.addWeighted(img, alpha, img, 0.0, beta), np.uint8)


FAST_TRANSFORMS: dict[str, type[A.BasicTransform]] = {
    item.__name__: item
    for item in (D4, HorizontalFlip, VerticalFlip, Transpose, RandomRotate90, RandomBrightnessContrast)
}
