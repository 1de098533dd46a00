"""How a picture file is stored, where that is unusual enough to be worth a line in the report."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PIL import Image, TiffImagePlugin

from grandmaster.images.dicom import DICOM_SUFFIXES

# Ways in which a file is stored that other programs read differently, or not at all.
STORED_AS = (
    "16 bits a channel",
    "palette",
    "CMYK",
    "transparency",
    "turned by EXIF",
    "several frames",
    "extension does not match the content",
    "DICOM",
)

ORIENTATION_TAG = 0x0112  # EXIF
_BITS_TAG = 258  # TIFF, BitsPerSample
_PNG_DEPTH_BYTE = 24  # of the file: the header chunk is always first


def how_stored(path: str | Path, data: bytes, image: Image.Image, orientation: int) -> tuple[str, ...]:
    """Those of `STORED_AS` that the header of an opened picture tells.

    Args:
        path: only its ending is used.
        data: the file's bytes.
        image: opened, not loaded.
        orientation: of EXIF, 1 to 8.
    """
    deep = image.mode.startswith("I")
    turned = orientation != 1
    frames = False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = image.tag_v2.get(_BITS_TAG, 8)
        deep |= max(bits if isinstance(bits, tuple) else (bits,)) > 8 and image.mode != "F"
        turned = image.tag_v2.get(ORIENTATION_TAG, 1) != 1
        frames = getattr(image, "n_frames", 1) > 1
    elif image.format == "PNG":
        deep |= data[_PNG_DEPTH_BYTE] > 8
    usual = _formats_by_suffix().get(Path(path).suffix.lower())
    kind = "JPEG" if image.format == "MPO" else image.format
    facts = {
        "16 bits a channel": deep,
        "palette": image.mode in ("P", "PA"),
        "CMYK": image.mode == "CMYK",
        "transparency": image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info,
        "turned by EXIF": turned,
        "several frames": frames,
        # No ending, or one that nobody has registered, claims nothing.
        "extension does not match the content": usual is not None and usual != kind,
    }
    return tuple(name for name in STORED_AS if facts.get(name))


@cache
def _formats_by_suffix() -> dict[str, str]:
    known = {
        suffix: "JPEG" if name == "MPO" else name for suffix, name in Image.registered_extensions().items()
    }
    return known | dict.fromkeys(DICOM_SUFFIXES, "DICOM")
