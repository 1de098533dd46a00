"""The page of a comparison: true to the runs, safe, in one file, and never in the place of something else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import compare_runs as command
from grandmaster.errors import UserError
from grandmaster.pipeline.comparison_report import default_place, write_comparison_page
from grandmaster.pipeline.finished import open_run
from grandmaster.pipeline.ledger import record_board
from grandmaster.pipeline.run_comparison import compare_runs
from grandmaster.report.artefacts import read_run
from grandmaster.report.class_comparison import Answers, compare_classes
from grandmaster.report.figures import RunCurves, runs_figure
from grandmaster.report.run_comparison import ComparedPair, ComparedRun, RunsSideBySide, render_run_comparison
from grandmaster.report.texts import speaker
from grandmaster.storage import read_json, write_json
from pipeline.finished_run import copy_run, make_run
from report.language_check import left_in_english
from report.page import Page


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`weak`, `strong` and `strong1`, another seed."""
    first = make_run(tmp_path_factory.mktemp("pages"))
    copy_run(first, "weak", right=0.5)
    copy_run(first, "strong", right=0.9)
    copy_run(first, "strong1", right=0.9, seed=1)
    for name, epochs in (("strong", 7), ("strong1", 7)):
        settings = read_json(first.parent / name / "config.json")
        settings["training"]["epochs"] = epochs
        write_json(first.parent / name / "config.json", settings)
    (first.parent / "strong" / "report.html").write_text("the report")
    return first.parent


def page_of(place: Path, *sides: tuple[Path, ...]) -> str:
    opened = [[open_run(folder) for folder in side] for side in sides]
    write_comparison_page(place, opened, [compare_runs(opened[0], other) for other in opened[1:]])
    return place.read_text(encoding="utf-8")


def row(html: str, section: str, first: str) -> str:
    """The text of the table row of a section that begins so."""
    part = html[html.index(f'<section id="{section}">') :]
    part = part[: part.index("</section>")]
    rows = [
        " ".join(re.sub(r"<[^>]*>", " ", found).split())
        for found in re.findall(r"<tr>.*?</tr>", part, re.DOTALL)
    ]
    return next(found for found in rows if found.startswith(first))


def test_the_page_says_what_the_runs_say(runs: Path, tmp_path: Path) -> None:
    record_board(runs / "strong", {"public": 0.875})
    html = page_of(tmp_path / "c.html", (runs / "weak",), (runs / "strong",))
    page = Page(html)
    found = compare_runs([open_run(runs / "weak")], [open_run(runs / "strong")])
    assert found.sentence in page.text("result")
    assert f"{found.clean.gain:+.4f}" in page.text("result")
    assert "3 of 3" in row(html, "result", "weak → strong")
    score = read_json(runs / "strong" / "final_results.json")["cross_validation"]
    assert f"{score['score']:.4f} [{score['low']:.4f}, {score['high']:.4f}]" in row(html, "result", "strong")
    assert "0.875 3 of 3" in row(html, "result", "strong")
    assert "Public board" in page.text("result")
    assert "Private board" not in page.text("result")
    assert row(html, "differ", "training.epochs") == "training.epochs 1 7"
    assert "folds.count" not in page.text("differ")
    assert row(html, "classes", "0").startswith("0 16 ")
    assert row(html, "time", "train").startswith("train ")


def test_classes_are_compared_on_the_pictures_that_the_verdict_is_of(runs: Path, tmp_path: Path) -> None:
    bad, good = (
        copy_run(runs / "first", name, right=clean, corrupted=corrupted)
        for name, clean, corrupted in (("overfitted", 0.9, 0.3), ("robust", 0.5, 0.8))
    )
    html = page_of(tmp_path / "c.html", (bad,), (good,))
    page = Page(html)
    assert "robust is better than overfitted" in page.text("result")
    assert "their pictures corrupted as the test set is" in page.text("classes")
    gains = re.findall(r'<td class="n (good|bad)">', html[html.index('<section id="classes">') :])
    assert gains
    assert set(gains) == {"good"}
    for folder in (bad, good):
        shutil.rmtree(folder)


