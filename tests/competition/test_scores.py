"""Metrics agree with scikit-learn, resample by resample."""

from __future__ import annotations

import time
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics as sk

from grandmaster.competition import metrics
from grandmaster.competition.decisions import DecisionRule
from grandmaster.competition.metric_table import why_not
from grandmaster.competition.metrics import (
    METRICS,
    bootstrap_interval,
    confusion,
    left_out,
    paired_gain,
    per_class_scores,
    resample_weights,
    score,
)
from grandmaster.config import MetricName

CUTS = DecisionRule(name="cut_points", cut_points=(0.4, 1.7, 2.2))
THRESHOLDS = DecisionRule(name="thresholds", thresholds=(0.3, 0.5, 0.7, 0.4))
PAIRS = [(metric, kind) for metric, entry in METRICS.items() for kind in entry.kinds]


def make(n: int = 60, c: int = 5, *, sharp: float = 2.0, seed: int = 0) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, c, size=n)
    logits = random.normal(size=(n, c))
    logits[np.arange(n), labels] += sharp
    probabilities = np.exp(logits)
    return labels, probabilities / probabilities.sum(axis=1, keepdims=True)


def make_kind(metric: str, kind: str, n: int = 60, seed: int = 0) -> tuple[Any, Any, DecisionRule | None]:
    """Truth, values and a rule for a kind of target; some values tie."""
    random = np.random.default_rng(seed)
    if kind == "multiclass":
        labels, probabilities = make(n, 2 if METRICS[metric].takes == "positive" else 7, sharp=3.0, seed=seed)
        probabilities = probabilities.round(1) + 0.01
        labels[labels == 3] = 0  # a class that is only predicted
        return labels, probabilities / probabilities.sum(axis=1, keepdims=True), None
    if kind == "multilabel":
        truth = (random.random((n, 4)) < (0.5, 0.3, 0.1, 0.06)).astype(np.float32)
        return truth, np.clip(0.5 * truth + random.random((n, 4)) * 0.6, 0, 1).round(1), THRESHOLDS
    if kind == "ordinal":
        grades = random.integers(0, 4, (n, 1)).astype(np.float32)
        return grades, (grades + random.normal(size=(n, 1))).clip(0, 3), CUTS
    truth = random.normal(50, 20, (n, 2)).astype(np.float32)
    return truth, truth + random.normal(size=(n, 2)) * (3, 9), None


def by_sklearn(
    metric: str,
    truth: npt.NDArray[Any],
    values: npt.NDArray[Any],
    rule: DecisionRule | None = None,
    top_k: int = 3,
) -> float:
    """One plain call, or a plain loop, for each metric."""
    if METRICS[metric].takes == "decisions":
        taken = values.argmax(axis=1) if truth.ndim == 1 else rule.decide(values)
        known = truth if taken.ndim == 2 or truth.ndim == 1 else truth[:, 0].astype(int)
        if metric in ("macro_f1", "micro_f1", "weighted_f1"):
            names = range(truth.shape[1] if taken.ndim == 2 else 9)
            there = [
                name for name in names
                if ((known[:, name] + taken[:, name] > 0).any() if taken.ndim == 2 else name in known or name in taken)
            ]  # fmt: skip
            average = metric.removesuffix("_f1")
            return float(sk.f1_score(known, taken, average=average, labels=there, zero_division=0))
        if metric == "sample_f1":
            return float(sk.f1_score(known, taken, average="samples", zero_division=1))
        if metric == "accuracy":
            return float(sk.accuracy_score(known, taken))
        if metric == "balanced_accuracy":
            return float(np.mean([(taken[known == name] == name).mean() for name in set(known.tolist())]))
        return float(sk.cohen_kappa_score(known, taken, weights="quadratic", labels=range(7)))
    if metric == "log_loss":
        if truth.ndim == 1:
            return float(sk.log_loss(truth, values, labels=range(values.shape[1])))
        chance = values.clip(1e-15, 1 - 1e-15)
        return float(-(truth * np.log(chance) + (1 - truth) * np.log1p(-chance)).mean())
    if metric == "roc_auc":
        return float(sk.roc_auc_score(truth, values[:, 1])) if 0 < truth.sum() < len(truth) else float("nan")
    if metric == "macro_roc_auc":
        columns = [truth == place if truth.ndim == 1 else truth[:, place] for place in range(values.shape[1])]
        areas = [
            sk.roc_auc_score(column, values[:, place])
            for place, column in enumerate(columns)
            if 0 < column.sum() < len(column)
        ]
        return float(np.mean(areas)) if areas else float("nan")
    if metric == "pf1":
        chance, positive = values[:, 1], truth == 1
        hits = chance[positive].sum()
        precision, recall = hits / chance.sum(), hits / positive.sum()
        return float(2 * precision * recall / (precision + recall))
    if metric == "map_at_k":
        best = np.argsort(-values, axis=1, kind="stable")[:, :top_k].tolist()
        pairs = zip(best, truth.tolist(), strict=True)
        return float(np.mean([1 / (1 + row.index(label)) if label in row else 0.0 for row, label in pairs]))
    if rule is not None:
        values = rule.decide(values)[:, None]
    truth = truth.astype(np.float64)
    if metric == "rmse":
        return float(np.mean(np.sqrt(((truth - values) ** 2).mean(axis=0))))
    return float(sk.mean_absolute_error(truth, values))


