"""The few transforms that albumentations lacks, or has too slow.

All of them draw from the generator that the composition hands them, and work on uint8.
"""

from __future__ import annotations

import functools
import math
import os
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from grandmaster.images.resize import to_square

# On import albumentations asks the network for a newer version of itself, and waits for the answer.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A

# Lengths that change with the resolution are given at this side, as the fingerprint measures them.
REFERENCE_SIDE = 256


class Fit(A.DualTransform):
    """Make the picture square, `size` px."""

    def __init__(self, size: int) -> None:
        super().__init__(p=1.0)
        self.size = size

    def apply(self, img: npt.NDArray[np.uint8], **params: Any) -> npt.NDArray[np.uint8]:
        return to_square(img, self.size)


class FilledRotation(A.DualTransform):
    """Turn the original picture by any angle, fill what is bared with one colour, and make it square again.

    Our pictures are squares of which the aspect ratio has been changed. Turning the square would be another
    distortion than the one of a picture that was turned first; so the original's `aspect` (width / height, passed
    along with the image) is undone and redone around the turn, all in one interpolation. Half of the test makers
    keep the frame and lose the corners, the other half enlarge it to hold everything.

    Args:
        size: side of the result, px.
        angle_range: degrees, counter-clockwise.
        zoom_range: further magnification.
        expand_probability: how often the frame is enlarged to hold the whole picture.
        fill: grey level of what is bared.
    """

    def __init__(
        self,
        size: int,
        angle_range: tuple[float, float] = (-180.0, 180.0),
        zoom_range: tuple[float, float] = (0.9, 1.1),
        expand_probability: float = 0.5,
        fill: int = 255,
        p: float = 0.5,
    ) -> None:
        super().__init__(p=p)
        _check_range("angle_range", angle_range, -360.0, 360.0)
        _check_range("zoom_range", zoom_range, 0.1, 10.0)
        _check_range("expand_probability", (expand_probability, expand_probability), 0.0, 1.0)
        _check_range("fill", (fill, fill), 0, 255)
        self.size, self.fill = size, int(fill)
        self.angle_range, self.zoom_range = angle_range, zoom_range
        self.expand_probability = expand_probability

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        height, width = params["shape"][:2]
        aspect = data.get("aspect", width / height)
        angle = math.radians(self.py_random.uniform(*self.angle_range))
        cos, sin = math.cos(angle), math.sin(angle)
        zoom = self.py_random.uniform(*self.zoom_range)
        # Half sides of the frame before and after, in units of half the original's height.
        before = np.array([aspect, 1.0])
        after = before
        if self.py_random.random() < self.expand_probability:
            after = np.array(
                [aspect * abs(cos) + abs(sin), aspect * abs(sin) + abs(cos)],
            )
        turn = zoom * np.array([[cos, sin], [-sin, cos]])  # y points down
        square = turn * before[None, :] / after[:, None]  # from [-1, 1] squared to itself
        scale_in = np.array([2 / width, 2 / height])
        linear = square * scale_in[None, :] * (self.size / 2)
        centre_in = np.array([(width - 1) / 2, (height - 1) / 2])
        offset = (self.size - 1) / 2 - linear @ centre_in
        return {"matrix": np.column_stack([linear, offset])}

    def apply(self, img: npt.NDArray[np.uint8], **params: Any) -> npt.NDArray[np.uint8]:
        turned = cv2.warpAffine(
            img,
            params["matrix"],
            (self.size, self.size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(self.fill, self.fill, self.fill),
        )
        return np.asarray(turned, np.uint8)


class ScaledBlur(A.ImageOnlyTransform):
    """Gaussian blur that means the same at every resolution.

    Args:
        sigma_range: standard deviation, px on a picture of 256 px.
    """

    def __init__(self, sigma_range: tuple[float, float] = (0.3, 1.0), p: float = 0.5) -> None:
        super().__init__(p=p)
        _check_range("sigma_range", sigma_range, 0.0, 32.0)
        self.sigma_range = sigma_range

    def get_params(self) -> dict[str, Any]:
        return {"sigma": self.py_random.uniform(*self.sigma_range)}

    def apply(self, img: npt.NDArray[np.uint8], sigma: float = 0.0, **params: Any) -> npt.NDArray[np.uint8]:
        sigma *= max(img.shape[:2]) / REFERENCE_SIDE
        return img if sigma < 0.05 else np.asarray(cv2.GaussianBlur(img, (0, 0), sigma), np.uint8)


class PixelNoise(A.ImageOnlyTransform):
    """Gaussian noise, independent for every pixel and channel.

    The noise is cut at a random place, mirrored at random, from one sheet made beforehand: ten times as fast as
    drawing a normal number for every value.

    Args:
        sigma_range: standard deviation, grey levels of 0-255.
    """

    def __init__(self, sigma_range: tuple[float, float] = (2.0, 10.0), p: float = 0.5) -> None:
        super().__init__(p=p)
        _check_range("sigma_range", sigma_range, 0.0, 128.0)
        self.sigma_range = sigma_range

    def get_params(self) -> dict[str, Any]:
        return {
            "sigma": self.py_random.uniform(*self.sigma_range),
            "place": (self.py_random.random(), self.py_random.random()),
            "mirror": self.py_random.choice((None, -1, 0, 1)),
        }

    def apply(
        self,
        img: npt.NDArray[np.uint8],
        sigma: float = 0.0,
        place: tuple[float, float] = (0.0, 0.0),
        mirror: int | None = None,
        **params: Any,
    ) -> npt.NDArray[np.uint8]:
        height, width = img.shape[:2]
        sheet = _noise_sheet(1 << (max(height, width) * 3 // 2 - 1).bit_length())
        top, left = (
            int(share * (len(sheet) - side)) for share, side in zip(place, (height, width), strict=True)
        )
        noise = sheet[top : top + height, left : left + width]
        if mirror is not None:
            noise = np.asarray(cv2.flip(noise, mirror), np.uint8)
        weight = sigma / _SHEET_SIGMA
        # Saturates at 0 and 255, and makes no floating-point picture on the way.
        return np.asarray(cv2.addWeighted(img, 1.0, noise, weight, -128.0 * weight), np.uint8)


_SHEET_SIGMA = 30.0  # uint8 around 128 then holds +-4.2 standard deviations in steps of 1/30


@functools.cache
def _noise_sheet(side: int) -> npt.NDArray[np.uint8]:
    """uint8 (side, side, 3): 128 plus normal noise of `_SHEET_SIGMA`."""
    noise = np.random.default_rng(0).standard_normal((side, side, 3), dtype=np.float32)
    return np.clip(np.rint(noise * _SHEET_SIGMA + 128), 0, 255).astype(np.uint8)


def _check_range(name: str, values: tuple[float, float], low: float, high: float) -> None:
    if len(values) != 2 or not low <= values[0] <= values[1] <= high:
        raise ValueError(f"{name} is {values}, must be (low, high) within {low} to {high}")


OWN_TRANSFORMS: dict[str, type[A.BasicTransform]] = {
    "FilledRotation": FilledRotation,
    "ScaledBlur": ScaledBlur,
    "PixelNoise": PixelNoise,
}
