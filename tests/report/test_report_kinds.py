"""Out-of-fold sections of label sets, grades and numbers: true to the predictions, in words that fit."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, r2_score, roc_auc_score

from grandmaster.competition.decisions import DecisionRule
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.table import Competition
from grandmaster.errors import UserError
from grandmaster.report.figures import MOST_POINTS, scatter_figure
from grandmaster.report.html import write_report
from grandmaster.report.out_of_fold_labels import judge_labels
from grandmaster.report.out_of_fold_numbers import judge_numbers
from grandmaster.report.texts import speaker
from grandmaster.storage import read_json, write_json
from report.language_check import left_in_english
from report.page import Page
from report.test_missing import UGLY

ENGLISH = speaker("en")
RULES = {
    "multilabel": DecisionRule(name="thresholds", thresholds=(0.3, 0.6, 0.5), why="fitted to it"),
    "ordinal": DecisionRule(name="cut_points", cut_points=(0.4, 1.7, 2.5, 3.4), why="fitted to it"),
    "regression": DecisionRule(name="none"),
}


def of_kind(competition: Competition, kind: Any) -> tuple[Competition, Predictions]:
    """The same pictures with other targets, and predictions that are partly right."""
    random = np.random.default_rng(7)
    train = competition.train
    count = len(train)
    changes: dict[str, Any] = {"kind": kind}
    if kind == "multilabel":
        truth = (random.random((count, 3)) < (0.5, 0.3, 0.2)).astype(np.float32)
        values = np.clip(0.45 * truth + 0.7 * random.random((count, 3)), 0, 1)
        names = ("stamp", "signature", "<b>table")
        changes |= {"classes": names, "class_names": names, "train": train.drop(columns="label")}
    elif kind == "ordinal":
        truth = train["label"].to_numpy(np.float32)[:, None]
        values = truth + random.normal(size=(count, 1))
    else:
        truth = random.normal((50, 2), (20, 1), (count, 2)).astype(np.float32)
        values = truth + random.normal(size=(count, 2)) * (9, 0.1)
        changes |= {"classes": (), "class_names": (), "target_columns": ("weight", "height")}
        changes["train"] = train.drop(columns="label")
    made = dataclasses.replace(competition, targets=truth, **changes)
    values = values.astype(np.float32)
    return made, Predictions(ids=tuple(train["id"]), outputs=made.outputs, values=values)


def test_labels_are_judged_by_curve_and_threshold(competition: Competition) -> None:
    made, predictions = of_kind(competition, "multilabel")
    found = judge_labels(predictions, made, RULES["multilabel"], ENGLISH)
    truth, chance = made.targets > 0, predictions.values
    assert [row.average_precision for row in found.labels] == sorted(
        average_precision_score(truth[:, place], chance[:, place]) for place in range(3)
    )
    for row in found.labels:
        place = made.classes.index(row.name)
        said = chance[:, place] >= RULES["multilabel"].thresholds[place]
        hits = (said & truth[:, place]).sum()
        assert row.auc == pytest.approx(roc_auc_score(truth[:, place], chance[:, place]))
        assert row.f1 == pytest.approx(2 * hits / (said.sum() + truth[:, place].sum()))
        assert (row.pictures, row.threshold) == (
            truth[:, place].sum(),
            RULES["multilabel"].thresholds[place],
        )
    taken = chance >= np.array(RULES["multilabel"].thresholds)
    assert found.right == (taken == truth).all(axis=1).sum()
    losses = [item.loss for item in found.worst]
    assert losses == sorted(losses, reverse=True)
    place = predictions.ids.index(found.worst[0].id)
    assert found.worst[0].missed == (truth[place] & ~taken[place]).sum()


def test_a_label_that_no_picture_has_is_not_judged(competition: Competition) -> None:
    made, predictions = of_kind(competition, "multilabel")
    made.targets[:, 1] = 0
    found = judge_labels(predictions, made, None, ENGLISH)
    assert (found.labels[-1].name, found.labels[-1].auc, found.labels[-1].f1) == ("signature", None, None)
    assert {row.threshold for row in found.labels} == {0.5}


def test_numbers_are_judged_by_residuals(competition: Competition) -> None:
    made, predictions = of_kind(competition, "regression")
    found = judge_numbers(predictions, made, None, ENGLISH)
    assert [column.name for column in found.columns] == ["weight", "height"]
    off = predictions.values.astype(float) - made.targets
    for place, column in enumerate(found.columns):
        assert column.bias == pytest.approx(off[:, place].mean())
        assert column.rmse == pytest.approx(np.sqrt((off[:, place] ** 2).mean()))
        assert column.mae == pytest.approx(np.abs(off[:, place]).mean())
        assert column.explained == pytest.approx(
            r2_score(made.targets[:, place], predictions.values[:, place])
        )
        assert (np.abs(off[:, place]) <= column.within).mean() == pytest.approx(0.9, abs=0.02)
    # weights are off by more units, and by more of their spread
    assert found.worst[0].column == "weight"
    assert abs(found.worst[0].off) == pytest.approx(np.abs(off[:, 0]).max(), rel=1e-5)
    assert found.matrix is None


def test_grades_have_a_matrix_by_the_cut_points(competition: Competition) -> None:
    made, predictions = of_kind(competition, "ordinal")
    found = judge_numbers(predictions, made, RULES["ordinal"], ENGLISH)
    decided = np.searchsorted(RULES["ordinal"].cut_points, predictions.values[:, 0], side="right")
    expected = np.zeros((5, 5), int)
    np.add.at(expected, (made.targets[:, 0].astype(int), decided), 1)
    assert found.matrix is not None
    assert found.matrix.tolist() == expected.tolist()
    assert found.right == np.trace(expected)


@pytest.mark.parametrize("kind", RULES)
def test_predictions_of_other_data_are_refused(competition: Competition, kind: str) -> None:
    made, predictions = of_kind(competition, kind)
    judge = judge_labels if kind == "multilabel" else judge_numbers
    stranger = dataclasses.replace(predictions, ids=("stranger.jpg", *predictions.ids[1:]))
    with pytest.raises(UserError, match=r"stranger\.jpg"):
        judge(stranger, made, None, ENGLISH)
    other = dataclasses.replace(predictions, outputs=tuple(f"{name}x" for name in predictions.outputs))
    with pytest.raises(UserError, match=f"over {len(made.outputs)} (classes|columns) that are not"):
        judge(other, made, None, ENGLISH)


@pytest.mark.parametrize("kind", RULES)
def test_the_page_of_a_run(run: Path, competition: Competition, kind: str) -> None:
    made, predictions = of_kind(competition, kind)
    predictions.save(run / "ensemble" / "oof.npz")
    rule = RULES[kind]
    write_json(
        run / "ensemble" / "decision_rule.json", {"rule": rule, "outputs": made.outputs, "fitted_on": "oof"}
    )
    final = read_json(run / "final_results.json")
    final["decision"] = {
        "rule": rule.name, "why": rule.why, "fitted_on": "oof_corrupted", "cut_points": rule.cut_points,
        "thresholds": dict(zip(made.outputs, rule.thresholds, strict=False)), "nested": True,
    }  # fmt: skip
    final["baseline"]["name"] = "mean"
    final["cross_validation"]["left_out"] = ["signature"] if kind == "multilabel" else []
    write_json(run / "final_results.json", final)
    page = Page(write_report(run, made).read_text(encoding="utf-8"))
    assert UGLY.search(page.text()) is None
    assert "Always the mean" in page.text("result")
    section, data = page.text("out-of-fold"), page.text("data")
    if kind == "multilabel":
        assert "every label is right" in section
        assert "<b>table" in section
        assert "the score of the run is nested" in section
        assert "3 labels of" in data
        assert "Left out of the mean, because only one side of them was validated: signature" in page.text(
            "result"
        )
    else:
        assert "Predicted against true" in section
        assert "Variance explained" in section
        html = (run / "report.html").read_text(encoding="utf-8")
        assert html.count("Predicted against true values of") == len(made.outputs)
    if kind == "ordinal":
        assert "are given the right grade" in section
        assert len([row for row in page.cells if row]) == 5
    if kind == "regression":
        assert "2 estimated values" in page.text("result")
        assert "The fingerprint holds no classes" not in data
        assert "Decisions" not in page.text("technique")
    else:
        assert "fitted to it, on pictures corrupted as the test is. The score is nested" in page.text(
            "technique"
        )
    named = [text for place, text in page.pieces if place == "mistakes" and text in set(predictions.ids)]
    assert len(named) == 24
    # examples are as different as the targets
    captions = re.findall(r"<figcaption>([^<]*)</figcaption>", html_of(run))[:8]
    assert len(set(captions)) >= 3
    assert left_in_english(write_report(run, made, "ko").read_text(encoding="utf-8")) == set()


def html_of(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


def test_a_damaged_rule_is_named(run: Path, competition: Competition) -> None:
    (run / "ensemble" / "decision_rule.json").write_text('{"rule": {"name": "dice"}}')
    with pytest.raises(UserError, match=r"not what a run writes.*decision_rule\.json"):
        write_report(run, competition)
    shutil.rmtree(run / "ensemble")


def test_a_scatter_of_many_pictures_stays_small() -> None:
    truth = np.random.default_rng(0).normal(size=20_000)
    drawn = scatter_figure(truth, truth + 1, about="many", say=ENGLISH)
    assert f"({MOST_POINTS:,} of 20,000)" in drawn
    assert len(drawn) < 200_000
    assert "var(--first)" in drawn
