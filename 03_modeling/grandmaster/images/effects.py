"""What may be done to a picture, as plain functions: for reading corruptions and for augmentation alike.

All work on uint8 RGB pictures (h, w, 3) and never change what they are given. Mirrored and transposed pictures are made by
OpenCV, whose vectors take a thirtieth of the time that NumPy takes to copy such a view of interleaved bytes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from grandmaster.images.resize import by_channels, resized

_OFFSET_PER_STOP = 120.0  # grey levels: one stop takes a mid-grey of 120 to 240
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as JPEG and OpenCV weigh red, green and blue
_SHEET_SIGMA = 30.0  # uint8 around 128 then holds +-4.2 standard deviations in steps of 1/30

# The symmetry group of the square (dihedral, D4), under albumentations' names.
_SYMMETRIES: dict[str, Callable[[npt.NDArray[np.uint8]], Any]] = {
    "e": lambda part: part,
    "r90": lambda part: cv2.rotate(part, cv2.ROTATE_90_COUNTERCLOCKWISE),
    "r180": lambda part: cv2.rotate(part, cv2.ROTATE_180),
    "r270": lambda part: cv2.rotate(part, cv2.ROTATE_90_CLOCKWISE),
    "v": lambda part: cv2.flip(part, 0),
    "hvt": lambda part: cv2.transpose(cv2.rotate(part, cv2.ROTATE_180)),
    "h": lambda part: cv2.flip(part, 1),
    "t": cv2.transpose,
}


def blend(
    picture: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8], share: float
) -> npt.NDArray[np.uint8]:
    """Both pictures through one another, the other with weight `share`."""
    return np.asarray(cv2.addWeighted(picture, 1 - share, other, share, 0), np.uint8)


def paste(
    picture: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8], share: float, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """A rectangle of the other over this share of the area: half the time cut out of it, half the whole made small."""
    height, width = picture.shape[:2]
    stretch = rng.uniform(0.75, 1.33)
    across = min(width, max(1, round(width * math.sqrt(share * stretch))))
    down = min(height, max(1, round(height * math.sqrt(share / stretch))))
    x, y = int(rng.integers(0, width - across + 1)), int(rng.integers(0, height - down + 1))
    cut = rng.random() < 0.5
    picture = picture.copy()
    picture[y : y + down, x : x + across] = (
        other[y : y + down, x : x + across] if cut else resized(other, across, down)
    )
    return picture


def expose(picture: npt.NDArray[np.uint8], stops: float, *, gain_share: float) -> npt.NDArray[np.uint8]:
    """Brighter (stops > 0) or darker: this share as a gain of 2^stops, the rest as an offset."""
    gain, offset = 2 ** (stops * gain_share), (1 - gain_share) * stops * _OFFSET_PER_STOP
    return np.asarray(cv2.addWeighted(picture, gain, picture, 0.0, offset), np.uint8)


def change_contrast(picture: npt.NDArray[np.uint8], doublings: float) -> npt.NDArray[np.uint8]:
    """Distances from mid-grey (128) times 2^doublings."""
    gain = 2**doublings
    return np.asarray(cv2.addWeighted(picture, gain, picture, 0.0, 128 * (1 - gain)), np.uint8)


def shift_colours(
    picture: npt.NDArray[np.uint8], *, hue: float, saturation: float, brightness: float
) -> npt.NDArray[np.uint8]:
    """Colours turned about the grey axis by `hue` degrees, their distance from grey times `saturation`, `brightness` grey
    levels added: one matrix (Haeberli, "Matrix Operations for Image Processing", 1993), a sixth of the time of a way
    through HSV and back. Grey stays grey.
    """
    cos, sin = math.cos(math.radians(hue)), math.sin(math.radians(hue))
    across = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    turn = cos * np.eye(3) + (1 - cos) / 3 + sin * across
    matrix = saturation * turn + (1 - saturation) * np.array(_LUMA)[None, :]
    return np.asarray(cv2.transform(picture, np.column_stack([matrix, np.full(3, brightness)])), np.uint8)


def crop(picture: npt.NDArray[np.uint8], share: float, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A window anywhere in the picture with this share of each side; a view."""
    height, width = picture.shape[:2]
    high, wide = max(1, round(height * share)), max(1, round(width * share))
    top, left = int(rng.integers(0, height - high + 1)), int(rng.integers(0, width - wide + 1))
    return picture[top : top + high, left : left + wide]


