"""What is left of a page's fixed English texts in its Korean version."""

from __future__ import annotations

import re

from grandmaster.report.texts import TEXTS
from report.page import Page

READ_OUT = ("alt", "title", "aria-label")
# Words of a run's files that are words of the pages too: names of features, of settings' values and of decisions.
OF_DATA = {"noise", "brightness", "sharpness", "none", "mean"}
# Sentences about comparisons stand in a run's files too, as the reason for what was kept.
_TRANSLATED = [
    english
    for key, (english, korean) in TEXTS.items()
    if english != korean and not key.startswith("sentence.")
]


def _fixed(english: str) -> list[str]:
    """What stands in a text around its places and tags, as a page shows it."""
    parts = re.split(r"\{\w+\}|<[^>]*>", english)
    return [" ".join(part.split()).strip(" .,:;()") for part in parts]


def left_in_english(html: str) -> set[str]:
    """Texts of the catalogue, or parts of them, that a page shows or has read out: whole words, and parts of sentences."""
    page = Page(html)
    shown = [" ".join(data.split()) for _, data in page.pieces]
    shown += [value or "" for _, attrs in page.tags for name, value in attrs.items() if name in READ_OUT]
    whole = "\n".join([page.text(), *shown])
    sentences = {part for english in _TRANSLATED for part in _fixed(english) if part.count(" ") >= 2}
    words = {english.strip() for english in _TRANSLATED if "{" not in english} - OF_DATA
    return {part for part in sentences if part in whole} | (words & set(shown))
