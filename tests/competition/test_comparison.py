"""Better only where pictures and folds agree; seeds of a group are drawn together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from grandmaster.competition.comparison import Pair, compare, corrected_interval
from grandmaster.competition.metrics import paired_gain, score


def sides(n: int = 300, c: int = 4, *, gain: float = 0.0, seed: int = 0) -> tuple[Any, Any, Any]:
    """Labels, and probabilities of two sides; the second is surer of the truth by `gain`."""
    random = np.random.default_rng(seed)
    labels = np.random.default_rng(99).integers(0, c, n)
    logits = random.normal(size=(2, n, c))
    logits[:, np.arange(n), labels] += np.array([1.0, 1.0 + gain])[:, None]
    values = np.exp(logits)
    values /= values.sum(axis=2, keepdims=True)
    return labels, values[0], values[1]


def test_one_pair_is_the_paired_bootstrap():
    truth, first, second = sides(gain=0.3)
    groups = np.arange(300) // 3
    found = compare("macro_f1", truth, [Pair(first=first, second=second)], groups=groups, rounds=200)
    alone = paired_gain("macro_f1", truth, first, second, groups=groups, rounds=200)
    assert (found.gain, found.low, found.high) == (alone.value, alone.low, alone.high)
    assert (found.before, found.after) == (
        score("macro_f1", truth, first),
        score("macro_f1", truth, second),
    )
    assert found.corrected is None  # one fold, one seed
    assert found.interval == {"score": found.gain, "low": found.low, "high": found.high, "level": 0.95}


def test_seeds_of_a_group_are_drawn_together():
    """The same pair five times over is no more evidence than once; five other seeds are."""
    truth, first, second = sides(gain=0.4)
    once = compare("accuracy", truth, [Pair(first=first, second=second)], rounds=500)
    same = compare("accuracy", truth, [Pair(first=first, second=second)] * 5, rounds=500)
    assert (same.low, same.high) == pytest.approx((once.low, once.high))
    pairs = [Pair(first=one, second=two) for _, one, two in (sides(gain=0.4, seed=s) for s in range(5))]
    several = compare("accuracy", truth, pairs, rounds=500)
    assert several.high - several.low < 0.8 * (once.high - once.low)
    assert several.gain == pytest.approx(
        np.mean([score("accuracy", truth, p.second) - score("accuracy", truth, p.first) for p in pairs])
    )


@pytest.mark.parametrize("metric", ["macro_f1", "log_loss"])
def test_better_and_worse_whichever_way_the_metric_goes(metric):
    truth, first, second = sides(600, gain=0.8)
    folds = np.arange(600) % 5
    better = compare(metric, truth, [Pair(first=first, second=second)], folds=folds)
    worse = compare(metric, truth, [Pair(first=second, second=first)], folds=folds)
    assert (better.verdict, worse.verdict) == ("better", "worse")
    assert better.gain == pytest.approx(-worse.gain)
    assert better.gain > 0
    assert [one.fold for one in better.by_fold] == [0, 1, 2, 3, 4]
    assert "plain" in better.sentence("plain", "fitted")
    assert "in 5 of 5 (5 folds)" in better.sentence()
    assert better.sentence("plain", "fitted").startswith("fitted is better than plain")


def test_folds_that_disagree_leave_it_open():
    """The bootstrap alone would call it better: all of the gain is in one fold."""
    truth, first, _ = sides(500)
    folds = np.arange(500) % 5
    second = first.copy()
    in_one = np.flatnonzero(folds == 0)
    second[in_one] = np.eye(4)[truth[in_one]]
    found = compare("accuracy", truth, [Pair(first=first, second=second)], folds=folds)
    assert found.low > 0
    assert found.corrected is not None
    assert found.corrected.doubt > 0.1
    assert found.verdict == "no difference shown"
    even = first.copy()
    spread = np.arange(500) % 25 < 5
    even[spread] = np.eye(4)[truth[spread]]
    assert compare("accuracy", truth, [Pair(first=first, second=even)], folds=folds).verdict == "better"


def test_equal_predictions_show_no_difference():
    truth, first, _ = sides(100)
    found = compare("accuracy", truth, [Pair(first=first, second=first)], folds=np.arange(100) % 4, rounds=50)
    assert (found.gain, found.low, found.high, found.verdict) == (0, 0, 0, "no difference shown")
    assert found.corrected is not None
    assert found.corrected.doubt == 0.5


def test_the_corrected_interval_is_that_of_the_paper():
    gains = [0.01, 0.03, -0.01, 0.02, 0.04]
    found = corrected_interval(gains, tested=100, trainable=500)
    assert found is not None
    error = np.sqrt((1 / 5 + 100 / 400) * np.var(gains, ddof=1))
    low, high = stats.t.interval(0.95, 4, np.mean(gains), error)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.factor == pytest.approx(0.45)
    assert found.doubt == pytest.approx(stats.t.sf(np.mean(gains) / error, 4))
    assert corrected_interval(gains[:2], tested=100, trainable=500) is None
    assert corrected_interval(gains, tested=500, trainable=500) is None


def test_folds_of_one_trained_fold_know_how_much_was_trained_on():
    truth, first, second = sides(100, gain=0.3)
    pairs = [Pair(first=first, second=second, name=str(seed)) for seed in range(3)]
    found = compare("accuracy", truth, pairs, trainable=500, rounds=20)
    assert found.corrected is not None
    assert found.corrected.factor == pytest.approx(1 / 3 + 100 / 400)
    assert [one.seed for one in found.by_fold] == ["0", "1", "2"]
    assert "1 fold x 3 seeds" in found.sentence()


def test_a_fold_that_cannot_be_scored_is_left_out():
    truth = np.array([0, 1] * 20 + [0] * 20)
    values = np.random.default_rng(0).random((60, 1))
    both = np.concatenate([1 - values, values], axis=1)
    folds = np.repeat([0, 1, 2], 20)
    found = compare("roc_auc", truth, [Pair(first=both, second=both)], folds=folds, rounds=20)
    assert [one.fold for one in found.by_fold] == [0, 1]


def test_decisions_are_compared_where_they_are_given():
    truth = np.array([[0.0], [1.0], [2.0], [1.0]] * 10)
    values = truth + 0.4
    wrong, right = np.zeros(40, np.int64), truth[:, 0].astype(np.int64)
    pair = Pair(first=values, second=values, decisions=(wrong, right))
    found = compare("accuracy", truth, [pair], folds=np.arange(40) % 5, rounds=100)
    assert (found.before, found.after) == (0.25, 1.0)
    assert found.verdict == "better"


def test_nothing_is_no_comparison():
    with pytest.raises(ValueError, match="nothing to compare"):
        compare("accuracy", np.array([0, 1]), [])
