"""DICOM files as pictures, through pydicom (an optional extra).

Medical pictures hold measured values of 8 to 16 bits, not colours. They are shown as a viewer shows them (DICOM PS3.3,
C.7.6.3 and C.11): rescale slope and intercept, then the window that the file names, or without one the range that
holds all but the rarest values; MONOCHROME1, where low values are white, is inverted.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from grandmaster.errors import UserError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DICOM_SUFFIXES = (".dcm", ".dicom")
# Without a window: the darkest and brightest half per cent are cut, so that a few hot pixels or a metal marker do not
# make the rest black.
PERCENTILES = (0.5, 99.5)

Planes = npt.NDArray[np.uint8]


class DicomError(ValueError):
    """A DICOM file that cannot be shown; the message says why."""


def has_dicom_magic(head: bytes) -> bool:
    """Whether the first 132 bytes carry DICOM's mark."""
    return head[128:132] == b"DICM"


def dicom_size(data: bytes) -> tuple[int, int]:
    """(width, height), px, from the header.

    Raises:
        DicomError: no picture inside.
        UserError: pydicom is not installed.
    """
    header = _read(data, stop_before_pixels=True)
    if "Rows" not in header or "Columns" not in header:
        raise DicomError("not a picture in a known format, or a DICOM file without pixels")
    return int(header.Columns), int(header.Rows)


def read_dicom(data: bytes) -> tuple[Planes, bool, int]:
    """First frame of a DICOM file.

    Args:
        data: the file's bytes.

    Returns:
        uint8 RGB (h, w, 3), C-contiguous; whether more than 8 bits a channel are stored; number of frames.

    Raises:
        DicomError: no pixels, or a compression for which no decoder is installed.
        UserError: pydicom is not installed.
    """
    file = _read(data)
    if "PixelData" not in file:
        raise DicomError("a DICOM file without pixels")
    try:
        from pydicom.pixels import pixel_array

        values = pixel_array(file, index=0)  # colour comes out as RGB, whatever it was stored as
    except (NotImplementedError, RuntimeError, AttributeError) as error:
        # pydicom tells in a long list which package would read it.
        packed = getattr(file.file_meta.get("TransferSyntaxUID"), "name", "in an unknown way")
        raise DicomError(
            f"DICOM compressed as {packed!r} cannot be decoded here; "
            f"pip install pylibjpeg[all] adds decoders ({str(error).splitlines()[0]})"
        ) from error
    deep, frames = int(file.BitsStored) > 8, int(file.get("NumberOfFrames", 1) or 1)
    kind = str(file.PhotometricInterpretation)
    if kind == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        values = apply_color_lut(values, file)
        top = 65535 if values.dtype.itemsize > 1 else 255
        return _scaled(values[..., :3], 0, top), deep, frames
    if values.ndim == 3:
        return _scaled(values, 0, 2 ** int(file.BitsStored) - 1), deep, frames
    grey = _grey(values, file)
    if kind == "MONOCHROME1":
        grey = 255 - grey
    return np.repeat(grey[:, :, None], 3, axis=2), deep, frames


def _read(data: bytes, *, stop_before_pixels: bool = False) -> Dataset:
    try:
        import pydicom
    except ImportError as error:
        raise UserError(
            "the data holds DICOM pictures, and pydicom is not installed", fix="pip install pydicom"
        ) from error
    try:
        if _is_deflated(data):
            # How large it becomes, no header tells; nobody ships pictures so.
            raise DicomError("DICOM packed as a whole (deflated); save it with another transfer syntax")
        return pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=stop_before_pixels)
    except DicomError:
        raise
    except Exception as error:  # its parser lets through whatever damaged bytes cause
        raise DicomError(f"damaged or truncated DICOM: {error}") from error


def _is_deflated(data: bytes) -> bool:
    """Whether the file's own header names the transfer syntax that is unpacked as a whole on reading."""
    from pydicom.filereader import read_dataset, read_preamble
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    file = io.BytesIO(data)
    read_preamble(file, force=True)
    header = read_dataset(
        file, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, vr, length: tag.group != 2
    )
    return bool(header.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian)


def _grey(values: npt.NDArray[Any], file: Dataset) -> Planes:
    """uint8 (h, w): the values through the file's own window, lookup table, or the range they have."""
    from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing

    measured = apply_modality_lut(values, file)
    if file.get("VOILUTSequence"):
        top = 2 ** int(file.VOILUTSequence[0].LUTDescriptor[2]) - 1
        return _scaled(apply_voi(measured, file), 0, top)
    window = _window(file)
    if window is not None:
        centre, width = window
        # What lies far outside the window comes out as the ends of the scale.
        ends = apply_windowing(np.array([centre - 100 * width, centre + 100 * width]), file)
        return _scaled(apply_windowing(measured, file), *ends)
    if int(file.BitsStored) <= 8 and measured is values:
        return _scaled(values, 0, 2 ** int(file.BitsStored) - 1)  # made for a screen, as it is
    padding = file.get("PixelPaddingValue")
    known = measured if padding is None else measured[values != padding]
    low, high = np.percentile(known if known.size else measured, PERCENTILES)
    return _scaled(measured, low, high)


def _window(file: Dataset) -> tuple[float, float] | None:
    """Centre and width of the first window; None where there is none that can be used."""
    first = [file.get(name) for name in ("WindowCenter", "WindowWidth")]
    centre, width = (item[0] if isinstance(item, list | tuple) or _is_many(item) else item for item in first)
    if centre is None or width is None or float(width) < 1:
        return None
    return float(centre), float(width)


def _is_many(item: Any) -> bool:
    return hasattr(item, "__iter__") and not isinstance(item, str)


def _scaled(values: npt.NDArray[Any], low: float, high: float) -> Planes:
    """`low` to 0 and `high` to 255, clipped; all 0 where the two are equal."""
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    share = (values.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.ascontiguousarray(np.rint(np.clip(share, 0.0, 1.0) * 255).astype(np.uint8))
