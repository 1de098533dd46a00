"""Ways of blending do what they say, and the one that is chosen is scored on pictures that had no say."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from grandmaster.prediction.blend_choice import choose_blend
from grandmaster.prediction.blend_methods import METHODS, RankMean
from prediction.made_objective import made, said

ALL = frozenset()


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def chosen(objective, members, names=tuple(METHODS)):
    return choose_blend(lambda part: members, objective, names)


@pytest.mark.parametrize("metric", ["macro_f1", "log_loss", "sample_f1", "quadratic_weighted_kappa", "rmse"])
@pytest.mark.parametrize("name", ["shrunk", "greedy", "stacking"])
def test_a_model_that_knows_nothing_loses_its_say(metric, name):
    objective = made(metric, count=300)
    good, better, useless = said(objective, [2.0, 2.5, 0.05])
    fitted = METHODS[name].fit(np.stack([good, better, useless]), objective.steering(), ALL)
    if name != "stacking":
        assert fitted.weights.sum() == pytest.approx(1)
        assert fitted.weights.min() >= 0
        assert fitted.weights[2] < 0.2
    fresh = made(metric, count=300, seed=5)
    unseen = said(fresh, [2.0, 2.5, 0.05], seed=6)
    values = fitted.apply(unseen)
    assert values.shape == unseen.shape[1:]
    mean = fresh.scored(unseen.mean(axis=0)).without()
    assert fresh.scored(values).without() > mean


def test_few_pictures_of_like_models_are_weighted_equally():
    objective = made("log_loss", count=60)
    fitted = METHODS["shrunk"].fit(said(objective, [1.5] * 6), objective, ALL)
    greedy = METHODS["greedy"].fit(said(objective, [1.5] * 6), objective, ALL)
    assert np.ptp(fitted.weights) < np.ptp(greedy.weights)


def test_one_model_is_left_alone_with_what_others_would_spoil():
    objective = made("macro_f1", count=200)
    choice = chosen(objective, said(objective, [3.0, 0.05, 0.05, 0.05]))
    assert choice.name == "best_single"
    assert choice.fitted.weights.tolist() == [1, 0, 0, 0]


def test_greedy_selection_takes_the_best_and_goes_on_with_replacement():
    objective = made("accuracy", count=200)
    members = said(objective, [0.5, 2.0, 0.5], shared=0)
    scores = [objective.scored(values).without() for values in members]
    weights = METHODS["greedy"].fit(members, objective, ALL).weights
    assert int(np.argmax(scores)) == int(np.argmax(weights)) == 1
    blended = objective.scored(np.einsum("m,mnc->nc", weights, members).astype(np.float32)).without()
    assert blended >= max(scores)


def test_ranks_are_blended_where_only_order_counts_and_stay_probabilities():
    objective = made("roc_auc", count=100)
    members = said(objective, [1.0, 1.0])
    members[1] **= 8  # the second says everything far too low: its order is as good
    members[1, :, 0] = 1 - members[1, :, 1]
    ranked = RankMean(shares=True).apply(members)
    assert ranked.sum(axis=1) == pytest.approx(np.ones(100))
    assert 0 < ranked.min() < ranked.max() < 1
    assert objective.scored(ranked).without() > objective.scored(members.mean(axis=0)).without()
    single = RankMean(shares=True).apply(members[:1])
    assert objective.scored(single).without() == pytest.approx(objective.scored(members[0]).without())
    labels = said(made("macro_roc_auc", count=100), [1.0, 1.0])
    assert np.array_equal(
        np.argsort(RankMean(shares=False).apply(labels[:1]), axis=0), np.argsort(labels[0], axis=0)
    )
    three = RankMean(shares=True).apply(said(made("log_loss", count=50), [1.0, 1.0]))
    assert three.sum(axis=1) == pytest.approx(np.ones(50))
    for metric in ("macro_f1", "log_loss", "rmse", "quadratic_weighted_kappa"):
        assert METHODS["rank_mean"].why_not(made(metric, count=20), 3)


@pytest.mark.parametrize("metric", ["macro_f1", "log_loss", "sample_f1", "quadratic_weighted_kappa", "rmse"])
def test_alike_models_are_averaged_and_a_poor_one_is_not(metric):
    objective = made(metric, count=200)
    names = ("mean", "shrunk", "greedy")
    alike = chosen(objective, said(objective, [1.5] * 3), names)
    assert alike.name == "mean"
    assert set(alike.by_part) == {0, 1, 2, 3, 4}
    members = said(objective, [2.5, 2.5, 0.05])
    uneven = chosen(objective, members, names)
    assert uneven.name != "mean"
    assert uneven.fitted.weights[2] < 0.2
    assert not np.array_equal(uneven.tried["best_single"], uneven.tried["mean"])
    nested = objective.scored(uneven.nested(lambda part: members, objective.part)).without()
    assert nested > objective.scored(uneven.tried["mean"]).without()


def test_every_part_is_predicted_by_what_was_fitted_on_the_others():
    """A model that knows the truth of one part, and nothing of the others, is of no use to that part."""
    objective = made("log_loss", count=300)
    members = said(objective, [1.5, 0.0])
    inside = objective.part == 3
    members[1, inside] = 0.01
    members[1, inside, objective.targets[inside]] = 0.97
    choice = chosen(objective, members, ("greedy",))
    assert choice.by_part[3][1].weights[1] < 0.05
    assert choice.by_part[0][1].weights[1] > 0.05
    expected = choice.by_part[3][1].apply(members)[inside]
    assert np.array_equal(choice.tried["greedy"][inside], expected)
    assert np.array_equal(choice.nested(lambda part: members, objective.part)[inside], expected)


def test_parts_see_the_members_that_were_made_without_them():
    objective = made("accuracy", count=100)
    members = said(objective, [1.0, 1.0])
    asked = []

    def by_part(part):
        asked.append(part)
        return members if part is None else members + np.float32(part)

    choice = choose_blend(by_part, objective, ("mean",))
    assert set(asked) == {None, 0, 1, 2, 3, 4}
    for part in range(5):
        inside = objective.part == part
        assert choice.tried["mean"][inside] == pytest.approx((members.mean(axis=0) + part)[inside], abs=1e-5)


def test_what_does_not_apply_is_said_and_a_named_method_is_used():
    objective = made("rmse", count=100)
    members = said(objective, [1.0, 1.2])
    skipped = chosen(objective, members, ("rank_mean",))
    assert skipped.name == "mean"
    assert "order of the pictures" in skipped.skipped["rank_mean"]
    assert chosen(objective, members, ("stacking",)).name == "stacking"


def test_stacking_of_a_label_or_class_that_was_never_seen():
    objective = made("sample_f1", count=60)
    objective.targets[:, 1] = 0
    members = said(objective, [1.0, 1.0])
    values = METHODS["stacking"].fit(members, objective, ALL).apply(members)
    assert values[:, 1] == pytest.approx(members[:, :, 1].mean(axis=0))
    classes = made("macro_f1", count=60)
    members = said(classes, [1.0, 1.0])
    rare = classes.of(np.flatnonzero(classes.targets != 2))
    fitted = METHODS["stacking"].fit(members[:, classes.targets != 2], rare, ALL)
    values = fitted.apply(members)
    assert values.shape == (60, 4)
    assert values.sum(axis=1) == pytest.approx(np.ones(60), abs=1e-5)
    assert 0 < values[:, 2].max() < 1e-5


def test_what_it_was_chosen_by_is_what_it_says_of_those_predictions():
    """Nothing is worked out twice: with members that differ from part to part, as after a choice of views."""
    objective = made("log_loss", count=120)
    members = {
        part: said(objective, [1.0, 2.0, 0.5], seed=seed)
        for seed, part in enumerate((None, *objective.parts))
    }
    choice = choose_blend(members.__getitem__, objective, ("mean", "greedy", "stacking"))
    kept = choice.chosen(objective.part)
    assert np.array_equal(kept, choice.nested(members.__getitem__, objective.part))
    assert len(np.unique(kept)) > 100
