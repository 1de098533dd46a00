"""The page of an exploration: true to the fingerprint, safe, and without what is not there."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from grandmaster.competition.table import Competition
from grandmaster.errors import UserError
from grandmaster.report.explore import write_exploration
from report.page import Page
from report.run_builder import make_competition
from report.test_missing import UGLY

COMMAND = "python 04_training/grandmaster_train.py --mode explore --data_path 'data/my shapes' --experiment_name shapes_explore"
SECTIONS = ("overview", "examples", "shift", "classes", "duplicates", "files", "next")


def explored(folder: Path, competition: Competition) -> Page:
    """The page, after a look for what a person must never see."""
    page = Page(write_exploration(folder, competition, command=COMMAND).read_text(encoding="utf-8"))
    found = UGLY.search(page.text())
    assert found is None, page.text()[max(0, found.start() - 80) : found.end() + 80]
    return page


def with_fingerprint(run: Path, **changes: Any) -> Path:
    """The run's folder as an exploration leaves it: the fingerprint alone, with these keys changed."""
    content = json.loads((run / "fingerprint.json").read_text()) | changes
    for path in run.iterdir():
        if path.is_file():
            path.unlink()
    (run / "fingerprint.json").write_text(json.dumps(content))
    return run


@pytest.fixture
def full(run: Path, competition: Competition) -> Path:
    """Everything that a fingerprint may hold."""
    ids, tests = competition.train["id"].tolist(), competition.test["id"].tolist()
    known = json.loads((run / "fingerprint.json").read_text())
    known["duplicates"]["test_groups"] = [tests[3:5]]
    statistics = {"brightness": {"mean": 123.25, "std": 2.0}, "aspect": {"mean": 0.789}}
    with_fingerprint(
        run,
        duplicates=known["duplicates"],
        class_statistics={"classes_left_out": 7, "classes": {"2": {"count": 11, "statistics": statistics}}},
        odd=[
            {
                "reason": "constant: nothing to see",
                "train": 3,
                "test": 1,
                "examples": [{"split": "train", "id": ids[9]}],
            }
        ],
    )
    (run / "shift.json").write_text(json.dumps(shift(most_test_like=[ids[1], ids[2], "gone.jpg"])))
    return run


def shift(name: str = "white in corner 0", **told: Any) -> dict[str, Any]:
    """What shift.json holds where test was found to be rotated, and noisy in a few pictures."""
    found = {"auc": 0.953, "low": 0.941, "high": 0.967, "features": [{"name": name, "importance": 0.61}]}
    levels = [[3.0, 15.0, 0.25], [15.0, 30.0, 0.74], [30.0, 45.0, 0.01]]
    kind = {"share": 0.78, "low": 0.7, "high": 0.81, "clean": 0.0, "auc": 0.99, "levels": levels}
    faint = kind | {"share": 0.0, "low": 0.0, "high": 0.01}
    return {
        "adversarial": found | told,
        "embedding": {"backbone": "test_net", "auc": 0.91, "low": 0.9, "high": 0.92, "features": []},
        "reading": {
            "method": "weights",
            "simulated": 3500,
            "fitted": {"auc": 0.667, "low": 0.64, "high": 0.69, "features": []},
            "kinds": {"blur": faint, "rotation": kind, "frame": kind},
        },
    }


