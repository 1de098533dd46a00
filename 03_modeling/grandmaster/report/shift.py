"""`shift.json` as the pages read it: how train and test are told apart, and what was found done to test."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from grandmaster.images.corruption import KINDS
from grandmaster.language import Speaker
from grandmaster.report.fingerprint import Artefact


class Feature(Artefact, frozen=True, kw_only=True):
    """What tells train and test apart, and how much of the telling it does."""

    name: str
    importance: float | None = None


class Separation(Artefact, frozen=True, kw_only=True):
    """How well a classifier tells test pictures from training pictures: 0.5 not at all, 1 always."""

    auc: float | None = None
    low: float | None = None
    high: float | None = None
    features: tuple[Feature, ...] = ()
    most_test_like: tuple[str, ...] = ()
    least_train_like: tuple[str, ...] = ()
    backbone: str | None = None


class FoundKind(Artefact, frozen=True, kw_only=True):
    """One kind of corruption among the test pictures."""

    share: float | None = None
    low: float | None = None
    high: float | None = None
    clean: float | None = None
    auc: float | None = None
    levels: tuple[tuple[float, float, float], ...] = ()


class Reading(Artefact, frozen=True, kw_only=True):
    """What was done to the test pictures, and how well train is told from test once the same is done to it."""

    method: str | None = None
    simulated: int | None = None
    fitted: Separation = Separation()
    kinds: dict[str, FoundKind] = msgspec.field(default_factory=dict)


class Stored(Artefact, frozen=True, kw_only=True):
    """How lossily the files of one side are stored: share of JPEGs, and their quality."""

    share: float | None = None
    low: int | None = None
    median: int | None = None
    high: int | None = None

    def text(self, say: Speaker) -> str:
        """In words."""
        if not self.share or self.median is None:
            return say("shift.no_jpegs")
        quality = str(self.median)
        if self.low != self.high:
            quality += f" ({say('shared.from_to', low=self.low, high=self.high)})"
        if self.share >= 0.995:
            return say("shift.jpegs", quality=quality)
        return say("shift.some_jpegs", share=f"{self.share:.0%}", quality=quality)


class Shift(Artefact, frozen=True, kw_only=True):
    """`shift.json`."""

    adversarial: Separation | None = None
    embedding: Separation | None = None
    reading: Reading | None = None
    stored: dict[str, Stored] = msgspec.field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class KindRow:
    """One line of the table of what was found; strengths are (text, share of the pictures of this kind, percent)."""

    title: str
    unit: str
    found: FoundKind
    strengths: tuple[tuple[str, float], ...]


def kind_rows(shift: Shift | None, say: Speaker) -> tuple[KindRow, ...]:
    """The kinds that were read, the commonest first; details of another kind are not listed by themselves."""
    if shift is None or shift.reading is None:
        return ()
    rows = [
        KindRow(
            title=say.known(f"corruption.{name}", name),
            unit=say.known(f"corruption_unit.{name}", ""),
            found=found,
            strengths=tuple((_span(low, high, say), 100 * weight) for low, high, weight in found.levels),
        )
        for name, found in shift.reading.kinds.items()
        if name not in KINDS or KINDS[name].part_of is None
    ]
    return tuple(sorted(rows, key=lambda row: -(row.found.share or 0.0)))


def _span(low: float, high: float, say: Speaker) -> str:
    return f"{low:g}" if low == high else say("shared.from_to", low=f"{low:g}", high=f"{high:g}")
