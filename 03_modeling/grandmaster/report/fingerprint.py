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


class Unreadable(Artefact, frozen=True, kw_only=True):
    """A picture that could not be decoded."""

    split: str
    id: str
    path: str | None = None
    reason: str | None = None


class OddExample(Artefact, frozen=True, kw_only=True):
    """One picture that is odd."""

    split: str
    id: str


class Odd(Artefact, frozen=True, kw_only=True):
    """Pictures that can be read and are worth a look, for one reason: how many, and the first of them."""

    reason: str
    train: int = 0
    test: int = 0
    examples: tuple[OddExample, ...] = ()


class ClassStatistics(Artefact, frozen=True, kw_only=True):
    """Statistics of each class, by label."""

    classes_left_out: int = 0
    classes: dict[str, Split] = {}


class Duplicates(Artefact, frozen=True, kw_only=True):
    """Groups of ids that show the same picture."""

    exact: tuple[tuple[str, ...], ...] = ()
    near: tuple[tuple[str, ...], ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    label_conflicts: tuple[tuple[str, ...], ...] = ()
    across: tuple[tuple[str, ...], ...] = ()
    test_groups: tuple[tuple[str, ...], ...] = ()


class Fingerprint(Artefact, frozen=True, kw_only=True):
    """`fingerprint.json`."""

    analysis_size: int | None = None
    train: Split = Split()
    test: Split = Split()
    classes: tuple[ClassCount, ...] = ()
    class_statistics: ClassStatistics = ClassStatistics()
    unreadable: tuple[Unreadable, ...] = ()
    odd: tuple[Odd, ...] = ()
    duplicates: Duplicates = Duplicates()
