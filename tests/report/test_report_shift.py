"""What the report says of the shift between train and test, as the page of the exploration does."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from grandmaster.competition.table import Competition
from grandmaster.report.html import write_report
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
    (run / "shift.json").write_text(json.dumps(shift(most_test_like=[ids[1], "gone.jpg"])))
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
    ):
        assert part in text, (part, text)
    assert len(page.having("img", "sheet")) == 1
    assert "Top: training pictures as they are" in page.text("plan")


def test_report_without_a_shift_has_no_empty_heading(run: Path, competition: Competition) -> None:
    page = Page(write_report(run, competition).read_text(encoding="utf-8"))
    for absent in ("classifier tell", "Odd pictures", "Top: training pictures"):
        assert absent not in page.text()