def warp(
    picture: npt.NDArray[np.uint8], matrix: npt.NDArray[Any], size: tuple[int, int], fill: int
) -> npt.NDArray[np.uint8]:
    """An affine map (2, 3) of a picture (h, w, c), c at most 4, onto one of this (width, height); what is bared is `fill`."""
    # Four bytes a pixel are gathered at once, three one by one: twice as fast, both conversions included.
    aligned = picture.shape[2] == 3
    turned = cv2.warpAffine(
        cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA) if aligned else picture,
        matrix,
        size,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(fill, fill, fill, fill),
    )
    return np.asarray(cv2.cvtColor(turned, cv2.COLOR_RGBA2RGB) if aligned else turned, np.uint8)


def blur(picture: npt.NDArray[np.uint8], sigma: float) -> npt.NDArray[np.uint8]:
    """Gaussian blur of this standard deviation, px; below 0.05 none."""
    if sigma < 0.05:
        return picture
    # Up to 1 px, five values a side hold the kernel to 4 % of its width; OpenCV would take seven, twice as long.
    side = 2 * math.ceil(2 * sigma) + 1 if sigma <= 1 else 0
    return np.asarray(cv2.GaussianBlur(picture, (side, side), sigma), np.uint8)


def noise_of(
    picture: npt.NDArray[np.uint8], sigma: float, colour: float, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """The picture with Gaussian noise of `sigma` grey levels, a share `colour` of its variance per channel.

    The noise is cut at a random place, mirrored at random, from sheets made beforehand: ten times as fast as drawing
    a normal number for every value. It saturates at 0 and 255.
    """
    height, width = picture.shape[:2]
    for part, share in enumerate((1 - colour, colour)):
        weight = sigma * share**0.5 / _SHEET_SIGMA
        if weight * _SHEET_SIGMA < 0.3:  # less than rounding to whole grey levels
            continue
        sheet = _noise_sheet(1 << (max(height, width) * 3 // 2 - 1).bit_length(), bool(part))
        top, left = (int(rng.random() * (len(sheet) - side)) for side in (height, width))
        noise = sheet[top : top + height, left : left + width]
        mirror = int(rng.integers(-1, 3))
        if mirror < 2:
            noise = np.asarray(cv2.flip(noise, mirror), np.uint8)
        # Makes no floating-point picture on the way.
        picture = np.asarray(cv2.addWeighted(picture, 1.0, noise, weight, -128.0 * weight), np.uint8)
    return picture


@functools.cache
def _noise_sheet(side: int, colour: bool) -> npt.NDArray[np.uint8]:
    """uint8 (side, side, 3): 128 plus normal noise of `_SHEET_SIGMA`; without colour the channels are equal."""
    shape = (side, side, 3 if colour else 1)
    noise = np.random.default_rng(int(colour)).standard_normal(shape, dtype=np.float32)
    sheet = np.clip(np.rint(noise * _SHEET_SIGMA + 128), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(sheet, (side, side, 3)))


def stored(picture: npt.NDArray[np.uint8], jpeg_quality: int | None) -> npt.NDArray[np.uint8]:
    """The picture as it comes back from a JPEG of this quality (colour halved, as is usual); None: as it is."""
    if jpeg_quality is None:
        return picture
    # OpenCV takes blue first; the other way round red would be stored as coarsely as blue.
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
    bgr = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def symmetry(image: npt.NDArray[np.uint8], element: str) -> npt.NDArray[np.uint8]:
    """One of the eight symmetries of the square, of a picture (h, w, c): "e" (identity), "r90", "r180", "r270" (turned
    counter-clockwise), "v" (upside down), "h" (mirrored), "t" (transposed), "hvt" (transposed along the other diagonal).

    Raises:
        KeyError: another element.
    """
    change = _SYMMETRIES[element]
    return image if element == "e" else by_channels(lambda part: np.asarray(change(part), np.uint8), image)
