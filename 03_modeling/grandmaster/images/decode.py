"""The one decoder: every picture file becomes the same thing, or an error that says why not.

Pillow alone, on purpose: its JPEG decoder is the libjpeg-turbo that OpenCV uses too (equal pixels, reduced-size decoding
included), it refuses truncated files instead of filling them with grey, and it knows every other format that competitions
ship. (OpenCV's array is there in a fifth less time, but for files with a few bytes too many libjpeg then writes "Corrupt JPEG
data" to the terminal, past whatever is shown there.) DICOM goes through pydicom (`images.dicom`). Of Pillow's formats those
in `FORMATS` are read and no others: EPS, for one, starts Ghostscript on whatever program the file holds.

What is too large to decode whole, a slide of gigapixels, can be read at reduced size: JPEG decodes at 1/2, 1/4 or 1/8,
and of a TIFF pyramid the smallest level that is large enough is taken.
"""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, JpegImagePlugin, TiffImagePlugin

from grandmaster.errors import UserError
from grandmaster.images.dicom import (
    DICOM_SUFFIXES,
    DicomError,
    dicom_size,
    has_dicom_magic,
    read_dicom,
)
from grandmaster.images.effects import symmetry
from grandmaster.images.stored_as import ORIENTATION_TAG, STORED_AS, how_stored

# A small file can claim a size that fills the memory when decoded ("decompression bomb"). 179 million pixels,
# 0.5 GB as RGB, is also where Pillow itself refuses.
MAX_PIXELS = 178_956_970

# What a file may be, whatever its name says.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "JPEG2000", "PPM", "AVIF")
# Pixels. A tile of a TIFF is decoded whole, and may be far larger than the picture that its header claims.
MAX_TILE = 4096 * 4096

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MOST_LEVELS = 64  # pages that are looked at; a pyramid has about ten
_LEVEL_ASPECT = (
    0.02  # relative; a page of another shape is a label or a macro picture, not a level of the pyramid
)
# What undoes an EXIF orientation, by `effects.symmetry`.
_UPRIGHT = {1: "e", 2: "h", 3: "r180", 4: "v", 5: "t", 6: "r270", 7: "hvt", 8: "r90"}
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
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
# `warnings.catch_warnings` swaps a global of the process, so two threads must not be inside it at once.
_HEADER_LOCK = threading.Lock()


