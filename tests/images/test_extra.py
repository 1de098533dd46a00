"""Further images of a picture: read, kept, moved with it, and never taken as empty."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from grandmaster.errors import UserError
from grandmaster.images.augment import Operation, build_augmentation, light_policy
from grandmaster.images.dataset import PictureDataset
from grandmaster.images.decode import PictureError
from grandmaster.images.extra import ExtraFiles, check_extras
from grandmaster.images.normalise import to_input
from grandmaster.images.quiet_albumentations import A
from grandmaster.images.resize import to_square
from grandmaster.images.store import PictureStore
from grandmaster.images.transforms import OWN_TRANSFORMS


def write(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[list[Path], list[Path]]:
    rng = np.random.default_rng(0)
    pictures, masks = [], []
    for number, shape in enumerate([(40, 80), (90, 30), (16, 16)]):
        picture = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        pictures.append(write(tmp_path / f"{number}.png", picture))
        mask = rng.integers(0, 2, (shape[0] // 2, shape[1] // 2), dtype=np.uint8) * 255
        masks.append(write(tmp_path / f"{number}_mask.png", mask))
    return pictures, masks


def mask_of(paths: list[Path], channels: int = 3, highest: int = 255) -> ExtraFiles:
    return ExtraFiles(name="mask", paths=tuple(paths), channels=channels, highest=highest)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_store_holds_them_behind_the_picture_at_its_square(files, channels: int) -> None:
    pictures, masks = files
    needed = 3 * 32 * 32 * (3 + channels)
    held = PictureStore(pictures, 32, memory_budget=needed, extras=[mask_of(masks, channels)])
    read = PictureStore(pictures, 32, memory_budget=needed - 1, extras=[mask_of(masks, channels)])
    assert (held.in_memory, read.in_memory, held.channels) == (True, False, 3 + channels)
    plain = PictureStore(pictures, 32, memory_budget=needed)
    for row in range(3):
        np.testing.assert_array_equal(held[row], read[row])
        np.testing.assert_array_equal(held[row][..., :3], plain[row])
        expected = to_square(np.asarray(Image.open(masks[row]).convert("RGB")), 32)
        np.testing.assert_array_equal(held[row][..., 3:], expected[..., :channels])


def test_several_of_them_follow_in_order(files) -> None:
    pictures, masks = files
    store = PictureStore(
        pictures, 32, memory_budget=10**6, extras=[mask_of(masks, 1), mask_of(pictures, 3), mask_of(masks, 1)]
    )
    assert store[0].shape == (32, 32, 8)
    np.testing.assert_array_equal(store[0][..., 4:7], store[0][..., :3])
    np.testing.assert_array_equal(store[0][..., 7], store[0][..., 3])


@pytest.mark.parametrize("budget", [0, 10**6])
def test_an_unreadable_one_is_an_error_that_names_it(files, budget: int) -> None:
    pictures, masks = files
    masks[1].write_bytes(b"")
    masks[2].unlink()
    message = r"2 of 3 pictures have no readable mask: '1_mask\.png \(file is empty\)', '2_mask\.png"
    with pytest.raises(UserError, match=message):
        PictureStore(pictures, 32, memory_budget=budget, extras=[mask_of(masks)])
    with pytest.raises(UserError, match=message):
        check_extras([mask_of(masks)], pictures, threads=2)


def test_of_an_unreadable_picture_nothing_is_asked(files) -> None:
    pictures, masks = files
    pictures[1].write_bytes(b"")
    masks[1].unlink()
    store = PictureStore(pictures, 32, memory_budget=10**6, extras=[mask_of(masks)])
    assert set(store.unreadable) == {1}


def test_masks_of_zero_and_one_are_scaled_as_stated_and_noticed_where_not(tmp_path: Path) -> None:
    bits = np.random.default_rng(0).integers(0, 2, (20, 20), dtype=np.uint8)
    picture = write(tmp_path / "a.png", np.zeros((20, 20, 3), np.uint8))
    path = write(tmp_path / "mask.png", bits)
    np.testing.assert_array_equal(mask_of([path], 1, highest=1).square(0, 20)[..., 0], bits * 255)
    assert check_extras([mask_of([path], 1, highest=1)], [picture], threads=1) == ()
    (warning,) = check_extras([mask_of([path], 1)], [picture], threads=1)
    assert "the brightest value of all 1 files is 1 of 255; say `highest`" in warning
    write(path, bits * 2)
    with pytest.raises(PictureError, match=r"has value 2, above highest \(1\)"):
        mask_of([path], 1, highest=1).square(0, 20)


def test_one_of_another_shape_is_stretched_and_said(files) -> None:
    pictures, masks = files
    assert check_extras([mask_of(masks)], pictures, threads=1) == ()
    write(masks[1], np.full((50, 50), 255, np.uint8))
    (warning,) = check_extras([mask_of(masks)], pictures, threads=1)
    assert "1 of 3 files of mask have another shape than their pictures" in warning
    assert "1_mask.png" in warning


# Geometry: with the picture's own red, green and blue given as the further image, what comes out must be what comes
# out of the picture, apart from what is bared (black, not white).
GEOMETRY = (
    Operation(name="FilledRotation", probability=1.0, params={"fill": 0, "levels": [[10, 30, 1]]}),
    Operation(name="D4", probability=1.0),
    Operation(name="CropShare", probability=1.0, params={"levels": [[0.5, 0.8, 1]]}),
    Operation(name="CutMix", probability=1.0),
    Operation(name="MixUp", probability=1.0),
    Operation(name="HorizontalFlip", probability=1.0),
    Operation(
        name="Affine",
        probability=1.0,
        params={"scale": [0.8, 1.2], "rotate": [-30, 30], "translate_percent": [-0.1, 0.1]},
    ),
    Operation(name="RandomResizedCrop", probability=1.0, params={"scale": [0.5, 0.8]}),
)
COLOURS = (
    Operation(name="ScaledBlur", probability=1.0, params={"levels": [[2, 3, 1]]}),
    Operation(name="PixelNoise", probability=1.0, params={"levels": [[20, 30, 1]]}),
    Operation(name="Exposure", probability=1.0, params={"levels": [[0.5, 1, 1]]}),
    Operation(name="Contrast", probability=1.0, params={"levels": [[0.5, 1, 1]]}),
    Operation(name="RandomBrightnessContrast", probability=1.0, params={"brightness_limit": [0.2, 0.3]}),
    Operation(name="HueSaturationValue", probability=1.0, params={"hue_shift_limit": [10, 20]}),
    Operation(name="ColourShift", probability=1.0, params={"hue": [10, 20]}),
    Operation(name="StoredAsJpeg", probability=1.0, params={"levels": [[10, 20, 1]]}),
    Operation(name="ImageCompression", probability=1.0, params={"quality_range": [10, 20]}),
)


def picture(seed: int, side: int = 48) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (6, 6, 3), np.uint8), (side, side))


def doubled(seed: int, copies: int = 2) -> np.ndarray:
    return np.concatenate([picture(seed)] * copies, axis=2)


@pytest.mark.parametrize("operation", GEOMETRY, ids=lambda operation: operation.name)
@pytest.mark.parametrize("copies", [2, 3])
def test_what_moves_pixels_or_mixes_does_the_same_to_further_images(operation, copies: int) -> None:
    augment = build_augmentation((operation,), 48)
    for seed in range(6):
        made, share = augment(doubled(1, copies), seed, partner=lambda: doubled(2, copies))
        alone, alone_share = augment(picture(1), seed, partner=lambda: picture(2))
        assert made.shape == (48, 48, 3 * copies)
        np.testing.assert_array_equal(made[..., :3], alone)
        assert share == alone_share
        for copy in range(1, copies):
            np.testing.assert_allclose(made[..., 3 * copy : 3 * copy + 3].astype(int), alone, atol=5)
    assert not np.array_equal(alone, picture(1))


@pytest.mark.parametrize("operation", COLOURS, ids=lambda operation: operation.name)
def test_what_changes_colour_sharpness_or_noise_leaves_further_images_alone(operation) -> None:
    made, _ = build_augmentation((operation,), 48)(doubled(1), 0)
    np.testing.assert_array_equal(made[..., 3:], picture(1))
    assert np.abs(made[..., :3].astype(int) - picture(1)).max() > 5
    alone, _ = build_augmentation((operation,), 48)(picture(1), 0)
    np.testing.assert_array_equal(made[..., :3], alone)


def test_every_own_transform_is_in_one_of_the_two_lists() -> None:
    named = {operation.name for operation in (*GEOMETRY, *COLOURS)}
    assert set(OWN_TRANSFORMS) <= named
    assert all(
        not issubclass(OWN_TRANSFORMS[o.name], A.DualTransform) for o in COLOURS if o.name in OWN_TRANSFORMS
    )


def test_what_a_turn_bares_is_white_in_the_picture_and_nothing_in_the_mask() -> None:
    turn = Operation(name="FilledRotation", probability=1.0, params={"levels": [[45, 45, 1]], "fill": 255})
    made, _ = build_augmentation((turn,), 48)(np.full((48, 48, 4), 100, np.uint8), 3)
    assert (made[0, 0] == (255, 255, 255, 0)).all()
    assert (made[24, 24] == 100).all()


def test_a_grey_mask_keeps_its_channel_through_everything() -> None:
    augment = build_augmentation((*GEOMETRY, *light_policy(), *COLOURS), 32)
    four = np.concatenate([picture(1), np.full((48, 48, 1), 255, np.uint8)], axis=2)
    made, _ = augment(four, 5, partner=lambda: four)
    assert made.shape == (32, 32, 4)
    assert build_augmentation((), 32)(four, 0)[0].shape == (32, 32, 4)


def test_half_covered_stays_half() -> None:
    """Masks hold amounts: a turned edge has values between, as the picture's has."""
    turn = Operation(name="Affine", probability=1.0, params={"rotate": [20, 20]})
    half = np.zeros((48, 48, 4), np.uint8)
    half[:, 24:] = 255
    made, _ = build_augmentation((turn,), 48)(half, 0)
    assert ((made[..., 3] > 20) & (made[..., 3] < 235)).sum() > 20


