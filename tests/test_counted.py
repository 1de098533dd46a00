"""Numbers in words."""

from __future__ import annotations

import pytest

from grandmaster.texts import counted


@pytest.mark.parametrize(
    ("count", "words", "said"),
    [
        (1, ("picture",), "1 picture"),
        (0, ("picture",), "0 pictures"),
        (2_527, ("test picture",), "2,527 test pictures"),
        (1, ("class",), "1 class"),
        (2, ("class",), "2 classes"),
        (1, ("class", "has", "have"), "1 class has"),
        (3, ("class", "has", "have"), "3 classes have"),
    ],
)
def test_a_number_takes_its_noun_and_verb(count: int, words: tuple[str, ...], said: str) -> None:
    assert counted(count, *words) == said