Answer = TypeVar("Answer")


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


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A picture and what its file is like.

    Attributes:
        pixels: uint8 RGB (h, w, 3), writable, C-contiguous, upright, possibly at reduced size.
        width: full size, upright, px.
        height: full size, upright, px.
        stored_as: those of `STORED_AS` that hold.
    """

    pixels: npt.NDArray[np.uint8]
    width: int
    height: int
    stored_as: tuple[str, ...]

    @property
    def reduced(self) -> bool:
        """Whether the pixels have not the full size."""
        return self.pixels.shape[:2] != (self.height, self.width)


def picture_size(path: str | Path) -> tuple[int, int]:
    """(width, height) in px as `read_picture` would return it, from the header, without decoding pixels.

    Raises:
        PictureError: missing, empty, not a picture, or larger than `MAX_PIXELS`.
        UserError: DICOM, and pydicom is not installed.
    """
    try:
        with Path(path).open("rb") as file:
            if _is_dicom(path, file):
                width, height = _dicom(path, dicom_size, file.read())
                orientation = 1
            else:
                image, orientation = _open(path, file)
                width, height = image.size
    except OSError as error:
        raise _unreadable(path, error) from error
    _refuse_too_large(path, width, height)
    return (height, width) if orientation >= 5 else (width, height)


def read_picture(path: str | Path, *, at_least: int | None = None) -> npt.NDArray[np.uint8]:
    """Decode a picture file of any usual format.

    EXIF orientation is applied. Grey becomes three equal channels; 16-bit grey is scaled by 1/257, never
    clipped (16-bit colour keeps its high byte, the same within one level). Transparency, of palettes too, is
    laid on white. CMYK and the other colour spaces are converted. Of animations and DICOM series the first frame
    counts; DICOM is shown through its window (`images.dicom`).

    Args:
        path: the file.
        at_least: px. Allows a JPEG larger than needed to be decoded at 1/2, 1/4 or 1/8 of its size, several
            times faster, and a smaller level of a TIFF pyramid to be taken, as long as the shorter side does not
            fall below this. What counts against `MAX_PIXELS` is then the size decoded.

    Returns:
        uint8 RGB, shape (height, width, 3), writable, C-contiguous.

    Raises:
        PictureError: missing, empty, not a picture, damaged or truncated, larger than `MAX_PIXELS`, or with
            32-bit pixels, whose range no format defines.
        UserError: DICOM, and pydicom is not installed.
    """
    _check_at_least(at_least)
    return decode_picture(path, read_bytes(path), at_least=at_least).pixels


def read_bytes(path: str | Path) -> bytes:
    """The whole file in one read: small random reads are what network disks are slow at.

    Raises:
        PictureError: missing, a folder, or cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def decode_picture(
    path: str | Path,
    data: bytes,
    *,
    at_least: int | None = None,
    side: Literal["shorter", "longer"] = "shorter",
) -> Decoded:
    """`read_picture` on bytes already read, together with what the file is like.

    Args:
        path: names the file in errors; its ending is compared with the content.
        data: the file's bytes.
        at_least: px, as in `read_picture`.
        side: which side must not fall below `at_least`.

    Raises:
        PictureError, UserError: as `read_picture`.
    """
    _check_at_least(at_least)
    file = io.BytesIO(data)
    if _is_dicom(path, file):
        return _decode_dicom(path, data)
    image, orientation = _open(path, file)
    width, height = image.size
    try:
        with _quietly():
            stored_as = how_stored(path, data, image, orientation)
    except _DAMAGE:  # later pages are damaged, or the metadata is: the first picture may be fine
        stored_as = ()
        image, orientation = _open(path, io.BytesIO(data))
    try:
        if at_least is not None:
            _reduce(image, at_least, side)
        _refuse_too_large(path, *image.size)
        _refuse_large_tiles(path, image)
        image.load()
        pixels = _rgb(path, image)
        if image.format in ("GIF", "PNG", "WEBP") and _is_animated(image):
            stored_as += ("several frames",)
    except PictureError:
        raise
    except _DAMAGE as error:
        raise PictureError(path, f"damaged or truncated: {_one_line(error)}") from error
    if orientation >= 5:
        width, height = height, width
    return Decoded(
        pixels=symmetry(pixels, _UPRIGHT[orientation]),
        width=width,
        height=height,
        stored_as=stored_as,
    )


def _check_at_least(at_least: int | None) -> None:
    if at_least is not None and at_least < 1:
        raise ValueError(f"at_least is {at_least}, must be 1 or more")


def _open(path: str | Path, file: IO[bytes]) -> tuple[Image.Image, int]:
    """Parse the header only. Returns the lazy image, of any size, and its EXIF orientation, 1 to 8."""
    # Pillow warns about large pictures and odd metadata; the first are judged here, the second do no harm.
    with _quietly():
        try:
            image = _lazy_image(path, file)
        except PictureError:
            raise
        except _DAMAGE as error:
            if file.seek(0, io.SEEK_END) == 0:
                raise PictureError(path, "file is empty") from error
            raise PictureError(path, "not a picture in a known format, or its header is damaged") from error
        try:
            return image, _orientation(image)
        except _DAMAGE:  # unreadable metadata: the pixels may be fine, and are shown as stored
            return image, 1


@contextmanager
def _quietly() -> Iterator[None]:
    with _HEADER_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _lazy_image(path: str | Path, file: IO[bytes]) -> Image.Image:
    try:
        return Image.open(file, formats=_known_formats())
    except Image.DecompressionBombError as error:
        # Two formats can be read at reduced size. Their plugins do not judge the size, `Image.open` does.
        file.seek(0)
        head = file.read(4)
        file.seek(0)
        if head.startswith(b"\xff\xd8\xff"):
            return JpegImagePlugin.JpegImageFile(file)
        if head in _TIFF_MAGIC:
            return TiffImagePlugin.TiffImageFile(file)
        raise PictureError(path, f"more than {MAX_PIXELS:,} pixels") from error


