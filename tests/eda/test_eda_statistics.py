"""Statistics of pictures whose statistics are known."""

from __future__ import annotations

import itertools
import math

import cv2
import numpy as np
import pytest
from eda_pictures import Pixels, document, photo, resized, rotated
from PIL import Image

from grandmaster.eda.signature import inspect_picture
from grandmaster.eda.statistics import (
    NAMES,
    analysis_grey,
    axis_alignment,
    corner_fill,
    measure,
    noise_sigma,
    sharpness,
    summarise,
)


def values_of(pixels: Pixels, size: int = 256) -> dict[str, float]:
    height, width = pixels.shape[:2]
    statistics = measure(analysis_grey(pixels, size), width=width, height=height, file_bytes=1000)
    return dict(zip(NAMES, statistics.values.tolist(), strict=True))


def half_and_half(left: int, right: int, side: int = 512) -> Pixels:
    pixels = np.full((side, side, 3), left, np.uint8)
    pixels[:, side // 2 :] = right
    return pixels


def with_noise(pixels: Pixels, sigma: float) -> Pixels:
    noise = np.random.default_rng(0).normal(0, sigma, pixels.shape[:2])[..., None]
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def test_brightness_contrast_and_overexposure_are_exact():
    values = values_of(half_and_half(50, 250))
    assert values["brightness"] == 150.0
    assert values["contrast"] == 100.0
    assert values["overexposed"] == 0.5
    assert values_of(half_and_half(50, 249))["overexposed"] == 0.0


def test_size_aspect_and_bytes_are_those_of_the_file():
    values = values_of(photo(1, width=300, height=200))
    assert (values["width"], values["height"], values["aspect"], values["bytes"]) == (300, 200, 1.5, 1000)


@pytest.mark.parametrize(
    ("shape", "expected"), [((400, 200), (256, 128)), ((50, 100), (128, 256)), ((256, 100), (256, 100))]
)
def test_analysis_picture_has_the_fixed_longer_side(shape, expected):
    assert analysis_grey(np.zeros((*shape, 3), np.uint8), 256).shape == expected


def test_sharpness_falls_with_blur():
    grey = analysis_grey(photo(2), 256)
    series = [sharpness(grey)] + [sharpness(cv2.GaussianBlur(grey, (0, 0), sigma)) for sigma in (1, 2, 4)]
    assert all(later < 0.7 * earlier for earlier, later in itertools.pairwise(series))


def test_sharpness_depends_little_on_the_stored_size():
    pixels = photo(2, width=1024, height=768)
    one, two = (values_of(part)["sharpness"] for part in (pixels, resized(pixels, 0.5)))
    assert one == pytest.approx(two, rel=0.15)
    # ... which it would without the fixed analysis size:
    assert sharpness(analysis_grey(pixels, 1024)) < 0.6 * one


@pytest.mark.parametrize("sigma", [2.0, 5.0, 10.0, 20.0])
def test_noise_is_near_the_true_sigma(sigma):
    flat = np.full((256, 256, 3), 128, np.uint8)
    assert noise_sigma(analysis_grey(with_noise(flat, sigma), 256)) == pytest.approx(sigma, rel=0.05)
    shapes = photo(3, width=256, height=192)
    assert noise_sigma(analysis_grey(with_noise(shapes, sigma), 256)) == pytest.approx(sigma, rel=0.15)


def test_text_and_edges_are_not_noise():
    assert noise_sigma(analysis_grey(document(1), 256)) < 0.5
    assert noise_sigma(analysis_grey(photo(3), 256)) < 0.5
    code = np.full((256, 256), 200, np.uint8)  # a matrix code over more than half of the picture
    code[:, :159] = np.random.default_rng(1).choice([20, 200], (256, 159))
    pixels = np.repeat(code[..., None], 3, axis=2)
    assert noise_sigma(analysis_grey(pixels, 256)) == 0.0
    assert noise_sigma(analysis_grey(with_noise(pixels, 5.0), 256)) == pytest.approx(5.0, rel=0.5)


def test_noise_is_that_of_the_picture_and_not_of_a_clean_white_fill():
    noisy = with_noise(photo(3, width=256, height=256), 8.0)
    turned = np.asarray(Image.fromarray(noisy).rotate(45, Image.Resampling.NEAREST, fillcolor=(255,) * 3))
    framed = np.full((400, 400, 3), 255, np.uint8)
    framed[72:328, 72:328] = turned  # two thirds of the picture are fill now
    assert noise_sigma(analysis_grey(framed, 400)) == pytest.approx(8.0, rel=0.3)
    # With hardly anything but white left, the white has to do.
    framed[100:] = 255
    assert noise_sigma(analysis_grey(framed, 400)) == 0.0


def test_noise_on_white_paper_is_seen_although_clipped():
    page = resized(document(1), 0.4)
    sigma = noise_sigma(analysis_grey(with_noise(page, 10.0), 256))
    assert 4.0 < sigma < 11.0


@pytest.mark.parametrize("degrees", [12, 20, 30, 45, 70, -35])
def test_rotation_fills_the_corners_that_geometry_says(degrees):
    pixels = photo(4)
    assert corner_fill(analysis_grey(pixels, 256)) == (0.0, None)
    turned = analysis_grey(with_noise(rotated(pixels, degrees), 15.0), 256)
    empty = analysis_grey(rotated(np.zeros_like(pixels), degrees), 256) > 127
    height, width = empty.shape
    y, x = np.mgrid[:height, :width]
    corners = np.minimum(x, width - 1 - x) / width + np.minimum(y, height - 1 - y) / height <= 0.12
    share, fill = corner_fill(turned)
    assert share == pytest.approx(empty[corners].mean(), abs=0.08)
    assert share > 0.4
    assert fill == 255


def test_corner_fill_is_exact_and_knows_black():
    grey = np.full((200, 200), 120, np.uint8)
    assert corner_fill(grey) == (0.0, None)
    grey[:60, :60] = 0
    assert corner_fill(grey) == (0.25, 0)
    grey[:60, -60:] = grey[-60:, -60:] = 255
    assert corner_fill(grey) == (0.75, 255)
    assert corner_fill(np.full((200, 200), 239, np.uint8)) == (0.0, None)
    assert corner_fill(np.full((200, 200), 240, np.uint8)) == (1.0, 255)
    assert corner_fill(np.full((200, 200), 4, np.uint8)) == (1.0, 0)
    assert corner_fill(np.full((200, 200), 5, np.uint8)) == (0.0, None)


def test_a_bright_corner_with_texture_is_not_filled():
    rng = np.random.default_rng(0)
    grey = cv2.resize(rng.integers(200, 256, (30, 30), dtype=np.uint8), (240, 240))
    assert corner_fill(grey)[0] < 0.3
    striped = np.full((200, 200), 255, np.uint8)
    for row in range(3, 200, 5):
        striped[row : row + 2] = 100
    assert corner_fill(striped) == (0.0, None)


@pytest.mark.parametrize("degrees", [12, 20, 45, 78])
@pytest.mark.parametrize("pixels", [document(1), half_and_half(30, 200)], ids=["document", "edge"])
def test_rotation_lowers_axis_alignment(pixels, degrees):
    upright = values_of(pixels)["axis_alignment"]
    turned = values_of(rotated(pixels, degrees, fill=int(pixels[0, 0, 0])))["axis_alignment"]
    assert upright > 0.35
    assert turned < 0.5 * upright


def test_quarter_turns_and_flips_keep_axis_alignment():
    pixels = document(2)
    upright = values_of(pixels)["axis_alignment"]
    for turned in (np.rot90(pixels), pixels[:, ::-1], pixels.transpose(1, 0, 2)):
        assert values_of(np.ascontiguousarray(turned))["axis_alignment"] == pytest.approx(upright, rel=0.02)


def test_directions_all_alike_give_a_ninth():
    y, x = np.mgrid[-128:128, -128:128]
    radius = np.hypot(x, y)
    # Faded out before the sides: a square holds more of its diagonals than of its axes.
    rings = (127 + 100 * np.sin(radius / 4) * np.clip((120 - radius) / 20, 0, 1)).astype(np.uint8)
    assert axis_alignment(rings) == pytest.approx(10 / 90, abs=0.015)


def test_a_flat_picture_has_no_direction():
    assert math.isnan(axis_alignment(np.full((100, 100), 77, np.uint8)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (3, 2), (500, 2), (9, 9)])
def test_tiny_pictures_are_measured_all_the_same(shape):
    values = values_of(np.full((*shape, 3), 9, np.uint8))
    assert all(math.isfinite(value) for name, value in values.items() if name != "axis_alignment")
    assert values["brightness"] == 9.0


def test_summary_leaves_out_what_is_not_a_number():
    table = np.zeros((5, len(NAMES)))
    table[:, NAMES.index("brightness")] = [0, 1, 2, 3, 4]
    table[:, NAMES.index("axis_alignment")] = [0.5, 0.5, 0.5, 0.5, math.nan]
    summary = summarise(table)
    assert summary["brightness"] == {
        "mean": 2.0,
        "std": pytest.approx(math.sqrt(2)),
        "q05": pytest.approx(0.2),
        "q25": 1.0,
        "q50": 2.0,
        "q75": 3.0,
        "q95": pytest.approx(3.8),
    }
    assert summary["axis_alignment"]["mean"] == 0.5
    assert summarise(np.empty((0, len(NAMES))))["noise"]["mean"] is None


@pytest.mark.parametrize("width", [1060, 800])
def test_a_jpeg_decoded_at_reduced_size_measures_as_if_decoded_whole(tmp_path, width):
    """Reduced to just above the analysis size, it would come out as blurred as sharpness 0.6 of the whole."""
    rng = np.random.default_rng(0)
    fine = rng.normal(128, 40, (width * 3 // 4, width)).astype(np.float32)
    pixels = np.clip(cv2.GaussianBlur(fine, (0, 0), 1.2) * 2 - 128, 0, 255).astype(np.uint8)
    path = tmp_path / "a.jpg"
    Image.fromarray(pixels).convert("RGB").save(path, quality=95)
    record, _ = inspect_picture(path, path.read_bytes(), digest=bytes(32), analysis_size=256)
    found = dict(zip(NAMES, record["values"][0].tolist(), strict=True))
    whole = values_of(np.asarray(Image.open(path)))
    assert found["sharpness"] == pytest.approx(whole["sharpness"], rel=0.25)
    assert found["noise"] == pytest.approx(whole["noise"], rel=0.25)
    assert found["brightness"] == pytest.approx(whole["brightness"], abs=0.5)
