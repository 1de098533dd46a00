"""Augmentation depends on (picture, seed) alone, and a person's mistake in the plan is named."""

from __future__ import annotations

import pickle
import random
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest

from grandmaster.errors import UserError
from grandmaster.images.augment import Operation, build_augmentation, light_policy
from grandmaster.images.effects import shift_colours, stored
from grandmaster.images.fast_transforms import FAST_TRANSFORMS
from grandmaster.images.quiet_albumentations import A
from grandmaster.images.resize import to_square
from grandmaster.images.transforms import FilledRotation, PixelNoise


def picture(height: int = 64, width: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def operation(name: str, probability: float = 1.0, **params: Any) -> Operation:
    return Operation(name=name, probability=probability, params=params)


EVERYTHING = (
    operation("FilledRotation", 0.7),
    operation("D4", 0.5),
    *light_policy(),
    operation("CoarseDropout", 0.5),
    operation("ScaledBlur", 0.5),
    operation("PixelNoise", 0.5),
)


def test_same_seed_same_result_other_seed_other_result() -> None:
    augment, image = build_augmentation(EVERYTHING, 48), picture()
    before = image.copy()
    first = [augment(image, seed)[0] for seed in range(20)]
    again = [augment(image, seed)[0] for seed in reversed(range(20))][::-1]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.shape == (48, 48, 3)
        assert a.dtype == np.uint8
    assert len({a.tobytes() for a in first}) == 20
    np.testing.assert_array_equal(image, before)


def test_a_pickled_augmentation_gives_the_same() -> None:
    augment = build_augmentation(EVERYTHING, 48)
    copy = pickle.loads(pickle.dumps(augment))
    np.testing.assert_array_equal(augment(picture(), 7)[0], copy(picture(), 7)[0])


def test_operations_are_drawn_independently_of_each_other() -> None:
    # Seeding every transform alike would apply both or neither, always.
    augment = build_augmentation((operation("HorizontalFlip", 0.5), operation("InvertImg", 0.5)), 8)
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, :4] = 50
    flipped, inverted = [], []
    for seed in range(400):
        result = augment(image, seed)[0].astype(int)
        inverted.append(bool(result.max() > 100))
        flipped.append(bool((result[0, 0, 0] == result[0, 7, 0] + 50) == inverted[-1]))
    both = np.mean(np.array(flipped) & np.array(inverted))
    assert np.mean(flipped) == pytest.approx(0.5, abs=0.08)
    assert np.mean(inverted) == pytest.approx(0.5, abs=0.08)
    assert both == pytest.approx(0.25, abs=0.08)


@pytest.mark.parametrize("shape", [(64, 64), (30, 80), (400, 300), (8, 8)])
def test_any_input_size_gives_the_size_asked_for(shape: tuple[int, int]) -> None:
    for policy in (EVERYTHING, light_policy(), (), (operation("PixelNoise"), operation("D4"))):
        augment = build_augmentation(policy, 32)
        for seed in range(5):
            assert augment(picture(*shape), seed)[0].shape == (32, 32, 3)


def test_without_operations_the_picture_is_copied_not_shared() -> None:
    image = picture(32, 32)
    result = build_augmentation((), 32)(image, 0)[0]
    np.testing.assert_array_equal(result, image)
    result[:] = 0
    assert image.any()


