"""Each kind of corruption does what its name says, the same for the same draw."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from grandmaster.images.corruption import KINDS, Draw, broad_prevalence, corrupt, draw

GREY = np.full((60, 90, 3), 120, np.uint8)


def texture(height: int = 60, width: int = 90, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def drawn(seed: int = 1, **strengths: float) -> Draw:
    return Draw(strengths=strengths, bins={}, seed=seed)


def absent() -> dict[str, np.ndarray]:
    return {name: np.array([1.0, *[0.0] * len(kind.bins)]) for name, kind in KINDS.items()}


def test_nothing_drawn_changes_nothing() -> None:
    picture = texture()
    np.testing.assert_array_equal(corrupt(picture, GREY, drawn()), picture)


def test_mixup_weighs_the_other_by_its_strength() -> None:
    mixed = corrupt(np.zeros_like(GREY), np.full((30, 20, 3), 200, np.uint8), drawn(mixup=0.25))
    assert mixed.shape == GREY.shape
    assert np.all(mixed == 50)


@pytest.mark.parametrize("seed", range(4))
def test_cutmix_pastes_one_rectangle_of_that_area(seed: int) -> None:
    mixed = corrupt(
        np.zeros((200, 300, 3), np.uint8), np.full((9, 9, 3), 255, np.uint8), drawn(seed, cutmix=0.3)
    )
    other = mixed[..., 0] == 255
    assert other.mean() == pytest.approx(0.3, abs=0.01)
    assert other.sum() == other.any(axis=0).sum() * other.any(axis=1).sum()


def test_flips_are_the_seven_symmetries_beside_the_identity() -> None:
    picture = np.arange(6 * 6 * 3, dtype=np.uint8).reshape(6, 6, 3)
    found = {corrupt(picture, GREY, drawn(seed, flip=1.0)).tobytes() for seed in range(80)}
    turned = [np.rot90(base, turns).tobytes() for base in (picture, picture[:, ::-1]) for turns in range(4)]
    assert found == set(turned) - {picture.tobytes()}


@pytest.mark.parametrize("fill", [255, 0])
def test_rotation_bares_the_fill_and_keeps_or_enlarges_the_frame(fill: int) -> None:
    kept = corrupt(GREY, GREY, drawn(rotation=30.0, frame=1.0), fill=fill)
    enlarged = corrupt(GREY, GREY, drawn(rotation=30.0, frame=2.0), fill=fill)
    assert kept.shape == GREY.shape
    assert enlarged.shape[0] > 60
    assert enlarged.shape[1] > 60
    for corner in (kept[0, 0], kept[-1, -1], enlarged[0, 0], enlarged[-1, -1]):
        assert corner.tolist() == [fill] * 3
    assert (enlarged[..., 0] == 120).sum() == pytest.approx(60 * 90, rel=0.08), "nothing is lost"
    assert (kept[..., 0] == 120).sum() < 0.9 * 60 * 90


def test_exposure_brightens_and_darkens() -> None:
    for seed in range(5):
        assert corrupt(GREY, GREY, drawn(seed, exposure=0.3)).mean() > 130
        assert corrupt(GREY, GREY, drawn(seed, exposure=-0.3)).mean() < 110


@pytest.mark.parametrize("colour", [0.0, 0.5, 1.0])
def test_noise_has_its_spread_and_its_share_of_colour(colour: float) -> None:
    grey = np.full((300, 300, 3), 128, np.uint8)
    noise = corrupt(grey, grey, drawn(noise=15.0, colour=colour)).astype(float) - 128
    assert noise.std() == pytest.approx(15.0, rel=0.04)
    between = np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]
    assert between == pytest.approx(1 - colour, abs=0.04)


def test_blur_has_its_standard_deviation() -> None:
    point = np.zeros((61, 61, 3), np.uint8)
    point[30, 30] = 255
    point[28:33, 28:33] = 255
    blurred = corrupt(point, point, drawn(blur=2.0))[..., 0].astype(float)
    place = np.arange(61) - 30
    variance = (blurred.sum(axis=0) @ place**2) / blurred.sum()
    assert variance == pytest.approx(2.0**2 + (5**2 - 1) / 12, rel=0.1)


def test_saving_is_that_of_an_rgb_file() -> None:
    """Luminance is stored finer than colour, so it must be known which channel is red."""
    picture = cv2.GaussianBlur(texture(160, 160), (0, 0), 1.5)
    picture[..., 1:] = 90
    picture[..., 0] = cv2.normalize(picture[..., 0], None, 0, 255, cv2.NORM_MINMAX)
    stored = io.BytesIO()
    Image.fromarray(picture).save(stored, "JPEG", quality=60)
    expected = np.asarray(Image.open(stored).convert("RGB"), float)
    error = np.abs(corrupt(picture, picture, drawn(), jpeg_quality=60) - expected).mean()
    assert error < 0.5
    assert np.abs(expected - picture).mean() > 2


def test_the_same_draw_gives_the_same_and_leaves_its_inputs_alone() -> None:
    picture, partner = texture(), texture(40, 50, seed=1)
    before = picture.copy(), partner.copy()
    rng = np.random.default_rng(0)
    for _ in range(30):
        one = draw(broad_prevalence(0.9), rng)
        first, second = (corrupt(picture, partner, one, jpeg_quality=80) for _ in range(2))
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(picture, before[0])
    np.testing.assert_array_equal(partner, before[1])


@pytest.mark.parametrize("shape", [(1, 1), (1, 600), (600, 1), (2, 3)])
def test_tiny_and_long_pictures_come_through(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        made = corrupt(texture(*shape), texture(5, 4), draw(broad_prevalence(0.9), rng), jpeg_quality=80)
        assert made.dtype == np.uint8
        assert made.ndim == 3
        assert min(made.shape) >= 1


def test_shares_and_strengths_are_those_of_the_prevalence() -> None:
    rng, number = np.random.default_rng(0), 4000
    prevalence = absent() | {
        "rotation": np.array([0.4, 0.1, 0.0, 0.5]),
        "frame": np.array([0.7, 0.075, 0.225]),  # as a share of all pictures: a quarter to three quarters
        "blur": np.array([0.9, 0.1, 0.0, 0.0, 0.0]),
    }
    draws = [draw(prevalence, rng) for _ in range(number)]
    found = np.bincount([one.bins["rotation"] for one in draws], minlength=4) / number
    np.testing.assert_allclose(found, prevalence["rotation"], atol=0.03)
    frames = np.bincount([one.bins["frame"] for one in draws if one.bins["rotation"]], minlength=3)
    np.testing.assert_allclose(frames / frames.sum(), [0, 0.25, 0.75], atol=0.03)
    assert np.mean(["blur" in one.strengths for one in draws]) == pytest.approx(0.1, abs=0.02)
    assert not any({"noise", "colour", "mixup", "flip"} & set(one.strengths) for one in draws)
    for one in draws:
        for name, strength in one.strengths.items():
            low, high = KINDS[name].bins[one.bins[name] - 1]
            assert low <= strength <= high
        assert set(one.strengths) == {name for name, place in one.bins.items() if place}


def test_details_are_there_exactly_where_their_kind_is() -> None:
    rng = np.random.default_rng(0)
    prevalence = broad_prevalence(0.5)
    prevalence["colour"] = np.array([1.0, 0.0, 0.0, 0.0])  # never found: any of them where there is noise
    for _ in range(500):
        one = draw(prevalence, rng)
        for name, kind in KINDS.items():
            if kind.part_of:
                assert (name in one.strengths) == (kind.part_of in one.strengths)
