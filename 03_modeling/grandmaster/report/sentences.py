"""How test differs from train, in words."""

from __future__ import annotations

from collections.abc import Iterable

from grandmaster.language import Speaker
from grandmaster.report.data import StatisticRow
from grandmaster.report.values import number, shift, size

WORTH_SAYING = ("medium", "large")


def describe_shift(rows: Iterable[StatisticRow], say: Speaker) -> tuple[str, ...]:
    """A sentence for every statistic that differs by half a standard deviation or more, the strongest first."""
    differing = [row for row in rows if row.strength in WORTH_SAYING and row.shift is not None]
    return tuple(_sentence(row, say) for row in sorted(differing, key=lambda row: -abs(row.shift or 0)))


def _sentence(row: StatisticRow, say: Speaker) -> str:
    way = "higher" if (row.shift or 0) > 0 else "lower"
    written = size if row.is_bytes else number
    return say(
        "differs.sentence",
        how=say.known(f"differs.{row.key}.{way}", say(f"differs.{way}", name=row.name)),
        name=row.name.lower(),
        train=written(row.train_mean),
        test=written(row.test_mean),
        strength=row.strength_text,
        shift=shift(row.shift),
    )
