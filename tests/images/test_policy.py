"""The policy follows the numbers of the fingerprint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from grandmaster.images.augment import build_augmentation, light_policy, needs_test_like, test_like_policy
from grandmaster.images.policy import shifts

COUNT = 1000


def summary(values: np.ndarray) -> dict[str, float]:
    levels = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
    quantiles = {key: float(np.quantile(values, level)) for key, level in levels.items()}
    return {"mean": float(values.mean()), "std": float(values.std()), **quantiles}


def pictures(seed: int) -> dict[str, np.ndarray]:
    """Statistics of clean upright pictures, a third of them on white paper."""
    rng = np.random.default_rng(seed)
    paper = rng.random(COUNT) < 0.33
    return {
        "brightness": np.where(paper, rng.normal(230, 10, COUNT), rng.normal(130, 25, COUNT)),
        "contrast": rng.normal(55, 12, COUNT),
        "sharpness": rng.lognormal(7.0, 0.9, COUNT),
        "noise": rng.gamma(2.0, 0.4, COUNT),
        "overexposed": np.where(paper, 0.7, 0.01),
        "corner_fill": np.where(paper, rng.uniform(0.5, 1.0, COUNT), 0.0),
        "axis_alignment": rng.beta(6, 7, COUNT),
    }


def fingerprint(train: dict[str, np.ndarray], test: dict[str, np.ndarray], fill: int = 255) -> dict[str, Any]:
    split = {
        name: {"count": COUNT, "statistics": {key: summary(value) for key, value in values.items()}}
        for name, values in (("train", train), ("test", test))
    }
    return {**split, "fill_value": fill}


def changed(test: dict[str, np.ndarray], share: float, **change: Any) -> dict[str, np.ndarray]:
    which = np.random.default_rng(9).random(COUNT) < share
    return test | {name: np.where(which, how(test[name]), test[name]) for name, how in change.items()}


def by_name(found: dict[str, Any]) -> dict[str, Any]:
    return {item.name: item for item in test_like_policy(found)}


ROTATED = {
    "corner_fill": lambda x: np.full_like(x, 0.99),
    "axis_alignment": lambda x: np.full_like(x, 0.11),
    "brightness": lambda x: x + 0.12 * (255 - x),
}


@pytest.mark.parametrize("seed", range(5))
def test_two_samples_of_one_source_need_nothing(seed: int) -> None:
    alike = fingerprint(pictures(seed), pictures(seed + 100))
    needed, reason = needs_test_like(alike)
    assert not needed
    assert "look like train" in reason
    assert test_like_policy(alike) == light_policy()


@pytest.mark.parametrize("share", [0.4, 0.8])
def test_rotation_is_found_with_its_share_and_colour(share: float) -> None:
    found = fingerprint(pictures(0), changed(pictures(1), share, **ROTATED))
    assert shifts(found)["rotation"].share == pytest.approx(share, abs=0.15)
    assert {name for name, shift in shifts(found).items() if shift.share >= 0.1} == {"rotation"}
    operations = by_name(found)
    assert operations["FilledRotation"].probability == pytest.approx(share + 0.1, abs=0.16)
    assert operations["FilledRotation"].params["fill"] == 255
    assert by_name(found | {"fill_value": 0})["FilledRotation"].params["fill"] == 0
    assert "D4" in operations
    assert not {"ScaledBlur", "PixelNoise", "RandomGamma"} & set(operations)
    numbers = (
        found["train"]["statistics"]["corner_fill"]["mean"],
        found["test"]["statistics"]["corner_fill"]["mean"],
    )
    assert all(f"{number:.2f}" in operations["FilledRotation"].reason for number in numbers)
    assert needs_test_like(found)[0]
    assert "rotation" in needs_test_like(found)[1]


def test_lost_alignment_alone_is_rotation_only_where_corners_cannot_tell() -> None:
    askew = {"axis_alignment": ROTATED["axis_alignment"]}
    noise_like = fingerprint(pictures(0), changed(pictures(1), 0.8, **askew))
    assert shifts(noise_like)["rotation"].share < 0.1
    white_train, white_test = pictures(0), changed(pictures(1), 0.8, **askew)
    for values in (white_train, white_test):
        values["corner_fill"] = np.full(COUNT, 0.98)
    assert shifts(fingerprint(white_train, white_test))["rotation"].share > 0.6


def test_blur_is_found_and_its_strength_follows() -> None:
    reach = {}
    for factor in (0.5, 0.05):
        found = fingerprint(pictures(0), changed(pictures(1), 0.6, sharpness=lambda x, f=factor: x * f))
        operations = by_name(found)
        assert not {"FilledRotation", "PixelNoise", "D4"} & set(operations)
        assert "HorizontalFlip" in operations
        reach[factor] = operations["ScaledBlur"].params["sigma_range"][1]
        assert "sharpness" in operations["ScaledBlur"].reason
    assert reach[0.5] < reach[0.05]
    # Gaussian blur of sigma 0.9 leaves 5 % of the Laplacian variance of a 1/f picture.
    assert 0.7 < reach[0.05] / 1.75 < 1.3


def test_noise_is_found_and_its_strength_follows() -> None:
    reach = []
    for level in (5.0, 12.0):
        found = fingerprint(pictures(0), changed(pictures(1), 0.5, noise=lambda x, n=level: np.hypot(x, n)))
        operations = by_name(found)
        assert "ScaledBlur" not in operations
        reach.append(operations["PixelNoise"].params["sigma_range"][1])
        assert 0.4 < operations["PixelNoise"].probability < 0.7
    assert reach == [pytest.approx(10, rel=0.1), pytest.approx(24, rel=0.1)]
    few = fingerprint(pictures(0), changed(pictures(1), 0.25, noise=lambda x: np.hypot(x, 5.0)))
    strength = by_name(few)["PixelNoise"].params["sigma_range"]
    assert strength[1] == pytest.approx(10, rel=0.1)  # that of the noisy ones, not of all


@pytest.mark.parametrize(("change", "sign"), [(40, 1), (-40, -1)])
def test_exposure_moves_the_mean_as_far_as_measured(change: int, sign: int) -> None:
    train = pictures(0) | {"brightness": np.random.default_rng(0).normal(120, 15, COUNT)}
    test = pictures(1) | {"brightness": np.random.default_rng(1).normal(120 + change, 15, COUNT)}
    operations = by_name(fingerprint(train, test))
    low, high = operations["RandomBrightnessContrast"].params["brightness_limit"]
    moved = 255 * (low + high) / 2 * operations["RandomBrightnessContrast"].probability
    assert moved == pytest.approx(change, abs=3)
    gamma = operations["RandomGamma"].params["gamma_limit"]
    assert np.sign(100 - np.mean(gamma)) == sign  # gamma below 100 brightens


def test_contrast_is_lowered_where_test_has_less() -> None:
    found = fingerprint(pictures(0), changed(pictures(1), 0.6, contrast=lambda x: x * 0.6))
    limits = by_name(found)["RandomBrightnessContrast"].params["contrast_limit"]
    assert limits[0] < -0.5
    assert limits[1] == 0.15


def test_what_could_not_be_measured_is_no_shift() -> None:
    found = fingerprint(pictures(0), pictures(1))
    for split in ("train", "test"):
        found[split]["statistics"]["axis_alignment"] = dict.fromkeys(
            found[split]["statistics"]["axis_alignment"]
        )
    assert needs_test_like(found)[0] is False
    empty = found | {"test": {"count": 0, "statistics": {}}}
    assert needs_test_like(empty) == (False, "there are no test pictures to compare with")
    assert test_like_policy(empty) == light_policy()


def test_every_policy_can_be_built() -> None:
    found = fingerprint(
        pictures(0),
        changed(
            pictures(1),
            0.6,
            **ROTATED,
            sharpness=lambda x: x / 10,
            noise=lambda x: x + 8,
            contrast=lambda x: x * 0.7,
        ),
    )
    assert {"FilledRotation", "ScaledBlur", "PixelNoise"} < set(by_name(found))
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for policy in (test_like_policy(found), light_policy()):
        assert all(item.reason for item in policy)
        augment = build_augmentation(policy, 64)
        assert len({augment(image, seed).tobytes() for seed in range(8)}) > 6
