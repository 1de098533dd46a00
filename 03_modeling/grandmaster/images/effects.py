"""What may be done to a picture, as plain functions: for reading corruptions and for augmentation alike.

All work on uint8 RGB pictures (h, w, 3) and never change what they are given.
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
import numpy.typing as npt

_OFFSET_PER_STOP = 120.0  # grey levels: one stop takes a mid-grey of 120 to 240
_SHEET_SIGMA = 30.0  # uint8 around 128 then holds +-4.2 standard deviations in steps of 1/30


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
        other[y : y + down, x : x + across]
        if cut
        else cv2.resize(other, (across, down), interpolation=cv2.INTER_AREA)
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


def crop(picture: npt.NDArray[np.uint8], share: float, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A window anywhere in the picture with this share of each side; a view."""
    height, width = picture.shape[:2]
    high, wide = max(1, round(height * share)), max(1, round(width * share))
    top, left = int(rng.integers(0, height - high + 1)), int(rng.integers(0, width - wide + 1))
    return picture[top : top + high, left : left + wide]


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
