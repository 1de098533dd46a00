"""What each technique of a run was worth: a line each, with its gain, the interval, and whether it was kept."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from grandmaster.pipeline.context import RunContext
from grandmaster.storage import read_json, write_json

FOLDER = "techniques"


class Technique(msgspec.Struct, frozen=True, kw_only=True):
    """One technique, compared with the same run without it.

    Attributes:
        name: of its file; a later line of the same name replaces it.
        title: for people.
        scored_on: out-of-fold pictures as they are, or corrupted as the test set is.
        before, after: scores without and with it.
        gain, low, high: paired, in the metric's units, positive where it helps; None: it was not compared.
        level: coverage of the interval.
        kept: it is part of the submission.
        why: in a sentence.
    """

    name: str
    title: str
    scored_on: Literal["clean", "corrupted"] = "clean"
    before: float | None = None
    after: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    kept: bool
    why: str


def record(context: RunContext, technique: Technique) -> None:
    """Keep the line, in `techniques/<name>.json`."""
    write_json(_path(context, technique.name), technique)


def forget(context: RunContext, beginning: str) -> None:
    """Remove the lines whose names begin so: the stage that writes them may have fewer to write now."""
    for path in (context.folder / FOLDER).glob(f"{beginning}*.json"):
        path.unlink()


def recorded(context: RunContext) -> list[Technique]:
    """Every line, by name of file."""
    paths = sorted((context.folder / FOLDER).glob("*.json"))
    return [msgspec.convert(read_json(path), Technique) for path in paths]


def _path(context: RunContext, name: str) -> Path:
    return context.folder / FOLDER / f"{name}.json"
