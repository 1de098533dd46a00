"""The policy follows what was read from the test pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from grandmaster.images.augment import (
    build_augmentation,
    light_policy,
    needs_test_like,
    test_like_corruption,
    test_like_policy,
)
from grandmaster.images.corruption import KINDS


def separation(auc: float) -> dict[str, Any]:
    features = [{"name": "white in corner 0", "importance": 0.1, "effect": 1.0}]
    return {"auc": auc, "low": auc - 0.02, "high": auc + 0.02, "features": features}


def shift(auc: float = 0.98, **shares: float) -> dict[str, Any]:
    """What shift.json holds when these kinds were found in these shares of the test pictures."""
    kinds = {}
    for name, kind in KINDS.items():
        share = shares.get(name, shares.get(kind.part_of or "", 0.0))
        weights = np.zeros(len(kind.bins))
        weights[-1] = 1.0
        kinds[name] = {
            "share": share,
            "low": max(0.0, share - 0.03),
            "high": share + 0.03,
            "clean": 0.0,
            "auc": 0.9,
            "levels": [[*bounds, weight] for bounds, weight in zip(kind.bins, weights.tolist(), strict=True)],
        }
    return {
        "adversarial": separation(auc),
        "reading": {"method": "weights", "kinds": kinds, "fitted": separation(0.66)},
        "fill_value": 0,
        "jpeg_quality": None,
    }


def by_name(content: dict[str, Any]) -> dict[str, Any]:
    return {item.name: item for item in test_like_corruption(content)}


def test_alike_stays_mild_and_says_so():
    needed, reason = needs_test_like(shift(auc=0.55, rotation=0.5))
    assert not needed
    assert reason.startswith("no shift")
    assert "0.550" in reason
    nothing = shift() | {"reading": None}
    assert test_like_policy(nothing) == light_policy()
    assert test_like_corruption(nothing) == ()


def test_different_by_something_else_is_said():
    needed, reason = needs_test_like(shift(auc=0.9))
    assert not needed
    assert "white in corner 0" in reason
    assert "could imitate" in reason


def test_too_few_pictures():
    content = {"adversarial": None, "reading": None, "reason": "too few to compare"}
    assert needs_test_like(content) == (False, "too few to compare")
    assert test_like_policy(content) == light_policy()


def test_everything_found_becomes_an_operation_with_its_share_and_evidence():
    content = shift(
        mixup=0.3,
        cutmix=0.1,
        flip=0.7,
        crop=0.2,
        rotation=0.8,
        exposure=0.4,
        contrast=0.3,
        noise=0.5,
        blur=0.45,
    )
    found = by_name(content)
    assert list(found) == [
        "MixUp",
        "CutMix",
        "D4",
        "CropShare",
        "FilledRotation",
        "Exposure",
        "ScaledBlur",
        "PixelNoise",
    ]
    assert found["MixUp"].probability == 0.3
    assert found["MixUp"].params["levels"] == [[0.35, 0.5, 1.0]]
    assert found["D4"].probability == 0.8  # one in eight draws of D4 is the identity
    assert found["FilledRotation"].params["fill"] == 0
    assert found["FilledRotation"].params["expand_probability"] == 1.0
    assert "45%" in found["ScaledBlur"].reason
    assert "AUC 0.90" in found["ScaledBlur"].reason
    needed, reason = needs_test_like(content)
    assert needed
    assert "rotated 80%" in reason
    assert "AUC 0.660" in reason
    assert "frame" not in reason  # a detail of rotation is no finding of its own


@pytest.mark.parametrize(
    ("change", "there"),
    [
        ({"share": 0.04}, False),  # too rare to matter
        ({"low": 0.01}, False),  # not sure
        ({"auc": 0.6}, False),  # the reader cannot read it
        ({"clean": 0.3}, False),  # the reader sees it in training pictures too
        ({}, True),
    ],
)
def test_only_what_is_sure_readable_and_notable(change, there):
    content = shift(blur=0.5)
    content["reading"]["kinds"]["blur"] |= change
    assert ("ScaledBlur" in by_name(content)) is there


def test_rotation_brings_flips_that_cannot_be_read():
    assert "D4" in by_name(shift(rotation=0.5))
    assert "D4" not in by_name(shift(rotation=0.2))
    assert "can hardly be read" in by_name(shift(rotation=0.5))["D4"].reason
    both = by_name(shift(rotation=0.5, flip=0.2))["D4"]
    assert both.probability == 0.5
    assert "20%" in both.reason
    assert by_name(shift(flip=0.2))["D4"].probability == pytest.approx(0.2 * 8 / 7, abs=1e-3)


def test_small_angles_keep_pictures_upright():
    content = shift(rotation=0.5)
    assert by_name(content)["FilledRotation"].params["quarter_turns"] is True
    content["reading"]["kinds"]["rotation"]["levels"] = [
        [3.0, 15.0, 0.9],
        [15.0, 30.0, 0.1],
        [30.0, 45.0, 0.0],
    ]
    params = by_name(content)["FilledRotation"].params
    assert params["quarter_turns"] is False
    assert params["levels"] == [[3.0, 15.0, 0.9], [15.0, 30.0, 0.1]]


def test_files_with_halved_colour_keep_little_colour_noise():
    plain = by_name(shift(noise=0.5))["PixelNoise"].params["colour"]
    stored = by_name(shift(noise=0.5) | {"jpeg_quality": 85})["PixelNoise"].params["colour"]
    assert plain > 0.8
    assert stored < 0.1


def test_framing_stays_where_nothing_was_turned():
    names = [item.name for item in test_like_policy(shift(noise=0.5, mixup=0.3))]
    assert names == ["MixUp", "RandomResizedCrop", "HorizontalFlip", "PixelNoise"]
    corrupted = [item.name for item in test_like_corruption(shift(noise=0.5, mixup=0.3))]
    assert corrupted == ["MixUp", "PixelNoise"]  # what validation pictures undergo was all measured


def test_policies_can_be_built_and_used():
    kinds = ("mixup", "cutmix", "flip", "crop", "rotation", "exposure", "noise", "blur")
    content = shift(**dict.fromkeys(kinds, 0.5))
    picture = np.full((80, 80, 3), 120, np.uint8)
    for policy in (test_like_policy(content), light_policy()):
        made, share = build_augmentation(policy, 64)(picture, 3, side=400, partner=lambda: picture)
        assert made.shape == (64, 64, 3)
        assert 0 <= share < 1


def quality(share: float, median: int) -> dict[str, Any]:
    return {"share": share, "low": median - 10, "median": median, "high": median + 5}


def test_files_stored_with_more_loss_are_imitated_with_what_the_headers_say():
    content = shift(noise=0.5) | {"stored": {"train": quality(1.0, 95), "test": quality(0.9, 40)}}
    operations = test_like_corruption(content)
    assert [item.name for item in operations] == ["PixelNoise", "StoredAsJpeg"], "stored is what is done last"
    assert operations[-1].probability == 0.9
    assert operations[-1].params == {"levels": [[30, 45, 1.0]]}
    assert (
        "90% of test files are JPEGs of quality 30 to 45, training files quality 95" in operations[-1].reason
    )
    assert "compression" in needs_test_like(content)[1]
    build_augmentation(operations, 32)
    alone = shift() | {"stored": {"train": quality(0.0, 100), "test": quality(1.0, 60)}}
    needed, reason = needs_test_like(alone)
    assert needed
    assert reason.endswith("found in test: compression")
    assert [item.name for item in test_like_corruption(alone)] == ["StoredAsJpeg"]
    assert "training files no JPEGs" in test_like_corruption(alone)[0].reason


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (quality(1.0, 95), quality(1.0, 88)),  # hardly seen
        (quality(1.0, 60), quality(1.0, 55)),  # as in training
        (quality(1.0, 40), quality(1.0, 80)),  # better than in training
        (quality(1.0, 95), quality(0.02, 40)),  # hardly any
    ],
)
def test_files_stored_alike_are_left(train, test):
    content = shift() | {"stored": {"train": train, "test": test}}
    assert test_like_corruption(content) == ()
    assert not needs_test_like(content)[0]
