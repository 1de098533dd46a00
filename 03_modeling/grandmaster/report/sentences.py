"""How test differs from train, in words."""

from __future__ import annotations

from collections.abc import Iterable

from grandmaster.report.data import StatisticRow
from grandmaster.report.values import number, shift, size

# What test pictures are where a statistic is higher, and where it is lower.
WORDS = {
    "brightness": ("brighter", "darker"),
    "contrast": ("higher in contrast", "lower in contrast"),
    "sharpness": ("sharper", "blurrier"),
    "noise": ("noisier", "less noisy"),
    "overexposed": ("more overexposed", "less overexposed"),
    "corner_fill": (
        "more often filled with one colour in the corners, as turned pictures are",
        "less often filled with one colour in the corners",
    ),
    "axis_alignment": (
        "better aligned with the picture's axes",
        "less aligned with the picture's axes, as turned pictures are",
    ),
    "width": ("wider", "narrower"),
    "height": ("taller", "less tall"),
    "aspect": ("wider for their height", "narrower for their height"),
    "bytes": ("larger files", "smaller files"),
}
WORTH_SAYING = ("medium", "large")


def describe_shift(rows: Iterable[StatisticRow]) -> tuple[str, ...]:
    """A sentence for every statistic that differs by half a standard deviation or more, the strongest first."""
    differing = [row for row in rows if row.strength in WORTH_SAYING and row.shift is not None]
    return tuple(_sentence(row) for row in sorted(differing, key=lambda row: -abs(row.shift or 0)))


def _sentence(row: StatisticRow) -> str:
    higher, lower = WORDS.get(row.key, (f"higher in {row.name}", f"lower in {row.name}"))
    written = size if row.is_bytes else number
    return (
        f"Test pictures are {higher if (row.shift or 0) > 0 else lower}: {row.name.lower()} {written(row.train_mean)} in "
        f"train, {written(row.test_mean)} in test ({row.strength}, {shift(row.shift)} standard deviations)."
    )
