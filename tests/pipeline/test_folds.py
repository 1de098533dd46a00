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


@pytest.mark.fault(46, "planted duplicates")
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


@pytest.mark.fault(10, "classes of one and three pictures, five folds")
def test_rare_classes_are_warned_about_and_stay_in_every_training_part():
    train = table({0: 30, 1: 3, 2: 1})
    folds, notes = make_folds(train, [], count=5, seed=1)
    label = train.set_index("id")["label"]
    assert len(notes) == 2
    assert set(folds.loc[label[folds["id"]].to_numpy() == 2, "fold"]) == {ALWAYS_TRAINED}
    for fold in range(5):
        assert set(label[folds.loc[folds["fold"] != fold, "id"]]) == {0, 1, 2}


KINDS = ("multiclass", "multilabel", "ordinal", "regression")


def targets_of(kind: str, n: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    if kind == "multiclass":
        return random.integers(0, 4, n)
    if kind == "multilabel":
        return (random.random((n, 5)) < (0.5, 0.3, 0.2, 0.1, 0.06)).astype(np.float32)
    if kind == "ordinal":
        return random.choice(5, (n, 1), p=(0.5, 0.2, 0.15, 0.1, 0.05)).astype(np.float32)
    return random.gamma(2.0, 10.0, (n, 1)).astype(np.float32)


def grouped_table(n: int) -> pd.DataFrame:
    """Patients of one to six pictures; a submission row is a side of a patient."""
    random = np.random.default_rng(1)
    patients = np.sort(random.integers(0, n // 3, n))
    sides = random.integers(0, 2, n)
    return pd.DataFrame(
        {
            "id": [f"{number:04d}" for number in range(n)],
            "group": [f"p{patient}" for patient in patients],
            "row": [f"p{patient}_{side}" for patient, side in zip(patients, sides, strict=True)],
        }
    )


@pytest.mark.parametrize("kind", KINDS)
def test_groups_rows_and_planted_duplicates_stay_together(kind):
    train, targets = grouped_table(240), targets_of(kind, 240)
    planted = [["0000", "0120", "0239"], ["0007", "0200"]]
    folds, _ = make_folds(train, planted, count=4, seed=2, kind=kind, targets=targets)
    fold = folds.set_index("id")["fold"]
    assert set(fold) == set(range(4))
    assert fold.groupby(train["group"].to_numpy()).nunique().max() == 1
    assert all(fold[pair].nunique() == 1 for pair in planted)
    # Ties carry over: the patients of a planted pair are one group, named by its first id.
    name = folds.set_index("id")["group"]
    patient = train.set_index("id")["group"]
    for pair in planted:
        together = train["id"][train["group"].isin(patient[pair])]
        assert set(name[together]) == {min(together)}


@pytest.mark.parametrize("column", ["group", "row"])
def test_either_ties_pictures_together(column):
    train = grouped_table(120)
    other = "row" if column == "group" else "group"
    alone = train.assign(**{other: train["id"]})
    folds, _ = make_folds(
        alone, [], count=4, seed=2, kind="regression", targets=targets_of("regression", 120)
    )
    assert folds["fold"].groupby(train[column].to_numpy()).nunique().max() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_same_split_whatever_the_order_of_rows_for_every_kind(kind):
    train, targets = grouped_table(120), targets_of(kind, 120)
    order = np.random.default_rng(3).permutation(120)
    one, _ = make_folds(train, [], count=4, seed=2, kind=kind, targets=targets)
    other, _ = make_folds(train.iloc[order], [], count=4, seed=2, kind=kind, targets=targets[order])
    pd.testing.assert_frame_equal(one, other)
    np.random.seed(99)  # noqa: NPY002 - whatever the global generator's state
    again, _ = make_folds(train, [], count=4, seed=2, kind=kind, targets=targets)
    pd.testing.assert_frame_equal(one, again)
    assert not one.equals(make_folds(train, [], count=4, seed=3, kind=kind, targets=targets)[0])


@pytest.mark.parametrize("kind", ["multilabel", "ordinal", "regression"])
def test_folds_are_alike_in_their_targets(kind):
    """Nearer to the mean of all than a split by chance: the largest difference of a fold, over several seeds."""
    n = 400
    train = pd.DataFrame({"id": [f"{number:04d}" for number in range(n)]})
    targets = targets_of(kind, n)
    # what has to be alike: shares of labels and grades; for numbers the shares of tenths
    if kind == "multilabel":
        flags = targets
    elif kind == "ordinal":
        flags = targets == np.arange(5)
    else:
        tenths = np.quantile(targets, np.linspace(0, 1, 11)[1:-1])
        flags = np.digitize(targets[:, 0], tenths)[:, None] == np.arange(10)

    def unlike(fold: np.ndarray) -> float:
        return max(np.abs(flags[fold == k].mean(axis=0) - flags.mean(axis=0)).max() for k in range(5))

    split, _ = make_folds(train, [], count=5, seed=1, kind=kind, targets=targets)
    by_chance = [unlike(np.random.default_rng(seed).permutation(n) % 5) for seed in range(20)]
    assert unlike(split["fold"].to_numpy()) < 0.5 * min(by_chance)


def test_a_label_of_one_group_is_always_trained_on():
    train = pd.DataFrame({"id": [f"{number:04d}" for number in range(60)]})
    targets = targets_of("multilabel", 60)
    targets[:, 4] = 0
    targets[[7, 30], 4] = 1
    folds, notes = make_folds(train, [["0007", "0030"]], count=4, seed=1, kind="multilabel", targets=targets)
    fold = folds.set_index("id")["fold"]
    assert fold["0007"] == fold["0030"] == ALWAYS_TRAINED
    assert "1 labels have a single picture" in notes[0]


def test_a_rare_grade_is_validated_and_warned_about():
    train = pd.DataFrame({"id": [f"{number:04d}" for number in range(60)]})
    grades = targets_of("ordinal", 60).clip(0, 2)
    grades[5] = 4
    folds, notes = make_folds(train, [], count=4, seed=1, kind="ordinal", targets=grades)
    assert (folds["fold"] >= 0).all()
    assert notes == ("1 grades have fewer pictures than the 4 folds: some folds validate none of them",)


@pytest.mark.parametrize("kind", ["multilabel", "ordinal", "regression"])
def test_too_few_groups_are_one_clear_error_for_every_kind(kind):
    train = grouped_table(60)[["id"]].assign(group=np.repeat(["a", "b", "c"], 20))
    with pytest.raises(UserError, match=r"3 groups .* cannot be split into 4 folds.*folds.count=3"):
        make_folds(train, [], count=4, seed=1, kind=kind, targets=targets_of(kind, 60))


def test_a_target_that_is_all_the_same_can_be_split():
    train = pd.DataFrame({"id": [f"{number:04d}" for number in range(30)]})
    for kind, targets in (("regression", np.full((30, 1), 3.0)), ("multilabel", np.ones((30, 2)))):
        folds, _ = make_folds(train, [], count=3, seed=1, kind=kind, targets=targets)
        assert folds["fold"].value_counts().tolist() == [10, 10, 10]
