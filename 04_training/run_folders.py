"""Runs named on a command line: by folder, or by the name of their experiment."""

from __future__ import annotations

from pathlib import Path

import data_loader
import options
from grandmaster.errors import UserError, did_you_mean
from grandmaster.pipeline.run_files import require_finished


def find_run(given: str, *, results: Path | None = None) -> Path:
    """The folder of a run.

    Args:
        given: a folder, or the name of an experiment below `results` (default: training_results/).

    Raises:
        UserError: there is none; names the nearest.
    """
    results = results or options.RESULTS_FOLDER
    as_path, as_name = data_loader.resolve(given), results / given
    for folder in (as_path, as_name):
        if (folder / "config.json").is_file():
            return folder
    known = [path.name for path in runs_in(results)]
    raise UserError(
        f"no run {given!r}",
        where=data_loader.shown(results),
        fix=did_you_mean(given, known) if known else "There is no run there yet.",
    )


def find_finished_run(given: str, *, results: Path | None = None) -> Path:
    """As `find_run`, of a run that came to its end: said at once, where opening one takes seconds of imports.

    Raises:
        UserError: as there, or it has no result.
    """
    folder = find_run(given, results=results)
    require_finished(folder)
    return folder


def runs_in(results: Path) -> list[Path]:
    """Folders of runs, by name; also of those that are not finished."""
    return sorted(path.parent for path in results.glob("*/config.json"))
