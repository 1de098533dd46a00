"""What one picture is like, in a few numbers that can be compared between train and test.

Everything that depends on the pixels is measured on the grey picture resized to one fixed longer side, the
analysis size: sharpness, noise and contrast change with resolution, so pictures of different sizes are only
comparable at the same one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]

# The order in which they are stored and shown.
NAMES = (
    "brightness",
    "contrast",
    "sharpness",
    "noise",
    "overexposed",
    "corner_fill",
    "axis_alignment",
    "width",
    "height",
    "aspect",
    "bytes",
)
QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.50, "q75": 0.75, "q95": 0.95}

OVEREXPOSED_GREY = 250
CORNER_LEGS = 0.12  # of the side
CORNER_TIP_LEGS = 0.05  # the part that says which colour the corner would be filled with
FILL_WHITE = 240  # blur, noise and JPEG pull a white fill down to about here, seldom lower
FILL_BLACK = 4
FILL_SPREAD = 8  # grey levels between the quartiles of a tip that counts as one flat colour
FILL_TOLERANCE = 12  # grey levels from the tip's colour that still count as the same fill
AXIS_DEGREES = 5.0
NOISE_BLOCK = 8  # px
NOISE_CLIPPED = (8, 245)  # mean grey of a block beyond which much of its noise is cut off at 0 or 255
NOISE_BLOCKS_LEFT = 0.25  # share of blocks within these limits that is enough to judge by them alone
_IMMERKAER = np.array([1, -2, 1], np.float32)  # the mask is this times itself
_IMMERKAER_NORM = 6.0  # root of the sum of squares of the mask: noise of sigma 1 comes out with sigma 6
_NORMAL_MEDIAN = 0.6745  # median of |x| for a standard normal x


@dataclass(frozen=True, kw_only=True)
class PictureStatistics:
    """Statistics of one picture.

    Attributes:
        values: float64, in the order of `NAMES`; `axis_alignment` is NaN where a picture has no edges.
        fill: 255 or 0 where a corner is filled with white or black (the commoner of its corners), else None.
    """

    values: npt.NDArray[np.float64]
    fill: int | None


def analysis_grey(pixels: npt.NDArray[np.uint8], size: int) -> Grey:
    """Grey picture of longer side `size` px (up or down), same aspect, from uint8 RGB (h, w, 3)."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    scale = size / max(height, width)
    if scale == 1.0:
        return np.asarray(grey)
    target = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, target, interpolation=method), dtype=np.uint8)


def measure(grey: Grey, *, width: int, height: int, file_bytes: int) -> PictureStatistics:
    """All statistics of a picture.

    Args:
        grey: uint8 (h, w) from `analysis_grey`.
        width: of the picture as stored, px.
        height: of the picture as stored, px.
        file_bytes: size of the file.
    """
    share, fill = corner_fill(grey)
    mean, spread = cv2.meanStdDev(grey)
    values = (
        mean.item(),
        spread.item(),
        sharpness(grey),
        noise_sigma(grey),
        int(np.count_nonzero(grey >= OVEREXPOSED_GREY)) / grey.size,
        share,
        axis_alignment(grey),
        float(width),
        float(height),
        width / height,
        float(file_bytes),
    )
    return PictureStatistics(values=np.array(values, dtype=np.float64), fill=fill)


