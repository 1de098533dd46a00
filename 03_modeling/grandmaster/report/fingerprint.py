"""`fingerprint.json`, read into typed values. What a fingerprint does not hold is empty, what it holds beyond is ignored."""

from __future__ import annotations

import msgspec


class Artefact(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a file that a run writes."""


class Split(Artefact, frozen=True, kw_only=True):
    """Picture statistics of train or test: name -> mean, std, q05, q25, q50, q75, q95."""

    count: int | None = None
    statistics: dict[str, dict[str, float | None]] = {}


class ClassCount(Artefact, frozen=True, kw_only=True):
    """How often one class occurs in train."""

    index: int
    label: str
    name: str
    count: int
    share: float | None = None
    statistics: dict[str, dict[str, float | None]] = {}


class Unreadable(Artefact, frozen=True, kw_only=True):
    """A picture that could not be decoded, or that is odd in some other way; `reason` says how."""

    split: str
    id: str
    path: str | None = None
    reason: str | None = None


class Duplicates(Artefact, frozen=True, kw_only=True):
    """Groups of ids that show the same picture."""

    exact: tuple[tuple[str, ...], ...] = ()
    near: tuple[tuple[str, ...], ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    label_conflicts: tuple[tuple[str, ...], ...] = ()
    across: tuple[tuple[str, ...], ...] = ()
    within_test: tuple[tuple[str, ...], ...] = ()


class Feature(Artefact, frozen=True, kw_only=True):
    """What tells train and test apart, and how much of the telling it does."""

    name: str
    importance: float | None = None


class Adversarial(Artefact, frozen=True, kw_only=True):
    """How well a classifier tells test pictures from training pictures: 0.5 not at all, 1 always."""

    auc: float | None = None
    low: float | None = None
    high: float | None = None
    features: tuple[Feature, ...] = ()
    most_test_like: tuple[str, ...] = ()


class Fingerprint(Artefact, frozen=True, kw_only=True):
    """`fingerprint.json`."""

    analysis_size: int | None = None
    train: Split = Split()
    test: Split = Split()
    classes: tuple[ClassCount, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    odd: tuple[Unreadable, ...] = ()
    duplicates: Duplicates = Duplicates()
    adversarial: Adversarial | None = None
