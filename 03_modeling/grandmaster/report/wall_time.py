"""Where the time of a run went: by stage, and within a stage by what was done."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

# What a stage does beside these is the pipeline's own: reading files, measuring, choosing, writing.
STEPS = ("training", "prediction", "waiting")
OWN = "own"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A piece of a stage's bar, in percent of the whole run.

    Attributes:
        kind: "training", "prediction", "waiting" or "own".
    """

    kind: str
    percent: float


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage's time and what it was spent on."""

    name: str
    seconds: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class WallTime:
    """Of a run, over all of its starts.

    Attributes:
        seconds: of all stages.
        shares: of training steps, prediction steps, waiting for pictures ("waiting") and all the rest ("own"), adding up
            to 1; None where no steps were recorded, as by earlier versions.
    """

    seconds: float
    stages: tuple[Stage, ...]
    shares: dict[str, float] | None

    @property
    def overhead(self) -> float | None:
        """The share that is neither a training nor a prediction step."""
        return None if self.shares is None else self.shares["waiting"] + self.shares[OWN]


def wall_time(
    seconds: Mapping[str, float | None], steps: Mapping[str, Mapping[str, float | None]] | None
) -> WallTime | None:
    """What `final_results.json` says of time; None where it says nothing.

    Args:
        seconds: of every stage.
        steps: by stage, how many of them were "training", "prediction" and "waiting".
    """
    known = {name: value for name, value in seconds.items() if _counts(value)}
    total = math.fsum(value or 0.0 for value in known.values())
    if not known:
        return None
    stages, sums = [], dict.fromkeys((*STEPS, OWN), 0.0)
    for name, value in known.items():
        spent = _spent(value or 0.0, (steps or {}).get(name, {}))
        for kind, part in spent.items():
            sums[kind] += part
        parts = tuple(
            Part(kind=kind, percent=round(100 * part / total, 2))
            for kind, part in spent.items()
            if part and total
        )
        stages.append(Stage(name=name, seconds=value or 0.0, parts=parts))
    shares = {kind: part / total for kind, part in sums.items()} if steps and total else None
    return WallTime(seconds=total, stages=tuple(stages), shares=shares)


def _spent(seconds: float, steps: Mapping[str, float | None]) -> dict[str, float]:
    """Seconds of a stage by kind; what no step took is its own. A file edited to nonsense cannot make more than there is."""
    spent, left = {}, seconds
    for kind in STEPS:
        told = steps.get(kind)
        spent[kind] = min(left, told if _counts(told) and told is not None else 0.0)
        left -= spent[kind]
    return spent | {OWN: left}


def _counts(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value >= 0
