"""English and Korean."""

from __future__ import annotations

import re

import pytest

from config import MODES
from messages import text


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
