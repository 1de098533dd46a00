"""The road to the blend for every kind of target: what is learnt, decided and scored."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from kind_competitions import METRIC_OF, make_competition
from sklearn.metrics import cohen_kappa_score, root_mean_squared_error
from small_competition import Record, request

from grandmaster.competition.decisions import DecisionRule
from grandmaster.competition.metrics import METRICS, bootstrap_interval, score
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.rule_fitting import fit_rule
from grandmaster.competition.table import Competition
from grandmaster.pipeline import run
from grandmaster.pipeline.run import run_pipeline
from grandmaster.progress import SilentProgress
from report.page import Page

SETTINGS = (
    "training.epochs=8",
    "training.learning_rate=0.01",
    "training.batch_norm=train",
    "augmentation.policy=none",
    "model.drop_rate=0",
    "model.drop_path=0",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Done:
    """A run to its end."""

    folder: Path
    competition: Competition
    results: dict[str, Any]
    record: Record


@pytest.fixture(scope="module", params=METRIC_OF)
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Done:
    case = request.param
    competition = make_competition(tmp_path_factory.mktemp("data") / case, case)
    folder = tmp_path_factory.mktemp("runs") / case
    record = Record()
    results = go(competition, folder, record)
    return Done(folder=folder, competition=competition, results=results, record=record)


def go(
    competition: Competition, folder: Path, record: SilentProgress, *changes: str, until: str | None = None
) -> dict[str, Any]:
    """The whole road but the submission file, which has tests of its own."""
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "read_competition", lambda root, config: competition)
        results = run_pipeline(request(competition.root, folder, *SETTINGS, *changes, until=until), record)
    torch.set_num_threads(before)
    return results


def test_it_learns_and_beats_the_baseline(done: Done) -> None:
    found, baseline = done.results["cross_validation"], done.results["baseline"]
    higher = METRICS[done.competition.metric].higher_is_better
    assert found["low"] <= found["score"] <= found["high"]
    assert (found["score"] > baseline["score"]) == higher
    assert done.results["target"] == done.competition.kind
    assert baseline["name"] == {
        "multilabel": "label shares", "ordinal": "median", "regression": "mean"
    }.get(done.competition.kind, "majority class")  # fmt: skip


def test_what_the_views_were_worth_is_a_line_of_its_own(done: Done) -> None:
    (line,) = [line for line in done.results["techniques"] if line["name"] == "tta"]
    sign = 1 if METRICS[done.competition.metric].higher_is_better else -1
    assert line["kept"] is ("test_resnet: picture alone" not in line["why"])
    assert line["gain"] == pytest.approx(sign * (line["after"] - line["before"]))
    assert line["low"] <= line["gain"] <= line["high"]
    assert "against the pictures alone" in line["why"]


def test_values_are_in_the_targets_own_unit_and_test_has_every_picture(done: Done) -> None:
    test = Predictions.load(done.folder / "ensemble" / "test.npz")
    assert test.ids == tuple(done.competition.test["id"])
    assert test.outputs == done.competition.outputs
    kind = done.competition.kind
    if kind == "multiclass":
        assert test.values.sum(axis=1) == pytest.approx(np.ones(12), abs=1e-5)
    elif kind == "multilabel":
        assert 0 <= test.values.min() < 0.5 < test.values.max() <= 1
    elif kind == "ordinal":
        assert 0 <= test.values.min() < test.values.max() <= 3
    else:
        assert 80 < test.values.min() < test.values.max() < 160


def test_the_scale_of_a_fold_comes_from_what_it_trains_on(done: Done) -> None:
    folds = pd.read_csv(done.folder / "folds.csv", dtype={"id": str}).set_index("id")["fold"]
    fold = folds[done.competition.train["id"]].to_numpy()
    for number in (0, 1):
        kept = done.folder / f"fold_{number}" / "test_resnet" / "checkpoint" / "best.json"
        head = json.loads(kept.read_text())["head"]
        assert (head["kind"], head["outputs"]) == (done.competition.kind, len(done.competition.outputs))
        if done.competition.kind in ("ordinal", "regression"):
            learnt = done.competition.targets[fold != number].astype(float)
            assert head["mean"] == pytest.approx([learnt.mean()])
            assert head["std"] == pytest.approx([learnt.std()])


def test_folds_hold_rows_together(done: Done) -> None:
    folds = pd.read_csv(done.folder / "folds.csv", dtype={"id": str}).set_index("id")["fold"]
    row = done.competition.train.set_index("id")["row"]
    assert folds.groupby(row[folds.index].to_numpy()).nunique().max() == 1


def test_the_score_is_nested_and_of_rows(done: Done) -> None:
    """Remade by hand: each fold decided by the rule of the other, scored by scikit-learn where it is short."""
    competition = done.competition
    oof = Predictions.load(done.folder / "ensemble" / "oof.npz")
    folds = pd.read_csv(done.folder / "folds.csv", dtype={"id": str}).set_index("id")["fold"][list(oof.ids)]
    place = pd.Series(range(len(competition.train)), index=competition.train["id"])[list(oof.ids)]
    truth, values = competition.targets[place.to_numpy()], oof.values
    found = done.results["cross_validation"]["score"]
    assert done.results["cross_validation"]["images"] == len(oof.ids)
    if competition.kind in ("multilabel", "ordinal"):
        decided: Any = np.zeros(truth.shape if competition.kind == "multilabel" else len(truth), int)
        for fold in (0, 1):
            inside = folds.to_numpy() == fold
            decided[inside] = fit_rule(competition, truth[~inside], values[~inside]).decide(values[inside])
        expected = score(competition.metric, truth, values, decisions=decided)
        spread = bootstrap_interval(
            competition.metric,
            truth,
            values,
            decisions=decided,
            groups=competition.train["group"].to_numpy()[place.to_numpy()],
            rounds=100,
        )
        assert done.results["cross_validation"]["low"] == pytest.approx(spread.low)
        if competition.kind == "ordinal":
            known = truth[:, 0].astype(int)
            assert expected == pytest.approx(
                cohen_kappa_score(known, decided, weights="quadratic", labels=range(4))
            )
    elif competition.name == "regression":
        expected = root_mean_squared_error(truth, values)
    elif competition.name == "rows":
        rows = competition.train["row"].to_numpy()[place.to_numpy()]
        chance = pd.Series(values[:, 1].astype(float)).groupby(rows).mean()
        positive = pd.Series(truth).groupby(rows).max()
        expected = float(2 * (chance * positive).sum() / (chance.sum() + positive.sum()))
        assert done.results["cross_validation"]["rows"] == len(chance) == len(oof.ids) / 2
    else:
        best = np.argsort(-values, axis=1, kind="stable")
        ranks = (best == truth[:, None]).argmax(axis=1)
        expected = float(np.mean([1.0, 0.5, 0.0][0:3] @ (ranks == np.arange(3)[:, None])))
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_rule_for_test_is_fitted_on_all_and_shown(done: Done) -> None:
    competition = done.competition
    kept = json.loads((done.folder / "ensemble" / "decision_rule.json").read_text())
    assert kept["fitted_on"] == "oof"
    assert kept["outputs"] == list(competition.outputs)
    decision = done.results["decision"]
    shown = [message for message in done.record.messages if message.startswith("info: Decisions: ")]
    if competition.kind not in ("multilabel", "ordinal"):
        assert kept["rule"]["name"] == ("none" if competition.kind == "regression" else "argmax")
        assert not shown
        assert decision["nested"] is False
        return
    oof = Predictions.load(done.folder / "ensemble" / "oof.npz")
    place = pd.Series(range(len(competition.train)), index=competition.train["id"])[list(oof.ids)].to_numpy()
    rule = fit_rule(competition, competition.targets[place], oof.values)
    assert DecisionRule(**{**kept["rule"], "thresholds": tuple(kept["rule"]["thresholds"]),
                           "cut_points": tuple(kept["rule"]["cut_points"])}) == rule  # fmt: skip
    assert decision["nested"] is True
    assert "out-of-fold rows" in decision["why"]
    assert len(shown) == 1
    if competition.kind == "multilabel":
        assert list(decision["thresholds"]) == ["left", "middle", "right"]


def test_probabilities_are_calibrated_where_the_metric_asks_or_it_is_said(done: Done) -> None:
    kept = json.loads((done.folder / "ensemble" / "calibration.json").read_text())
    line = json.loads((done.folder / "techniques" / "calibration.json").read_text())
    kind, metric = done.competition.kind, done.competition.metric
    assert line["kept"] is kept["applied"]
    if kind in ("ordinal", "regression"):
        assert line["why"] == f"Not tried: {kind} targets have no probabilities."
        return
    assert kept["expected_calibration_error"]["before"] > 0
    assert kept["log_loss"]["after"] < kept["log_loss"]["before"] + 0.1
    if metric != "pf1":
        assert kept["applied"] is False


def test_run_again_trains_nothing(done: Done) -> None:
    record = Record()
    before = (done.folder / "ensemble" / "test.npz").stat().st_mtime_ns
    again = go(done.competition, done.folder, record)
    assert record.notes["train test_resnet fold 0"].startswith("done before")
    assert (done.folder / "ensemble" / "test.npz").stat().st_mtime_ns == before
    assert again["cross_validation"] == done.results["cross_validation"]


def test_another_target_of_one_picture_makes_another_fit(tmp_path: Path) -> None:
    competition = make_competition(tmp_path / "regression", "regression")
    short = ("training.epochs=1", "folds.train=1")
    go(competition, tmp_path / "run", Record(), *short)
    targets = competition.targets.copy()
    targets[5] += 1
    record = Record()
    go(dataclasses.replace(competition, targets=targets), tmp_path / "run", record, *short)
    assert not record.notes["train test_resnet fold 0"].startswith("done before")


def test_unreadable_test_pictures_get_the_mean_target(tmp_path: Path) -> None:
    competition = make_competition(tmp_path / "regression", "regression")
    Path(competition.test["path"].iloc[3]).write_bytes(b"")
    go(competition, tmp_path / "run", Record(), "training.epochs=1", "folds.train=1")
    test = Predictions.load(tmp_path / "run" / "ensemble" / "test.npz")
    assert test.values[3, 0] == pytest.approx(competition.targets.mean(), rel=1e-5)


def test_the_page_tells_of_the_kind(done: Done) -> None:
    page = Page((done.folder / "report.html").read_text(encoding="utf-8"))
    assert not re.search(r"\b(nan|null|inf|Undefined|True|False)\b", page.text())
    says = {
        "multilabel": "every label is right",
        "ordinal": "are given the right grade",
        "regression": "Variance explained",
    }.get(done.competition.kind, "are answered rightly")
    assert says in page.text("out-of-fold")
    assert f"Cross-validated {METRICS[done.competition.metric].title}" in page.text("result")


def test_the_rule_is_fitted_on_what_looks_like_the_test_set(tmp_path: Path) -> None:
    """Where the epoch is chosen on corrupted pictures, so are the thresholds."""
    competition = make_competition(tmp_path / "multilabel", "multilabel")
    short = ("training.epochs=2", "folds.train=1")
    folder = tmp_path / "run"
    go(competition, folder, Record(), *short, until="plan")
    plan = json.loads((folder / "plan.json").read_text())
    plan["corruption"] = [{"name": "VerticalFlip", "probability": 1.0}]
    plan["decisions"]["selection"]["value"] = "corrupted"
    (folder / "plan.json").write_text(json.dumps(plan))
    results = go(competition, folder, Record(), *short)
    assert results["decision"]["fitted_on"] == "oof_corrupted"
    corrupted = Predictions.load(folder / "ensemble" / "oof_corrupted.npz")
    place = pd.Series(range(len(competition.train)), index=competition.train["id"])[list(corrupted.ids)]
    rule = fit_rule(competition, competition.targets[place.to_numpy()], corrupted.values)
    assert tuple(results["decision"]["thresholds"].values()) == pytest.approx(rule.thresholds)
    clean = fit_rule(
        competition,
        competition.targets[place.to_numpy()],
        Predictions.load(folder / "ensemble" / "oof.npz").values,
    )
    assert rule != clean
