"""Every text of the report and of the pages beside it, English and Korean side by side.

A text may hold tags: templates put it into the page as it stands, and escape the values that they fill in. One that
Python fills in is text alone. Plural: a key that is counted has a second text, `KEY.one`. What a run wrote into its
files stays as it is written there.
"""

from __future__ import annotations

import functools

from grandmaster.competition.verdict import VERDICT_TEXTS
from grandmaster.language import Language, Speaker, Texts
from grandmaster.report.texts.comparisons import COMPARISON_TEXTS
from grandmaster.report.texts.data import DATA_TEXTS
from grandmaster.report.texts.fits import FIT_TEXTS
from grandmaster.report.texts.result import RESULT_TEXTS

PARTS: tuple[Texts, ...] = (VERDICT_TEXTS, RESULT_TEXTS, DATA_TEXTS, FIT_TEXTS, COMPARISON_TEXTS)
TEXTS: Texts = {key: texts for part in PARTS for key, texts in part.items()}


@functools.cache
def speaker(language: Language) -> Speaker:
    """The texts of all reports in a language."""
    return Speaker(TEXTS, language)