def test_registry() -> None:
    assert list(METRICS) == [entry.name for entry in METRICS.values()]
    assert set(METRICS) == set(get_args(MetricName))
    assert [name for name, entry in METRICS.items() if not entry.higher_is_better] == [
        "log_loss",
        "rmse",
        "mae",
    ]


@pytest.mark.parametrize(("metric", "kind"), PAIRS)
def test_value_is_scikit_learns(metric: str, kind: str) -> None:
    truth, values, rule = make_kind(metric, kind)
    expected = by_sklearn(metric, truth, values, rule)
    assert score(metric, truth, values, rule, top_k=3) == pytest.approx(expected, abs=1e-12)
    if rule is not None:  # what was decided says as much as the rule
        decided = rule.decide(values)
        assert score(metric, truth, values, decisions=decided) == score(metric, truth, values, rule)


@pytest.mark.parametrize(
    ("metric", "kind"), [pair for pair in PAIRS if METRICS[pair[0]].takes == "decisions"]
)
def test_without_a_rule_the_plain_decisions_are_scored(metric: str, kind: str) -> None:
    truth, values, rule = make_kind(metric, kind)
    if rule is None:
        return
    plain = {
        "multilabel": DecisionRule(name="thresholds", thresholds=(0.5,) * 4),
        "ordinal": DecisionRule(name="cut_points", cut_points=(0.5, 1.5, 2.5)),
    }[kind]
    assert score(metric, truth, values) == pytest.approx(by_sklearn(metric, truth, values, plain))
    assert score(metric, truth, values) != score(metric, truth, values, rule)


def test_what_cannot_be_scored_is_said() -> None:
    labels, probabilities = make()
    assert why_not("rmse", "regression", 3) is why_not("roc_auc", "multiclass", 2) is None
    assert "scores ordinal or regression targets, these are multiclass" in str(
        why_not("rmse", "multiclass", 5)
    )
    with pytest.raises(ValueError, match="ROC AUC is for two classes, there are 5"):
        score("roc_auc", labels, probabilities)
    with pytest.raises(ValueError, match="RMSE scores ordinal or regression targets, these are multiclass"):
        score("rmse", labels, probabilities)
    with pytest.raises(ValueError, match="must be 0 or 1"):
        score("sample_f1", [[0.0, 2.0]], [[0.1, 0.2]])
    with pytest.raises(ValueError, match="grades must be whole numbers"):
        score("quadratic_weighted_kappa", [[0.5], [1.0]], [[0.1], [0.2]])
    with pytest.raises(ValueError, match="truth of row 1 is missing"):
        score("mae", [[0.5], [np.nan]], [[0.1], [0.2]])


