"""What is wrong with texts that people and files hand in; loads nothing heavy, for the command line asks it first."""

from __future__ import annotations

import msgspec

# What msgspec raises on texts that are no JSON; thousands of nested brackets end in the last.
JSON_DAMAGE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def is_clean(text: str) -> bool:
    """Whether a text can be written to files and named to the system: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)
