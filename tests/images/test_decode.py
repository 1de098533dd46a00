"""Every kind of file that a competition ships, and every way in which one can be broken."""

from __future__ import annotations

import contextlib
import pickle
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from grandmaster.images import decode
from grandmaster.images.decode import (
    MAX_PIXELS,
    PictureError,
    decode_picture,
    picture_size,
    read_picture,
)
from grandmaster.images.stored_as import STORED_AS


def scene(height: int = 40, width: int = 60) -> np.ndarray:
    """A smooth picture whose four corners differ, so that every flip and turn shows."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    red, green = 255 * x / (width - 1), 255 * y / (height - 1)
    return np.stack([red, green, 128 + 0 * x], axis=2).astype(np.uint8)


def test_png_is_returned_exactly_writable_and_contiguous(tmp_path: Path) -> None:
    Image.fromarray(scene()).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture, scene())
    assert picture.dtype == np.uint8
    assert picture.flags.writeable
    assert picture.flags.c_contiguous
    assert picture_size(tmp_path / "a.png") == (60, 40)


@pytest.mark.parametrize("quality", [60, 95])
@pytest.mark.parametrize("grey", [False, True])
def test_jpeg_equals_opencv(tmp_path: Path, quality: int, grey: bool) -> None:
    image = Image.fromarray(scene(90, 130)).convert("L" if grey else "RGB")
    image.save(tmp_path / "a.jpg", quality=quality)
    expected = cv2.cvtColor(cv2.imread(str(tmp_path / "a.jpg"), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    difference = np.abs(read_picture(tmp_path / "a.jpg").astype(int) - expected)
    assert difference.max() <= 2  # the same library; other builds may round differently


@pytest.mark.parametrize(
    ("at_least", "expected"),
    [
        (None, (400, 600)),
        (201, (400, 600)),
        (200, (200, 300)),
        (100, (100, 150)),
        (50, (50, 75)),
        (1, (50, 75)),
    ],
)
def test_large_jpeg_is_reduced_but_never_below_at_least(
    tmp_path: Path, at_least: int | None, expected: tuple[int, int]
) -> None:
    Image.fromarray(scene(400, 600)).save(tmp_path / "a.jpg", quality=95)
    picture = read_picture(tmp_path / "a.jpg", at_least=at_least)
    assert picture.shape[:2] == expected
    resized = cv2.resize(scene(400, 600), expected[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(picture.astype(int) - resized).mean() < 3


def test_at_least_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at_least is 0"):
        read_picture(tmp_path / "a.jpg", at_least=0)


def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    for name in ("a.png", "a.tif"):
        cv2.imwrite(str(tmp_path / name), values)
        picture = read_picture(tmp_path / name)
        assert picture[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]
        assert (picture == picture[:, :, :1]).all()


def test_16_bit_colour_is_scaled_within_one_level(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), values[:, :, ::-1])
    assert np.abs(read_picture(tmp_path / "a.png") - values / 257).max() <= 1


def test_grey_and_bilevel_become_three_equal_channels(tmp_path: Path) -> None:
    grey = scene()[:, :, 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "grey.png"), np.repeat(grey[:, :, None], 3, 2))
    Image.fromarray(grey > 99).save(tmp_path / "bilevel.png")
    np.testing.assert_array_equal(
        read_picture(tmp_path / "bilevel.png"), np.repeat(np.where(grey > 99, 255, 0)[:, :, None], 3, 2)
    )


def test_alpha_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 0], rgba[0, :, 3] = 200, (0, 128, 255)
    expected = [[255, 255, 255], [227, 127, 127], [200, 0, 0]]
    for name in ("a.png", "a.webp"):
        Image.fromarray(rgba).save(tmp_path / name, **({"lossless": True} if name == "a.webp" else {}))
        assert np.abs(read_picture(tmp_path / name)[0].astype(int) - expected).max() <= 1
    grey_alpha = np.array([[[10, 0], [10, 255]]], np.uint8)
    Image.fromarray(grey_alpha, "LA").save(tmp_path / "la.png")
    assert read_picture(tmp_path / "la.png")[0].tolist() == [[255] * 3, [10] * 3]


def test_palette_with_and_without_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255] + [0] * 759)
    image.putdata([0, 1, 2])
    image.save(tmp_path / "plain.png")
    assert read_picture(tmp_path / "plain.png")[0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    for name, transparency in (("one.png", 1), ("bytes.png", b"\xff\x00\xff"), ("one.gif", 1)):
        image.save(tmp_path / name, transparency=transparency)
        assert read_picture(tmp_path / name)[0].tolist() == [[255, 0, 0], [255, 255, 255], [0, 0, 255]]


def test_colour_key_transparency_of_png(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[9, 9, 9], [8, 8, 8]]], np.uint8)).save(
        tmp_path / "a.png", transparency=(9, 9, 9)
    )
    assert read_picture(tmp_path / "a.png")[0].tolist() == [[255] * 3, [8] * 3]


def test_cmyk_jpeg(tmp_path: Path) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # full magenta and yellow: red
    image.save(tmp_path / "a.jpg", quality=95)
    red, green, blue = read_picture(tmp_path / "a.jpg").reshape(-1, 3).mean(axis=0)
    assert red > 240
    assert max(green, blue) < 15


def test_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    for name in ("a.gif", "a.png"):
        assert read_picture(tmp_path / name)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_to_pixels_and_size(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    # How the sensor stores an upright scene under each orientation (EXIF 2.32, tag 274).
    store: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }
    upright = scene(48, 64)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    image = Image.fromarray(np.ascontiguousarray(store[orientation](upright)))
    image.save(path, exif=exif, **({"quality": 95} if suffix in ("jpg", "webp") else {}))
    assert picture_size(path) == (64, 48)
    picture = read_picture(path)
    assert picture.shape == upright.shape
    assert picture.flags.c_contiguous
    assert np.abs(picture.astype(int) - upright).mean() < 4


def test_damaged_exif_is_no_reason_to_refuse(tmp_path: Path) -> None:
    Image.fromarray(scene()).save(
        tmp_path / "a.jpg", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x12\x01"
    )
    assert read_picture(tmp_path / "a.jpg").shape == (40, 60, 3)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("pillow_limit", [Image.MAX_IMAGE_PIXELS, None])  # other code may switch Pillow's off
@pytest.mark.fault(4, "headers that claim more pixels than the limit")
def test_decompression_bomb_is_refused_from_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pillow_limit: int | None
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow_limit)
    path = tmp_path / "bomb.png"
    for width, height in ((50_000, 50_000), (MAX_PIXELS // 1000 + 1, 1000)):
        path.write_bytes(png_header(width, height))
        for read in (read_picture, picture_size):
            with pytest.raises(PictureError, match="more than 178,956,970 pixels"):
                read(path)


def test_large_but_allowed_size_gives_no_warning(tmp_path: Path) -> None:
    # Pillow warns from half of the limit on.
    path = tmp_path / "large.png"
    path.write_bytes(png_header(12_000, 10_000))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert picture_size(path) == (12_000, 10_000)
    assert seen == []


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "bmp", "gif"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
@pytest.mark.fault(3, "files of six formats cut at three places")
def test_truncated_file_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert caught.value.path == path
    assert "\n" not in caught.value.reason


def test_jpeg_without_its_end_marker_is_refused_but_trailing_bytes_are_not(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(scene()).save(path)
    whole = path.read_bytes()
    assert whole.endswith(b"\xff\xd9")
    path.write_bytes(whole[:-2])
    with pytest.raises(PictureError, match="truncated"):
        read_picture(path)
    path.write_bytes(whole + b"\x00" * 100)
    assert read_picture(path).shape == (40, 60, 3)


@pytest.mark.parametrize("read", [read_picture, picture_size])
def test_what_is_no_picture_says_why(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("<html>404 not found</html>")
    (tmp_path / "folder.jpg").mkdir()
    for name, reason in {
        "missing.jpg": "file is missing",
        "empty.jpg": "file is empty",
        "text.jpg": "not a picture in a known format",
        "folder.jpg": "is a folder",
    }.items():
        with pytest.raises(PictureError) as caught:
            read(tmp_path / name)
        assert caught.value.reason.startswith(reason)
        assert caught.value.path == tmp_path / name


def test_float_pixels_are_refused_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(PictureError, match="32-bit pixels"):
        read_picture(tmp_path / "a.tif")


def test_error_survives_the_way_from_a_worker() -> None:
    error = pickle.loads(pickle.dumps(PictureError("a.jpg", "file is empty")))
    assert (str(error), error.path, error.reason) == ("a.jpg: file is empty", Path("a.jpg"), "file is empty")


def stored_as(path: Path) -> tuple[str, ...]:
    return decode_picture(path, path.read_bytes()).stored_as


def test_what_a_file_is_like_is_told(tmp_path: Path) -> None:
    rgb = Image.fromarray(scene())
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = np.full((4, 4, 3), 40_000, np.uint16)
    rgb.save(tmp_path / "plain.jpg")
    rgb.save(tmp_path / "no_ending", format="PNG")
    rgb.convert("P").save(tmp_path / "palette.png")
    rgb.convert("CMYK").save(tmp_path / "cmyk.jpg")
    rgb.convert("RGBA").save(tmp_path / "alpha.png")
    rgb.save(tmp_path / "turned.jpg", exif=exif)
    rgb.save(tmp_path / "turned.tif", exif=exif)
    rgb.save(tmp_path / "moving.webp", save_all=True, append_images=[Image.new("RGB", rgb.size)])
    rgb.save(tmp_path / "pages.tif", save_all=True, append_images=[Image.new("RGB", rgb.size)])
    rgb.save(tmp_path / "really_png.jpg", format="PNG")
    cv2.imwrite(str(tmp_path / "deep_colour.png"), deep)
    cv2.imwrite(str(tmp_path / "deep_colour.tif"), deep)
    cv2.imwrite(str(tmp_path / "deep_grey.png"), deep[:, :, 0])
    assert {path.name: stored_as(path) for path in sorted(tmp_path.iterdir())} == {
        "plain.jpg": (),
        "no_ending": (),
        "palette.png": ("palette",),
        "cmyk.jpg": ("CMYK",),
        "alpha.png": ("transparency",),
        "turned.jpg": ("turned by EXIF",),
        "turned.tif": ("turned by EXIF",),
        "moving.webp": ("several frames",),
        "pages.tif": ("several frames",),
        "really_png.jpg": ("extension does not match the content",),
        "deep_colour.png": ("16 bits a channel",),
        "deep_colour.tif": ("16 bits a channel",),
        "deep_grey.png": ("16 bits a channel",),
    }
    for path in tmp_path.iterdir():
        assert set(stored_as(path)) <= set(STORED_AS)


def test_decoded_knows_its_full_upright_size(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(scene(400, 600)).save(tmp_path / "a.jpg", exif=exif)
    data = (tmp_path / "a.jpg").read_bytes()
    small = decode_picture("a.jpg", data, at_least=100)
    assert (small.width, small.height, small.pixels.shape, small.reduced) == (400, 600, (150, 100, 3), True)
    assert not decode_picture("a.jpg", data).reduced


@pytest.mark.parametrize("upright", [True, False])
def test_the_longer_side_can_be_the_one_that_is_kept(tmp_path: Path, upright: bool) -> None:
    pixels = scene(600, 400) if upright else scene(400, 600)
    Image.fromarray(pixels).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    for at_least, expected in ((301, 600), (300, 300), (151, 300), (150, 150)):
        assert max(decode_picture("a.jpg", data, at_least=at_least, side="longer").pixels.shape) == expected


def test_what_is_wrong_with_a_jpeg_is_said_by_the_error_alone(tmp_path: Path, capfd: Any) -> None:
    """libjpeg writes to the terminal by itself, into whatever is shown there."""
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)).save(
        tmp_path / "a.jpg"
    )
    data = (tmp_path / "a.jpg").read_bytes()
    for broken in (data[:9000], data[:9000] + bytes(3000), data[:-2] + b"abc" + data[-2:]):
        (tmp_path / "a.jpg").write_bytes(broken)
        with contextlib.suppress(PictureError):
            read_picture(tmp_path / "a.jpg")
    assert capfd.readouterr() == ("", "")


def test_truncated_jpeg_is_refused_at_reduced_size_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    noise = np.random.default_rng(1).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(PictureError, match="truncated"):
        read_picture(path, at_least=64)


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_above_the_limit_is_read_at_reduced_size_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progressive: bool
) -> None:
    monkeypatch.setattr(decode, "MAX_PIXELS", 100_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)  # where Pillow itself refuses
    path = tmp_path / "slide.jpg"
    Image.fromarray(scene(400, 600)).save(path, progressive=progressive)
    with pytest.raises(PictureError, match="600 x 400 px, more than 100,000 pixels"):
        read_picture(path)
    if progressive:  # decoding would hold it whole
        with pytest.raises(PictureError, match="600 x 400 px, more than 100,000 pixels"):
            read_picture(path, at_least=100)
    else:
        assert read_picture(path, at_least=100).shape == (100, 150, 3)


def save_pyramid(path: Path, sizes: list[tuple[int, int]], marked: bool = True) -> None:
    """A TIFF with pages of these (width, height), each of another grey."""
    pages = [Image.new("L", size, 40 * number) for number, size in enumerate(sizes)]
    pages[0].encoderinfo = {}
    for page in pages[1:]:
        page.encoderinfo = {"tiffinfo": {254: 1}} if marked else {}
    pages[0].save(path, save_all=True, append_images=pages[1:])


def test_of_a_tiff_pyramid_the_smallest_sufficient_level_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "slide.tif"
    # The page of another shape is what scanners store of the slide's label.
    save_pyramid(path, [(1600, 800), (800, 400), (300, 290), (400, 200), (200, 100)])
    assert read_picture(path).shape == (800, 1600, 3)
    for at_least, height in ((801, 800), (400, 400), (399, 400), (150, 200), (100, 100), (1, 100)):
        decoded = decode_picture(path, path.read_bytes(), at_least=at_least)
        assert (decoded.pixels.shape[0], decoded.width, decoded.height) == (height, 1600, 800)
    assert (read_picture(path, at_least=200) == 120).all()
    monkeypatch.setattr(decode, "MAX_PIXELS", 500_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 250_000)
    assert read_picture(path, at_least=150).shape == (200, 400, 3)
    with pytest.raises(PictureError, match="1600 x 800 px, more than 500,000 pixels"):
        read_picture(path)
    with pytest.raises(PictureError, match="1600 x 800 px, more than 500,000 pixels"):
        read_picture(path, at_least=500)


def test_pages_of_a_document_are_not_levels(tmp_path: Path) -> None:
    save_pyramid(tmp_path / "a.tif", [(400, 200), (200, 100)], marked=False)
    assert read_picture(tmp_path / "a.tif", at_least=50).shape == (200, 400, 3)


@pytest.mark.parametrize("at_least", [None, 50])
def test_a_damaged_later_page_does_not_cost_the_first(tmp_path: Path, at_least: int | None) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64), dtype=np.uint8)
    for suffix in ("tif", "gif", "png"):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(noise[0]).save(path, save_all=True, append_images=[Image.fromarray(noise[1])])
        expected = read_picture(path)
        whole = path.read_bytes()
        if suffix == "tif":  # the pointer to the second page's directory leads into pixels
            start = struct.unpack("<I", whole[4:8])[0]
            pointer = start + 2 + 12 * struct.unpack("<H", whole[start : start + 2])[0]
            path.write_bytes(whole[:pointer] + struct.pack("<I", 3000) + whole[pointer + 4 :])
        else:
            path.write_bytes(whole[: len(whole) * 4 // 5])
        np.testing.assert_array_equal(read_picture(path, at_least=at_least), expected)
