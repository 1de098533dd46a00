"""The search for near hashes finds all of them and nothing else, whichever way it goes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import grandmaster.eda.hash_pairs as hash_pairs
from grandmaster.eda.hash_pairs import near_hash_pairs


def brute_force(hashes: np.ndarray, distance: int) -> set[tuple[int, int]]:
    values = hashes.tolist()
    return {
        (one, two)
        for one, two in itertools.combinations(range(len(values)), 2)
        if (values[one] ^ values[two]).bit_count() <= distance
    }


def clustered_hashes(count: int, seed: int) -> np.ndarray:
    """Random hashes, many of them a few bits away from another, some equal."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    for row in range(count // 3, count):
        hashes[row] = hashes[rng.integers(0, row)]
        for bit in rng.choice(64, rng.integers(0, 12), replace=False):
            hashes[row] ^= np.uint64(1) << np.uint64(bit)
    return hashes


@pytest.mark.parametrize("distance", [0, 1, 2, 4, 7, 12, 16, 63])
def test_pair_search_equals_brute_force(distance):
    hashes = clustered_hashes(250, seed=distance)
    pairs = [tuple(pair) for block in near_hash_pairs(hashes, distance) for pair in block.tolist()]
    assert len(pairs) == len(set(pairs)), "a pair came twice"
    expected = brute_force(hashes, distance)
    assert set(pairs) == expected
    assert expected, "nothing to find: the test says nothing"


def test_pair_search_of_equal_hashes_and_of_none():
    assert sum(len(block) for block in near_hash_pairs(np.zeros(100, np.uint64), 4)) == 100 * 99 // 2
    assert list(near_hash_pairs(np.empty(0, np.uint64), 4)) == []
    assert list(near_hash_pairs(np.zeros(1, np.uint64), 4)) == []
    with pytest.raises(ValueError, match="distance"):
        list(near_hash_pairs(np.zeros(2, np.uint64), 64))


def test_work_in_one_huge_bucket_is_bounded(monkeypatch):
    monkeypatch.setattr(hash_pairs, "BUCKET_WINDOW", 10)
    assert sum(len(block) for block in near_hash_pairs(np.zeros(1000, np.uint64), 4)) < 1000 * 10
