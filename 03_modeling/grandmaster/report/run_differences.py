"""What differs between runs: of settings, plans and machines only the lines in which not all are alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from grandmaster.report.values import MISSING, text


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One line: a name, and what it is in each run; None where a run does not know it."""

    name: str
    values: tuple[str | None, ...]


def differences(
    runs: Sequence[Mapping[str, Any]], *, none: str = MISSING, truth: tuple[str, str] = ("yes", "no")
) -> tuple[Difference, ...]:
    """The lines in which not all runs are alike, in the order in which the runs name them.

    Args:
        runs: of each, name -> plain value; a name that is missing and a value of None are two things.
        none: what a value of None is called.
        truth: what values of True and False are called.
    """
    names = dict.fromkeys(name for run in runs for name in run)
    found = []
    for name in names:
        known = [name in run for run in runs]
        values = [run.get(name) for run in runs]
        if all(known) and all(value == values[0] for value in values):
            continue
        shown = _without_folders(values)
        found.append(
            Difference(
                name=name,
                values=tuple(
                    (none if value is None else text(value, truth)) if there else None
                    for value, there in zip(shown, known, strict=True)
                ),
            )
        )
    return tuple(found)


def _without_folders(values: Sequence[Any]) -> list[Any]:
    """Absolute paths cut down to as much as tells them apart: a page is shown to others, who do not have these folders."""
    paths = {value: PurePath(value).parts for value in values if _is_path(value)}
    for count in range(1, 1 + max(map(len, paths.values()), default=0)):
        short = {value: "/".join(parts[-count:]) for value, parts in paths.items()}
        if len(set(short.values())) == len(short):
            return [short[value] if _is_path(value) else value for value in values]
    return list(values)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and PurePath(value).is_absolute()
