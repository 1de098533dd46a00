"""What a picture looks like to a model, in numbers that react to what may have been done to it.

Unlike `eda.statistics`, which describes a file for a person, these are many, are measured on the square that a
model is fed, and are only read by classifiers: those that tell train from test, and those that read a corruption back.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import scipy.fft

Plane = npt.NDArray[Any]  # one channel, or a row of numbers, within this file

SIDE = 224  # px; the square on which everything is measured

_GREY_QUANTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)
_BANDS = (0.01, 0.03, 0.06, 0.10, 0.15, 0.20, 0.26, 0.33, 0.41, 0.50, 0.75)  # cycles per px
_BLOCK = 8  # px
_CORNER_LEG = 0.12  # of the side
_EDGE_BINS = 12
_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)

NAMES: tuple[str, ...] = (
    *(f"grey quantile {q}" for q in _GREY_QUANTILES),
    "brightness",
    "contrast",
    "share of white",
    "share of pure white",
    "share of black",
    *(f"grey histogram {part}" for part in range(16)),
    "saturation",
    "spread of saturation",
    *(f"spectrum {low}-{high}" for low, high in itertools.pairwise(_BANDS)),
    *(f"noise, quantile {q} of blocks" for q in (5, 25, 50, 75, 95)),
    *(f"noise in the flattest {part}" for part in ("eighth", "quarter", "half")),
    "noise in flat mid-tones",
    "colour noise",
    *(f"edge strength {part}" for part in range(_EDGE_BINS)),
    "edges along rows",
    "edges along columns",
    "edges near rows",
    "edges near columns",
    "strongest direction",
    "three strongest directions",
    "entropy of directions",
    "main direction, from the axes",
    "share of the main direction",
    "main smooth direction, from the axes",
    "share of the main smooth direction",
    "smooth edges along the axes",
    "smooth edges near the axes",
    "horizontal against vertical edges",
    *(f"white in corner {rank}" for rank in range(4)),
    *(f"black in corner {rank}" for rank in range(4)),
    *(f"spread in corner {rank}" for rank in range(4)),
    "white after smoothing",
    *(f"white along the {side}" for side in ("top", "bottom", "left", "right")),
    *(f"local contrast, quantile {q}" for q in (10, 25, 50, 75, 90)),
    "height of edges",
    "width of edges",
    "height of light",
    "width of light",
    *(f"edges in cell {row},{column}" for row in range(4) for column in range(4)),
    *(f"light in cell {row},{column}" for row in range(4) for column in range(4)),
    *(f"sharpness at 1/{2**octave}" for octave in range(4)),
)


def appearance(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """All numbers of one picture.

    Args:
        picture: uint8 RGB, shape (SIDE, SIDE, 3).

    Returns:
        float32, in the order of `NAMES`; always finite.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    plane = grey.astype(np.float32)
    smooth: Plane = cv2.GaussianBlur(plane, (0, 0), 2.0)
    slopes, smooth_slopes = _slopes(plane), _slopes(smooth)
    values = [
        *_tones(grey, plane),
        *_saturation(picture),
        *_spectrum(plane),
        *_noise(picture, plane, smooth, smooth_slopes),
        *_directions(slopes, smooth_slopes),
        *_corners(grey),
        *_layout(plane, slopes),
    ]
    return np.array(values, np.float32)


def _slopes(plane: Plane) -> tuple[Plane, Plane]:
    """Across and down."""
    return cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1)


def _tones(grey: Plane, plane: Plane) -> list[float]:
    counts = np.bincount(grey.ravel(), minlength=256) / grey.size
    levels = np.searchsorted(np.cumsum(counts), np.array(_GREY_QUANTILES) / 100 - 1e-9)
    return [
        *levels.tolist(),
        float(plane.mean()),
        float(plane.std()),
        float(counts[250:].sum()),
        float(counts[254:].sum()),
        float(counts[:6].sum()),
        *np.sqrt(counts.reshape(16, 16).sum(axis=1)).tolist(),
    ]


def _saturation(picture: Plane) -> list[float]:
    mean, spread = cv2.meanStdDev(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)[..., 1])
    return [float(mean[0, 0]), float(spread[0, 0])]


