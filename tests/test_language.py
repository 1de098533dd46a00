"""Which language a person is spoken to in, and that every catalogue speaks both."""

from __future__ import annotations

import re
import string

import pytest

from grandmaster.language import LANGUAGES, Speaker, Texts, language
from grandmaster.page.texts import TEXTS as PAGE
from grandmaster.report.texts import TEXTS as REPORTS
from messages import TEXTS as MENU

# Words that Korean texts use as they are; any other text without Hangul is one that nobody translated.
TERMS = {"CV", "F1", "Grandmaster", "M", "RMSE", "epoch", "fold", "out-of-fold", "stop", "test", "train"}
CATALOGUES: dict[str, Texts] = {"menu": MENU, "page": PAGE, "reports": REPORTS}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US", "LC_MESSAGES": "en_US", "LC_ALL": "ko_KR"}, "ko"),
        ({"LANG": "ko_KR", "LC_ALL": ""}, "ko"),
        ({"LANG": "ko_KR", "GRANDMASTER_LANG": "en"}, "en"),
        ({"LANG": "C", "GRANDMASTER_LANG": "KO"}, "ko"),
        ({"LANG": "fr_FR"}, "en"),
    ],
)
def test_language(environment: dict[str, str], expected: str) -> None:
    assert language(environment) == expected


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("name", CATALOGUES)
def test_both_languages_say_the_same_things(name: str) -> None:
    assert LANGUAGES == ("en", "ko")
    for key, texts in CATALOGUES[name].items():
        assert len(texts) == len(LANGUAGES), key
        english, korean = texts
        assert places(english) == places(korean), key
        assert "" not in places(english), key
        assert english.strip(), key
        assert korean.strip(), key
        if key == "page.language":  # the button that leads to the other one
            continue
        assert not re.search("[가-힣]", english), key
        if not re.search("[가-힣]", korean):
            words = set(re.findall(r"[A-Za-z][\w-]*", re.sub(r"{\w+}", " ", korean)))
            assert words <= TERMS | {term.capitalize() for term in TERMS}, key


def test_a_speaker_fills_in_the_places_of_its_language() -> None:
    texts = {"count": ("{count} pictures", "이미지 {count}장")}
    assert Speaker(texts, "en")("count", count=3) == "3 pictures"
    assert Speaker(texts, "ko")("count", count=3) == "이미지 3장"
    assert (
        Speaker({**texts, "count.one": ("1 picture", "이미지 1장")}, "en").counted("count", 1) == "1 picture"
    )
    assert Speaker(texts, "en").counted("count", 1234) == "1,234 pictures"
    assert Speaker(texts, "ko").known("count_of_tomorrow", "as written") == "as written"
