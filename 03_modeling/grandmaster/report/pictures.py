"""Small copies of pictures that travel inside the page."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

from grandmaster.images.decode import PictureError, read_picture
from grandmaster.images.shown import jpeg_of, reduced

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
    jpeg = jpeg_of(reduced(picture, side), QUALITY)
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


def first_readable(candidates: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """The id and thumbnail of the first of (id, path) that can be read."""
    for picture_id, path in candidates:
        uri = thumbnail(path)
        if uri is not None:
            return picture_id, uri
    return None
