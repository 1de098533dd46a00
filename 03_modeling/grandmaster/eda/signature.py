"""What is kept of one picture after its only decode: its statistics, and what finds its duplicates.

A record has a fixed size, so that those of 100,000 pictures are one array of 32 MB. The thumbnail, 9 kB a picture, is
kept apart and on disk (`eda.cache`): it is needed for the few pairs that hash alike only.
"""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import cv2
import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image

from grandmaster.eda.statistics import NAMES, Grey, analysis_grey, measure
from grandmaster.images.decode import Decoded, decode_picture
from grandmaster.images.stored_as import STORED_AS

THUMBNAIL = 96  # px a side: a line of a printed page is then about 2 px high, enough to see that it differs
COARSE = 12  # px a side of the thumbnail of the thumbnail that is compared first
# A JPEG is decoded at a reduced size only if that leaves its longer side this many times the analysis size. Measured on
# documents: brought down from less than twice the size, sharpness comes out up to 40 % lower than from the full
# picture, and pictures of different sizes would seem to differ; from twice and more at most 17 % lower.
OVERSIZE = 2
COLOUR_STEP = 4  # px between the pixels that are asked for their colour

# One picture. `file`: SHA-256 of the bytes. `look`: digest of the grey picture at analysis size; of pictures with equal
# looks the pixels have to be compared to prove them equal. `values`, `fill`: of `PictureStatistics`, -1 for no fill.
# `stored_as`: bit i for the i-th of `STORED_AS`. `colour`: largest difference of two channels in a pixel, 0 to 255.
# `hash`: 64-bit perceptual hash. `tint`: mean of R - grey and B - grey. `mean`, `spread`, `coarse`: of the thumbnail.
RECORD = np.dtype(
    [
        ("file", "V32"),
        ("look", "V16"),
        ("values", "<f8", (len(NAMES),)),
        ("fill", "<i2"),
        ("stored_as", "<u2"),
        ("colour", "<u1"),
        ("hash", "<u8"),
        ("tint", "<f4", (2,)),
        ("aspect", "<f8"),
        ("mean", "<f4"),
        ("spread", "<f4"),
        ("coarse", "<u1", (COARSE * COARSE,)),
        ("thumbnail_checksum", "<u4"),
    ]
)
Records = npt.NDArray[np.void]
assert len(STORED_AS) <= 16, "bits of `stored_as`"


def inspect_picture(path: Path, data: bytes, *, digest: bytes, analysis_size: int) -> tuple[Records, Grey]:
    """Everything about one picture from one decode.

    Args:
        path: names the file.
        data: its bytes.
        digest: SHA-256 of `data`.
        analysis_size: longer side, px, at which statistics are measured.

    Returns:
        A record, shape (1,), and its thumbnail, uint8 (THUMBNAIL, THUMBNAIL), grey, aspect not kept.

    Raises:
        PictureError, UserError: as `images.decode.read_picture`.
    """
    decoded = decode_picture(path, data, at_least=OVERSIZE * analysis_size, side="longer")
    grey = analysis_grey(decoded.pixels, analysis_size)
    statistics = measure(grey, width=decoded.width, height=decoded.height, file_bytes=len(data))
    thumbnail = np.asarray(cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA), np.uint8)
    mean, spread = cv2.meanStdDev(thumbnail)
    record = np.zeros(1, RECORD)
    record["file"] = np.void(digest)
    record["look"] = np.void(_look(grey, decoded.width, decoded.height))
    record["values"] = statistics.values
    record["fill"] = -1 if statistics.fill is None else statistics.fill
    record["stored_as"] = sum(1 << STORED_AS.index(name) for name in decoded.stored_as)
    record["colour"] = _colour(decoded.pixels)
    # ImageHash makes a square of 32 px of whatever it is given; from the thumbnail this takes a quarter of the time.
    bits = imagehash.phash(Image.fromarray(thumbnail), hash_size=8).hash
    record["hash"] = int.from_bytes(np.packbits(bits).tobytes(), "big")
    record["tint"] = _tint(decoded)
    record["aspect"] = decoded.width / decoded.height
    record["mean"], record["spread"] = mean.item(), spread.item()
    coarse = cv2.resize(thumbnail, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    record["coarse"] = np.asarray(coarse).ravel()
    record["thumbnail_checksum"] = zlib.crc32(thumbnail.tobytes())
    return record, thumbnail


def stored_as(records: Records, name: str) -> npt.NDArray[np.bool_]:
    """Which of the pictures are stored in this way, one of `STORED_AS`. Shape (n,)."""
    return np.asarray((records["stored_as"] >> STORED_AS.index(name)) & 1, np.bool_)


def _look(grey: Grey, width: int, height: int) -> bytes:
    digest = hashlib.blake2b(f"{width}x{height}".encode(), digest_size=16)
    digest.update(grey.tobytes())
    return digest.digest()


def _tint(decoded: Decoded) -> tuple[float, float]:
    red, green, blue, _ = cv2.mean(decoded.pixels)
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue
    return red - luminance, blue - luminance


def _colour(pixels: npt.NDArray[np.uint8]) -> int:
    height, width = pixels.shape[:2]
    size = (max(1, width // COLOUR_STEP), max(1, height // COLOUR_STEP))
    red, green, blue = cv2.split(cv2.resize(pixels, size, interpolation=cv2.INTER_NEAREST))
    highest, lowest = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    return int(cv2.subtract(highest, lowest).max())
