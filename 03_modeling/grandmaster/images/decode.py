"""The one decoder: every picture file becomes the same thing, or an error that says why not.

Pillow alone, on purpose: its JPEG decoder is the libjpeg-turbo that OpenCV uses too (equal pixels, the same
speed, reduced-size decoding included), it refuses truncated files instead of filling them with grey, and it
knows every other format that competitions ship.
"""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image

# A small file can claim a size that fills the memory when decoded ("decompression bomb"). 179 million pixels,
# 0.5 GB as RGB, is also where Pillow itself refuses.
MAX_PIXELS = 178_956_970

_ORIENTATION_TAG = 0x0112
_PNG_METADATA = {"exif", "Raw profile type exif", "XML:com.adobe.xmp"}
# What Pillow's decoders raise on damaged files; several let the parser's own exception through.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
# `warnings.catch_warnings` swaps a global of the process, so two threads must not be inside it at once.
_HEADER_LOCK = threading.Lock()


class PictureError(ValueError):
    """A picture that cannot be used.

    Attributes:
        path: the file.
        reason: why, in a few words ("file is empty").
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = Path(path), reason

    def __reduce__(self) -> tuple[type[PictureError], tuple[Path, str]]:
        # Loader workers send their exceptions to the main process pickled.
        return type(self), (self.path, self.reason)


def picture_size(path: str | Path) -> tuple[int, int]:
    """(width, height) in px as `read_picture` would return it, from the header, without decoding pixels.

    Raises:
        PictureError: missing, empty, not a picture, or larger than `MAX_PIXELS`.
    """
    try:
        with Path(path).open("rb") as file:
            image, orientation = _open(path, file)
            width, height = image.size
    except OSError as error:
        raise _unreadable(path, error) from error
    return (height, width) if orientation >= 5 else (width, height)


def read_picture(path: str | Path, *, at_least: int | None = None) -> npt.NDArray[np.uint8]:
    """Decode a picture file of any usual format.

    EXIF orientation is applied. Grey becomes three equal channels; 16-bit grey is scaled by 1/257, never
    clipped (16-bit colour keeps its high byte, the same within one level). Transparency, of palettes too, is
    laid on white. CMYK and the other colour spaces are converted. Of animations the first frame counts.

    Args:
        path: the file.
        at_least: px. Allows a JPEG larger than needed to be decoded at 1/2, 1/4 or 1/8 of its size, several
            times faster, as long as its shorter side does not fall below this.

    Returns:
        uint8 RGB, shape (height, width, 3), writable, C-contiguous.

    Raises:
        PictureError: missing, empty, not a picture, damaged or truncated, larger than `MAX_PIXELS`, or with
            32-bit pixels, whose range no format defines.
    """
    if at_least is not None and at_least < 1:
        raise ValueError(f"at_least is {at_least}, must be 1 or more")
    try:
        # The whole file in one read: small random reads are what network disks are slow at.
        data = io.BytesIO(Path(path).read_bytes())
    except OSError as error:
        raise _unreadable(path, error) from error
    image, orientation = _open(path, data)
    try:
        if at_least is not None and image.format in ("JPEG", "MPO"):
            image.draft(None, (at_least, at_least))  # None: keep the mode
        image.load()
        pixels = _rgb(path, image)
    except PictureError:
        raise
    except _DAMAGE as error:
        raise PictureError(path, f"damaged or truncated: {_one_line(error)}") from error
    return np.ascontiguousarray(_upright(pixels, orientation))


def _open(path: str | Path, file: IO[bytes]) -> tuple[Image.Image, int]:
    """Parse the header only. Returns the lazy image and its EXIF orientation, 1 to 8."""
    # Pillow warns about large pictures and odd metadata; the first are judged here, the second do no harm.
    with _HEADER_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(file)
        except Image.DecompressionBombError as error:
            raise PictureError(path, f"more than {MAX_PIXELS:,} pixels") from error
        except _DAMAGE as error:
            if file.seek(0, io.SEEK_END) == 0:
                raise PictureError(path, "file is empty") from error
            raise PictureError(path, "not a picture in a known format, or its header is damaged") from error
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise PictureError(path, f"{width} x {height} px, more than {MAX_PIXELS:,} pixels")
        try:
            return image, _orientation(image)
        except _DAMAGE:  # unreadable metadata: the pixels may be fine, and are shown as stored
            return image, 1


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":
        return 1  # Pillow turns TIFFs itself, in size and pixels
    if image.format == "PNG" and not _PNG_METADATA & image.info.keys():
        return 1  # asking would make Pillow decode all pixels to look behind them
    value = image.getexif().get(_ORIENTATION_TAG, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _rgb(path: str | Path, image: Image.Image) -> npt.NDArray[np.uint8]:
    """uint8 (h, w, 3) of a loaded image of any mode."""
    sixteen_bit = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    if sixteen_bit:
        grey = ((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise PictureError(path, "32-bit pixels, whose range is not defined; convert it to 8 or 16 bits")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, layer)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _upright(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Undo an EXIF orientation (2 to 4: mirrored, turned; 5 to 8: the same with sides swapped)."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _unreadable(path: str | Path, error: OSError) -> PictureError:
    if isinstance(error, FileNotFoundError):
        return PictureError(path, "file is missing")
    if isinstance(error, IsADirectoryError):
        return PictureError(path, "is a folder")
    return PictureError(path, f"cannot be read: {_one_line(error)}")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
