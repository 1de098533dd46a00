"""The few transforms that albumentations lacks, or has too slow.

All of them draw from the generator that the composition hands them, and work on uint8. Those that move pixels or mix
pictures do the same to a mask (h, w, k): the further images of a picture.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from grandmaster.images.effects import (
    blur,
    change_contrast,
    crop,
    expose,
    noise_of,
    shift_colours,
    stored,
    warp,
)
from grandmaster.images.levels import Levels, check_range, checked_levels, draw_level
from grandmaster.images.mixing_transforms import CutMix, MixUp
from grandmaster.images.quiet_albumentations import A
from grandmaster.images.resize import by_channels, to_square

# From this factor on a picture is made as large as its file before it is encoded.
_ENLARGED = 1.25
# Grey levels at which the noise that resizing leaves is measured; px between the sizes for which it is.
_NOISE_SIGMA, _NOISE_STEP = 30.0, 32


class Fit(A.DualTransform):
    """Make the picture square, `size` px."""

    def __init__(self, size: int) -> None:
        super().__init__(p=1.0)
        self.size = size

    def apply(self, img: npt.NDArray[np.uint8], **params: Any) -> npt.NDArray[np.uint8]:
        return to_square(img, self.size)

    def apply_to_mask(self, mask: npt.NDArray[np.uint8], *args: Any, **params: Any) -> npt.NDArray[np.uint8]:
        return to_square(mask, self.size)


class FilledRotation(A.DualTransform):
    """Turn the original picture by any angle, fill what is bared with one colour, and make it square again.

    Our pictures are squares of which the aspect ratio has been changed. Turning the square would be another
    distortion than the one of a picture that was turned first; so the original's `aspect` (width / height, passed
    along with the image) is undone and redone around the turn, all in one interpolation. Half of the test makers
    keep the frame and lose the corners, the other half enlarge it to hold everything.

    Args:
        size: side of the result, px.
        levels: (low, high, weight) each: degrees from the nearest right angle, to either side, and how often.
        quarter_turns: whether it is turned by 0, 90, 180 or 270 degrees as well.
        zoom_range: further magnification.
        expand_probability: how often the frame is enlarged to hold the whole picture.
        fill: grey level of what is bared; of further images 0, nothing.
    """

    def __init__(
        self,
        size: int,
        levels: Levels = ((0.0, 45.0, 1.0),),
        quarter_turns: bool = True,
        zoom_range: tuple[float, float] = (0.9, 1.1),
        expand_probability: float = 0.5,
        fill: int = 255,
        p: float = 0.5,
    ) -> None:
        super().__init__(p=p)
        self.levels = checked_levels(levels, 0.0, 45.0)
        self.quarter_turns = bool(quarter_turns)
        check_range("zoom_range", zoom_range, 0.1, 10.0)
        check_range("expand_probability", (expand_probability, expand_probability), 0.0, 1.0)
        check_range("fill", (fill, fill), 0, 255)
        self.size, self.fill = size, int(fill)
        self.zoom_range = zoom_range
        self.expand_probability = expand_probability

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        height, width = params["shape"][:2]
        offset = draw_level(self.levels, self.py_random) * self.py_random.choice((-1, 1))
        quarters = self.py_random.randrange(4) if self.quarter_turns else 0
        matrix = self.matrix(
            offset + 90 * quarters,
            (height, width),
            aspect=data.get("aspect", width / height),
            zoom=self.py_random.uniform(*self.zoom_range),
            enlarge=self.py_random.random() < self.expand_probability,
        )
        return {"matrix": matrix}

    def matrix(
        self, degrees: float, shape: tuple[int, int], *, aspect: float, zoom: float, enlarge: bool
    ) -> npt.NDArray[np.float64]:
        """Affine map (2, 3) from a picture of this shape (height, width) to the turned square."""
        height, width = shape
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        # Half sides of the frame before and after, in units of half the original's height.
        before = after = np.array([aspect, 1.0])
        if enlarge:
            after = np.array([aspect * abs(cos) + abs(sin), aspect * abs(sin) + abs(cos)])
        turn = zoom * np.array([[cos, sin], [-sin, cos]])  # y points down
        square = turn * before[None, :] / after[:, None]  # from [-1, 1] squared to itself
        linear = square * np.array([2 / width, 2 / height])[None, :] * (self.size / 2)
        offset = (self.size - 1) / 2 - linear @ np.array([(width - 1) / 2, (height - 1) / 2])
        return np.column_stack([linear, offset])

    def apply(self, img: npt.NDArray[np.uint8], **params: Any) -> npt.NDArray[np.uint8]:
        return self._turn(img, params["matrix"], self.fill)

    def apply_to_mask(self, mask: npt.NDArray[np.uint8], *args: Any, **params: Any) -> npt.NDArray[np.uint8]:
        return by_channels(lambda part: self._turn(part, params["matrix"], 0), mask)

    def _turn(
        self, img: npt.NDArray[np.uint8], matrix: npt.NDArray[np.float64], fill: int
    ) -> npt.NDArray[np.uint8]:
        return warp(img, matrix, (self.size, self.size), fill)


class ScaledBlur(A.ImageOnlyTransform):
    """Gaussian blur that means the same at every resolution.

    Args:
        levels: (low, high, weight) each: standard deviations, px at the picture's own resolution, and how often.
    """

    def __init__(self, levels: Levels = ((0.3, 1.2, 1.0),), p: float = 0.5) -> None:
        super().__init__(p=p)
        self.levels = checked_levels(levels, 0.0, 64.0)

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        return {"sigma": draw_level(self.levels, self.py_random) * _reduction(params, data)}

    def apply(self, img: npt.NDArray[np.uint8], sigma: float = 0.0, **params: Any) -> npt.NDArray[np.uint8]:
        return blur(img, sigma)


class PixelNoise(A.ImageOnlyTransform):
    """Gaussian noise, independent for every pixel, of which a share is independent for every channel too.

    What was added at a picture's own resolution is averaged when the picture is resized, smaller or larger; the noise is
    as strong as what that would leave of it (`_noise_left`), so the levels mean the same at every input size.

    Args:
        levels: (low, high, weight) each: standard deviations, grey levels of 0-255 at the picture's own resolution.
        colour: share of the variance that differs between channels; the rest is grey.
    """

    def __init__(self, levels: Levels = ((2.0, 10.0, 1.0),), colour: float = 1.0, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.levels = checked_levels(levels, 0.0, 128.0)
        check_range("colour", (colour, colour), 0.0, 1.0)
        self.colour = colour

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        sigma = draw_level(self.levels, self.py_random) * _noise_left(params, data)
        return {"sigma": sigma, "seed": self.py_random.getrandbits(63)}

    def apply(
        self, img: npt.NDArray[np.uint8], sigma: float = 0.0, seed: int = 0, **params: Any
    ) -> npt.NDArray[np.uint8]:
        return noise_of(img, sigma, self.colour, np.random.default_rng(seed))


class Exposure(A.ImageOnlyTransform):
    """Brighter or darker by gain and offset, cut off at white and black as a sensor or an editor does.

    Args:
        levels: (low, high, weight) each: stops, negative is darker, and how often.
    """

    def __init__(self, levels: Levels = ((-0.2, 0.2, 1.0),), p: float = 0.5) -> None:
        super().__init__(p=p)
        self.levels = checked_levels(levels, -4.0, 4.0)

    def get_params(self) -> dict[str, Any]:
        return {"stops": draw_level(self.levels, self.py_random), "gain_share": self.py_random.random()}

    def apply(
        self, img: npt.NDArray[np.uint8], stops: float = 0.0, gain_share: float = 1.0, **params: Any
    ) -> npt.NDArray[np.uint8]:
        return expose(img, stops, gain_share=gain_share)


class Contrast(A.ImageOnlyTransform):
    """More or less contrast about mid-grey, cut off at white and black.

    Args:
        levels: (low, high, weight) each: doublings of the contrast, negative is flatter, and how often.
    """

    def __init__(self, levels: Levels = ((-0.2, 0.2, 1.0),), p: float = 0.5) -> None:
        super().__init__(p=p)
        self.levels = checked_levels(levels, -4.0, 4.0)

    def get_params(self) -> dict[str, Any]:
        return {"doublings": draw_level(self.levels, self.py_random)}

    def apply(
        self, img: npt.NDArray[np.uint8], doublings: float = 0.0, **params: Any
    ) -> npt.NDArray[np.uint8]:
        return change_contrast(img, doublings)


class ColourShift(A.ImageOnlyTransform):
    """Another white balance: hue, saturation and brightness a little off.

    Args:
        hue: (low, high), degrees.
        saturation: (low, high), factor of the distance from grey.
        brightness: (low, high), grey levels of 0-255 that are added.
    """

    def __init__(
        self,
        hue: tuple[float, float] = (-12.0, 12.0),
        saturation: tuple[float, float] = (0.8, 1.2),
        brightness: tuple[float, float] = (-10.0, 10.0),
        p: float = 0.5,
    ) -> None:
        super().__init__(p=p)
        check_range("hue", hue, -180.0, 180.0)
        check_range("saturation", saturation, 0.0, 10.0)
        check_range("brightness", brightness, -255.0, 255.0)
        self.hue, self.saturation, self.brightness = hue, saturation, brightness

    def get_params(self) -> dict[str, Any]:
        return {
            name: self.py_random.uniform(*getattr(self, name)) for name in ("hue", "saturation", "brightness")
        }

    def apply(
        self,
        img: npt.NDArray[np.uint8],
        hue: float = 0.0,
        saturation: float = 1.0,
        brightness: float = 0.0,
        **params: Any,
    ) -> npt.NDArray[np.uint8]:
        return shift_colours(img, hue=hue, saturation=saturation, brightness=brightness)


class StoredAsJpeg(A.ImageOnlyTransform):
    """What a JPEG file loses: the picture is encoded at the size that its own file has, and decoded.

    A picture that was made much smaller shows little of it, as test pictures do.

    Args:
        levels: (low, high, weight) each: quality, 1 to 100 on the scale of the Independent JPEG Group.
    """

    def __init__(self, levels: Levels = ((40.0, 90.0, 1.0),), p: float = 0.5) -> None:
        super().__init__(p=p)
        self.levels = checked_levels(levels, 1.0, 100.0)

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        quality = round(draw_level(self.levels, self.py_random))
        return {"quality": quality, "enlarge": max(1.0, 1 / _reduction(params, data))}

    def apply(
        self, img: npt.NDArray[np.uint8], quality: int = 100, enlarge: float = 1.0, **params: Any
    ) -> npt.NDArray[np.uint8]:
        if enlarge < _ENLARGED:
            return stored(img, quality)
        height, width = img.shape[:2]
        wide = cv2.resize(img, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_LINEAR)
        kept = stored(np.asarray(wide, np.uint8), quality)
        # Averages over what one pixel was enlarged to and nothing beyond, so that the way there and back takes little.
        return np.asarray(cv2.resize(kept, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


class CropShare(A.DualTransform):
    """A window of the picture, made as large as the picture was.

    Args:
        levels: (low, high, weight) each: share of each side that is left, the same for both, and how often.
    """

    def __init__(self, levels: Levels = ((0.8, 1.0, 1.0),), p: float = 0.5) -> None:
        super().__init__(p=p)
        self.levels = checked_levels(levels, 0.05, 1.0)

    def get_params(self) -> dict[str, Any]:
        share, seed = draw_level(self.levels, self.py_random), self.py_random.getrandbits(63)
        return {"share": share, "seed": seed}

    def apply(
        self, img: npt.NDArray[np.uint8], share: float = 1.0, seed: int = 0, **params: Any
    ) -> npt.NDArray[np.uint8]:
        # Of the same size again: what follows was drawn for the picture's shape as it was.
        window = crop(img, share, np.random.default_rng(seed))
        size = (img.shape[1], img.shape[0])
        return by_channels(
            lambda part: np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR), np.uint8), window
        )


def _reduction(params: dict[str, Any], data: dict[str, Any]) -> float:
    """Size of the picture now over the size it had as a file; 1 where that is not known."""
    now = float(max(params["shape"][:2]))
    return now / float(data.get("side", now))


def _noise_left(params: dict[str, Any], data: dict[str, Any]) -> float:
    """Share of a noise's standard deviation that is left of it after the file's picture was resized to the one that was
    given, and that to the one it is now; 1 where the file's size is not known.
    """
    side = data.get("side")
    if side is None:
        return 1.0
    aspect, now = data.get("aspect", 1.0), int(params["shape"][0])
    along = (side, side / aspect) if aspect >= 1 else (side * aspect, side)
    # The filter works along rows and columns in turn, so that each has its own share.
    shares = [
        _noise_left_along(_NOISE_STEP * max(1, round(each / _NOISE_STEP)), data.get("given", now), now)
        for each in along
    ]
    return math.sqrt(shares[0] * shares[1])


@lru_cache(maxsize=1024)
def _noise_left_along(side: int, given: int, now: int) -> float:
    """Measured: noise of a square picture of `side` px after both steps; px."""
    if side == given == now:
        return 1.0
    noise = np.random.default_rng(0).normal(128, _NOISE_SIGMA, (side, side, 1))
    picture = noise.round().clip(0, 255).astype(np.uint8)
    return float(to_square(to_square(picture, given), now).std()) / _NOISE_SIGMA


OWN_TRANSFORMS: dict[str, type[A.BasicTransform]] = {
    "MixUp": MixUp,
    "CutMix": CutMix,
    "FilledRotation": FilledRotation,
    "ScaledBlur": ScaledBlur,
    "PixelNoise": PixelNoise,
    "Exposure": Exposure,
    "Contrast": Contrast,
    "ColourShift": ColourShift,
    "StoredAsJpeg": StoredAsJpeg,
    "CropShare": CropShare,
}
