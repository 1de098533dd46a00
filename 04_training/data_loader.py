"""Finds the competition folder: the argument, else `data/`, else Kaggle's input; and makes the sample."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from _source_roots import ROOT
from grandmaster.config import DataConfig
from grandmaster.errors import UserError

if TYPE_CHECKING:
    from grandmaster.competition.table import Competition
    from grandmaster.progress import Progress

DATA_FOLDER = ROOT / "data"
KAGGLE_INPUT = Path("/kaggle/input")
SAMPLE_NAME = "sample_competition"
# Enough to learn from, few enough for two cores to be done in minutes; `make demo` makes the same.
SAMPLE_IMAGES, SAMPLE_TEST_IMAGES = 800, 400

_PICTURE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".dcm", ".dicom")
)


def resolve(given: str) -> Path:
    """A path as given, or, where there is none, the same below the repository's root.

    So a command that was written down at the root also works from inside `04_training/`.
    """
    path = Path(given).expanduser()
    if not path.is_absolute() and not path.exists() and (ROOT / path).exists():
        path = ROOT / path
    return path.resolve()


def shown(path: Path, base: Path | None = None) -> str:
    """A path as a person would type it in `base` (default: the working folder).

    Relative when below it or beside it, otherwise absolute.
    """
    relative = os.path.relpath(path, Path.cwd() if base is None else base)
    return str(path) if relative.startswith(os.path.join("..", "..")) else relative  # noqa: PTH118 - a text


def find_competitions(given: str | None) -> list[Path]:
    """Competition folders, in order of name: `given` alone, else those in `data/`, else those of Kaggle.

    A folder counts when it holds a CSV file or folders of pictures.

    Raises:
        UserError: none; says where it was looked for.
    """
    if given is not None:
        return [_given_folder(given)]
    for place in (DATA_FOLDER, KAGGLE_INPUT):
        found = _competitions_in(place)
        if found:
            return found
    raise UserError(
        f"no competition found (looked in {shown(DATA_FOLDER)} and {KAGGLE_INPUT})",
        fix="Put its unzipped files into a folder there, give --data_path, or run `make demo` for a sample",
    )


def earlier_competitions(runs: Iterable[Path]) -> list[Path]:
    """Competition folders that these runs learnt from, each once, in order of the runs; those that are gone are left out.

    A comparison's folder has its settings one level below.
    """
    from grandmaster.storage import read_object

    found: dict[Path, None] = {}
    for run in runs:
        for file in sorted((*run.glob("config.json"), *run.glob("*/config.json"))):
            with contextlib.suppress(UserError):  # a damaged file, or data that are there no more
                stored = read_object(file).get("data_path")
                if isinstance(stored, str):
                    found[_given_folder(stored)] = None
    return list(found)


def one_competition(found: Sequence[Path]) -> Path:
    """The only one.

    Raises:
        UserError: there are several; lists them.
    """
    if len(found) > 1:
        names = ", ".join(shown(path) for path in found)
        raise UserError(
            f"{len(found)} competitions found: {names}",
            fix=f"Choose one with --data_path, for example --data_path {shown(found[0])}",
        )
    return found[0]


def experiment_name(competition: Path, mode: str) -> str:
    """The default name of a run: the same command finds its own run again."""
    folder = re.sub(r"[^\w.-]+", "_", competition.name).strip("._-") or "competition"
    return f"{folder}_{mode}"


def load(folder: Path, config: DataConfig | None = None) -> Competition:
    """Read a competition, with its label fixes.

    Raises:
        UserError: it cannot be read.
    """
    from grandmaster.competition.label_fixes import with_label_fixes
    from grandmaster.competition.reader import read_competition

    settings = config or DataConfig()
    return with_label_fixes(read_competition(folder, settings), settings.label_fixes)


def make_sample_competition(progress: Progress) -> Path:
    """Render the sample competition into `data/` and return its folder.

    Raises:
        UserError: it cannot be written.
    """
    from grandmaster.competition.sample import make_sample

    folder = DATA_FOLDER / SAMPLE_NAME
    make_sample(folder, images=SAMPLE_IMAGES, test_images=SAMPLE_TEST_IMAGES, progress=progress)
    return folder


def _given_folder(given: str) -> Path:
    path = resolve(given)
    if not path.exists():
        raise UserError(f"no such folder: {given}", where="--data_path", fix=_nearby(path))
    if path.is_file():
        fix = "Unzip it and give the folder" if path.suffix == ".zip" else "Give the folder that holds it"
        raise UserError(f"{given} is a file", where="--data_path", fix=fix)
    holds_competitions = any(_has_csv(child) for child in _folders(path))
    if not _has_csv(path) and (holds_competitions or not _has_picture_folders(path)):
        raise UserError(
            f"no CSV file and no picture folders in {given}", where="--data_path", fix=_nearby(path / "_")
        )
    return path


def _nearby(path: Path) -> str:
    """Names the competitions beside a path that holds none."""
    beside = _competitions_in(path.parent)
    if beside:
        return f"There is: {', '.join(shown(folder) for folder in beside[:10])}"
    return "Give a folder of competition files, or run `make demo` for a sample"


def _competitions_in(place: Path) -> list[Path]:
    """Competition folders one or two levels below `place` (Kaggle puts some into `competitions/`)."""
    found: list[Path] = []
    for folder in _folders(place):
        if _has_csv(folder):
            found.append(folder)
        elif inner := [child for child in _folders(folder) if _has_csv(child)]:
            found += inner
        elif _has_picture_folders(folder):
            found.append(folder)
    return found


def _entries(place: Path) -> list[Path]:
    try:
        return sorted(place.iterdir())
    except OSError:  # not there, not a folder, or not ours to read: nothing found in it
        return []


def _folders(place: Path) -> list[Path]:
    return [entry for entry in _entries(place) if entry.is_dir() and entry.name[:1] not in "._"]


def _has_csv(folder: Path) -> bool:
    return any(entry.suffix.lower() == ".csv" for entry in _entries(folder))


def _has_picture_folders(folder: Path) -> bool:
    """Pictures in a sub-folder, or in a sub-folder's own (class) folders."""
    return any(
        _has_picture(child) or any(_has_picture(inner) for inner in _folders(child))
        for child in _folders(folder)
    )


def _has_picture(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(Path(entry.name).suffix.lower() in _PICTURE_SUFFIXES for entry in entries)
    except OSError:
        return False
