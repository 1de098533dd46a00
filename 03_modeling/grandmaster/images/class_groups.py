"""Groups of classes that want another augmentation: found from what their pictures are like and how many there are.

Everything here is a pure function of `fingerprint.json` and a policy; no class is known by its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from grandmaster.images.operation import Operation
from grandmaster.images.policy import after_mixing, has_framing

# What tells scans of pages from photos of things, of what is measured on every picture.
_STATISTICS = ("brightness", "contrast", "axis_alignment")
# Classes strewn evenly also fall into two halves: two groups must explain more than they do of this share of such sets.
SURE = 0.95
REFERENCES = 100
# Distance of the groups' mean brightness, in spreads of one class, from which they are two kinds of pictures.
CLEAR_DISTANCE = 3.0
# A class of at most this share of the median class's pictures is a minority.
MINORITY_SHARE = 0.6
# With fewer classes there is nothing to group.
FEWEST_CLASSES = 3
# 5 % to 95 % of a normal distribution are this many standard deviations apart.
_SPREADS = 3.29

# What only photos of things bear: another framing and another white balance. A page has neither, but it is not mirrored.
_PHOTO_ONLY = ("RandomResizedCrop", "ColourShift")
_NOT_OF_PAGES = (*_PHOTO_ONLY, "HueSaturationValue", "ColorJitter", "HorizontalFlip")


class ClassPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done to the training pictures of some classes, instead of the policy of all.

    Attributes:
        name: of the group.
        classes: labels.
        operations: all of them, in order.
        reason: what the group was made for, with figures.
    """

    name: str
    classes: tuple[str, ...]
    operations: tuple[Operation, ...]
    reason: str


class ClassGroups(msgspec.Struct, frozen=True, kw_only=True):
    """Groups of classes, any of them empty.

    Attributes:
        photos, pages: labels of the darker and of the lighter kind, where there are two kinds of pictures.
        minority: labels of small classes, of either kind.
        kinds_reason, minority_reason: the evidence, or why there is no such group.
    """

    photos: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    minority: tuple[str, ...] = ()
    kinds_reason: str = ""
    minority_reason: str = ""


def find_class_groups(fingerprint: Mapping[str, Any]) -> ClassGroups:
    """Tell photos from pages, and find minorities.

    Photos and pages: 2-means on the classes' median brightness, contrast and alignment of edges with the axes, each in
    units of the spread within a class. They must be clearly apart, and more so than the halves of classes strewn evenly
    over the same range (the uniform reference of the gap statistic, Tibshirani et al. 2001).

    Args:
        fingerprint: content of fingerprint.json.
    """
    classes: Mapping[str, Any] = fingerprint["class_statistics"]["classes"]
    labels = list(classes)
    if len(labels) < FEWEST_CLASSES:
        few = f"{len(labels)} classes are too few to be grouped"
        return ClassGroups(kinds_reason=few, minority_reason=few)
    photos, pages, kinds_reason = _kinds(classes)
    counts = np.array([classes[label]["count"] for label in labels])
    middle = float(np.median(counts))
    small = tuple(label for label, n in zip(labels, counts, strict=True) if n <= MINORITY_SHARE * middle)
    if small:
        largest = max(classes[label]["count"] for label in small)
        minority_reason = f"at most {largest} pictures, the median class has {middle:g}"
    else:
        minority_reason = (
            f"no class has {MINORITY_SHARE:.0%} of the median class's {middle:g} pictures or fewer"
        )
    return ClassGroups(
        photos=photos,
        pages=pages,
        minority=small,
        kinds_reason=kinds_reason,
        minority_reason=minority_reason,
    )


