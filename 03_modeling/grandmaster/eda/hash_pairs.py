"""Pairs of 64-bit hashes that are few bits apart, without comparing all with all."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

HASH_BITS = 64
# A bucket of hashes is searched exhaustively up to this size and in a sliding window beyond it, which keeps
# the time linear when tens of thousands of pictures (all black, all of one template) share one hash.
BUCKET_WINDOW = 16_384
# Measured: sorting a hash into its bucket costs as much as comparing it with so many others.
_SORTING = 60.0
_MOST_TABLES = 300
# While more of the hashes than this still have a partner at a distance in their bucket, all are compared with
# their neighbour at that distance: sorting out the few takes longer.
_DENSE = 0.25

Pairs = npt.NDArray[np.int64]


def near_hash_pairs(hashes: npt.NDArray[np.uint64], distance: int) -> Iterator[Pairs]:
    """All pairs of 64-bit hashes that differ in at most `distance` bits, each once, in blocks.

    The bits are dealt into distance + k bands. Two hashes that differ in no more than `distance` bits agree in at
    least k whole bands (pigeonhole), so only hashes that share a bucket of some k bands are compared (Manku et al.,
    "Detecting Near-Duplicates for Web Crawling", 2007). A larger k means more tables with smaller buckets; the
    cheapest for the number of hashes is taken. Memory is O(n); buckets larger than `BUCKET_WINDOW` are searched in a
    window over the sorted hashes.

    Yields:
        int64 (m, 2), first < second, m at most n.
    """
    if not 0 <= distance < HASH_BITS:
        raise ValueError(f"distance must be 0 to {HASH_BITS - 1}, not {distance}")
    if len(hashes) < 2:
        return
    masks = _masks(distance, _shared_bands(len(hashes), distance))
    for number, mask in enumerate(masks):
        order = np.argsort(hashes & mask, kind="stable")
        ordered = hashes[order]
        for lower, step in _close_in_buckets(ordered, ordered & mask, distance):
            bits = ordered[lower] ^ ordered[lower + step]
            new = np.ones(len(lower), np.bool_)
            for earlier in masks[:number]:
                new &= (bits & earlier) != 0  # else this pair came with that table
            found = lower[new]
            if len(found):
                yield np.sort(np.column_stack([order[found], order[found + step]]), axis=1)


def _close_in_buckets(
    ordered: npt.NDArray[np.uint64], keys: npt.NDArray[np.uint64], distance: int
) -> Iterator[tuple[Pairs, int]]:
    """Positions i and a step such that i and i + step lie in one bucket and are close; buckets are runs of `keys`."""
    count = len(ordered)
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    ends = np.repeat(np.append(starts[1:], count), np.diff(np.append(starts, count)))
    # Who has no neighbour at this step has none at the next.
    reach = np.minimum(ends - np.arange(count) - 1, BUCKET_WINDOW)
    # How many positions reach as far as each step, to choose between the two ways below.
    reaching = count - np.cumsum(np.bincount(reach))
    lower: Pairs | None = None
    for step in range(1, len(reaching)):
        if reaching[step - 1] > _DENSE * count:
            near = np.bitwise_count(ordered[:-step] ^ ordered[step:]) <= distance
            close = np.flatnonzero(near)
            close = close[reach[close] >= step]
        else:
            lower = np.flatnonzero(reach >= step) if lower is None else lower[reach[lower] >= step]
            close = lower[np.bitwise_count(ordered[lower] ^ ordered[lower + step]) <= distance]
        if len(close):
            yield close, step


def _masks(distance: int, shared: int) -> list[np.uint64]:
    """The bits of every choice of `shared` out of distance + shared bands."""
    bands = distance + shared
    # Neighbouring bits of a perceptual hash depend on each other; dealing them out fills the buckets evenly.
    single = [sum(1 << bit for bit in range(band, HASH_BITS, bands)) for band in range(bands)]
    return [np.uint64(sum(chosen)) for chosen in itertools.combinations(single, shared)]


def _shared_bands(count: int, distance: int) -> int:
    """How many bands to ask for, by the cost for `count` evenly spread hashes."""

    def cost(shared: int) -> float:
        bits = HASH_BITS * shared / (distance + shared)
        return math.comb(distance + shared, shared) * (_SORTING + count / 2**bits / 2)

    possible = [
        shared
        for shared in range(1, HASH_BITS - distance + 1)
        if shared == 1 or math.comb(distance + shared, shared) <= _MOST_TABLES
    ]
    return min(possible, key=cost)
