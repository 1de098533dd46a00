"""The exception for what the user can mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

MOST_NAMES = 20


class UserError(ValueError):
    """Bad input or bad state that the user can mend.

    It is shown as one line (``what (where): fix``) without a traceback; the command line ends with
    exit code 2.

    Args:
        what: what is wrong, naming the thing.
        where: file, column, field or flag in which it was found.
        fix: what to do about it.
    """

    def __init__(self, what: str, *, where: str | Path | None = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, None if where is None else str(where), fix
        text = what if where is None else f"{what} (in {where})"
        super().__init__(text if fix is None else f"{text}. {fix}")


class FolderTaken(UserError):
    """The run's folder is that of another run: nothing was done in it, so that its log has nothing to note."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A fix for a mistyped name: the nearest known name, or the known ones (the first of many)."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"Known: {', '.join(names[:MOST_NAMES])}{rest}"
