"""The metric over parts of the pictures, and which candidate it prefers."""

from __future__ import annotations

import numpy as np
import pytest

from grandmaster.competition.metrics import METRICS, score
from grandmaster.competition.objective import Objective, parts_of
from grandmaster.competition.rule_fitting import fit_rule, nested_decisions
from prediction.made_objective import FORMS, made, said


@pytest.mark.parametrize("metric", FORMS)
def test_it_is_the_metric_of_the_other_parts(metric):
    objective = made(metric, count=120)
    (values,) = said(objective, [1.5])
    sign = 1 if METRICS[metric].higher_is_better else -1
    scored = objective.scored(values)
    for out in (frozenset(), frozenset({1}), frozenset({1, 3})):
        rows = ~np.isin(np.arange(120) % 5, list(out))
        truth, left = objective.targets[rows], values[rows]
        decisions = None
        if metric in ("sample_f1", "quadratic_weighted_kappa"):
            decisions = nested_decisions(
                lambda chosen, truth=truth, left=left: fit_rule(
                    objective.competition, truth[chosen], left[chosen]
                ),
                left,
                np.arange(120)[rows] % 5,
                np.arange(120)[rows],
            )
        expected = score(metric, truth, left, decisions=decisions)
        assert scored.without(out) == pytest.approx(sign * expected, abs=1e-6)
        drawn = scored.drawn(out)
        assert drawn.mean() == pytest.approx(sign * expected, abs=3 * drawn.std())
    assert scored.slim().without(frozenset({1})) == scored.without(frozenset({1}))


def test_three_folds_are_parts_and_fewer_are_cut_by_group():
    assert parts_of([3, 1, 2, 1], "abcd").tolist() == [2, 0, 1, 0]
    assert len(set(parts_of(range(30), range(30)))) == 10
    groups = np.repeat(np.arange(12), 3)
    for folds, expected in ((np.zeros(36, int), 4), (np.arange(36) // 18, 4)):
        parts = parts_of(folds, groups)
        assert len(set(parts)) == expected
        assert all(len(set(parts[groups == group])) == 1 for group in range(12))
        assert all(len(set(folds[parts == part])) == 1 for part in set(parts))
    assert set(parts_of([0, 0], ["a", "a"])) == {0}


@pytest.mark.parametrize("metric", FORMS)
def test_a_later_candidate_must_gain_beyond_the_uncertainty(metric):
    objective = made(metric)
    weak, alike, strong = (objective.scored(values) for values in said(objective, [1.0, 1.0, 3.0], shared=0))
    assert objective.better([weak, strong]) == 1
    assert objective.better([strong, weak]) == 0
    assert objective.better([strong, strong]) == 0
    assert objective.better([weak, strong, alike], frozenset({0})) == 1


def test_what_it_is_drawn_on_is_paired_and_of_whole_groups():
    single = made("accuracy", count=200)
    known = {"row_of": np.arange(200).astype(str).astype(object), "folds": np.arange(200) // 40}
    pairs = Objective(single.competition, single.targets, **known, groups=np.arange(200) // 2)
    values = np.repeat(said(single, [1.0])[0][::2], 2, axis=0)
    pairs.targets[1::2] = pairs.targets[::2]
    alone = Objective(single.competition, pairs.targets, **known, groups=np.arange(200))
    wide, narrow = (objective.scored(values).drawn().std() for objective in (pairs, alone))
    assert wide == pytest.approx(np.sqrt(2) * narrow, rel=0.25)
    assert np.array_equal(pairs.scored(values).drawn(), pairs.scored(values).drawn())


def test_rows_of_several_pictures_are_scored_as_rows():
    base = made("accuracy", count=60)
    rows = (np.arange(60) // 2).astype(str).astype(object)
    targets = np.repeat(base.targets[::2], 2)
    objective = Objective(base.competition, targets, row_of=rows, folds=np.arange(60) // 2 % 3, groups=rows)
    values = np.zeros((60, 4), np.float32)
    values[np.arange(0, 60, 2), targets[::2]] = 0.8  # the first picture of a row knows it,
    values[np.arange(1, 60, 2), (targets[::2] + 1) % 4] = 0.6  # the second errs, less surely
    assert objective.scored(values).without() == 1.0
    assert objective.part.tolist() == (np.arange(60) // 2 % 3).tolist()
    half = objective.of(np.flatnonzero(objective.part != 1))
    assert half.parts == (0, 2)
    assert not half.can_choose