def test_columns_with_one_side_are_left_out_and_named() -> None:
    truth, values, _ = make_kind("macro_roc_auc", "multilabel")
    truth[:, 2] = 0
    assert left_out("macro_roc_auc", truth, ("a", "b", "c", "d")) == ("c",)
    assert left_out("macro_f1", truth, ("a", "b", "c", "d")) == ()
    rest = [0, 1, 3]
    assert score("macro_roc_auc", truth, values) == score("macro_roc_auc", truth[:, rest], values[:, rest])
    assert np.isnan(score("roc_auc", [1, 1], [[0.2, 0.8], [0.4, 0.6]]))
    nowhere = bootstrap_interval("roc_auc", [1, 1], [[0.2, 0.8], [0.4, 0.6]], rounds=5)
    assert np.isnan([nowhere.value, nowhere.low, nowhere.high]).all()


def test_the_positive_class_may_be_either() -> None:
    labels, probabilities = make(c=2)
    assert score("roc_auc", labels, probabilities, positive=0) == pytest.approx(
        score("roc_auc", labels, probabilities)
    )
    swapped = score("pf1", 1 - labels, probabilities[:, ::-1], positive=0)
    assert swapped == pytest.approx(score("pf1", labels, probabilities))
    assert swapped != pytest.approx(score("pf1", labels, probabilities, positive=0))


def test_kappa_of_one_grade_is_nothing_and_gaps_between_grades_count() -> None:
    assert score("quadratic_weighted_kappa", [[2.0], [2.0]], [[2.0], [2.0]]) == 0
    # Grades 0 and 4 only: as far apart as they are, not next to each other.
    truth, values = [[0.0], [4.0], [4.0], [0.0]], [[0.0], [4.0], [3.0], [1.0]]
    expected = sk.cohen_kappa_score([0, 4, 4, 0], [0, 4, 3, 1], labels=range(5), weights="quadratic")
    assert score("quadratic_weighted_kappa", truth, values) == pytest.approx(expected)


def test_macro_f1_counts_classes_of_truth_or_prediction() -> None:
    # Class 2 is only predicted, class 3 is neither: F1 of classes 0, 1, 2 is 2/3, 1, 0.
    probabilities = np.eye(4)[[0, 2, 1]]
    assert score("macro_f1", [0, 0, 1], probabilities) == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_log_loss_scales_and_clips() -> None:
    assert score("log_loss", [0, 1], [[2.0, 2.0], [1.0, 3.0]]) == pytest.approx(-np.log([0.5, 0.75]).mean())
    assert score("log_loss", [0, 1], [[0.0, 1.0], [0.0, 1.0]]) == pytest.approx(-np.log(1e-15) / 2, rel=1e-6)


def test_float32_predictions_need_no_warning_to_be_scored() -> None:
    labels, probabilities = make()
    assert score("log_loss", labels, probabilities.astype(np.float32)) == pytest.approx(
        score("log_loss", labels, probabilities), rel=1e-5
    )


@pytest.mark.parametrize(
    ("labels", "probabilities", "says"),
    [
        ([0, 2], [[1.0, 0.0], [0.0, 1.0]], "label 2 is outside the 2 classes"),
        ([0, -1], [[1.0, 0.0], [0.0, 1.0]], "label -1 is outside"),
        ([0, 1], [[1.0, 0.0], [np.nan, 1.0]], "row 1 is not finite"),
        ([0, 1], [[1.0, 0.0], [np.inf, 1.0]], "row 1 is not finite"),
        ([0], [[1.0, 0.0], [0.0, 1.0]], "do not fit"),
        ([0, 1], [1.0, 0.0], "do not fit"),
        ([0.0, 1.0], [[1.0, 0.0], [0.0, 1.0]], "whole numbers"),
        (np.zeros(0, int), np.zeros((0, 2)), "nothing to score"),
    ],
)
@pytest.mark.parametrize("metric", ["macro_f1", "accuracy", "log_loss", "roc_auc"])
@pytest.mark.fault(22, "labels outside of the classes")
def test_bad_input_is_refused(metric: str, labels: Any, probabilities: Any, says: str) -> None:
    for call in (score, bootstrap_interval):
        with pytest.raises(ValueError, match=says):
            call(metric, labels, probabilities)


