"""Small copies of pictures that travel inside the page."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from grandmaster.images.decode import PictureError, read_picture

SIDE = 160
"""Longer side of a thumbnail, px."""
QUALITY = 78
"""JPEG quality: below it the text on documents blurs, above it the page only grows."""


def thumbnail(path: str | Path, side: int = SIDE) -> str | None:
    """A picture as a `data:` URI of a small JPEG; None if it cannot be read.

    The longer side is at most `side` px; a smaller picture keeps its size.
    """
    try:
        picture = read_picture(Path(path), at_least=side)
    except PictureError:
        return None
    jpeg = _jpeg(picture, side)
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def whole_picture(path: Path) -> str | None:
    """A picture as a `data:` URI of its own bytes: a sheet that was drawn to be read at full size.

    None if it cannot be read or is neither PNG nor JPEG.
    """
    kind = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}.get(path.suffix.lower())
    try:
        read_picture(path)
    except PictureError:
        return None
    return (
        None
        if kind is None
        else f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
    )


def _jpeg(picture: npt.NDArray[np.uint8], side: int) -> bytes:
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    wanted = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, wanted, interpolation=cv2.INTER_AREA)
    written, jpeg = cv2.imencode(
        ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    assert written, "JPEG encoding of a uint8 RGB picture does not fail"
    return bytes(jpeg)


def first_readable(candidates: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """The id and thumbnail of the first of (id, path) that can be read."""
    for picture_id, path in candidates:
        uri = thumbnail(path)
        if uri is not None:
            return picture_id, uri
    return None