@lru_cache(maxsize=1)
def _window_and_bands() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Hann window; band of every coefficient of the real transform (the last: none of them); their numbers."""
    taper = np.hanning(SIDE).astype(np.float32)
    radius = np.hypot(np.abs(np.fft.fftfreq(SIDE))[:, None], np.fft.rfftfreq(SIDE)[None, :])
    band = np.digitize(radius, _BANDS) - 1
    band[(band < 0) | (band >= len(_BANDS) - 1)] = len(_BANDS) - 1
    return taper[:, None] * taper[None, :], band.ravel(), np.bincount(band.ravel())[:-1].astype(float)


def _spectrum(plane: Plane) -> list[float]:
    window, band, members = _window_and_bands()
    # A quarter of the time of NumPy's, and in float32 as well.
    waves = scipy.fft.rfft2((plane - plane.mean()) * window)
    energy = waves.real**2 + waves.imag**2
    sums = np.bincount(band, weights=energy.ravel(), minlength=len(_BANDS))[:-1]
    return np.log(sums / members + 1e-3).tolist()


def _noise(picture: Plane, plane: Plane, smooth: Plane, smooth_slopes: tuple[Plane, Plane]) -> list[float]:
    """Residuals of Immerkaer's mask (1996), in blocks from flat to busy."""
    slope = smooth_slopes[0] ** 2 + smooth_slopes[1] ** 2
    residual = _block_means(np.abs(cv2.filter2D(plane, -1, _IMMERKAER)))
    flatness, level = _block_means(slope), _block_means(smooth)
    from_flat = residual[np.argsort(flatness, kind="stable")]
    parts = [float(from_flat[: len(from_flat) // part].mean()) for part in (8, 4)]
    parts.append(float(np.median(from_flat[: len(from_flat) // 2])))
    middle = np.flatnonzero((level > 20) & (level < 235))
    in_middle = -1.0
    if len(middle) > 10:
        flattest = middle[np.argsort(flatness[middle], kind="stable")][: max(5, len(middle) // 3)]
        in_middle = float(np.log1p(np.median(residual[flattest])))
    colour = picture[..., 0].astype(np.float32) - picture[..., 1]
    chroma = np.abs(cv2.filter2D(colour, -1, _IMMERKAER))[::2, ::2]
    return [
        *np.log1p(np.percentile(residual, (5, 25, 50, 75, 95))).tolist(),
        *np.log1p(parts).tolist(),
        in_middle,
        float(np.log1p(chroma.mean())),
    ]


def _block_means(plane: Plane) -> Plane:
    side = SIDE // _BLOCK
    return np.asarray(cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA).ravel(), np.float32)


def _directions(slopes: tuple[Plane, Plane], smooth_slopes: tuple[Plane, Plane]) -> list[float]:
    """Strengths and directions of edges; turned pictures have few along the axes."""
    across, down = slopes
    strength, angle = cv2.cartToPolar(across, down, angleInDegrees=True)
    logarithm = np.log2(strength + 1)
    part = np.minimum(logarithm * (_EDGE_BINS / 11), _EDGE_BINS - 1).astype(np.intp)
    by_strength = np.sqrt(np.bincount(part.ravel(), minlength=_EDGE_BINS) / part.size)
    fine = _histogram_of_angles(angle, strength, bins=36, period=180.0)
    folded = fine[:18] + fine[18:]
    main = int(folded.argmax())
    strength2, angle2 = cv2.cartToPolar(*smooth_slopes, angleInDegrees=True)
    coarse = _histogram_of_angles(angle2, strength2, bins=18, period=90.0)
    main2 = int(coarse.argmax())
    return [
        *by_strength.tolist(),
        float(fine[0]),
        float(fine[18]),
        float(fine[[35, 0, 1]].sum()),
        float(fine[[17, 18, 19]].sum()),
        float(fine.max()),
        float(np.sort(fine)[-3:].sum()),
        float(-(fine * np.log(fine + 1e-9)).sum()),
        float(min(main, 18 - main)),
        float(folded.max()),
        float(min(main2, 18 - main2)),
        float(coarse.max()),
        float(coarse[0]),
        float(coarse[[17, 0, 1]].sum()),
        float(np.log((across**2).mean() + 1) - np.log((down**2).mean() + 1)),
    ]


def _histogram_of_angles(angle: Plane, weight: Plane, *, bins: int, period: float) -> npt.NDArray[np.float64]:
    """Shares of `weight` by direction, the first bin centred on the axis."""
    turns = round(360 / period)
    # Angles are 0 to 360 degrees: whole bins from half a bin on, then the periods laid over each other.
    part = ((angle + period / bins / 2) * (bins / period)).astype(np.intp)
    sums = np.bincount(part.ravel(), weights=weight.ravel(), minlength=bins * turns + 1)
    sums[0] += sums[bins * turns]
    sums = sums[: bins * turns].reshape(turns, bins).sum(axis=0)
    return np.asarray(sums / (sums.sum() + 1e-6))


@lru_cache(maxsize=1)
def _corner_masks() -> tuple[npt.NDArray[np.bool_], ...]:
    leg = int(SIDE * _CORNER_LEG)
    down, across = np.mgrid[:SIDE, :SIDE]
    up, back = SIDE - 1 - down, SIDE - 1 - across
    return down + across < leg, down + back < leg, up + across < leg, up + back < leg


def _corners(grey: Plane) -> list[float]:
    calm = cv2.medianBlur(grey, 3)
    white, black, spread = [], [], []
    for mask in _corner_masks():
        pixels = calm[mask]
        white.append(float((pixels >= 240).mean()))
        black.append(float((pixels <= 6).mean()))
        spread.append(float(pixels.std()))
    bright = calm >= 245
    borders = [bright[0], bright[-1], bright[:, 0], bright[:, -1]]
    return [
        *sorted(white),
        *sorted(black),
        *sorted(spread),
        float(bright.mean()),
        *(float(line.mean()) for line in borders),
    ]


def _layout(plane: Plane, slopes: tuple[Plane, Plane]) -> list[float]:
    """Where light and edges are, how strong contrast is nearby, and sharpness octave by octave."""
    mean = cv2.blur(plane, (8, 8))
    local = np.sqrt(np.maximum(cv2.blur(plane * plane, (8, 8)) - mean * mean, 0))[::4, ::4]
    edges = cv2.magnitude(*slopes)
    values = np.percentile(local, (10, 25, 50, 75, 90)).tolist()
    for quantity in (edges, plane):
        total = float(quantity.sum()) + 1e-6
        # float64: a product of float32 rows differs in its last bits with where they lie in memory
        place = np.arange(SIDE) / SIDE
        values += [
            float(quantity.sum(axis=1) @ place) / total,
            float(quantity.sum(axis=0) @ place) / total,
        ]
    cells = cv2.resize(edges, (4, 4), interpolation=cv2.INTER_AREA)
    values += (cells / (cells.sum() + 1e-6)).ravel().tolist()
    values += cv2.resize(plane, (4, 4), interpolation=cv2.INTER_AREA).ravel().tolist()
    for _ in range(4):
        _, spread = cv2.meanStdDev(cv2.Laplacian(plane, cv2.CV_32F))
        values.append(float(np.log(spread[0, 0] ** 2 + 1)))
        plane = cv2.pyrDown(plane)
    return values