@pytest.mark.parametrize("probabilities", [[[0.0, 0.0], [0.0, 1.0]], [[-0.1, 1.1], [0.0, 1.0]]])
def test_log_loss_refuses_what_is_no_probability(probabilities: Any) -> None:
    with pytest.raises(ValueError, match="not be negative"):
        score("log_loss", [0, 1], probabilities)


@pytest.mark.parametrize(("metric", "kind"), PAIRS)
@pytest.mark.parametrize("grouped", [False, True])
def test_bootstrap_is_a_slow_loop_over_the_same_resamples(metric: str, kind: str, grouped: bool) -> None:
    truth, values, rule = make_kind(metric, kind, n=40)  # with few pictures each, resamples lack some labels
    groups = np.random.default_rng(1).integers(0, 12, size=40) if grouped else np.arange(40)
    names = list(dict.fromkeys(groups.tolist()))
    drawn_scores = []
    for block in resample_weights(len(names), rounds=60, seed=5):
        for weights in block:
            drawn = {name: int(count) for name, count in zip(names, weights, strict=True)}
            rows = np.repeat(np.arange(40), [drawn[group] for group in groups.tolist()])
            drawn_scores.append(by_sklearn(metric, truth[rows], values[rows], rule))
    low, high = np.nanquantile(drawn_scores, [0.05, 0.95])
    interval = bootstrap_interval(
        metric, truth, values, rule, top_k=3, groups=groups if grouped else None, rounds=60, level=0.9, seed=5
    )
    assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
    assert interval.value == pytest.approx(by_sklearn(metric, truth, values, rule))
    assert (interval.level, interval.rounds) == (0.9, 60)


def test_every_resample_draws_as_many_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "BLOCK_ELEMENTS", 70)
    blocks = list(resample_weights(10, rounds=25, seed=0))
    assert [len(block) for block in blocks] == [7, 7, 7, 4]
    together = np.concatenate(blocks)
    assert (together.sum(axis=1) == 10).all()
    assert together.max() > 2
    assert len(np.unique(together, axis=0)) == 25
    assert together.mean(axis=0) == pytest.approx(np.ones(10), abs=0.7)


