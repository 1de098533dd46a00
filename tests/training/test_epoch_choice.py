"""The epoch that predicts a held-out picture is not chosen by it."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch
from training_cases import make_data, make_spec

from grandmaster.models.half import rounded
from grandmaster.pipeline.parts import PARTS, parts_of
from grandmaster.progress import SilentProgress
from grandmaster.training.checkpoint import load_leader, remove_state
from grandmaster.training.epoch_choice import Leader, Validated, validated
from grandmaster.training.fit import fit_fold
from grandmaster.training.precision import Precision

NAN = float("nan")


def fit(folder, spec, data):
    how = {"workers": 0, "progress": SilentProgress(), "task": "t"}
    return fit_fold(spec, data, folder, Precision("cpu", "fp32"), **how)


def in_parts(data):
    """The same data, its validation pictures dealt to two parts."""
    parts = np.zeros(len(data.validation.store), np.int64)
    parts[data.validation.rows] = np.arange(len(data.validation)) % 2
    return dataclasses.replace(data, parts=parts)


@pytest.mark.parametrize(
    ("scores", "higher", "epoch", "by"),
    [
        ([0.1, 0.3, 0.15], True, 2, 0.2),
        ([0.1, 0.3, 0.2], False, 1, 0.1),
        ([0.1, 0.6, 0.2, 0.3, 0.5], True, 4, 1.1 / 3),  # one that stands out among low ones is not the best
        ([0.5, 0.5, 0.5, 0.2, 0.2], True, 1, 0.5),  # and what grows worse is seen
        ([0.25, 0.25], True, 1, 0.25),  # of equals the earlier
        ([NAN, 0.1, NAN], True, 2, 0.1),
        ([0.1, NAN, 0.3], True, 3, 0.2),
        ([NAN, NAN], True, 0, None),
        ([float("inf")], True, 0, None),
    ],
)
def test_the_leader_is_the_first_of_the_best_over_three_epochs(scores, higher, epoch, by):
    leader = Leader()
    for number, score in enumerate(scores, 1):
        leader = leader.after(score, number, higher_is_better=higher)
    assert leader.epoch == epoch
    assert leader.score == (None if by is None else pytest.approx(by))


def seen(spec, right, parts) -> Validated:
    """Two classes, all pictures of class 0; `right` says which are recognised."""
    values = np.where(np.array(right)[:, None], [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]).astype(np.float32)
    truth = np.zeros(len(right), np.int64)
    return Validated(spec=spec, loss=0.0, truth=truth, values=values, parts=np.array(parts))


def test_each_part_is_led_by_what_the_others_choose():
    spec, parts = make_spec(metric="accuracy"), [0, 0, 0, 1, 1, 1]
    epochs = [[1, 1, 1, 0, 0, 1], [0, 0, 1, 1, 1, 1]]  # the first is good for part 0, the second for part 1
    leaders: list[Leader] = []
    for number, right in enumerate(epochs, 1):
        leaders = seen(spec, right, parts).leaders(leaders, 2, number)
    assert [leader.epoch for leader in leaders] == [2, 1]
    assert [leader.score for leader in leaders] == pytest.approx([(1 / 3 + 1) / 2, 1.0])


def test_a_part_that_is_all_there_is_has_no_leader():
    assert seen(make_spec(metric="accuracy"), [1, 1], [0, 0]).leaders([], 1, 1) == [Leader()]


def test_the_best_of_many_chance_epochs_scores_as_chance():
    """And it scores well above chance by the epoch that it chose itself."""
    spec, rng = make_spec(metric="accuracy"), np.random.default_rng(0)
    own, crossed = [], []
    for _ in range(40):
        truth, parts = rng.integers(0, 3, 60), np.arange(60) % 2
        values = rng.random((30, 60, 3)).astype(np.float32)
        leaders: list[Leader] = []
        best = Leader()
        for epoch in range(1, 31):
            one = Validated(spec=spec, loss=0.0, truth=truth, values=values[epoch - 1], parts=parts)
            leaders = one.leaders(leaders, 2, epoch)
            best = best.after(one.score(), epoch, higher_is_better=True)
        own.append((values[best.epoch - 1].argmax(axis=1) == truth).mean())
        chosen = np.array([leader.epoch for leader in leaders])[parts] - 1
        crossed.append((values[chosen, np.arange(60)].argmax(axis=1) == truth).mean())
    assert np.mean(own) > 1 / 3 + 0.04
    assert abs(np.mean(crossed) - 1 / 3) < 0.03


def test_rows_of_several_pictures_have_one_part():
    spec = make_spec(metric="accuracy")
    found = validated(
        spec,
        np.array([3, 1, 2, 0]),
        np.array([1, 0, 0, 1]),
        np.eye(3, dtype=np.float32)[[1, 0, 0, 0]],
        0.5,
        row_of=np.array(["b", "a", "a", "b"], object),
        parts=np.array([1, 0, 0, 1]),
    )
    assert found.truth.tolist() == [1, 0]
    assert found.parts is not None
    assert found.parts.tolist() == [1, 0]
    assert found.score(without=1) == 1.0
    assert found.score(without=0) == 0.0


# --- dealing ------------------------------------------------------------------------------------------


def test_groups_stay_together_and_classes_are_spread():
    rng = np.random.default_rng(1)
    groups = np.array([f"g{number // 2}" for number in range(80)], object)
    targets = np.repeat(rng.integers(0, 4, 40), 2)
    held = np.zeros(80, bool)
    held[20:] = True
    parts = parts_of(groups, targets, held, seed=3)
    assert parts is not None
    assert set(parts[~held]) == {0}
    for group in set(groups[held]):
        assert len(set(parts[groups == group])) == 1
    for label in range(4):
        sizes = Counter(parts[held & (targets == label)].tolist())
        assert max(sizes.values()) - min(sizes[part] for part in range(PARTS)) <= 2  # groups of two
    again, other = (parts_of(groups, targets, held, seed=seed) for seed in (3, 4))
    assert np.array_equal(parts, again)
    assert not np.array_equal(parts, other)


@pytest.mark.parametrize(
    ("targets", "alike"),
    [
        (np.eye(2, dtype=np.float32)[[0, 1, 0, 1]], [(0, 2), (1, 3)]),
        (np.array([[1.0], [9.0], [8.0], [2.0]]), [(0, 3), (1, 2)]),
    ],
)
def test_any_kind_of_target_is_spread(targets, alike):
    parts = parts_of(np.array(list("abcd"), object), targets, np.ones(4, bool), seed=0)
    assert parts is not None
    assert sorted(parts) == [0, 0, 1, 1]
    for one, other in alike:
        assert parts[one] != parts[other]


def test_one_group_cannot_be_parted():
    assert parts_of(np.array(["a", "a"], object), np.zeros(2, int), np.ones(2, bool), seed=0) is None


# --- fits --------------------------------------------------------------------------------------------


def test_a_part_has_no_say_in_its_own_epoch(tmp_path):
    """With other labels for part 0 the best epoch may change, and that of part 1; never that of part 0."""
    spec = make_spec(epochs=8, learning_rate=1e-2, mix_probability=0.0)
    data = in_parts(make_data(tmp_path, spec, 60))
    assert data.parts is not None
    before = fit(tmp_path / "one", spec, data)
    rows = data.validation.rows
    targets = data.validation.targets
    assert targets is not None
    data.validation.targets = targets.copy()
    own = rows[data.parts[rows] == 0]
    data.validation.targets[own] = (targets[own] + 1) % 3  # now what is learnt best is worst
    after = fit(tmp_path / "other", spec, data)
    assert after.part_epochs[0] == before.part_epochs[0]
    assert after.part_epochs[1] != before.part_epochs[1]


def test_leading_epochs_are_kept_until_the_state_goes(tmp_path):
    spec = make_spec(epochs=5, learning_rate=1e-2, mix_probability=0.0)
    data = in_parts(make_data(tmp_path, spec))
    found = fit(tmp_path / "fit", spec, data)
    kept = tmp_path / "fit" / "checkpoint"
    wanted = {f"leader_{epoch:04d}.safetensors" for epoch in found.part_epochs}
    assert {path.name for path in kept.glob("leader_*")} == wanted
    if found.best_epoch in found.part_epochs:
        best = {name: value.clone() for name, value in found.model.state_dict().items()}
        load_leader(kept, found.model, found.best_epoch)
        for name, value in rounded(best, found.model).items():
            assert torch.equal(found.model.state_dict()[name], value.to(best[name].dtype)), name
    remove_state(kept)
    assert {path.name for path in kept.iterdir()} == {"best.safetensors", "best.json"}
