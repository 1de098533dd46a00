"""What the report says of the shift between train and test, as the page of the exploration does."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from grandmaster.competition.metrics import corruption_gap
from grandmaster.competition.table import Competition
from grandmaster.report.html import write_report
from report.language_check import left_in_english
from report.page import Page
from report.test_exploration_page import shift


def test_report_shows_the_shift_the_sheet_and_what_is_odd(run: Path, competition: Competition) -> None:
    ids, tests = competition.train["id"].tolist(), competition.test["id"].tolist()
    fingerprint = json.loads((run / "fingerprint.json").read_text())
    fingerprint["duplicates"]["test_groups"] = [tests[3:5]]
    fingerprint["odd"] = [
        {"reason": "constant", "train": 3, "test": 1, "examples": [{"split": "train", "id": ids[9]}]}
    ]
    (run / "fingerprint.json").write_text(json.dumps(fingerprint))
    told = shift(most_test_like=[ids[1], "gone.jpg"])
    told["stored"] = {
        "train": {"share": 0.0, "low": 100, "median": 100, "high": 100},
        "test": {"share": 0.9, "low": 30, "median": 40, "high": 55},
    }
    (run / "shift.json").write_text(json.dumps(told))
    cv2.imwrite(str(run / "policy_sheet.jpg"), np.full((300, 400, 3), 90, np.uint8))
    page = Page(write_report(run, competition).read_text(encoding="utf-8"))
    text = page.text("data")
    for part in (
        "AUC 0.953 [0.941, 0.967]",
        "were found to be: 0.667 [0.64, 0.69]",
        "78.0",
        "Training pictures that look most like test pictures",
        "Duplicates in test, groups 1",
        f"{tests[3]} {tests[4]}",
        f"constant 3 1 {ids[9]}",
        "Files, by their headers: train no JPEGs, test 90% JPEG of quality 40 (30 to 55).",
    ):
        assert part in text, (part, text)
    assert len(page.having("img", "sheet")) == 1
    assert "Top: training pictures as they are" in page.text("plan")
    korean = write_report(run, competition, "ko").read_text(encoding="utf-8")
    assert left_in_english(korean) == set()
    assert "파일 헤더 기준: train JPEG 없음, test 90% JPEG 품질 40 (30 ~ 55)." in korean


def test_report_without_a_shift_has_no_empty_heading(run: Path, competition: Competition) -> None:
    page = Page(write_report(run, competition).read_text(encoding="utf-8"))
    for absent in ("classifier tell", "Odd pictures", "Top: training pictures"):
        assert absent not in page.text()


def test_each_fit_and_the_blend_show_what_they_lose_on_corrupted_pictures(
    run: Path, competition: Competition
) -> None:
    final = json.loads((run / "final_results.json").read_text())
    final["models"][0] |= {"score": 0.9, "score_corrupted": 0.7871, "gap": 0.1129}
    (run / "final_results.json").write_text(json.dumps(final))
    text = Page(write_report(run, competition).read_text(encoding="utf-8")).text("technique")
    assert "0.9000 0.7871 +0.1129" in text
    assert "Blend 0.9124 0.8349 +0.0775" in text
    assert "expect the board nearer to the corrupted score" in text


def test_a_gap_is_a_loss_whichever_way_the_metric_goes() -> None:
    assert corruption_gap(0.9, 0.7, higher_is_better=True) == pytest.approx(0.2)
    assert corruption_gap(0.4, 0.7, higher_is_better=False) == pytest.approx(0.3)
    assert corruption_gap(0.9, None, higher_is_better=True) is None
