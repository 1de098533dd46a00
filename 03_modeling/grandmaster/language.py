"""The language that a person reads in, and how a text is looked up: one way for the menu, the page and the reports."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = ("en", "ko")
Texts = Mapping[str, tuple[str, str]]
"""Texts by key, each in the order of `LANGUAGES`; `{name}` is a place for a value."""
Say = Callable[..., str]


def language(environment: Mapping[str, str] | None = None) -> Language:
    """Korean where the locale is Korean, else English; `GRANDMASTER_LANG` (en, ko) overrides the locale.

    Of the locale's variables the first that is set counts, as in POSIX: LC_ALL, LC_MESSAGES, LANG.
    """
    variables = os.environ if environment is None else environment
    for name in ("GRANDMASTER_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = variables.get(name, "").lower()
        if value:
            return "ko" if value.startswith("ko") else "en"
    return "en"


@dataclass(frozen=True, eq=False)
class Speaker:
    """Looks texts up in one language: called with a key, and a value for each of the text's places."""

    texts: Texts
    language: Language

    def __call__(self, key: str, /, **values: Any) -> str:
        """The text of a key, with its places filled in."""
        return self.raw(key).format(**values)

    def raw(self, key: str) -> str:
        """The text of a key, with its places open."""
        return self.texts[key][LANGUAGES.index(self.language)]

    def counted(self, key: str, count: int, /, **values: Any) -> str:
        """The text of a key for so many of something, its place `{count}`; for one of it that of `KEY.one`."""
        return self(f"{key}.one" if count == 1 else key, count=f"{count:,}", **values)

    def known(self, key: str, otherwise: str) -> str:
        """The text of a key that may be unknown: names in files of a run, which another version may have written."""
        return self(key) if key in self.texts else otherwise
