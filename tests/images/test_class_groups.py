"""Classes are grouped by what their pictures are like and by how many there are, never by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from grandmaster.images.augment import build_augmentation
from grandmaster.images.class_groups import ClassGroups, class_policies, find_class_groups
from grandmaster.images.dataset import PictureDataset
from grandmaster.images.operation import Operation
from grandmaster.images.policy import light_policy


def class_of(
    count: int, brightness: float, *, contrast: float = 40.0, aligned: float = 0.5, spread: float = 10.0
) -> dict[str, Any]:
    def summary(middle: float, width: float) -> dict[str, float]:
        return {"q50": middle, "q05": middle - 1.645 * width, "q95": middle + 1.645 * width}

    return {
        "count": count,
        "statistics": {
            "brightness": summary(brightness, spread),
            "contrast": summary(contrast, 8.0),
            "axis_alignment": summary(aligned, 0.1),
        },
    }


def fingerprint(classes: dict[str, Any]) -> dict[str, Any]:
    return {"class_statistics": {"classes": classes, "classes_left_out": 0}}


TWO_KINDS = {
    "dashboard": class_of(90, 45, aligned=0.2),
    "bill": class_of(100, 180),
    "plate": class_of(100, 80),
    "resume": class_of(40, 175),
    "passport": class_of(100, 150),
    "receipt": class_of(100, 185),
    "diagnosis": class_of(100, 178),
    "certificate": class_of(100, 168),
    "prescription": class_of(100, 190),
    "licence": class_of(100, 160),
}


def test_photos_pages_and_minorities_are_found():
    groups = find_class_groups(fingerprint(TWO_KINDS))
    assert groups.photos == ("dashboard", "plate")
    assert groups.pages == tuple(name for name in TWO_KINDS if name not in ("dashboard", "plate"))
    assert groups.minority == ("resume",)
    assert "median brightness 45 to 80 against 150 to 190" in groups.kinds_reason
    assert groups.minority_reason == "at most 40 pictures, the median class has 100"


@pytest.mark.parametrize(
    "classes",
    [
        {"a": class_of(90, 150), "b": class_of(100, 165), "c": class_of(100, 158), "d": class_of(95, 170)},
        # Far apart in number, but so is every class's own range.
        {name: class_of(90, 45 + 45 * step, spread=60) for step, name in enumerate("abcd")},
        # As far from one another as from the other kind: no two kinds, but a range.
        {name: class_of(90, 40 + 15 * step, spread=4) for step, name in enumerate("abcdefghijkl")},
    ],
)
def test_classes_of_one_kind_are_not_split(classes):
    groups = find_class_groups(fingerprint(classes))
    assert (groups.photos, groups.pages, groups.minority) == ((), (), ())
    assert "of one kind" in groups.kinds_reason


def test_classes_without_pictures_or_alike_or_few_are_said():
    empty = TWO_KINDS | {"none": class_of(0, 0)}
    for summary in empty["none"]["statistics"].values():
        summary.update(dict.fromkeys(("q05", "q50", "q95")))
    assert find_class_groups(fingerprint(empty)).kinds_reason == "a class has no readable picture"
    same = {name: class_of(10, 100) for name in "abc"}
    assert find_class_groups(fingerprint(same)).kinds_reason == "the classes' pictures are measured alike"
    two = find_class_groups(fingerprint({"a": class_of(9, 20), "b": class_of(90, 200)}))
    assert two == ClassGroups(
        kinds_reason="2 classes are too few to be grouped",
        minority_reason="2 classes are too few to be grouped",
    )


def names(operations: tuple[Operation, ...]) -> list[str]:
    return [operation.name for operation in operations]


def test_policies_of_a_fitted_policy():
    fitted = (
        Operation(name="MixUp", probability=0.3),
        Operation(name="D4", probability=0.5),
        Operation(name="PixelNoise", probability=0.2),
    )
    found = class_policies(find_class_groups(fingerprint(TWO_KINDS)), fitted, light_policy())
    by_name = {policy.name: policy for policy in found}
    assert set(by_name) == {"photos", "pages, minority"}  # pages keep the policy of all
    assert names(by_name["photos"].operations) == [
        "MixUp",
        "D4",
        "PixelNoise",
        "ColourShift",
    ]
    without = class_policies(find_class_groups(fingerprint(TWO_KINDS)), fitted[::2], light_policy())
    assert names(without[0].operations) == [
        "MixUp",
        "RandomResizedCrop",
        "PixelNoise",
        "ColourShift",
    ]
    assert by_name["pages, minority"].classes == ("resume",)
    assert names(by_name["pages, minority"].operations) == ["MixUp", "Affine", "D4", "PixelNoise"]
    assert "against 150 to 190" in by_name["pages, minority"].reason
    assert "at most 40 pictures" in by_name["pages, minority"].reason


def test_pages_are_not_mirrored_by_the_light_policy_and_photos_keep_it():
    found = class_policies(find_class_groups(fingerprint(TWO_KINDS)), light_policy(), light_policy())
    by_name = {policy.name: policy for policy in found}
    assert "photos" not in by_name
    assert names(by_name["pages"].operations) == ["RandomBrightnessContrast"]
    for policy in found:
        build_augmentation(policy.operations, 64)


def test_a_picture_is_augmented_by_the_policy_of_its_class():
    class Store:
        aspects = np.ones(6)
        sides = np.full(6, 32)

        def __len__(self) -> int:
            return 6

        def __getitem__(self, row: int) -> np.ndarray:
            return np.full((32, 32, 3), 100, np.uint8)

    def shade(value: float) -> Any:
        brighter = Operation(
            name="RandomBrightnessContrast",
            probability=1.0,
            params={"brightness_limit": (value, value), "contrast_limit": (0.0, 0.0)},
        )
        return build_augmentation([brighter], 32)

    targets = np.array([0, 1, 2, 0, 1, 2])
    data = PictureDataset(Store(), targets, shade(0.0), 32, 1, by_class={1: shade(0.2), 2: shade(0.4)})
    for dataset in (data, data.with_seed(7)):
        brightness = [float(dataset[row].picture.float().mean()) for row in range(6)]
        assert brightness == pytest.approx([100, 151, 202, 100, 151, 202], abs=1.5)
    with pytest.raises(ValueError, match="the dataset wants 32"):
        PictureDataset(Store(), targets, None, 32, 1, by_class={1: build_augmentation([], 64)})