def sharpness(grey: Grey) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al. 2000); falls with blur, rises with noise."""
    laplacian = cv2.Laplacian(grey, cv2.CV_16S)  # whole numbers, so both sums are exact
    mean = cv2.sumElems(laplacian)[0] / grey.size
    return cv2.norm(laplacian, cv2.NORM_L2SQR) / grey.size - mean**2


def noise_sigma(grey: Grey) -> float:
    """Standard deviation of the noise, grey levels.

    The residual of Immerkaer's mask (Computer Vision and Image Understanding, 1996), which plane surfaces and
    straight ramps leave at 0, its median taken over the flatter half of the picture's blocks so that text and
    texture are not mistaken for noise. White and black blocks, where the file itself cuts noise off, are left
    out unless there is little else; on white paper the estimate is therefore about half of what was added.
    """
    if min(grey.shape) < NOISE_BLOCK + 2:
        return 0.0  # too few pixels to tell noise from content
    # The mask has whole numbers, so 16 bits hold its answers exactly.
    residual = np.abs(_blocks(cv2.sepFilter2D(grey, cv2.CV_16S, _IMMERKAER, _IMMERKAER)))
    # Flatness is judged on a smoothed picture: judged on the noise itself, it would pick quiet blocks.
    picture = grey.astype(np.float32)
    smooth = cv2.GaussianBlur(picture, (0, 0), 2.0)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    flatness = _block_means(cv2.add(cv2.multiply(across, across), cv2.multiply(down, down)))
    level = _block_means(picture)
    whole = (level > NOISE_CLIPPED[0]) & (level < NOISE_CLIPPED[1])
    if whole.mean() >= NOISE_BLOCKS_LEFT:
        residual, flatness = residual[whole], flatness[whole]
    flat = np.argsort(flatness, kind="stable")[: max(1, len(flatness) // 2)]
    return _median(residual[flat]) / _NORMAL_MEDIAN / _IMMERKAER_NORM


def _median(values: npt.NDArray[np.int16]) -> float:
    """Of whole numbers from 0 on, by counting them: half the time of sorting."""
    up_to = np.cumsum(np.bincount(values.ravel()))
    middle = np.searchsorted(up_to, ((values.size - 1) // 2, values.size // 2), side="right")
    return float(middle.mean())


def _inner(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Without a 1 px border and the incomplete blocks."""
    rows, columns = ((side - 2) // NOISE_BLOCK for side in plane.shape)
    return plane[1 : 1 + rows * NOISE_BLOCK, 1 : 1 + columns * NOISE_BLOCK]


def _blocks(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(h, w) -> (blocks, pixels of a block)."""
    inner = _inner(plane)
    rows, columns = inner.shape[0] // NOISE_BLOCK, inner.shape[1] // NOISE_BLOCK
    parts = inner.reshape(rows, NOISE_BLOCK, columns, NOISE_BLOCK).swapaxes(1, 2)
    return parts.reshape(rows * columns, NOISE_BLOCK * NOISE_BLOCK)


def _block_means(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(h, w) -> (blocks,), in the order of `_blocks`."""
    inner = _inner(plane)
    size = (inner.shape[1] // NOISE_BLOCK, inner.shape[0] // NOISE_BLOCK)
    return np.asarray(cv2.resize(inner, size, interpolation=cv2.INTER_AREA)).ravel()


def corner_fill(grey: Grey) -> tuple[float, int | None]:
    """How far the corners are filled with flat white or black, as rotation leaves them.

    Each corner is a right triangle with legs of 12 % of the sides. Where its tip is one flat colour at an
    extreme, the pixels of the triangle that share this colour count. A page with white margins scores high
    too: only the difference between train and test speaks of rotation.

    Returns:
        (share of the four triangles that is filled, 0 to 1; 255, 0 or None: the commoner colour).
    """
    # The median removes the noise that is often added after the rotation, and keeps the straight edge.
    calm = (cv2.medianBlur(grey, 3) if min(grey.shape) >= 3 else grey).ravel()
    triangles, tips = _corner_pixels(*grey.shape)
    pixels = calm[triangles].astype(np.int16)
    low, level, high = _quartiles(calm[tips])
    white, black = level >= FILL_WHITE, level <= FILL_BLACK
    filled = (high - low <= FILL_SPREAD) & (white | black)
    same = np.abs(pixels - level[:, None]) <= FILL_TOLERANCE
    share = float(same[filled].sum()) / pixels.size
    whites, blacks = int((white & filled).sum()), int((black & filled).sum())
    fill = None if whites + blacks == 0 else 255 if whites >= blacks else 0
    return share, fill


def _quartiles(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """(3, rows) of (rows, k), as `numpy.percentile` has them, whose own work takes a tenth of its time here."""
    ordered = np.sort(values, axis=1).astype(np.float64)
    places = np.array([0.25, 0.5, 0.75]) * (values.shape[1] - 1)
    below = places.astype(np.intp)
    above = np.minimum(below + 1, values.shape[1] - 1)
    quartiles = ordered[:, below] + (ordered[:, above] - ordered[:, below]) * (places - below)
    return np.asarray(quartiles.T)


@lru_cache(maxsize=256)
def _corner_pixels(height: int, width: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Flat positions of the pixels of each corner's triangle (4, k) and of the triangle's tip (4, l)."""
    y, x = np.mgrid[:height, :width]

    def triangle(legs: float) -> npt.NDArray[np.intp]:
        mask = (x + 0.5) / (legs * width) + (y + 0.5) / (legs * height) <= 1.0
        mask[0, 0] = True  # pictures a few pixels wide still have corners
        down, right = np.nonzero(mask)
        up, left = height - 1 - down, width - 1 - right
        corners = [(down, right), (down, left), (up, right), (up, left)]
        return np.stack([rows * width + columns for rows, columns in corners])

    return triangle(CORNER_LEGS), triangle(CORNER_TIP_LEGS)


def axis_alignment(grey: Grey) -> float:
    """Share of gradient energy within 5 degrees of the picture's axes, 0 to 1.

    Edges in all directions alike give 10/90 = 0.11; upright text, forms and buildings far more; the same
    turned by more than 5 degrees less. NaN where there is no edge at all.
    """
    picture = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)
    # Scharr's 3 x 3 kernels have the smallest error of direction.
    across = np.abs(cv2.Scharr(picture, cv2.CV_32F, 1, 0))
    down = np.abs(cv2.Scharr(picture, cv2.CV_32F, 0, 1))
    if min(grey.shape) > 4:
        across, down = across[2:-2, 2:-2], down[2:-2, 2:-2]  # the mirrored border bends edges
    energy = cv2.add(cv2.multiply(across, across), cv2.multiply(down, down))
    total = float(energy.sum(dtype=np.float64))  # OpenCV's sum depends on where in memory the picture lies
    if total < energy.size:  # mean slope under 1/32 grey level a pixel: rounding, not edges
        return math.nan
    near = cv2.min(across, down) <= math.tan(math.radians(AXIS_DEGREES)) * cv2.max(across, down)
    return float((energy * near).sum(dtype=np.float64)) / total


def summarise(values: npt.NDArray[np.float64]) -> dict[str, dict[str, float | None]]:
    """Mean, standard deviation and quantiles of each statistic.

    Args:
        values: (n, len(NAMES)); NaN entries are left out.

    Returns:
        {name: {"mean", "std", "q05", ... "q95"}}; null (None) where no picture has a value.
    """
    table: dict[str, dict[str, float | None]] = {}
    for column, name in enumerate(NAMES):
        known = values[:, column][np.isfinite(values[:, column])]
        if len(known) == 0:
            table[name] = dict.fromkeys(("mean", "std", *QUANTILES))
            continue
        quantiles = np.quantile(known, list(QUANTILES.values())).tolist()
        table[name] = {"mean": float(known.mean()), "std": float(known.std())}
        table[name] |= dict(zip(QUANTILES, quantiles, strict=True))
    return table
