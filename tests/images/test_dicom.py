"""DICOM files made here, shown as a viewer shows them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grandmaster.errors import UserError
from grandmaster.images import decode
from grandmaster.images.decode import PictureError, decode_picture, picture_size, read_picture

pydicom = pytest.importorskip("pydicom")


def save_dicom(path: Path, values: np.ndarray[Any, Any], *, kind: str = "MONOCHROME2", **fields: Any) -> Path:
    """Uncompressed; `values` uint8, uint16 or int16 of (h, w), (frames, h, w) or, in colour, (h, w, 3)."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    colour = values.ndim == 3 and values.shape[2] == 3
    file.Rows, file.Columns = values.shape[:2] if colour else values.shape[-2:]
    if values.ndim == 3 and not colour:
        file.NumberOfFrames = len(values)
    file.SamplesPerPixel = 3 if colour else 1
    if colour:
        file.PlanarConfiguration = 0
    bits = 8 * values.dtype.itemsize
    file.BitsAllocated = file.BitsStored = bits
    file.HighBit = bits - 1
    file.PixelRepresentation = int(values.dtype.kind == "i")
    file.PhotometricInterpretation = kind
    file.PixelData = values.tobytes()
    for name, value in fields.items():
        setattr(file, name, value)
    file.save_as(path, enforce_file_format=True)
    return path


def ramp(low: int = 0, high: int = 4000, dtype: Any = np.uint16) -> np.ndarray[Any, Any]:
    return np.linspace(low, high, 32 * 32).reshape(32, 32).astype(dtype)


def test_window_and_rescale_decide_what_is_black_and_white(tmp_path: Path) -> None:
    """A CT: stored values minus 1024 are Hounsfield units, and 40 +- 200 of them are shown."""
    values = np.array([[0, 864, 1064, 1264, 4000]], np.uint16)
    path = save_dicom(
        tmp_path / "a.dcm", values, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400
    )
    assert read_picture(path)[0, :, 0].tolist() == pytest.approx([0, 0, 128, 255, 255], abs=1)
    assert (read_picture(path) == read_picture(path)[:, :, :1]).all()
    assert picture_size(path) == (5, 1)


def test_of_several_windows_the_first_is_taken_and_an_empty_one_is_none(tmp_path: Path) -> None:
    values = ramp()
    one = save_dicom(tmp_path / "one.dcm", values, WindowCenter=1000, WindowWidth=500)
    two = save_dicom(tmp_path / "two.dcm", values, WindowCenter=[1000, 50], WindowWidth=[500, 20])
    none = save_dicom(tmp_path / "none.dcm", values)
    zero = save_dicom(tmp_path / "zero.dcm", values, WindowCenter=1000, WindowWidth=0)
    assert (read_picture(one) == read_picture(two)).all()
    assert (read_picture(zero) == read_picture(none)).all()
    assert not (read_picture(one) == read_picture(none)).all()


def test_low_values_are_white_in_monochrome1(tmp_path: Path) -> None:
    usual = read_picture(save_dicom(tmp_path / "2.dcm", ramp()))
    inverted = read_picture(save_dicom(tmp_path / "1.dcm", ramp(), kind="MONOCHROME1"))
    assert (inverted == 255 - usual).all()
    assert usual[0, 0, 0] == 0
    assert usual[-1, -1, 0] == 255


def test_without_a_window_rare_values_do_not_make_the_rest_black(tmp_path: Path) -> None:
    values = ramp(100, 500)
    values[0, 0] = 60_000
    picture = read_picture(save_dicom(tmp_path / "a.dcm", values))
    assert int(picture[16, 16, 0]) == pytest.approx(128, abs=8)


def test_padding_is_not_part_of_the_range(tmp_path: Path) -> None:
    values = ramp(500, 1500, np.int16)
    values[:16] = -2000
    picture = read_picture(save_dicom(tmp_path / "a.dcm", values, PixelPaddingValue=-2000))
    assert picture[0, 0, 0] == 0
    assert picture[16, 1, 0] == 0
    assert int(picture[24, 0, 0]) == pytest.approx(128, abs=8)


def test_eight_bits_are_shown_as_they_are(tmp_path: Path) -> None:
    values = ramp(50, 100, np.uint8)
    assert (read_picture(save_dicom(tmp_path / "a.dcm", values))[:, :, 0] == values).all()


def test_first_frame_and_colour(tmp_path: Path) -> None:
    frames = np.stack([np.full((4, 6), level, np.uint8) for level in (10, 200, 250)])
    series = save_dicom(tmp_path / "series.dcm", frames)
    assert (read_picture(series) == 10).all()
    colour = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    rgb = save_dicom(tmp_path / "rgb.dcm", colour, kind="RGB")
    assert (read_picture(rgb) == colour).all()
    red = np.full((4, 4, 3), (76, 85, 255), np.uint8)  # red in YBR_FULL
    ybr = save_dicom(tmp_path / "ybr.dcm", red, kind="YBR_FULL")
    assert np.abs(read_picture(ybr)[0, 0].astype(int) - (255, 0, 0)).max() <= 2


def test_what_a_dicom_file_is_like_is_told(tmp_path: Path) -> None:
    deep = save_dicom(tmp_path / "deep.dcm", ramp())
    series = save_dicom(tmp_path / "series.dcm", np.zeros((2, 4, 4), np.uint8))
    assert decode_picture(deep, deep.read_bytes()).stored_as == ("16 bits a channel", "DICOM")
    assert decode_picture(series, series.read_bytes()).stored_as == ("several frames", "DICOM")


def test_found_by_its_mark_without_an_ending(tmp_path: Path) -> None:
    path = save_dicom(tmp_path / "no_ending", ramp())
    assert read_picture(path).shape == (32, 32, 3)


def test_a_jpeg_called_dcm_is_a_jpeg(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (9, 8), (255, 0, 0)).save(tmp_path / "a.dcm", format="JPEG")
    decoded = decode_picture(tmp_path / "a.dcm", (tmp_path / "a.dcm").read_bytes())
    assert decoded.pixels.shape == (8, 9, 3)
    assert decoded.stored_as == ("extension does not match the content",)
    assert picture_size(tmp_path / "a.dcm") == (9, 8)


def test_damaged_dicom_says_why(tmp_path: Path) -> None:
    path = save_dicom(tmp_path / "cut.dcm", ramp())
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert "\n" not in caught.value.reason
    (tmp_path / "text.dcm").write_text("this is no picture at all")
    for read in (read_picture, picture_size):
        with pytest.raises(PictureError, match="not a picture in a known format"):
            read(tmp_path / "text.dcm")
    (tmp_path / "empty.dcm").write_bytes(b"")
    with pytest.raises(PictureError, match="file is empty"):
        read_picture(tmp_path / "empty.dcm")


def test_too_large_a_dicom_is_refused_from_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_dicom(tmp_path / "a.dcm", ramp())
    monkeypatch.setattr(decode, "MAX_PIXELS", 1000)
    for read in (read_picture, picture_size):
        with pytest.raises(PictureError, match="32 x 32 px, more than 1,000 pixels"):
            read(path)


def test_without_pydicom_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_dicom(tmp_path / "a.dcm", ramp())
    monkeypatch.setitem(sys.modules, "pydicom", None)
    for read in (read_picture, picture_size):
        with pytest.raises(UserError, match="pip install pydicom"):
            read(path)
