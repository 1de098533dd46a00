"""The end of a run names the techniques that were kept, briefly."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from app_fakes import RESULTS
from rich.console import Console

from screens import summary_panel

KEPT = {"title": "Label smoothing", "kept": True, "gain": 0.0123, "verdict": "better"}
LEFT = {"title": "Pseudo-labels", "kept": False, "gain": -0.01, "verdict": "worse"}


def shown(techniques: list[dict[str, Any]]) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(summary_panel({**RESULTS, "techniques": techniques}, Path("runs/toy")))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return str(text)


def test_kept_ones_are_named_and_others_counted():
    text = shown([KEPT, LEFT, {**KEPT, "title": "Not compared", "gain": None}])
    assert "+0.0123  Label smoothing  (better)" in text
    assert "not used: 1" in text
    assert "Pseudo-labels" not in text
    assert "Not compared" not in text


def test_nothing_is_said_where_nothing_was_compared():
    assert "techniques kept" not in shown([])


def test_two_scores_of_one_model_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRANDMASTER_LANG", "en")
    assert "each alone, on its own fold" in shown([])
    console = Console(file=io.StringIO(), width=120)
    console.print(summary_panel({**RESULTS, "tta": {"views": 8, "chosen": True}}, Path("runs/toy")))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "each alone, on its own fold, by the mean of all 8 views" in text
    assert "above: the blend, with the views that were chosen" in text
