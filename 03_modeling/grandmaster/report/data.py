"""The section about the data: classes, statistics of train against test, examples, what is wrong with files."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from grandmaster.competition.table import Competition
from grandmaster.language import Speaker
from grandmaster.report.artefacts import RunArtefacts
from grandmaster.report.fingerprint import ClassCount, Fingerprint, Unreadable
from grandmaster.report.groups import Example, Group, Known, show_groups, training_pictures
from grandmaster.report.pictures import first_readable
from grandmaster.report.truth import varied_order

EXAMPLES = 8
"""Pictures shown of each side."""
MOST_CLASSES = 40
MOST_LISTED = 10
MOST_IDS = 6

# In the order in which they are shown.
STATISTICS = (
    "brightness",
    "contrast",
    "sharpness",
    "noise",
    "overexposed",
    "corner_fill",
    "axis_alignment",
    "width",
    "height",
    "aspect",
    "bytes",
)
UNITS = {"width": "px", "height": "px"}
"""Those that every language writes alike."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Where a distribution lies on a common scale: its quantiles in percent of the scale's width."""

    q05: float
    q25: float
    q50: float
    q75: float
    q95: float


@dataclass(frozen=True, kw_only=True)
class StatisticRow:
    """One statistic of train and test; `shift` is the standardised difference of the means.

    `strength` is Cohen's word for it, and `strength_text` that word in the page's language.
    """

    key: str
    name: str
    unit: str
    is_bytes: bool
    train_mean: float | None
    train_std: float | None
    test_mean: float | None
    test_std: float | None
    shift: float | None
    strength: str
    strength_text: str
    train_spread: Spread | None
    test_spread: Spread | None


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The first of a list that may be long, and how many there are."""

    shown: tuple[tuple[str, ...], ...]
    count: int

    @property
    def left_out(self) -> int:
        """How many are not shown."""
        return self.count - len(self.shown)


@dataclass(frozen=True, kw_only=True)
class DataSection:
    """All of the section; without a fingerprint only the examples."""

    classes: tuple[ClassCount, ...]
    classes_left_out: int
    largest_class: int
    smallest_class: int
    statistics: tuple[StatisticRow, ...]
    strongest: tuple[StatisticRow, ...]
    train_examples: tuple[Example, ...]
    test_examples: tuple[Example, ...]
    unreadable: tuple[Unreadable, ...]
    unreadable_count: int
    exact: Listed
    near: Listed
    across: Listed
    within_test: Listed
    conflicts: tuple[Group, ...]
    conflict_count: int
    fold_sizes: tuple[int, ...]
    group_count: int | None


def describe_data(run: RunArtefacts, competition: Competition, say: Speaker) -> DataSection:
    """Gather the section from the fingerprint, the folds and the pictures."""
    fingerprint, known = run.fingerprint or Fingerprint(), training_pictures(competition, say)
    duplicates = fingerprint.duplicates
    classes = sorted(fingerprint.classes, key=lambda item: item.index)
    counts = [item.count for item in classes]
    statistics = _statistics(fingerprint, say)
    by_shift = sorted(statistics, key=lambda row: -abs(row.shift or 0))
    broken = {item.id for item in fingerprint.unreadable}
    return DataSection(
        classes=tuple(classes[:MOST_CLASSES]),
        classes_left_out=max(0, len(classes) - MOST_CLASSES),
        largest_class=max(counts, default=0),
        smallest_class=min(counts, default=0),
        statistics=statistics,
        strongest=tuple(row for row in by_shift if row.strength in ("large", "medium"))[:3],
        train_examples=_train_examples(competition, broken, known),
        test_examples=_test_examples(competition, broken),
        unreadable=fingerprint.unreadable[:MOST_LISTED],
        unreadable_count=len(fingerprint.unreadable),
        exact=_listed(duplicates.exact, say),
        near=_listed(duplicates.near, say),
        across=_listed(duplicates.across, say),
        within_test=_listed(duplicates.test_groups, say),
        conflicts=show_groups(
            [(picture_id, known) for picture_id in group] for group in duplicates.label_conflicts
        ),
        conflict_count=len(duplicates.label_conflicts),
        fold_sizes=()
        if run.folds is None
        else tuple(int(size) for size in run.folds["fold"].astype(int).value_counts().sort_index()),
        group_count=None if run.folds is None else int(run.folds["group"].nunique()),
    )


def standardised_shift(train: dict[str, float | None], test: dict[str, float | None]) -> float | None:
    """Difference of the means, test minus train, in pooled standard deviations (Cohen's d, 1988).

    None where a number is missing or neither side varies.
    """
    values = [train.get("mean"), train.get("std"), test.get("mean"), test.get("std")]
    if any(value is None or not math.isfinite(value) for value in values):
        return None
    train_mean, train_std, test_mean, test_std = (float(value) for value in values if value is not None)
    pooled = math.sqrt((train_std**2 + test_std**2) / 2)
    return (test_mean - train_mean) / pooled if pooled > 0 else None


def shift_strength(shift: float | None) -> str:
    """Cohen's words for an effect's size."""
    if shift is None:
        return ""
    size = abs(shift)
    return "large" if size >= 0.8 else "medium" if size >= 0.5 else "small" if size >= 0.2 else ""


def _statistics(fingerprint: Fingerprint, say: Speaker) -> tuple[StatisticRow, ...]:
    train, test = fingerprint.train.statistics, fingerprint.test.statistics
    names = [name for name in STATISTICS if name in train or name in test]
    names += sorted((train.keys() | test.keys()) - set(names))
    rows = []
    for name in names:
        of_train, of_test = train.get(name, {}), test.get(name, {})
        shift = standardised_shift(of_train, of_test)
        strength = shift_strength(shift)
        train_spread, test_spread = _spreads(of_train, of_test)
        rows.append(
            StatisticRow(
                key=name,
                name=say.known(f"statistic.{name}", name),
                unit=say.known(f"unit.{name}", UNITS.get(name, "")),
                is_bytes=name == "bytes",
                train_mean=of_train.get("mean"),
                train_std=of_train.get("std"),
                test_mean=of_test.get("mean"),
                test_std=of_test.get("std"),
                shift=shift,
                strength=strength,
                strength_text=say.known(f"data.strength.{strength}", strength),
                train_spread=train_spread,
                test_spread=test_spread,
            )
        )
    return tuple(rows)


def _spreads(
    train: dict[str, float | None], test: dict[str, float | None]
) -> tuple[Spread | None, Spread | None]:
    """Quantiles of both sides on one scale, from the lowest 5 % to the highest 95 % point of the two."""
    keys = ("q05", "q25", "q50", "q75", "q95")
    sides = []
    for side in (train, test):
        values = [side.get(key) for key in keys]
        whole = [float(value) for value in values if value is not None and math.isfinite(value)]
        sides.append(whole if len(whole) == len(keys) else None)
    known = [value for side in sides if side is not None for value in side]
    low, width = min(known, default=0.0), max(known, default=0.0) - min(known, default=0.0)

    def placed(side: list[float] | None) -> Spread | None:
        if side is None:
            return None
        share = [50.0 if width == 0 else round(100 * (value - low) / width, 2) for value in side]
        return Spread(**dict(zip(keys, share, strict=True)))

    return placed(sides[0]), placed(sides[1])


def _shuffled(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """(id, path) in an order that looks random and is always the same, whatever the ids' own order means."""
    pairs = zip(rows["id"], rows["path"], strict=True)
    return sorted(pairs, key=lambda pair: hashlib.sha256(pair[0].encode()).digest())


def _train_examples(competition: Competition, broken: set[str], known: Known) -> tuple[Example, ...]:
    """One picture each of targets spread evenly over all of them; more of each where there are few classes."""
    train = competition.train[~competition.train["id"].isin(broken)]
    if train.empty:
        return ()
    if "label" in train:
        present = sorted(train["label"].unique())
        spaced = [present[place * len(present) // EXAMPLES] for place in range(EXAMPLES)]
        parts = [
            _shuffled(train[train["label"] == label])
            for label in (spaced if len(present) >= EXAMPLES else present)
        ]
    else:
        position = {picture_id: place for place, picture_id in enumerate(competition.train["id"])}
        places = np.array([position[picture_id] for picture_id, _ in _shuffled(train)], np.int64)
        columns = competition.train["id"].to_numpy(object), competition.train["path"].to_numpy(object)
        parts = [
            [(columns[0][place], columns[1][place]) for place in part]
            for part in varied_order(competition, places, EXAMPLES)
        ]
    examples: list[Example] = []
    candidates = [iter(part) for part in parts]
    for candidate in candidates * math.ceil(EXAMPLES / len(candidates)):
        found = first_readable(candidate)
        if found is not None and len(examples) < EXAMPLES:
            examples.append(Example(id=found[0], caption=known.captions[found[0]], picture=found[1]))
    return tuple(examples)


def _test_examples(competition: Competition, broken: set[str]) -> tuple[Example, ...]:
    candidates = iter(_shuffled(competition.test[~competition.test["id"].isin(broken)]))
    examples: list[Example] = []
    while len(examples) < EXAMPLES and (found := first_readable(candidates)) is not None:
        examples.append(Example(id=found[0], caption="", picture=found[1]))
    return tuple(examples)


def _listed(groups: Iterable[tuple[str, ...]], say: Speaker) -> Listed:
    """The first groups; a very long group is cut, with the number of ids that are left out as its last text."""
    every = list(groups)
    shown = tuple(
        ids if len(ids) <= MOST_IDS else (*ids[:MOST_IDS], say("shared.more", count=len(ids) - MOST_IDS))
        for ids in every[:MOST_LISTED]
    )
    return Listed(shown=shown, count=len(every))