def test_everything_that_a_fingerprint_holds_is_shown(full: Path, competition: Competition) -> None:
    cv2.imwrite(str(full / "policy_sheet.jpg"), np.full((300, 400, 3), 90, np.uint8))
    page = explored(full, competition)
    assert {attrs["id"] for attrs in page.having("section")} == set(SECTIONS)
    text = page.text("overview")
    assert "paper forms" in text
    assert "ids carry their extension" in text
    assert "Training pictures 60 3 groups of duplicates" in text
    assert "Test pictures 20 20 rows" in text
    assert "1 unreadable, 1 groups of duplicates that contradict each other" in text
    text = page.text("shift")
    assert "Test pictures are more often filled with one colour in the corners" in text
    assert (
        "Test pictures are blurrier: sharpness 1,446 in train, 607.3 in test (large, −1.37 standard deviations)"
        in text
    )
    assert "AUC 0.953 [0.941, 0.967]" in text
    assert "by embeddings of test_net 0.91 [0.9, 0.92]" in text
    assert "were found to be: 0.667 [0.64, 0.69]" in text
    assert "white in corner 0 0.61" in text
    assert re.search(
        r"rotated ?degrees from the nearest right angle 78.0 % ?70.0 % to 81.0 % 0.99 3 to 15: 25.0 % 15 to 30: 74.0 % blur",
        text,
    ), text
    text = page.text("classes")
    assert "2 passport 11 123.2" in text or "2 passport 11 123.3" in text
    assert "And 7 more classes" in text
    assert "truncated JPEG" in page.text("files")
    assert "constant: nothing to see 3 1" in page.text("files")
    text = page.text("duplicates")
    for title, count in (
        ("different labels", 1),
        ("in train, groups", 3),
        ("pairs", 1),
        ("in test, groups", 1),
    ):
        assert re.search(rf"{title}\S* ?(groups|pairs)? {count}\b", text), (title, text)
    # examples, groups of duplicates (2; 2 + 2 + 3; 2; 2), lookalikes that are there, sheet
    assert len(page.having("img")) == 16 + 2 + 7 + 2 + 2 + 2 + 1
    assert (page.having("img", "sheet")[0]["src"] or "").startswith("data:image/jpeg;base64,")
    assert len(page.having("svg")) == 3