def test_lists_from_json_are_understood() -> None:
    raw = msgspec.json.encode(EVERYTHING)
    restored = msgspec.json.decode(raw, type=tuple[Operation, ...])
    image = picture()
    for seed in range(5):
        np.testing.assert_array_equal(
            build_augmentation(restored, 48)(image, seed)[0],
            build_augmentation(EVERYTHING, 48)(image, seed)[0],
        )


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (operation("HorizontalFlop"), r"HorizontalFlop.*Did you mean 'HorizontalFlip'"),
        (operation("Compose"), r"no such transform"),
        (operation("NoSuchThingAtAll"), r"class name of albumentations"),
        (operation("ScaledBlur", level=3), r"'ScaledBlur'.*Did you mean 'levels'"),
        (operation("GaussianBlur", blur=3), r"unknown argument 'blur'.*'GaussianBlur'"),
        (operation("GaussNoise", std_range=(5, 9)), r"wrong arguments.*'GaussNoise'"),
        (operation("PixelNoise", levels=[(9, 2, 1)]), r"wrong arguments: levels.*'PixelNoise'"),
        (operation("PixelNoise", levels="strong"), r"wrong arguments.*'PixelNoise'"),
        (operation("FilledRotation", fill=300), r"wrong arguments: fill.*'FilledRotation'"),
    ],
)
def test_a_bad_operation_is_named(bad: Operation, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        build_augmentation((*light_policy(), bad), 32)
    assert "\n" not in str(caught.value)


def test_every_transform_that_needs_no_arguments_can_be_named() -> None:
    for name in ("MedianBlur", "RandomRotate90", "ToSepia", "ImageCompression", "Perspective", "Downscale"):
        assert build_augmentation((operation(name),), 32)(picture(), 0)[0].shape == (32, 32, 3)


@pytest.mark.parametrize("name", sorted(FAST_TRANSFORMS))
def test_faster_transforms_do_what_albumentations_does(name: str) -> None:
    image = picture(24, 31)
    for seed in range(12):
        made = []
        for kind in (FAST_TRANSFORMS[name], getattr(A, name)):
            transform = kind(p=0.7)
            transform.set_random_state(np.random.default_rng(seed), random.Random(seed))
            made.append(transform(image=image)["image"].astype(int))
        assert made[0].shape == made[1].shape
        # Rounded, where albumentations cuts off.
        assert np.abs(made[0] - made[1]).max() <= (name == "RandomBrightnessContrast")


def test_shifted_colours_are_turned_drained_and_lightened_and_grey_stays_grey() -> None:
    rgb = np.array([[[200, 40, 40], [90, 90, 90]]], np.uint8)
    unchanged = shift_colours(rgb, hue=0, saturation=1, brightness=0)
    np.testing.assert_array_equal(unchanged, rgb)
    turned = shift_colours(rgb, hue=120, saturation=1, brightness=0)
    np.testing.assert_array_equal(turned, [[[40, 200, 40], [90, 90, 90]]])
    drained = shift_colours(rgb, hue=0, saturation=0, brightness=7)
    luma = round(0.299 * 200 + 0.701 * 40) + 7
    np.testing.assert_array_equal(drained, [[[luma] * 3, [97] * 3]])
    for wrong in ({"hue": (10, -10)}, {"saturation": (-1, 1)}, {"brightness": (0, 300)}):
        with pytest.raises(UserError, match="ColourShift"):
            build_augmentation((operation("ColourShift", **wrong),), 32)


def test_probability_outside_0_to_1_is_refused_when_the_plan_is_read() -> None:
    with pytest.raises(msgspec.ValidationError, match="probability"):
        msgspec.json.decode(b'{"name": "D4", "probability": 50}', type=Operation)


def turned(image: np.ndarray, angle: float, *, size: int, aspect: float, expand: float = 0.0) -> np.ndarray:
    rotation = FilledRotation(size, fill=255, p=1.0)
    matrix = rotation.matrix(angle, image.shape[:2], aspect=aspect, zoom=1.0, enlarge=bool(expand))
    return rotation.apply(image, matrix=matrix)


def test_rotation_draws_its_angles_from_the_levels() -> None:
    """A cross turned by 10 to 20 degrees either way, upright or on its side, is never upright or further turned."""
    cross = np.zeros((101, 101, 3), np.uint8)
    cross[48:53, 50:] = 255  # a ray to the right: its direction is the angle
    angles = {True: [], False: []}
    for quarter_turns, found in angles.items():
        augment = build_augmentation(
            (
                operation(
                    "FilledRotation",
                    levels=[[10, 20, 1]],
                    quarter_turns=quarter_turns,
                    expand_probability=0,
                    fill=0,
                ),
            ),
            101,
        )
        for seed in range(80):
            rows, columns = np.nonzero(augment(cross, seed)[0][:, :, 0] > 128)
            found.append(np.degrees(np.arctan2(50 - rows.mean(), columns.mean() - 50)) % 360)
    offsets = np.abs((np.array(angles[True]) + 45) % 90 - 45)
    assert offsets.min() > 8
    assert offsets.max() < 22
    assert {int(angle // 90) for angle in np.array(angles[True]) + 0.0} == {0, 1, 2, 3}
    upright = np.array(angles[False])
    assert ((upright < 22) | (upright > 338)).all()
    assert {bool(angle < 180) for angle in upright} == {True, False}


def test_rotation_by_right_angles_is_exact_and_counter_clockwise() -> None:
    image = picture(32, 32)
    for quarter in range(4):
        np.testing.assert_array_equal(
            turned(image, 90 * quarter, size=32, aspect=1.0), np.rot90(image, quarter)
        )


@pytest.mark.parametrize("expand", [0.0, 1.0])
def test_rotation_keeps_the_shapes_of_the_original(expand: float) -> None:
    """A round disc in a wide picture is still round after turning, once the frame's aspect is restored."""
    y, x = np.mgrid[0:200, 0:400]
    original = np.where((x - 200) ** 2 + (y - 100) ** 2 < 60**2, 0, 255).astype(np.uint8)
    square = np.repeat(np.asarray(original[:, ::2])[:, :, None], 3, 2)  # squeezed to 200 x 200
    result = turned(square, 30, size=200, aspect=2.0, expand=expand)[:, :, 0]
    rows, columns = np.nonzero(result < 128)
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    frame = (400.0, 200.0) if expand == 0 else (400 * cos + 200 * sin, 400 * sin + 200 * cos)
    assert np.ptp(columns) * frame[0] / 200 == pytest.approx(120, abs=6)
    assert np.ptp(rows) * frame[1] / 200 == pytest.approx(120, abs=6)


def test_expanded_rotation_loses_nothing_and_fills_the_corners() -> None:
    black = np.zeros((100, 100, 3), np.uint8)
    inside = turned(black, 45, size=100, aspect=1.0, expand=1.0)
    assert inside[0, 0, 0] == inside[0, 99, 0] == inside[99, 0, 0] == inside[99, 99, 0] == 255
    assert (inside[:, :, 0] < 128).mean() == pytest.approx(0.5, abs=0.03)  # the diamond
    kept = turned(black, 45, size=100, aspect=1.0, expand=0.0)
    assert (kept[:, :, 0] < 128).mean() == pytest.approx(0.83, abs=0.03)


def test_noise_has_the_sigma_asked_for_and_no_bias() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    for sigma in (2.0, 10.0, 25.0):
        augment = build_augmentation((operation("PixelNoise", levels=[(sigma, sigma, 1)]),), 200)
        noise = augment(grey, 3)[0].astype(float) - 128
        assert noise.std() == pytest.approx(sigma, rel=0.05)
        assert abs(noise.mean()) < 0.015 * sigma
        for shift in ((1, 0), (0, 1)):  # white: neighbours and channels know nothing of each other
            assert abs((noise * np.roll(noise, shift, (0, 1))).mean()) < 0.05 * sigma**2
        assert abs((noise[:, :, 0] * noise[:, :, 1]).mean()) < 0.05 * sigma**2
    assert not np.array_equal(augment(grey, 3)[0], augment(grey, 4)[0])


def test_noise_saturates_instead_of_wrapping_round() -> None:
    augment = build_augmentation((operation("PixelNoise", levels=[(20, 20, 1)]),), 64)
    assert augment(np.full((64, 64, 3), 255, np.uint8), 0)[0].min() > 100
    assert augment(np.zeros((64, 64, 3), np.uint8), 0)[0].max() < 155


@pytest.mark.parametrize("side", [128, 512])
def test_blur_means_the_same_at_every_resolution(side: int) -> None:
    """4 px on the picture as it was are 4 * 256 / side px once it is 256 px."""
    edge = np.zeros((256, 256, 3), np.uint8)
    edge[:, 128:] = 255
    augment = build_augmentation((operation("ScaledBlur", levels=[(4, 4, 1)]),), 256)
    blurred = augment(edge, 0, side=side)[0][128, :, 0]
    kernel, place = np.diff(blurred.astype(float)) / 255, np.arange(255)
    spread = np.sqrt((kernel * place**2).sum() - (kernel * place).sum() ** 2)
    assert spread == pytest.approx(4.0 * 256 / side, rel=0.05)


@pytest.mark.parametrize(("side", "aspect"), [(512, 1.0), (256, 1.0), (160, 1.6), (64, 0.5)])
def test_noise_is_as_strong_as_resizing_would_leave_it(side: int, aspect: float) -> None:
    """Noise on the file's picture, made square at the store's size and then at the model's, against noise drawn there."""
    rng = np.random.default_rng(0)
    shape = (round(side / aspect), side, 3) if aspect >= 1 else (side, round(side * aspect), 3)
    noisy = rng.normal(128, 20, shape).round().clip(0, 255).astype(np.uint8)
    expected = to_square(to_square(noisy, 147), 128).std()
    augment = build_augmentation((operation("PixelNoise", levels=[(20, 20, 1)]),), 128)
    grey = np.full((147, 147, 3), 128, np.uint8)
    assert augment(grey, 0, side=side, aspect=aspect)[0].std() == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("colour", [0.0, 0.3, 1.0])
def test_a_share_of_the_noise_differs_between_channels(colour: float) -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    augment = build_augmentation((operation("PixelNoise", levels=[(12, 12, 1)], colour=colour),), 200)
    noise = augment(grey, 3)[0].astype(float) - 128
    assert noise.std() == pytest.approx(12, rel=0.05)
    assert (noise[:, :, 0] * noise[:, :, 1]).mean() / 144 == pytest.approx(1 - colour, abs=0.05)


def test_exposure_in_stops_is_cut_off_at_white() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, 2).repeat(256, 1)
    means = []
    for stops in (-0.5, 0.0, 0.5):
        augment = build_augmentation((operation("Exposure", levels=[(stops, stops, 1)]),), 256)
        made = augment(ramp, 0)[0]
        means.append(made.mean())
        assert (np.diff(made[:, 0, 0].astype(int)) >= 0).all()
    assert means[0] < means[1] - 20
    assert means[2] > means[1] + 20
    np.testing.assert_array_equal(augment(np.full((256, 256, 3), 255, np.uint8), 0)[0], 255)


@pytest.mark.parametrize(("name", "low", "high"), [("MixUp", 0.3, 0.4), ("CutMix", 0.2, 0.3)])
def test_mixing_takes_the_share_it_reports(name: str, low: float, high: float) -> None:
    augment = build_augmentation((operation(name, 1.0, levels=[(low, high, 1)]),), 100)
    black, white = np.zeros((100, 100, 3), np.uint8), np.full((100, 100, 3), 255, np.uint8)
    for seed in range(10):
        made, share = augment(black, seed, partner=lambda: white)
        assert low <= share <= high
        assert made.mean() / 255 == pytest.approx(share, abs=0.03)
        assert not black.any()
        assert white.all()
    alone, share = augment(black, 0)
    assert share == 0
    assert not alone.any()


def test_mixed_twice_what_is_left_of_the_picture_is_counted() -> None:
    levels = [(0.5, 0.5, 1)]
    augment = build_augmentation((operation("MixUp", levels=levels), operation("CutMix", levels=levels)), 64)
    white = np.full((64, 64, 3), 255, np.uint8)
    made, share = augment(np.zeros((64, 64, 3), np.uint8), 1, partner=lambda: white)
    assert share == pytest.approx(0.75)
    assert made.mean() / 255 == pytest.approx(0.75, abs=0.05)


def test_the_other_picture_is_fetched_only_when_it_is_needed() -> None:
    def partner() -> np.ndarray:
        raise AssertionError("asked for without need")

    build_augmentation((operation("MixUp", 0.0), operation("D4")), 32)(picture(32, 32), 0, partner=partner)


def test_noise_of_large_pictures_fits_its_sheet() -> None:
    noisy = PixelNoise(((5.0, 5.0, 1.0),), p=1.0)
    for shape in ((1024, 1024), (683, 1000)):
        result = noisy(image=np.full((*shape, 3), 128, np.uint8))["image"]
        assert result.std() == pytest.approx(5, rel=0.05)


def test_mixing_before_turning_leaves_the_picture_at_its_own_size() -> None:
    """What is turned and what is mixed in is made `size` px once, after both."""
    seen: list[int] = []

    def partner() -> np.ndarray:
        seen.append(1)
        return picture(90, 90, seed=2)

    mixing = (operation("MixUp", levels=[[0.5, 0.5, 1]]), operation("FilledRotation", levels=[[0, 0, 1]]))
    names = [type(item).__name__ for item in build_augmentation(mixing, 64)._composition.transforms]
    assert names == ["MixUp", "FilledRotation", "Fit", "Fit"]
    made, share = build_augmentation(mixing, 64)(picture(90, 90), 0, partner=partner)
    assert (made.shape, share, seen) == ((64, 64, 3), 0.5, [1])


def test_contrast_is_about_mid_grey() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, 2).repeat(256, 1)
    for doublings in (-1.0, 0.0, 1.0):
        augment = build_augmentation((operation("Contrast", levels=[(doublings, doublings, 1)]),), 256)
        made = augment(ramp, 0)[0][:, 0, 0].astype(int)
        assert made[128] == 128
        assert made[148] - made[108] == round(40 * 2**doublings)
        assert made[0] == max(0, round(128 - 128 * 2**doublings))


def test_a_crop_is_a_window_anywhere() -> None:
    """On a picture whose value is its place, the window's ends tell its share and where it lay."""
    place = np.linspace(0, 255, 200).astype(np.uint8)
    image = np.stack([np.tile(place, (200, 1)), np.tile(place[:, None], (1, 200)), np.zeros((200, 200))], 2)
    augment = build_augmentation((operation("CropShare", levels=[(0.5, 0.5, 1)]),), 200)
    lefts = []
    for seed in range(30):
        made = augment(image.astype(np.uint8), seed)[0].astype(int)
        assert made[100, -1, 0] - made[100, 0, 0] == pytest.approx(127, abs=4)
        assert made[-1, 100, 1] - made[0, 100, 1] == pytest.approx(127, abs=4)
        lefts.append(made[100, 0, 0])
    assert min(lefts) < 20
    assert max(lefts) > 108


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_the_other_picture_may_have_any_shape(name: str) -> None:
    augment = build_augmentation((operation(name, levels=[[0.4, 0.4, 1]]),), 64)
    white = np.full((50, 200, 3), 255, np.uint8)
    made, share = augment(np.zeros((120, 70, 3), np.uint8), 0, partner=lambda: white)
    assert (made.shape, share) == ((64, 64, 3), 0.4)
    assert made.mean() / 255 == pytest.approx(0.4, abs=0.04)


def test_stored_as_jpeg_loses_what_a_file_of_the_pictures_own_size_loses():
    rng = np.random.default_rng(3)
    grey = cv2.GaussianBlur(rng.integers(0, 256, (96, 96), np.uint8), (0, 0), 1.0)
    picture = np.repeat(grey[:, :, None], 3, axis=2)  # colour is halved at any quality

    def loss(quality: float, side: float | None = None) -> float:
        operation = Operation(
            name="StoredAsJpeg", probability=1.0, params={"levels": [[quality, quality, 1]]}
        )
        result, _ = build_augmentation([operation], 96)(picture, 0, side=side)
        return float(np.abs(result.astype(float) - picture).mean())

    exact = stored(picture, 30)
    assert loss(30) == np.abs(exact.astype(float) - picture).mean()
    assert 2 * loss(95) < loss(60) < 0.75 * loss(30)
    # Of a file four times as large much less is left to be seen.
    assert loss(30, side=384) < 0.6 * loss(30)
    with pytest.raises(UserError, match="StoredAsJpeg"):
        loss(0)
