"""Views are kept, averaged and chosen, and what scores a choice had no say in it."""

from __future__ import annotations

import numpy as np
import pytest

from grandmaster.errors import UserError
from grandmaster.prediction.view_choice import choose_views
from grandmaster.prediction.views import MOST_VALUES, JoinedViews, ViewValues, are_kept, views_path
from grandmaster.prediction.weights import drawn_to_equal, fitted_weights
from prediction.made_objective import made, said


def fits(objective, values, views=(8, 8, 8, 8, 8)):
    ids = np.array([f"id{number:05d}" for number in range(values.shape[1])])
    folds = np.arange(len(ids)) % len(views)
    return [
        ViewValues(
            ids=tuple(ids[folds == fold]),
            outputs=objective.competition.outputs,
            values=values[:count, folds == fold],
        )
        for fold, count in enumerate(views)
    ]


def test_views_survive_the_disk_and_other_files_are_refused(tmp_path):
    objective = made("log_loss", count=12)
    (kept, *_) = fits(objective, said(objective, [1.0] * 4), views=(4, 4))
    path = views_path(tmp_path / "oof.npz")
    assert path.name == "oof_views.npz"
    kept.save(path)
    back = ViewValues.load(path)
    assert (back.ids, back.outputs) == (kept.ids, kept.outputs)
    assert np.array_equal(back.values, kept.values)
    path.write_bytes(b"rubbish")
    with pytest.raises(UserError, match="not a file of views"):
        ViewValues.load(path)
    assert are_kept(8, 2000, 1000)
    assert not are_kept(8, 50_000, 1000)
    assert MOST_VALUES * 4 == 64_000_000


def test_a_fit_with_fewer_views_shares_the_weight_among_those_it_has():
    values = np.arange(4, dtype=np.float32)[:, None, None] * np.ones((4, 3, 2), np.float32)
    few = ViewValues(ids=("a", "b", "c"), outputs=("x", "y"), values=values[:2])
    all_of = ViewValues(ids=("d", "e", "f"), outputs=("x", "y"), values=values)
    weights = np.array([0.1, 0.3, 0.0, 0.6])
    assert few.averaged(weights).values == pytest.approx(np.full((3, 2), 0.75))
    assert few.averaged(np.array([0.0, 0.0, 0.0, 1.0])).values == pytest.approx(np.full((3, 2), 0.5))
    joined = JoinedViews([all_of, few])
    assert joined.ids == ("a", "b", "c", "d", "e", "f")
    assert joined.averaged(weights)[:, 0] == pytest.approx([0.75] * 3 + [2.1] * 3)
    places, whole = joined.whole()
    assert places.tolist() == [3, 4, 5]
    assert whole.shape == (4, 3, 2)


@pytest.mark.parametrize(
    "metric", ["macro_f1", "log_loss", "roc_auc", "sample_f1", "quadratic_weighted_kappa", "rmse"]
)
def test_views_that_harm_are_not_averaged(metric):
    """Four good views, four that see nearly nothing: as turned pages of text."""
    objective = made(metric)
    values = said(objective, [2.0] * 4 + [0.1] * 4, shared=0.3)
    choice = choose_views(JoinedViews(fits(objective, values)), objective)
    assert choice.weights[4:].sum() < 0.3
    assert choice.weights[:4].sum() > 0.7
    assert choice.weights.sum() == pytest.approx(1)
    assert choice.name != "picture alone"
    assert set(choice.by_part) == {0, 1, 2, 3, 4}
    assert list(choice.scores)[:4] == ["picture alone", "2 views", "4 views", "8 views"]


def test_views_that_bring_nothing_leave_the_picture_alone():
    objective = made("macro_f1")
    values = np.repeat(said(objective, [1.5]), 8, axis=0)
    choice = choose_views(JoinedViews(fits(objective, values)), objective)
    assert choice.name == "picture alone"
    assert choice.weights.tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    two = choose_views(JoinedViews(fits(objective, values[:2], views=(2, 2, 1, 2, 2))), objective)
    assert list(two.scores) == ["picture alone", "2 views"]


@pytest.mark.parametrize("metric", ["macro_f1", "log_loss", "quadratic_weighted_kappa"])
def test_a_part_has_no_say_in_its_own_choice(metric):
    """Only for part 2 are the other views of any use, so that it decides for all, but not for itself."""
    objective = made(metric)
    useless, useful = said(objective, [1.5] * 2, shared=0), said(objective, [6.0] * 8)
    values = np.repeat(useless[:1], 8, axis=0)
    inside = objective.part == 2
    values[2:, inside] = useful[2:, inside]
    choice = choose_views(JoinedViews(fits(objective, values)), objective)
    assert choice.name != "picture alone"
    assert choice.by_part[2][0] == "picture alone"
    assert choice.without(2).tolist() == [1] + [0] * 7
    assert all(choice.by_part[part][0] != "picture alone" for part in (0, 1, 3, 4))


def test_weights_of_least_loss_find_the_truth():
    for metric in ("log_loss", "macro_roc_auc", "rmse"):
        objective = made(metric, count=4000)
        values = said(objective, [2.0, 2.0, 0.2], shared=0)
        weights = fitted_weights(objective.competition.kind, objective.targets, values)
        assert weights.sum() == pytest.approx(1)
        assert weights[2] < 0.1
        assert weights[:2] == pytest.approx([0.5, 0.5], abs=0.1)
    assert drawn_to_equal(np.array([1.0, 0.0]), 0.5).tolist() == [0.75, 0.25]
