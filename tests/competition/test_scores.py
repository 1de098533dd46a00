"""Metrics agree with scikit-learn, resample by resample."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from grandmaster.competition import metrics
from grandmaster.competition.metrics import (
    METRICS,
    bootstrap_interval,
    confusion,
    per_class_scores,
    resample_weights,
    score,
)


def make(n: int = 60, c: int = 5, *, sharp: float = 2.0, seed: int = 0) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, c, size=n)
    logits = random.normal(size=(n, c))
    logits[np.arange(n), labels] += sharp
    probabilities = np.exp(logits)
    return labels, probabilities / probabilities.sum(axis=1, keepdims=True)


def by_sklearn(metric: str, labels: npt.NDArray[Any], probabilities: npt.NDArray[Any]) -> float:
    predicted = probabilities.argmax(axis=1)
    if metric == "macro_f1":
        return float(f1_score(labels, predicted, average="macro"))
    if metric == "accuracy":
        return float(accuracy_score(labels, predicted))
    return float(log_loss(labels, probabilities, labels=list(range(probabilities.shape[1]))))


def test_registry() -> None:
    assert list(METRICS) == [entry.name for entry in METRICS.values()] == ["macro_f1", "accuracy", "log_loss"]
    assert [entry.higher_is_better for entry in METRICS.values()] == [True, True, False]
    assert [entry.needs_labels_only for entry in METRICS.values()] == [True, True, False]


@pytest.mark.parametrize("metric", METRICS)
def test_value_is_scikit_learns(metric: str) -> None:
    labels, probabilities = make()
    assert score(metric, labels, probabilities) == pytest.approx(
        by_sklearn(metric, labels, probabilities), abs=1e-12
    )


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
@pytest.mark.parametrize("metric", METRICS)
def test_bad_input_is_refused(metric: str, labels: Any, probabilities: Any, says: str) -> None:
    for call in (score, bootstrap_interval):
        with pytest.raises(ValueError, match=says):
            call(metric, labels, probabilities)


@pytest.mark.parametrize("probabilities", [[[0.0, 0.0], [0.0, 1.0]], [[-0.1, 1.1], [0.0, 1.0]]])
def test_log_loss_refuses_what_is_no_probability(probabilities: Any) -> None:
    with pytest.raises(ValueError, match="not be negative"):
        score("log_loss", [0, 1], probabilities)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("grouped", [False, True])
def test_bootstrap_is_a_slow_loop_over_the_same_resamples(metric: str, grouped: bool) -> None:
    labels, probabilities = make(n=40, c=12, sharp=4.0)
    labels[labels == 3] = 0  # a class that is only predicted; with few pictures each, resamples lack others
    groups = np.random.default_rng(1).integers(0, 12, size=40) if grouped else np.arange(40)
    names = list(dict.fromkeys(groups.tolist()))
    values = []
    for block in resample_weights(len(names), rounds=100, seed=5):
        for weights in block:
            drawn = {name: int(count) for name, count in zip(names, weights, strict=True)}
            rows = np.repeat(np.arange(40), [drawn[group] for group in groups.tolist()])
            values.append(by_sklearn(metric, labels[rows], probabilities[rows]))
    low, high = np.quantile(values, [0.05, 0.95])
    interval = bootstrap_interval(
        metric, labels, probabilities, groups=groups if grouped else None, rounds=100, level=0.9, seed=5
    )
    assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))
    assert interval.value == pytest.approx(by_sklearn(metric, labels, probabilities))
    assert (interval.level, interval.rounds) == (0.9, 100)


def test_every_resample_draws_as_many_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "BLOCK_ELEMENTS", 70)
    blocks = list(resample_weights(10, rounds=25, seed=0))
    assert [len(block) for block in blocks] == [7, 7, 7, 4]
    together = np.concatenate(blocks)
    assert (together.sum(axis=1) == 10).all()
    assert together.max() > 2
    assert len(np.unique(together, axis=0)) == 25
    assert together.mean(axis=0) == pytest.approx(np.ones(10), abs=0.7)


def test_blocks_do_not_change_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, probabilities = make()
    whole = bootstrap_interval("macro_f1", labels, probabilities, rounds=50)
    monkeypatch.setattr(metrics, "BLOCK_ELEMENTS", 1)
    parts = bootstrap_interval("macro_f1", labels, probabilities, rounds=50)
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


def test_a_thousand_rounds_take_well_under_a_second() -> None:
    labels, probabilities = make(n=3000, c=20)
    bootstrap_interval("macro_f1", labels, probabilities, rounds=10)
    start = time.process_time()
    bootstrap_interval("macro_f1", labels, probabilities, rounds=1000)
    assert time.process_time() - start < 2  # 0.2 s alone; other work on the machine slows it down


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