def _kinds(classes: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Labels of photos and of pages, with the evidence; both empty where the classes' pictures are of one kind."""
    statistics = [entry["statistics"] for entry in classes.values()]
    if any(own[name]["q50"] is None for own in statistics for name in _STATISTICS):
        return (), (), "a class has no readable picture"
    middles = np.array([[own[name]["q50"] for name in _STATISTICS] for own in statistics])
    spreads = np.array(
        [[(own[name]["q95"] - own[name]["q05"]) / _SPREADS for name in _STATISTICS] for own in statistics]
    )
    scaled = middles / np.maximum(np.median(spreads, axis=0), 1e-6)
    if len(np.unique(scaled, axis=0)) < FEWEST_CLASSES:
        return (), (), "the classes' pictures are measured alike"
    rng = np.random.default_rng(0)
    low, high = scaled.min(axis=0), scaled.max(axis=0)
    with threadpool_limits(1):  # so few points are slower on many threads
        found, explained = _two_means(scaled)
        by_chance = [_two_means(rng.uniform(low, high, scaled.shape))[1] for _ in range(REFERENCES)]
    surer = float(np.mean(explained > np.array(by_chance)))
    distance = abs(float(found.cluster_centers_[0, 0] - found.cluster_centers_[1, 0]))
    figures = (
        f"brightness {distance:.1f} spreads of a class apart, "
        f"further from each other than the halves of {surer:.0%} of evenly strewn classes"
    )
    if surer < SURE or distance < CLEAR_DISTANCE:
        return (), (), f"the classes' pictures are of one kind ({figures})"
    dark = found.labels_ == int(np.argmin(found.cluster_centers_[:, 0]))
    labels = np.array(list(classes), dtype=object)
    brightness = middles[:, 0]
    reason = f"median brightness {_span(brightness[dark])} against {_span(brightness[~dark])}; {figures}"
    return tuple(labels[dark]), tuple(labels[~dark]), reason


def _two_means(points: npt.NDArray[np.float64]) -> tuple[KMeans, float]:
    """Two groups, and the share of the squared distances from the middle that they explain."""
    found = KMeans(2, n_init=5, random_state=0).fit(points)
    total = float(((points - points.mean(axis=0)) ** 2).sum())
    return found, 1 - float(found.inertia_) / total


def _span(values: npt.NDArray[np.float64]) -> str:
    low, high = round(float(values.min())), round(float(values.max()))
    return f"{low}" if low == high else f"{low} to {high}"


def class_policies(
    groups: ClassGroups, operations: Sequence[Operation], light: Sequence[Operation]
) -> tuple[ClassPolicy, ...]:
    """Policies of the groups; a class in none of them keeps `operations`.

    Photos get the white balance of the light policy, and its framing where the policy has none of its own; pages are
    spared what no page undergoes (unless it was found in the test set, and is in a fitted policy as another
    operation); minorities are moved, scaled and sheared a little besides, for variety that so few pictures lack.

    Args:
        operations: of all classes.
        light: the light policy, for its operations.
    """
    photo_only = tuple(operation for operation in light if operation.name in _PHOTO_ONLY)
    minority = set(groups.minority)
    policies = []
    for kind, labels in (("photos", groups.photos), ("pages", groups.pages), ("", _others(groups))):
        for few in (False, True):
            members = tuple(label for label in labels if (label in minority) == few)
            if not members:
                continue
            chosen = _of_kind(kind, operations, photo_only)
            if few:
                chosen = _more_variety(chosen)
            if chosen == tuple(operations):
                continue
            reasons = [groups.kinds_reason] * bool(kind) + [groups.minority_reason] * few
            policies.append(
                ClassPolicy(
                    name=", ".join([kind] * bool(kind) + ["minority"] * few),
                    classes=members,
                    operations=chosen,
                    reason="; ".join(reasons),
                )
            )
    return tuple(policies)


def _others(groups: ClassGroups) -> tuple[str, ...]:
    """Minorities that are of no kind."""
    known = {*groups.photos, *groups.pages}
    return tuple(label for label in groups.minority if label not in known)


def _of_kind(
    kind: str, operations: Sequence[Operation], photo_only: tuple[Operation, ...]
) -> tuple[Operation, ...]:
    names = {operation.name for operation in operations}
    if kind == "photos":
        framing, colour = (
            tuple(item for item in photo_only if item.name == name and name not in names)
            for name in _PHOTO_ONLY
        )
        return (*after_mixing(operations, () if has_framing(operations) else framing), *colour)
    if kind == "pages":
        return tuple(item for item in operations if item.name not in _NOT_OF_PAGES)
    return tuple(operations)


def _more_variety(operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    moved = Operation(
        name="Affine",
        probability=0.5,
        params={
            "scale": (0.9, 1.1),
            "translate_percent": (-0.05, 0.05),
            "shear": (-4, 4),
            "border_mode": 1,  # the edge's own colour, so that a frame does not give the class away
        },
        reason="few pictures: more variety",
    )
    return after_mixing(operations, (moved,))
