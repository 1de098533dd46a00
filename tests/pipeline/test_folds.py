"""The split: stratified, duplicates together, the same every time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from grandmaster.errors import UserError
from grandmaster.pipeline.folds import ALWAYS_TRAINED, make_folds


def table(counts: dict[int, int]) -> pd.DataFrame:
    labels = [label for label, count in counts.items() for _ in range(count)]
    return pd.DataFrame({"id": [f"{i:04d}" for i in range(len(labels))], "label": labels})


def test_every_picture_once_and_classes_spread_evenly():
    train = table({0: 50, 1: 20, 2: 13})
    folds, notes = make_folds(train, [], count=5, seed=1)
    assert notes == ()
    assert list(folds["id"]) == sorted(train["id"])
    per_class = pd.crosstab(
        train.set_index("id").loc[folds["id"], "label"].to_numpy(), folds["fold"].to_numpy()
    )
    assert (per_class.loc[0] == 10).all()
    assert (per_class.loc[1] == 4).all()
    assert per_class.loc[2].between(2, 3).all()


def test_planted_duplicates_never_split():
    train = table({0: 40, 1: 40})
    rng = np.random.default_rng(0)
    groups = [list(pair) for pair in rng.permutation(train["id"].to_numpy()).reshape(-1, 4)]
    folds, _ = make_folds(train, groups, count=5, seed=3)
    fold = folds.set_index("id")["fold"]
    assert all(fold[group].nunique() == 1 for group in groups)
    assert set(fold) == set(range(5))


def test_same_seed_same_split_whatever_the_order_of_rows():
    train = table({0: 30, 1: 30})
    one, _ = make_folds(train, [], count=5, seed=7)
    other, _ = make_folds(train.sample(frac=1, random_state=0), [], count=5, seed=7)
    pd.testing.assert_frame_equal(one, other)
    third, _ = make_folds(train, [], count=5, seed=8)
    assert not one.equals(third)


def test_a_duplicate_of_an_always_trained_picture_is_not_validated():
    train = table({0: 1, 1: 40})
    folds, _ = make_folds(train, [["0000", "0007"]], count=4, seed=1)
    fold = folds.set_index("id")["fold"]
    assert fold["0000"] == fold["0007"] == ALWAYS_TRAINED
    assert (fold.drop(["0000", "0007"]) >= 0).all()


@pytest.mark.parametrize(
    ("counts", "groups", "fix"),
    [
        ({0: 4, 1: 4}, [], "folds.count=4"),
        (
            {0: 30, 1: 30},
            [[f"{i:04d}" for i in range(29)], [f"{i:04d}" for i in range(30, 59)]],
            "folds.count=4",
        ),
    ],
)
def test_too_little_for_so_many_folds_is_one_clear_error(counts, groups, fix):
    with pytest.raises(UserError, match=rf"cannot be split into 5 folds.*{fix}"):
        make_folds(table(counts), groups, count=5, seed=1)


def test_rare_classes_are_warned_about_and_stay_in_every_training_part():
    train = table({0: 30, 1: 3, 2: 1})
    folds, notes = make_folds(train, [], count=5, seed=1)
    label = train.set_index("id")["label"]
    assert len(notes) == 2
    assert set(folds.loc[label[folds["id"]].to_numpy() == 2, "fold"]) == {ALWAYS_TRAINED}
    for fold in range(5):
        assert set(label[folds.loc[folds["fold"] != fold, "id"]]) == {0, 1, 2}