@cache
def _known_formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow was built with."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _reduce(image: Image.Image, at_least: int, side: Literal["shorter", "longer"]) -> None:
    """Have a lazy JPEG or TIFF decoded at the smallest size whose `side` is at least this, px."""
    width, height = image.size
    if image.format in ("JPEG", "MPO"):
        # A progressive file is held whole while it is decoded, at whatever size it comes out.
        if image.info.get("progressive") and width * height > MAX_PIXELS:
            return
        wanted = (at_least, at_least)
        if side == "longer":  # the other side may be as small as it comes
            wanted = (at_least, 1) if width >= height else (1, at_least)
        image.draft(None, wanted)  # None: keep the mode
    elif isinstance(image, TiffImagePlugin.TiffImageFile):
        chosen, smallest = 0, width * height
        for page in range(1, _MOST_LEVELS):
            try:
                with _quietly():
                    image.seek(page)
            except _DAMAGE:  # no more pages, or damaged ones
                break
            wide, high = image.size
            long_enough = (min if side == "shorter" else max)(wide, high) >= at_least
            a_level = wide < width and abs(wide * height / (high * width) - 1) <= _LEVEL_ASPECT
            # Levels say that they are reduced (tag 254); pages of a document do not.
            if a_level and long_enough and wide * high < smallest and image.tag_v2.get(254, 0) & 1:
                chosen, smallest = page, wide * high
        image.seek(chosen)


def _is_animated(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except _DAMAGE:  # there is a second frame, a damaged one
        return True


def _refuse_too_large(path: str | Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PictureError(path, f"{width} x {height} px, more than {MAX_PIXELS:,} pixels")


def _refuse_large_tiles(path: str | Path, image: Image.Image) -> None:
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    wide, high = (image.tag_v2.get(tag, 0) for tag in (TiffImagePlugin.TILEWIDTH, TiffImagePlugin.TILELENGTH))
    if wide * high > max(MAX_TILE, image.width * image.height):
        raise PictureError(path, f"tiles of {wide} x {high} px for {image.width} x {image.height} px")


def _is_dicom(path: str | Path, file: IO[bytes]) -> bool:
    """By its mark; by its ending only where Pillow does not know the content. The file is rewound."""
    head = file.read(132)
    file.seek(0)
    if has_dicom_magic(head):
        return True
    if Path(path).suffix.lower() not in DICOM_SUFFIXES or not head:
        return False
    try:
        _open(path, file)
    except PictureError:
        return True
    finally:
        file.seek(0)
    return False


def _dicom(path: str | Path, function: Callable[[bytes], Answer], data: bytes) -> Answer:
    try:
        return function(data)
    except UserError:
        raise
    except DicomError as error:
        raise PictureError(path, str(error)) from error
    except _DAMAGE as error:
        raise PictureError(path, f"damaged or truncated DICOM: {_one_line(error)}") from error


def _decode_dicom(path: str | Path, data: bytes) -> Decoded:
    width, height = _dicom(path, dicom_size, data)
    _refuse_too_large(path, width, height)
    pixels, deep, frames = _dicom(path, read_dicom, data)
    facts = {"16 bits a channel": deep, "several frames": frames > 1, "DICOM": True}
    return Decoded(
        pixels=pixels,
        width=width,
        height=height,
        stored_as=tuple(name for name in STORED_AS if facts.get(name)),
    )


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":
        return 1  # Pillow turns TIFFs itself, in size and pixels
    if image.format == "PNG" and not _PNG_METADATA & image.info.keys():
        return 1  # asking would make Pillow decode all pixels to look behind them
    value = image.getexif().get(ORIENTATION_TAG, 1)
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


def _unreadable(path: str | Path, error: OSError) -> PictureError:
    if isinstance(error, FileNotFoundError):
        return PictureError(path, "file is missing")
    if isinstance(error, IsADirectoryError):
        return PictureError(path, "is a folder")
    return PictureError(path, f"cannot be read: {_one_line(error)}")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
