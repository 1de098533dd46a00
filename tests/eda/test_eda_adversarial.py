"""Telling two sets apart, and the numbers of a picture that it is done by."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from eda_pictures import photo

from grandmaster.eda.adversarial import auc_interval, separate, separate_embeddings
from grandmaster.eda.appearance import NAMES, SIDE, appearance
from grandmaster.images.resize import to_square

COLUMNS = [f"column {number}" for number in range(12)]


def normal(rows: int, seed: int, columns: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns))


def looks(picture: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, appearance(to_square(picture, SIDE)).tolist(), strict=True))


def test_one_distribution_is_not_told_apart() -> None:
    for found in (
        separate(normal(80, 1), normal(90, 2), COLUMNS),
        separate_embeddings(normal(80, 1, 30), normal(90, 2, 30)),
    ):
        assert found.low <= 0.5 <= found.high
        assert found.auc == pytest.approx(0.5, abs=0.12)


def test_what_is_learnt_by_heart_does_not_count() -> None:
    """Trees reproduce their own training rows almost perfectly; only rows that they have not seen are judged."""
    found = separate(normal(60, 3), normal(60, 4), COLUMNS)
    assert found.auc < 0.65
    wide = separate_embeddings(normal(60, 3, 300), normal(60, 4, 300))  # more columns than rows
    assert wide.auc < 0.65


def test_what_differs_is_told_apart_and_named() -> None:
    second = normal(60, 2)
    second[:, 7] += 9
    second[:, 4] -= 1
    found = separate(normal(50, 1), second, COLUMNS, most=3)
    assert found.auc == pytest.approx(1.0, abs=0.005)
    assert len(found.telling) == 3
    assert [name for name, _, _ in found.telling[:2]] == ["column 7", "column 4"]
    assert found.telling[0][2] > 0 > found.telling[1][2]
    assert (found.first.shape, found.second.shape) == ((50,), (60,))
    assert found.first.max() < found.second.min()
    assert separate_embeddings(normal(50, 1), second).auc > 0.99


def test_a_column_that_hardly_varies_has_an_effect_of_sensible_size() -> None:
    """More than three quarters are the same, so that the pooled quartile range is 0."""
    first, second = normal(100, 1), normal(20, 2)
    first[:, 0], second[:, 0] = 0.0, 1.0
    name, _, effect = separate(first, second, COLUMNS).telling[0]
    assert name == "column 0"
    assert 0.5 < effect < 10


def test_the_interval_is_hanley_and_mcneils() -> None:
    # By hand: Q1 = 0.8/1.2 = 0.66667, Q2 = 1.28/1.8 = 0.71111; variance (0.16 + 49*0.026667 + 39*0.071111)/2000 = 0.0021200.
    low, high = auc_interval(0.8, 40, 50)
    assert (low, high) == pytest.approx((0.8 - 1.96 * 0.046043, 0.8 + 1.96 * 0.046043), abs=1e-4)
    widths = [np.diff(auc_interval(0.7, number, number))[0] for number in (20, 80, 320)]
    assert widths[0] == pytest.approx(2 * widths[1], rel=0.05)
    assert widths[1] == pytest.approx(2 * widths[2], rel=0.05)
    assert auc_interval(1.0, 20, 20) == (1.0, 1.0)
    assert auc_interval(0.98, 10, 10)[1] == 1.0


def test_the_same_seed_gives_the_same_and_threads_change_nothing() -> None:
    first, second = normal(60, 1), normal(60, 2) + 0.3
    one, again, many = (separate(first, second, COLUMNS, seed=5, threads=threads) for threads in (1, 1, 4))
    for other in (again, many):
        assert (other.auc, other.low, other.high, other.telling) == (one.auc, one.low, one.high, one.telling)
        assert other.first.tobytes() == one.first.tobytes()
        assert other.second.tobytes() == one.second.tobytes()


def test_too_few_pictures_are_refused() -> None:
    for tell in (lambda a, b: separate(a, b, COLUMNS), separate_embeddings):
        with pytest.raises(ValueError, match="9 and 40 pictures are too few"):
            tell(normal(9, 1), normal(40, 2))


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((SIDE, SIDE, 3), np.uint8),
        np.full((SIDE, SIDE, 3), 255, np.uint8),
        np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8),
        np.tile(np.indices((SIDE, SIDE)).sum(axis=0)[..., None] % 2 * 255, 3).astype(np.uint8),
        to_square(np.full((1, 1, 3), 77, np.uint8), SIDE),
        to_square(photo(1, 640, 3), SIDE),
    ],
    ids=["black", "white", "noise", "chequered", "one pixel", "long"],
)
def test_every_picture_has_finite_numbers(picture: np.ndarray) -> None:
    before = picture.copy()
    values = appearance(picture)
    assert values.shape == (len(NAMES),)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    np.testing.assert_array_equal(picture, before)


def test_names_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)


def test_numbers_react_to_what_is_done() -> None:
    picture = photo(3, SIDE, SIDE)
    plain = looks(picture)
    blurred = looks(cv2.GaussianBlur(picture, (0, 0), 2.0))
    assert blurred["spectrum 0.41-0.5"] < plain["spectrum 0.41-0.5"] - 1
    assert blurred["spectrum 0.01-0.03"] == pytest.approx(plain["spectrum 0.01-0.03"], abs=0.3)
    assert blurred["sharpness at 1/1"] < plain["sharpness at 1/1"] - 1
    noise = np.random.default_rng(0).normal(0, 12, picture.shape)
    noisy = looks(np.clip(picture + noise, 0, 255).astype(np.uint8))
    for name in ("noise in flat mid-tones", "noise in the flattest quarter", "colour noise"):
        assert noisy[name] > plain[name] + 1, name
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), 30, 1.0)
    for fill, colour in ((255, "white"), (0, "black")):
        turned = looks(cv2.warpAffine(picture, matrix, (SIDE, SIDE), borderValue=(fill,) * 3))
        assert turned[f"{colour} in corner 0"] > 0.9
        assert plain[f"{colour} in corner 0"] < 0.1
    dark = looks((picture * 0.6).astype(np.uint8))
    assert dark["brightness"] == pytest.approx(0.6 * plain["brightness"], rel=0.02)
    assert dark["grey quantile 50"] < plain["grey quantile 50"]
