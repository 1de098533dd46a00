"""Epochs in which every class is seen equally often."""

from __future__ import annotations

import numpy as np
import pytest

from grandmaster.images.balance import REPEAT_EPOCHS, balanced_indices
from grandmaster.images.loader import EpochBatches

CLASSES = np.array([0] * 50 + [1] * 7 + [3] * 3 + [4])


def positions(epoch: int, seed: int = 5) -> np.ndarray:
    return balanced_indices(CLASSES, seed, epoch) % len(CLASSES)


@pytest.mark.parametrize("epoch", [0, 1, 17])
def test_classes_are_equal_and_so_are_the_pictures_of_each(epoch):
    drawn = positions(epoch)
    assert len(drawn) == len(CLASSES)
    of_class = np.bincount(CLASSES[drawn], minlength=5)[[0, 1, 3, 4]]
    assert of_class.max() - of_class.min() <= 1
    for label in (0, 1, 3, 4):
        seen = np.bincount(drawn, minlength=len(CLASSES))[label == CLASSES]
        assert seen.max() - seen.min() <= 1


def test_over_epochs_every_picture_of_the_large_class_is_seen():
    seen = np.concatenate([positions(epoch) for epoch in range(20)])
    assert set(range(50)) <= set(seen.tolist())


def test_it_follows_from_seed_and_epoch_alone():
    assert np.array_equal(balanced_indices(CLASSES, 5, 3), balanced_indices(CLASSES, 5, 3))
    assert not np.array_equal(positions(3), positions(4))
    assert not np.array_equal(positions(3), positions(3, seed=6))


def test_no_index_comes_twice_so_every_sighting_is_augmented_anew():
    indices = np.concatenate([balanced_indices(CLASSES, 5, epoch) for epoch in range(30)])
    assert len(set(indices.tolist())) == len(indices)
    epochs = balanced_indices(CLASSES, 5, 2) // len(CLASSES)
    assert set((epochs % REPEAT_EPOCHS).tolist()) == {2}


def test_batches_of_an_epoch_are_of_the_balanced_pictures():
    sampler = EpochBatches(len(CLASSES), 8, 5, CLASSES)
    sampler.epoch = 2
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert np.array_equal(np.concatenate(batches), balanced_indices(CLASSES, 5, 2))
