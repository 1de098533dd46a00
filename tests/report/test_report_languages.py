"""The pages in English and Korean: nothing fixed is left in the other language, and what a run wrote stays."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
from jinja2 import nodes

from grandmaster.competition.table import Competition
from grandmaster.pipeline import exploring, outcome
from grandmaster.report.explore import write_exploration
from grandmaster.report.html import HERE, write_report
from grandmaster.report.texts import PARTS, TEXTS, speaker
from report.language_check import left_in_english
from report.page import Page

PACKAGE = HERE.parent
TEMPLATES = sorted(HERE.glob("*.jinja"))
# Written alike in both languages.
NAMES = {
    "AUC",
    "CPU",
    "F1",
    "GPU",
    "MAE",
    "Python",
    "RMSE",
    "ROC",
    "SHA",
    "fingerprint.json",
    "grandmaster",
    "px",
}


@pytest.fixture(scope="module")
def pages(finished: Path, competition: Competition) -> dict[str, dict[str, str]]:
    """By name of the page and language, the HTML."""
    return {
        "report": {
            language: write_report(finished, competition, language).read_text(encoding="utf-8")
            for language in ("en", "ko")
        },
        "exploration": {
            language: write_exploration(
                finished, competition, command="train --mode explore", language=language
            ).read_text(encoding="utf-8")
            for language in ("en", "ko")
        },
    }


@pytest.mark.parametrize("name", ["report", "exploration"])
def test_a_korean_page_has_no_fixed_english(pages: dict[str, dict[str, str]], name: str) -> None:
    english, korean = (Page(pages[name][language]) for language in ("en", "ko"))
    assert english.having("html") == [{"lang": "en"}]
    assert korean.having("html") == [{"lang": "ko"}]
    assert left_in_english(pages[name]["en"]), "the search finds what it should"
    assert left_in_english(pages[name]["ko"]) == set()
    headings = re.findall(r"<h[23][^>]*>([^<]+)</h[23]>", pages[name]["ko"])
    assert len(headings) > 8
    assert not re.search("[가-힣]", pages[name]["en"].replace("Noto Sans CJK KR", ""))


def test_korean_headings_tables_figures_and_steps(pages: dict[str, dict[str, str]]) -> None:
    page = Page(pages["report"]["ko"])
    said = page.text()
    for key in (
        "next.title",
        "oof.confusion",
        "mistakes.worst",
        "worth.title",
        "verdict.better",
        "models.alone",
        "curves.train_loss",
        "time.waiting",
        "next.again",
    ):
        assert speaker("ko")(key) in said, key
    assert "교차 검증 macro F1" in page.text("result")
    assert "macro F1 (높을수록 좋음)  ·  점선: 가장 많은 클래스 0.0333".replace("  ", " ") in said


def test_what_the_run_wrote_stays_as_it_is(pages: dict[str, dict[str, str]]) -> None:
    for page in (Page(pages["report"][language]) for language in ("en", "ko")):
        for said in ("passport", "mobilenetv3_small_100", "the rules forbid them", "--mode quick_test"):
            assert said in page.text(), said


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_say_nothing_by_themselves(path: Path) -> None:
    parsed = jinja2.Environment().parse(path.read_text(encoding="utf-8"))
    written = "".join(data.data for data in parsed.find_all(nodes.TemplateData))
    text = re.sub(r"<[^>]*>|&\w+;", " ", written)
    attributes = " ".join(re.findall(r'\b(?:alt|title|aria-label)="([^"]*)"', written))
    words = set(re.findall(r"[A-Za-z][\w.]+", f"{text} {attributes}"))
    assert words - NAMES == set()


def test_every_text_that_is_asked_for_is_there_and_no_other() -> None:
    assert len(TEXTS) == sum(map(len, PARTS)), "a key stands in two parts"
    files = [
        path
        for folder in ("report", "pipeline", "page", "competition")
        for path in (PACKAGE / folder).rglob("*")
    ]
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in files
        if path.suffix in (".py", ".jinja") and "texts" not in path.parts and path.name != "verdict.py"
    )
    own = "\n".join(
        path.read_text(encoding="utf-8") for path in HERE.rglob("*") if path.suffix in (".py", ".jinja")
    )
    asked = set(re.findall(r"""\bsay\(\s*"([^"{}]+[^"{}.])"[,)\s]""", own))
    assert asked <= set(TEXTS)
    counted = set(re.findall(r"""\bcounted\(\s*"([^"{}]+)",""", own))
    assert counted
    assert counted | {f"{key}.one" for key in counted} <= set(TEXTS)
    begun = {*re.findall(r"""(?:\bsay|known)\(\s*f?"([^"{}~]+)(?:\{|" ~)""", code), "verdict."}
    unused = {
        key
        for key in TEXTS
        if f'"{key.removesuffix(".one")}"' not in code and not key.startswith(tuple(begun))
    }
    assert unused == set()


@pytest.mark.parametrize("spoken", ["en", "ko"])
def test_the_stages_of_a_run_follow_the_environment(
    run: Path, competition: Competition, monkeypatch: pytest.MonkeyPatch, spoken: str
) -> None:
    monkeypatch.setenv("GRANDMASTER_LANG", spoken)
    monkeypatch.setattr(outcome, "look", lambda _: None)
    monkeypatch.setattr(outcome, "_time", lambda _: None)
    context: Any = SimpleNamespace(
        folder=run,
        competition=competition,
        command="train --mode explore",
        progress=SimpleNamespace(start=lambda *_: None, finish=lambda *_: None),
        clock=SimpleNamespace(left=lambda: 60.0),
        seconds=dict,
        steps=dict,
    )
    exploring.explore(context)
    outcome.report(context)
    for name in ("eda.html", "report.html"):
        assert Page((run / name).read_text(encoding="utf-8")).having("html") == [{"lang": spoken}]


def test_a_text_of_a_template_escapes_what_is_filled_in(whole_run: Path, competition: Competition) -> None:
    results = whole_run / "final_results.json"
    results.write_text(results.read_text().replace('"quick_test"', '"<i>quick</i>"'))
    html = write_report(whole_run, competition, "ko").read_text(encoding="utf-8")
    assert "모드 <b>&lt;i&gt;quick&lt;/i&gt;</b>" in html
