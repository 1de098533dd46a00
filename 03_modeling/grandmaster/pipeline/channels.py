"""Further channels of a model's input: from a competition's registered images to what is stored, checked and planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from grandmaster.competition.table import Competition
from grandmaster.images.extra import ExtraFiles, check_extras


def extra_files(competition: Competition, frame: pd.DataFrame) -> tuple[ExtraFiles, ...]:
    """The registered images of a table's rows, in the order of their channels."""
    return tuple(
        ExtraFiles(
            name=extra.name,
            paths=tuple(Path(path) for path in frame[extra.key]),
            channels=extra.channels,
            highest=extra.highest,
        )
        for extra in competition.extra_images
    )


def extra_stamps(competition: Competition, frame: pd.DataFrame) -> list[Any]:
    """Changes when a registered image, by size and time, or the way it is read does; nothing where there is none."""
    stamps: list[Any] = extra_settings(competition)
    for extra in competition.extra_images:
        found = [Path(path) for path in frame[extra.key]]
        facts = [path.stat() if path.exists() else None for path in found]
        stamps.append([fact and (fact.st_size, fact.st_mtime_ns) for fact in facts])
    return stamps


def extra_settings(competition: Competition) -> list[Any]:
    """How the registered images are read, for hashes."""
    return [msgspec.to_builtins(extra) for extra in competition.extra_images]


def check_channels(competition: Competition, *, threads: int) -> list[str]:
    """Decode every registered image once.

    Returns:
        Warnings for the person.

    Raises:
        UserError: some cannot be read.
    """
    notes: list[str] = []
    for frame in (competition.train, competition.test):
        pictures = [Path(path) for path in frame["path"]]
        notes += check_extras(extra_files(competition, frame), pictures, threads=threads)
    return notes


def channels_reason(competition: Competition) -> str:
    """Where a model's input channels come from."""
    further = "".join(f" + {extra.name} {extra.channels}" for extra in competition.extra_images)
    return f"picture 3{further}" if further else "red, green and blue"
