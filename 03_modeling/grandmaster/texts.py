"""What is wrong with texts that people and files hand in, and numbers in words; loads nothing heavy, for the command line
asks it first."""

from __future__ import annotations

import msgspec

# What msgspec raises on texts that are no JSON; thousands of nested brackets end in the last.
JSON_DAMAGE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def is_clean(text: str) -> bool:
    """Whether a text can be written to files and named to the system: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def counted(count: int, noun: str, singular: str = "", plural: str = "") -> str:
    """`1 picture`, `2,527 pictures`, `0 pictures`.

    Args:
        noun: in the singular, its last word the one that changes.
        singular, plural: a verb in both forms, to follow: `1 class has`, `2 classes have`.
    """
    several = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    words = (noun, singular) if count == 1 else (several, plural)
    return " ".join([f"{count:,}", *filter(None, words)])
