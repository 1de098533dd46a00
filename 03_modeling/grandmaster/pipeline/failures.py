"""Fits that cannot be carried out: named, kept in a file, and passed over while nothing about them changes."""

from __future__ import annotations

from pathlib import Path

import msgspec

from grandmaster.errors import UserError
from grandmaster.storage import read_json, write_json

FILE_NAME = "failures.json"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a fit failed.

    Attributes:
        fit: digest of its spec; another one is tried anew.
        text: for people.
    """

    fit: str
    text: str


class Failures:
    """The content of `failures.json`; there is no file while all goes well.

    Raises:
        UserError: the file is not what this class writes.
    """

    def __init__(self, folder: Path) -> None:
        self._path, self._known = folder / FILE_NAME, {}
        if self._path.exists():
            try:
                self._known = msgspec.convert(read_json(self._path), dict[str, Failure])
            except msgspec.ValidationError as error:
                raise UserError(f"bad failures: {error}", where=self._path, fix="Delete the file.") from None

    _known: dict[str, Failure]

    def of(self, name: str, fit: str) -> str | None:
        """Why this fit failed before; None: it did not."""
        known = self._known.get(name)
        return known.text if known is not None and known.fit == fit else None

    def add(self, name: str, fit: str, text: str) -> None:
        """Remember."""
        self._known[name] = Failure(fit=fit, text=text)
        write_json(self._path, self._known)

    def lines(self) -> list[str]:
        """Name and reason of every fit that failed."""
        return [f"{name}: {failure.text}" for name, failure in self._known.items()]
