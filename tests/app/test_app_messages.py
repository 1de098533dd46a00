"""English and Korean."""

from __future__ import annotations

import re

import pytest

from config import MODES
from messages import TEXTS, language, text


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


def test_both_languages_say_the_same_things() -> None:
    for key, texts in TEXTS.items():
        assert set(texts) == {"en", "ko"}, key
        places = [sorted(re.findall(r"{(\w+)}", texts[lang])) for lang in ("en", "ko")]
        assert places[0] == places[1], key
        assert all(word.strip() for word in texts.values()), key


def test_modes_speak_both() -> None:
    for mode in MODES.values():
        for texts in (mode.title, mode.about, mode.time):
            assert texts["en"].isascii()
            assert re.search("[가-힣]", texts["ko"])


def test_text_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert text("menu.quit") == "Quit"
    monkeypatch.setenv("GRANDMASTER_LANG", "ko")
    assert text("menu.quit") == "종료"
    assert text("menu.bad_number", last=9) == "1부터 9 사이의 번호를 입력하세요."