def test_a_dataset_gives_all_channels_and_validation_only_resizes(files) -> None:
    pictures, masks = files
    store = PictureStore(pictures, 40, memory_budget=10**6, extras=[mask_of(masks)])
    trained = PictureDataset(store, None, build_augmentation(light_policy(), 32), 32, 0)[0]
    validated = PictureDataset(store, None, None, 32, 0)[0]
    assert trained.picture.shape == validated.picture.shape == (6, 32, 32)
    expected = np.concatenate([to_square(store[0][..., :3], 32), to_square(store[0][..., 3:], 32)], axis=2)
    np.testing.assert_array_equal(validated.picture.permute(1, 2, 0).numpy(), expected)


def test_mean_and_deviation_repeat_in_turn_over_further_channels() -> None:
    batch = torch.randint(0, 256, (2, 7, 4, 4), dtype=torch.uint8)
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    found = to_input(batch, mean, std, device="cpu")
    for channel in range(7):
        expected = (batch[:, channel] / 255 - mean[channel % 3]) / std[channel % 3]
        torch.testing.assert_close(found[:, channel], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 5, 6, 7, 9])
def test_any_number_of_channels_is_resized_as_each_alone(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, channels), dtype=np.uint8)
    for size in (24, 50, 80):
        found = to_square(image, size)
        assert found.shape == (size, size, channels)
        for channel in range(channels):
            alone = to_square(np.repeat(image[..., channel : channel + 1], 3, axis=2), size)
            np.testing.assert_array_equal(found[..., channel], alone[..., 0])
