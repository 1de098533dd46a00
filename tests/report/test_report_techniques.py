"""The page says what each technique was worth, the kept ones first."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from grandmaster.competition.table import Competition
from grandmaster.errors import UserError
from grandmaster.report.html import write_report
from grandmaster.report.techniques import Technique, technique_rows
from report.page import Page


def test_every_line_with_its_gain_and_fate(run: Path, competition: Competition) -> None:
    html = write_report(run, competition).read_text(encoding="utf-8")
    text = Page(html).text("worth")
    assert (
        "Augmentation fitted to the test set The fitted augmentation is kept 0.7001 0.7912 corrupted +0.0911 "
        "+0.0501 to +0.1321 kept better" in text
    )
    assert "Weights of <models> equal weights are better 0.9124 0.9011 −0.0113" in text
    assert "not used worse" in text
    assert "Pseudo-labels the rules forbid them not compared not used" in text
    titles = ("Augmentation", "Test-time", "Weights of", "Pseudo-labels")
    places = [text.index(title) for title in titles]
    assert places == sorted(places), "kept before not kept, by gain, not compared last"
    bars = re.findall(r'<span class="gains (\w+)">', html)
    assert bars == ["good", "open", "bad"]


def test_what_is_kept_comes_first_whatever_its_gain() -> None:
    lines = [
        Technique(name="unused", gain=0.5),
        Technique(name="used", gain=0.1, kept=True),
        Technique(name="none", kept=True),
    ]
    assert [row.line.name for row in technique_rows(lines)] == ["used", "none", "unused"]


def test_bars_share_one_axis_and_stay_inside() -> None:
    lines = [
        Technique(name="a", gain=0.10, low=0.05, high=0.20, kept=True),
        Technique(name="b", gain=-0.05, low=-0.1, high=0.0),
        Technique(name="c", gain=0.01),
    ]
    first, third, second = technique_rows(lines)
    assert first.bar is not None
    assert second.bar is not None
    assert (first.bar.left, first.bar.mark, first.bar.width) == (62.0, 74.0, 36.0)
    assert (second.bar.left, second.bar.mark, second.bar.width) == (26.0, 38.0, 24.0)
    assert third.bar is None, "no interval, no bar"
    assert technique_rows([Technique(name="a", gain=0.0, low=0.0, high=0.0)])[0].bar is None


def test_a_damaged_line_is_named(run: Path, competition: Competition) -> None:
    path = run / "techniques" / "tta.json"
    path.write_text(json.dumps({"name": "tta", "gain": "much"}))
    with pytest.raises(UserError, match=r"tta\.json"):
        write_report(run, competition)
