"""What each technique of a run was worth: a line each, with its gain, the interval, and whether it was kept."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from grandmaster.competition.comparison import Comparison, Verdict
from grandmaster.errors import UserError
from grandmaster.pipeline.context import RunContext
from grandmaster.storage import read_json, write_json

FOLDER = "techniques"
ScoredOn = Literal["clean", "corrupted"]


def scored_on(kind: str) -> ScoredOn:
    """What out-of-fold predictions of this kind ("oof", "oof_plain", "oof_corrupted") are of."""
    return "corrupted" if kind == "oof_corrupted" else "clean"


class Technique(msgspec.Struct, frozen=True, kw_only=True):
    """One technique, compared with the same run without it.

    Attributes:
        name: of its file; a later line of the same name replaces it.
        title: for people.
        scored_on: out-of-fold pictures as they are, or corrupted as the test set is.
        before, after: scores without and with it.
        gain, low, high: paired, in the metric's units, positive where it helps; None: it was not compared.
        level: coverage of the interval.
        verdict: of the comparison, by the rule of `comparison.compare`; None: it was not compared.
        kept: it is part of the submission.
        why: in a sentence.
    """

    name: str
    title: str
    scored_on: ScoredOn = "clean"
    before: float | None = None
    after: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    verdict: Verdict | None = None
    kept: bool
    why: str

    @classmethod
    def of(
        cls,
        comparison: Comparison,
        *,
        name: str,
        title: str,
        kept: bool,
        why: str | None = None,
        scored_on: ScoredOn = "clean",
        sides: tuple[str, str] | None = None,
    ) -> Technique:
        """The line of a technique that was compared: the first side is without it, the second with it.

        Args:
            why: None: the comparison's own sentence.
            sides: what that sentence calls them; None: "without it" and the title.
        """
        first, second = sides or ("what there was without it", title)
        return cls(
            name=name,
            title=title,
            scored_on=scored_on,
            before=comparison.before,
            after=comparison.after,
            gain=comparison.gain,
            low=comparison.low,
            high=comparison.high,
            level=comparison.level,
            verdict=comparison.verdict,
            kept=kept,
            why=why or f"{comparison.sentence(first, second)}.",
        )


def record(context: RunContext, technique: Technique) -> None:
    """Keep the line, in `techniques/<name>.json`."""
    write_json(_path(context, technique.name), technique)


def forget(context: RunContext, beginning: str) -> None:
    """Remove the lines whose names begin so: the stage that writes them may have fewer to write now."""
    for path in (context.folder / FOLDER).glob(f"{beginning}*.json"):
        path.unlink()


def recorded(context: RunContext) -> list[Technique]:
    """Every line, by name of file.

    Raises:
        UserError: a file is not what `record` writes.
    """
    return [_read(path) for path in sorted((context.folder / FOLDER).glob("*.json"))]


def _read(path: Path) -> Technique:
    try:
        return msgspec.convert(read_json(path), Technique)
    except msgspec.ValidationError as error:
        raise UserError(f"bad line: {error}", where=path, fix="Delete the file.") from None


def _path(context: RunContext, name: str) -> Path:
    return context.folder / FOLDER / f"{name}.json"
