"""The report's section about labels that are probably wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grandmaster.competition.table import Competition
from grandmaster.errors import UserError
from grandmaster.report.html import write_report
from grandmaster.report.suspects import MOST_SUSPECTS
from report.page import Page
from report.test_missing import clean

HEADER = "id,label,suggested,quality,p_label,p_suggested,reason\n"


def suspect(run: Path, *rows: str, **summary: object) -> None:
    (run / "label_suspects.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))
    facts = {"judged": 24, "training_pictures": 60, "notes": []} | summary
    (run / "label_quality.json").write_text(json.dumps(facts))


def test_pictures_with_given_and_suggested_class_and_how_to_accept(
    run: Path, competition: Competition
) -> None:
    suspect(
        run,
        "0001.jpg,0,3,0.0123,0.0123,0.9544,cleanlab",
        "0100.jpg,1,,,,,duplicate of 0200.jpg with label 2",
        "gone.jpg,2,4,0.2,0.2,0.7,cleanlab",
        notes=["1 classes have no picture with an out-of-fold prediction"],
    )
    page = clean(run, competition)
    text = page.text("labels")
    assert "3 labels may be wrong; 24 of 60 were compared" in text
    assert "1 classes have no picture" in text
    assert "bank statement medical bill 1.2 % against 95.4 % · cleanlab 0001.jpg" in text
    assert "driving licence duplicate of 0200.jpg with label 2 0100.jpg" in text
    assert "passport resume" in text
    assert "python 04_training/accept_labels.py --run training_results/shapes --top 3" in text
    html = (run / "report.html").read_text(encoding="utf-8")
    section = html[html.index('<section id="labels">') : html.index('<section id="technique">')]
    assert section.count("<img") == 2
    assert "cannot be read" in section


def test_many_suspects_are_cut_and_counted(run: Path, competition: Competition) -> None:
    rows = [
        f"{label:02d}{number:02d}.jpg,{label},4,0.1,0.1,0.8,cleanlab"
        for label in range(4)
        for number in range(10)
    ]
    suspect(run, *rows)
    page = clean(run, competition)
    assert f"and {40 - MOST_SUSPECTS} more, in label_suspects.csv" in page.text("labels")
    assert f"--top {MOST_SUSPECTS}" in page.text("labels")


def test_the_command_names_the_folder_that_the_run_lies_in(run: Path, competition: Competition) -> None:
    suspect(run, "0001.jpg,0,3,0.0123,0.0123,0.9544,cleanlab")
    path = run / "final_results.json"
    changed = json.loads(path.read_text()) | {"command": "python x.py --mode quick_test --output '/my runs'"}
    path.write_text(json.dumps(changed))
    assert "accept_labels.py --run '/my runs/shapes' --top 1" in clean(run, competition).text("labels")


def test_no_suspects_and_no_list_are_told_apart(run: Path, competition: Competition) -> None:
    assert "Labels are doubted once" in clean(run, competition).text("labels")
    suspect(run)
    text = clean(run, competition).text("labels")
    assert "0 labels may be wrong" in text
    assert "accept_labels" not in text


def test_a_damaged_list_is_named(run: Path, competition: Competition) -> None:
    for content in ("id,label\na,b\n", HEADER + "a,b,c,many,,,x\n", HEADER + "a,b,c\n"):
        (run / "label_suspects.csv").write_text(content)
        with pytest.raises(UserError, match=r"label_suspects\.csv"):
            write_report(run, competition)


def test_names_from_data_stay_text(run: Path, competition: Competition) -> None:
    suspect(run, "<em>id,<em>label,<em>other,0.1,0.1,0.8,<em>reason")
    page = Page(write_report(run, competition).read_text(encoding="utf-8"))
    assert "em" not in {name for name, _ in page.tags}
    assert "<em>label" in page.text("labels")