@pytest.mark.parametrize("metric", ["macro_f1", "macro_roc_auc"])
def test_blocks_do_not_change_the_interval(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, probabilities = make()
    whole = bootstrap_interval(metric, labels, probabilities, rounds=50)
    monkeypatch.setattr(metrics, "BLOCK_ELEMENTS", 1)
    parts = bootstrap_interval(metric, labels, probabilities, rounds=50)
    assert parts.value == whole.value
    assert (parts.low, parts.high) == (pytest.approx(whole.low), pytest.approx(whole.high))


def test_seed_and_level() -> None:
    labels, probabilities = make()
    first = bootstrap_interval("accuracy", labels, probabilities)
    assert bootstrap_interval("accuracy", labels, probabilities) == first
    assert bootstrap_interval("log_loss", labels, probabilities, seed=1) != bootstrap_interval(
        "log_loss", labels, probabilities
    )
    narrow = bootstrap_interval("accuracy", labels, probabilities, level=0.5)
    assert first.low < narrow.low < first.value < narrow.high < first.high
    for wrong in ({"rounds": 0}, {"level": 1.0}):
        with pytest.raises(ValueError, match="rounds"):
            bootstrap_interval("accuracy", labels, probabilities, **wrong)  # type: ignore[arg-type]


def test_groups_of_copies_widen_the_interval() -> None:
    labels, probabilities = make(n=50)
    copies = np.repeat(np.arange(50), 8)
    alone = bootstrap_interval("accuracy", labels[copies], probabilities[copies])
    grouped = bootstrap_interval("accuracy", labels[copies], probabilities[copies], groups=copies)
    single = bootstrap_interval("accuracy", labels, probabilities)
    assert (grouped.low, grouped.high) == (single.low, single.high)
    assert (grouped.high - grouped.low) > 2 * (alone.high - alone.low)


@pytest.mark.parametrize("groups", [["a"] * 59, ["a"] * 59 + [None]])
def test_bad_groups(groups: list[str | None]) -> None:
    labels, probabilities = make()
    with pytest.raises(ValueError, match="group"):
        bootstrap_interval("accuracy", labels, probabilities, groups=groups)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        hits = random.random(150) < 0.8
        interval = bootstrap_interval(
            "accuracy", np.zeros(150, int), np.eye(2)[(~hits).astype(int)], rounds=300
        )
        covered += interval.low <= 0.8 <= interval.high
    assert 0.90 <= covered / 300 <= 0.985


# 0.2 s alone, 0.3 s for the areas of five columns; other work on the machine slows it down
@pytest.mark.parametrize(("metric", "classes", "limit"), [("macro_f1", 20, 2.0), ("macro_roc_auc", 5, 4.0)])
def test_a_thousand_rounds_take_little_time(metric: str, classes: int, limit: float) -> None:
    labels, probabilities = make(n=5000, c=classes)
    bootstrap_interval(metric, labels, probabilities, rounds=10)
    start = time.process_time()
    bootstrap_interval(metric, labels, probabilities, rounds=1000)
    assert time.process_time() - start < limit


def test_per_class_scores_and_confusion() -> None:
    probabilities = np.eye(4)[[0, 2, 1, 1]]
    labels = [0, 0, 1, 2]
    assert confusion(labels, probabilities, 4).tolist() == [
        [1, 0, 1, 0],
        [0, 1, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 0, 0],
    ]
    table = per_class_scores(labels, probabilities, 4)
    assert table["precision"].tolist() == [1, 0.5, 0, 0]
    assert table["recall"].tolist() == [0.5, 1, 0, 0]
    assert table["f1"].tolist() == pytest.approx([2 / 3, 2 / 3, 0, 0])
    assert table["support"].tolist() == [2, 1, 1, 0]
    for call in (confusion, per_class_scores):
        with pytest.raises(ValueError, match="4 columns for 3 classes"):
            call(labels, probabilities, 3)


@pytest.mark.parametrize("metric", ["macro_f1", "log_loss"])
def test_the_gain_is_paired_and_its_sign_says_better(metric: str) -> None:
    """Against drawing the rows by hand: both predictions are scored on the same rows each time."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 200)
    first = rng.dirichlet(np.ones(3), 200)
    second = 0.5 * first + 0.5 * np.eye(3)[truth]  # always nearer to the truth
    found = paired_gain(metric, truth, first, second, rounds=400)
    sign = 1 if metric == "macro_f1" else -1
    assert found.value == pytest.approx(sign * (score(metric, truth, second) - score(metric, truth, first)))
    assert 0 < found.low < found.value < found.high
    drawn = []
    for _ in range(400):
        rows = rng.integers(0, 200, 200)
        drawn.append(
            sign * (score(metric, truth[rows], second[rows]) - score(metric, truth[rows], first[rows]))
        )
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, (0.025, 0.975)), abs=0.03)
    worse = paired_gain(metric, truth, second, first, rounds=400)
    assert (worse.value, worse.low, worse.high) == pytest.approx((-found.value, -found.high, -found.low))
    # Two that differ in a few pictures only are compared far more sharply than each is known by itself.
    almost = np.where(np.arange(200)[:, None] < 8, second, first)
    close, alone = paired_gain(metric, truth, first, almost), bootstrap_interval(metric, truth, first)
    assert close.high - close.low < 0.7 * (alone.high - alone.low)
    nothing = paired_gain(metric, truth, first, first, rounds=50)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)
