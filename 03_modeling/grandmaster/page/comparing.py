"""Runs against each other, for the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grandmaster.competition.comparison import Comparison
from grandmaster.errors import UserError
from grandmaster.page.places import find_run
from grandmaster.pipeline.finished import open_run
from grandmaster.pipeline.run_comparison import RunsCompared, compare_runs


def compare_all(results: Path, names: Sequence[str]) -> list[RunsCompared]:
    """The first run with each other one.

    Raises:
        UserError: fewer than two, one that is not finished, or runs that cannot be compared.
    """
    if len(names) < 2:
        raise UserError("one run is given, and nothing to compare it with", fix="Pick two or more.")
    first, *others = [open_run(find_run(results, name)) for name in names]
    return [compare_runs([first], [other]) for other in others]


def cells(one: Comparison) -> list[str]:
    """before, after, gain, interval by bootstrap, interval by the corrected t test, folds ahead, verdict."""
    corrected = one.corrected
    return [
        f"{one.before:.4f}",
        f"{one.after:.4f}",
        f"{one.gain:+.4f}",
        f"{one.low:+.4f} – {one.high:+.4f}",
        "–" if corrected is None else f"{corrected.low:+.4f} – {corrected.high:+.4f}",
        f"{sum(fold.gain > 0 for fold in one.by_fold)} / {len(one.by_fold)}",
        one.verdict,
    ]
