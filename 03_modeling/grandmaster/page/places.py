"""Which folders and files the page may touch. Whatever a browser names is looked up in a list; nothing is built from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grandmaster.errors import UserError, did_you_mean
from grandmaster.page.application import Application
from grandmaster.pipeline.comparison_report import FOLDER as COMPARISONS

REPORT, EXPLORATION = "report.html", "eda.html"
# A folder that holds one of these is a run's, or an exploration's.
_SIGNS = ("config.json", "fingerprint.json", REPORT, EXPLORATION)


def runs_in(results: Path) -> dict[str, Path]:
    """Run folders by name, the newest first. Links are passed over: they may lead anywhere."""
    if not results.is_dir():
        return {}
    found = [
        folder
        for folder in results.iterdir()
        if folder.name[:1] not in ".-"
        and not folder.is_symlink()
        and folder.is_dir()
        and any((folder / sign).is_file() for sign in _SIGNS)
    ]
    return {folder.name: folder for folder in sorted(found, key=_changed, reverse=True)}


def _changed(folder: Path) -> float:
    """When a file of it changed last, seconds."""
    times = [file.lstat().st_mtime for file in folder.iterdir() if not file.name.startswith(".")]
    return max(times, default=0.0)


def find_run(results: Path, name: str) -> Path:
    """The folder of a run that is listed.

    Raises:
        UserError: none is called so.
    """
    known = runs_in(results)
    if name not in known:
        raise UserError(f"there is no run {name!r}", fix=did_you_mean(name, known) if known else None)
    return known[name]


def file_of_run(results: Path, run: str, name: str) -> Path | None:
    """A file that lies directly in a run's folder; None: no such run, no such file, or a link."""
    folder = runs_in(results).get(run)
    if folder is None or name not in {entry.name for entry in folder.iterdir()}:
        return None
    path = folder / name
    if path.is_symlink() or not path.is_file() or path.resolve().parent != folder.resolve():
        return None
    return path


def comparison_called(results: Path, name: str) -> Path | None:
    """A page among the comparisons of these runs; None: there is none, or it is a link."""
    folder = results / COMPARISONS
    if folder.is_symlink() or not folder.is_dir() or name not in {entry.name for entry in folder.iterdir()}:
        return None
    path = folder / name
    return None if path.is_symlink() or not path.is_file() or path.suffix != ".html" else path


def submissions_of(run: Path) -> list[Path]:
    """The submission files of a run, without links."""
    found = sorted(run.glob("submission_*.csv"))
    return [path for path in found if path.is_file() and not path.is_symlink()]


def competitions_of(application: Application) -> dict[str, Path]:
    """Competition folders by a name to show: those that are found, then those that were given."""
    try:
        found = list(application.find_competitions())
    except UserError:
        found = []  # there may be given ones
    return named([*found, *(folder for folder in application.data if folder not in found)])


def named(folders: Sequence[Path]) -> dict[str, Path]:
    """Each folder by its name; where two are called alike, with the folder that they lie in."""
    names = [folder.name for folder in folders]
    known: dict[str, Path] = {}
    for folder in folders:
        name = folder.name if names.count(folder.name) == 1 else f"{folder.parent.name}/{folder.name}"
        if name in known:
            name = str(folder)
        known[name] = folder
    return known