def test_page_needs_nothing_from_outside_and_names_no_path(full: Path, competition: Competition) -> None:
    html = write_exploration(full, competition, command=COMMAND).read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\((?!#)|javascript:|<script|<link", html)
    assert "default-src 'none'" in html
    assert str(competition.root) not in html
    assert html == write_exploration(full, competition, command=COMMAND).read_text(encoding="utf-8")


def test_what_is_not_there_leaves_no_empty_heading(run: Path, competition: Competition) -> None:
    page = explored(with_fingerprint(run), competition)
    text = page.text()
    for absent in ("classifier tell", "Augmentation", "Odd pictures", "pictures of each class are like"):
        assert absent not in text
    assert "Duplicates in test, groups 0" in page.text("duplicates")


def test_without_a_fingerprint_the_pictures_are_still_shown(tmp_path: Path, competition: Competition) -> None:
    (tmp_path / "new").mkdir()
    page = explored(tmp_path / "new", competition)
    assert len(page.having("img")) == 16
    assert "The fingerprint holds no picture statistics." in page.text("shift")
    with pytest.raises(UserError, match="no such run folder"):
        write_exploration(tmp_path / "gone", competition, command=COMMAND)


def test_numbers_may_be_null(full: Path, competition: Competition) -> None:
    content = json.loads((full / "fingerprint.json").read_text())
    nothing = {"auc": None, "features": [{"name": "noise", "importance": None}]}
    (full / "shift.json").write_text(json.dumps(shift() | {"adversarial": nothing, "embedding": None}))
    for side in ("train", "test"):
        content[side]["statistics"]["width"] = {"mean": None, "q05": None}
    (full / "fingerprint.json").write_text(json.dumps(content))
    assert "AUC –" in explored(full, competition).text("shift")


def test_train_and_test_alike_is_said(run: Path, competition: Competition) -> None:
    content = json.loads((run / "fingerprint.json").read_text())
    page = explored(with_fingerprint(run, test=content["train"]), competition)
    assert "No statistic is shifted by half a standard deviation or more." in page.text("shift")
    assert "Test pictures are" not in page.text("shift")


def test_a_plan_in_the_folder_shows_its_augmentation(run: Path, competition: Competition) -> None:
    page = explored(run, competition)
    assert "about 68% of test pictures are turned" in page.text("shift")


def test_the_picture_that_contradicts_is_among_those_shown(run: Path, competition: Competition) -> None:
    ids = competition.train["id"].tolist()
    many = {"label_conflicts": [[*ids[:5], ids[-1]]]}
    text = explored(with_fingerprint(run, duplicates=many), competition).text("duplicates")
    assert f"bank statement {ids[0]} resume {ids[-1]} bank statement {ids[1]} and 3 more" in text


def test_a_sheet_that_is_no_picture_is_left_out(full: Path, competition: Competition) -> None:
    (full / "policy_sheet.jpg").write_bytes(b"half a pic")
    page = explored(full, competition)
    assert not page.having("img", "sheet")
    assert "Augmentation" not in page.text("shift")


def test_next_steps_are_commands_of_other_runs(full: Path, competition: Competition) -> None:
    html = write_exploration(full, competition, command=COMMAND).read_text(encoding="utf-8")
    copied = [
        re.sub(r"<[^>]*>", "", block).replace("&#39;", "'")
        for block in re.findall(r"<pre><code>(.*?)</code></pre>", html)
    ]
    quick = COMMAND.replace("explore", "quick_test", 1).replace("shapes_explore", "shapes_quick_test")
    assert copied == [f"{quick} --dry_run", quick, COMMAND]
    assert "1 group of duplicates has different labels" in Page(html).text("next")


def test_names_from_data_stay_text(tmp_path: Path) -> None:
    hostile = ("<script>alert(1)</script>", "\"><img src=x onerror='alert(2)'>")
    competition = make_competition(
        tmp_path / "<b>data", names=hostile, labels=hostile, per_class=4, test_images=3, id_suffix="\"'><em>"
    )
    ids = competition.train["id"].tolist()
    folder = tmp_path / "run"
    folder.mkdir()
    content = {
        "classes": [{"index": 0, "label": hostile[0], "name": hostile[0], "count": 4}],
        "duplicates": {"groups": [ids[:2]], "test_groups": [], "label_conflicts": [ids[3:5]]},
        "odd": [{"reason": "<em>odd", "train": 1, "test": 0, "examples": [{"split": "train", "id": "<em>"}]}],
        "class_statistics": {"classes": {hostile[1]: {"count": 4, "statistics": {}}}},
    }
    (folder / "fingerprint.json").write_text(json.dumps(content))
    (folder / "shift.json").write_text(json.dumps(shift("<em>f", most_test_like=ids[:1])))
    page = explored(folder, competition)
    assert not {name for name, _ in page.tags} & {"script", "em"}
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    for part in (*hostile, "<em>odd", "<em>f"):
        assert " ".join(part.split()) in page.text()


@pytest.mark.parametrize(
    ("kind", "classes", "targets", "caption"),
    [
        ("multilabel", ("rust", "scab"), [[1.0, 1.0], [0.0, 0.0], [1.0, 0.0], [1.0, 1.0]], "rust, scab"),
        ("regression", (), [[7.25], [1.0], [0.0], [2.5]], "7.25"),
    ],
)
def test_other_kinds_of_target(
    tmp_path: Path, kind: str, classes: tuple[str, ...], targets: list[list[float]], caption: str
) -> None:
    made = make_competition(tmp_path / "data", labels=("0",), names=("0",), per_class=4, test_images=2)
    competition = dataclasses.replace(
        made,
        kind=kind,  # type: ignore[arg-type]
        classes=classes,
        class_names=classes,
        train=made.train.drop(columns="label"),
        targets=np.array(targets, np.float32),
    )
    ids = competition.train["id"].tolist()
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "fingerprint.json").write_text(json.dumps({"duplicates": {"label_conflicts": [ids]}}))
    page = explored(folder, competition)
    assert caption in page.text("duplicates")
    assert caption in page.text("examples")
    if kind == "regression":
        assert "The target is a number: there are no classes." in page.text("classes")
