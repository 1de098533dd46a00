"""Runs against each other, for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grandmaster.errors import UserError
from grandmaster.language import Language
from grandmaster.page.places import find_run
from grandmaster.pipeline.comparison_report import default_place, write_comparison_page
from grandmaster.pipeline.finished import open_run
from grandmaster.pipeline.run_comparison import RunsCompared, compare_runs


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Runs that were picked, compared.

    Attributes:
        pairs: the first run with each other one.
        page: name of the file, among the comparisons, that shows all of it.
    """

    pairs: tuple[RunsCompared, ...]
    page: str


def compare_all(results: Path, names: Sequence[str], language: Language) -> Compared:
    """The first run with each other one; also writes the page that `compare_runs.py` writes, in this language.

    Raises:
        UserError: fewer than two, one that is not finished, runs that cannot be compared, or a page that cannot be
            written.
    """
    if len(names) < 2:
        raise UserError("one run is given, and nothing to compare it with", fix="Pick two or more.")
    sides = [[open_run(find_run(results, name))] for name in names]
    pairs = tuple(compare_runs(sides[0], other) for other in sides[1:])
    page = default_place([[run.folder for run in side] for side in sides])
    write_comparison_page(page, sides, pairs, language)
    return Compared(pairs=pairs, page=page.name)