def test_runs_of_the_same_settings_and_without_board_scores(runs: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(runs / "weak", tmp_path / "alone" / name)
    page = Page(page_of(tmp_path / "c.html", (tmp_path / "alone" / "a",), (tmp_path / "alone" / "b",)))
    assert "Nothing: the runs have the same settings and the same plan." in page.text("differ")
    assert "board" not in page.text("result")


def test_a_run_is_compared_with_several_and_seeds_are_one_side(runs: Path, tmp_path: Path) -> None:
    html = page_of(tmp_path / "c.html", (runs / "weak",), (runs / "strong",), (runs / "strong1",))
    page = Page(html)
    assert "2 runs against weak" in page.text("result")
    assert "the best looks better than it is" in page.text("result")
    assert row(html, "differ", "training.epochs") == "training.epochs 1 7 7"
    pair = (runs / "weak", runs / "first"), (runs / "strong", runs / "strong1")
    html = page_of(tmp_path / "c.html", *pair)
    assert "Gain of strong + strong1" in Page(html).text("result")
    assert row(html, "differ", "training.epochs") == "training.epochs 1 1 7 7"
    assert row(html, "classes", "Class").split("Gain")[0] == "Class Rows weak + first strong + strong1 "


def test_links_lead_to_the_reports_that_there_are(runs: Path, tmp_path: Path) -> None:
    odd = runs / "100% & odd"
    shutil.copytree(runs / "strong", odd)
    place = default_place([[runs / "weak"], [runs / "strong"], [odd]])
    page = Page(page_of(place, (runs / "weak",), (runs / "strong",), (odd,)))
    links = [attrs["href"] or "" for attrs in page.having("a") if not (attrs["href"] or "").startswith("#")]
    assert links == ["../strong/report.html", "../100%25%20%26%20odd/report.html"]
    assert (place.parent / links[0]).read_text() == "the report"
    assert "no report" in page.text("result")
    shutil.rmtree(odd)


def test_the_page_needs_nothing_and_escapes_everything(runs: Path, tmp_path: Path) -> None:
    bad = runs.parent / "elsewhere" / "<b>한 & $x$"
    shutil.copytree(runs / "strong", bad)
    settings = read_json(bad / "config.json")
    settings["training"]["rate_groups"] = ["<script>=0.1"]
    write_json(bad / "config.json", settings)
    (bad.parent / "LEADERBOARD.csv").write_text(f"experiment,public\n{bad.name},<i>0.9\n")
    html = page_of(tmp_path / "c.html", (runs / "weak",), (bad,))
    page = Page(html)
    names = [name for name, _ in page.tags]
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(names)
    assert "<b>한" not in html
    assert "<i>0.9" not in html
    assert "<script>=0.1" not in html
    for section, said in (
        ("result", bad.name),
        ("result", "<i>0.9"),
        ("differ", "<script>=0.1"),
        ("curves", bad.name),
    ):
        assert said in page.text(section)
    assert "&lt;b&gt;한 &amp; $x$</text>" in html, "the name in the figure, in its own script"
    assert not re.search(r"https?://|@import|url\((?!#)|javascript:", html)
    assert str(runs.parent) not in html, "paths of the machine do not travel with the page"
    assert not re.search(r"\b(None|nan|NaN|Undefined)\b", page.text())
    assert page_of(tmp_path / "d.html", (runs / "weak",), (bad,)) == html


def test_runs_called_alike_are_told_apart(runs: Path, tmp_path: Path) -> None:
    for place in ("one", "two"):
        shutil.copytree(runs / "weak", tmp_path / place / "same")
    page = Page(page_of(tmp_path / "c.html", (tmp_path / "one" / "same",), (tmp_path / "two" / "same",)))
    assert "two/same against one/same" in page.text("result")


def test_a_ledger_edited_to_nonsense_is_noted(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "weak", tmp_path / "alone" / "weak")
    (tmp_path / "alone" / "LEADERBOARD.csv").write_text("a;b\n1;2\n")
    page = Page(page_of(tmp_path / "c.html", (runs / "strong",), (tmp_path / "alone" / "weak",)))
    assert "the board scores of weak are not known: the column 'experiment' is missing." in page.text(
        "result"
    )


def test_nothing_else_is_overwritten(runs: Path, tmp_path: Path) -> None:
    other = tmp_path / "kept.html"
    other.write_text("mine")
    with pytest.raises(UserError, match="no comparison of runs, and would be lost"):
        page_of(other, (runs / "weak",), (runs / "strong",))
    assert other.read_text() == "mine"
    with pytest.raises(UserError, match="is a folder"):
        page_of(tmp_path, (runs / "weak",), (runs / "strong",))


def test_the_place_is_always_the_same_and_never_too_long() -> None:
    sides = [[Path("/r/a")], [Path("/r/b1"), Path("/r/b2")]]
    assert default_place(sides) == Path("/r/comparisons/a_vs_b1+b2.html")
    long = [[Path("/r/" + "실험" * 30)], [Path("/r/" + "실험" * 29 + "x")]]
    names = {default_place(long).name, default_place([long[1], long[0]]).name}
    assert len(names) == 2
    assert max(len(name.encode()) for name in names) < 160


def test_the_command_writes_the_page_and_says_where(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRANDMASTER_LANG", "en")
    paths = [str(runs / name) for name in ("weak", "strong")]
    assert command.main([*paths, "--html", str(tmp_path / "new" / "c.html")]) == 0
    assert f"All of it on a page: {tmp_path / 'new' / 'c.html'}" in capsys.readouterr().out
    assert "strong against weak" in Page((tmp_path / "new" / "c.html").read_text()).text("result")
    monkeypatch.setenv("GRANDMASTER_LANG", "ko")
    assert command.main(paths) == 0
    place = default_place([[runs / "weak"], [runs / "strong"]])
    assert f"전체 비교 보고서: {place}" in capsys.readouterr().out
    korean = place.read_text(encoding="utf-8")
    assert left_in_english(korean) == set()
    assert "strong이(가) weak보다 좋습니다" in Page(korean).text("result")
    (tmp_path / "mine.csv").write_text("mine")
    assert command.main([*paths, "--html", str(tmp_path / "mine.csv")]) == 2
    told = capsys.readouterr()
    assert "would be lost" in told.err
    assert told.out == "", "it is refused before anything is compared"


def test_the_mean_of_a_run_goes_as_far_as_all_its_fits() -> None:
    fits = (((1, 0.25), (2, 0.5), (3, 0.75)), ((1, 0.75), (2, None)))
    both = runs_figure(
        [RunCurves(place=0, fits=fits), RunCurves(place=5, fits=(((1, 0.5), (2, 0.5)),))], about="x"
    )
    lines = re.findall(r'<path d="([^"]*)"[^>]*style="[^"]*stroke: (var\(--\w+\))[^"]*"', both)
    drawn = [
        (shape.count("L"), colour) for shape, colour in lines if colour in ("var(--first)", "var(--third)")
    ]
    assert drawn == [(2, "var(--first)"), (0, "var(--first)"), (0, "var(--first)"), (1, "var(--third)")]
    assert "stroke-dasharray" in both


def test_estimated_values_have_a_table_without_shares(runs: Path, tmp_path: Path) -> None:
    found = compare_runs([open_run(runs / "weak")], [open_run(runs / "strong")])
    off = [[Answers(values=np.full((4, 1), size))] for size in (0.5, 0.125)]
    page = Page(
        render_run_comparison(
            RunsSideBySide(
                competition="squares",
                metric_title="RMSE",
                higher_is_better=False,
                sides=("weak", "strong"),
                runs=tuple(
                    ComparedRun(name=name, side=side, artefacts=read_run(runs / name), board={})
                    for side, name in enumerate(("weak", "strong"))
                ),
                pairs=(
                    ComparedPair(
                        first="weak",
                        second="strong",
                        clean=found.clean,
                        corrupted=found.clean,
                        rows=4,
                        sentence="Better.",
                        notes=("a <note>",),
                    ),
                ),
                differing=(),
                classes=compare_classes("regression", ("width",), np.zeros((4, 1)), off),
                notes=(),
            ),
            tmp_path,
            speaker("en"),
        )
    )
    assert "Value by value" in page.text("classes")
    assert "width 0.5 0.125 +0.375" in page.text("classes")
    assert "Rows" not in page.text("classes")
    assert "corrupted like test" in page.text("result")
    assert "a <note>." in page.text("result")
