"""What each technique of a run was worth, as `techniques/*.json` say it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from grandmaster.report.fingerprint import Artefact


class Technique(Artefact, frozen=True, kw_only=True):
    """One file of `techniques/`: the run with it, compared with the run without it."""

    name: str = ""
    title: str | None = None
    scored_on: str | None = None
    before: float | None = None
    after: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    verdict: str | None = None
    kept: bool = False
    why: str | None = None


@dataclass(frozen=True, kw_only=True)
class Bar:
    """An interval on the axis that all lines share, whose middle is no gain; in percent of its width."""

    left: float
    width: float
    mark: float
    colour: str


@dataclass(frozen=True, kw_only=True)
class TechniqueRow:
    """A line of the table."""

    line: Technique
    bar: Bar | None


def technique_rows(lines: Iterable[Technique]) -> tuple[TechniqueRow, ...]:
    """What is kept first, then by gain; what was not compared comes last of its kind."""
    ordered = sorted(
        lines,
        key=lambda line: (not line.kept, math.inf if line.gain is None else -line.gain, line.name),
    )
    ends = [abs(end) for line in ordered for end in (line.gain, line.low, line.high) if end is not None]
    reach = max(ends, default=0.0)
    return tuple(TechniqueRow(line=line, bar=_bar(line, reach)) for line in ordered)


def _bar(line: Technique, reach: float) -> Bar | None:
    if line.gain is None or line.low is None or line.high is None or reach == 0:
        return None
    left, mark, right = (round(50 + 48 * end / reach, 2) for end in (line.low, line.gain, line.high))
    beyond = "good" if line.low > 0 else "bad" if line.high < 0 else "open"
    return Bar(left=left, width=round(right - left, 2), mark=mark, colour=beyond)
