"""Pictures for people: reduced, and as JPEG files."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def reduced(picture: Pixels, side: int) -> Pixels:
    """The picture (h, w, 3) in its own proportions, its longer side at most `side` px; a smaller one keeps its size."""
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    wanted = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, wanted, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg_of(picture: Pixels, quality: int) -> bytes:
    """A JPEG file of an RGB picture (h, w, 3)."""
    written, data = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    assert written, "JPEG encoding of a uint8 RGB picture does not fail"
    return bytes(data)
