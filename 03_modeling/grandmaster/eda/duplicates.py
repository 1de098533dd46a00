"""Pictures that occur twice: equal files, equal pixels, and the same picture stored another way.

Near-duplicates are found in two steps. Perceptual hashes (pHash of ImageHash) a few bits apart propose pairs:
fast, but documents of one template hash alike. The pixels decide: two thumbnails, matched in brightness and
contrast, must agree everywhere; one changed line of text is enough not to be a duplicate.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from grandmaster.eda.hash_pairs import Pairs, near_hash_pairs
from grandmaster.eda.signature import Records
from grandmaster.eda.statistics import Grey
from grandmaster.images.decode import PictureError, read_picture

# Measured on photos and documents: re-encoding at quality 30, half size and 15 % more brightness differ by up
# to 40 grey levels at the worst pixel, one changed line of a form by at least 60.
MAX_DIFFERENCE = 45.0  # grey levels, at the worst pixel of two matched thumbnails
MIN_CORRELATION = 0.9  # of two thumbnails; keeps faint pictures, which cannot differ by much, apart
GAIN_LIMITS = (0.75, 1.33)  # contrast of one picture relative to the other that matching may undo
FLAT_SPREAD = 2.0  # standard deviation, grey levels, under which a picture has no content to correlate
MAX_FLAT_STEP = 8.0  # grey levels between two flat pictures called the same
MAX_COLOUR_STEP = 12.0  # levels of R - grey and B - grey; two cards can differ in colour only
MAX_ASPECT_RATIO = 1.06  # of the two aspects; covers the rounding of small sizes
# The coarse thumbnails are kept as whole grey levels: half a level of each picture, one of them times the gain.
COARSE_ROUNDING = 0.5 * (1 + GAIN_LIMITS[1])
PAIRS_SIFTED, PAIRS_AT_ONCE = 8192, 256  # by coarse thumbnails, and by whole ones
THUMBNAILS_HELD = 8192  # 75 MB
PARTNERS = 64  # near training pictures of one test picture among which the most alike is looked for

# Rows of the records -> uint8 (k, side, side).
Thumbnails = Callable[[Pairs], Grey]


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Duplicates as positions in the list searched; every group sorted, groups in order of their first member.

    Attributes:
        exact: groups of training pictures with equal bytes or equal pixels.
        near: groups of training pictures alike but not equal; of equal ones only the first appears here.
        groups: both together, connected components.
        across: (training, test) pairs, at most one a test picture: the equal one, or else the most alike
            (of the first `PARTNERS` found, where there are so many).
        test_groups: groups of test pictures equal or alike.
    """

    exact: list[list[int]]
    near: list[list[int]]
    groups: list[list[int]]
    across: list[tuple[int, int]]
    test_groups: list[list[int]]


def find_duplicates(
    records: Records, thumbnails: Thumbnails, paths: Sequence[str | Path], *, train_count: int, distance: int
) -> Duplicates:
    """Duplicates among training pictures, among test pictures, and between the two.

    Args:
        records: of all n readable pictures, training pictures first (`eda.signature`).
        thumbnails: gives the thumbnails of rows of `records`.
        paths: the n files; read again only to prove that pictures that look equal are equal.
        train_count: how many of them are training pictures.
        distance: largest number of differing hash bits, 0 to 63, of a pair worth comparing.
    """
    count = len(records)
    # The first of each set of equal pictures stands for all of them; it is a training picture if any is.
    first = _first_equal(records, paths)
    kept = np.unique(first)
    pairs, differences = _near_pairs(records, kept, thumbnails, train_count, distance)

    equal_edges = np.column_stack([first, np.arange(count)])
    train_equal = equal_edges[:train_count]
    near_edges = pairs[(pairs < train_count).all(axis=1)]
    most_alike: dict[int, int] = {}
    for row in np.lexsort((pairs[:, 0], differences)):
        train_position, test_position = pairs[row].tolist()
        if train_position < train_count <= test_position:
            most_alike.setdefault(test_position, train_position)
    across = []
    for position in range(train_count, count):
        same = int(first[position])
        partner = same if same < train_count else most_alike.get(same)
        if partner is not None:
            across.append((partner, position))
    return Duplicates(
        exact=_components(train_equal, count),
        near=_components(near_edges, count),
        groups=_components(np.concatenate([train_equal, near_edges]), count),
        across=across,
        test_groups=_components(_test_edges(equal_edges, pairs, train_count), count),
    )


def _test_edges(equal_edges: Pairs, near_pairs: Pairs, train_count: int) -> Pairs:
    """Equal and near pairs (k, 2) among test pictures, also where a training picture stands for the equal ones."""
    stands_for: dict[int, int] = {}
    edges: list[tuple[int, int]] = []
    for representative, position in equal_edges[train_count:].tolist():
        edges.append((stands_for.setdefault(representative, position), position))
    for one, two in near_pairs.tolist():
        if one in stands_for and two in stands_for:
            edges.append((stands_for[one], stands_for[two]))
    return np.array(edges, np.int64).reshape(len(edges), 2)


def _first_equal(records: Records, paths: Sequence[str | Path]) -> Pairs:
    """For each picture the position of the first one with the same bytes or the same pixels."""
    same_file: dict[bytes, int] = {}
    same_look: dict[bytes, list[int]] = defaultdict(list)
    first = np.arange(len(records))
    for position, (file, look) in enumerate(zip(records["file"], records["look"], strict=True)):
        first[position] = same_file.setdefault(file.tobytes(), position)
        if first[position] == position:
            same_look[look.tobytes()].append(position)
    for positions in same_look.values():
        if len(positions) == 1:
            continue
        full: dict[bytes, int] = {}
        for position in positions:
            first[position] = full.setdefault(_pixel_digest(paths[position]), position)
    return first[first]


def _pixel_digest(path: str | Path) -> bytes:
    try:
        pixels = read_picture(path)
    except PictureError:  # a slide that can be read at reduced size only: not proved equal to any
        return str(path).encode()
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(pixels.tobytes())
    return digest.digest()


def _near_pairs(
    records: Records, kept: Pairs, thumbnails: Thumbnails, train_count: int, distance: int
) -> tuple[Pairs, npt.NDArray[np.float32]]:
    """Pairs (k, 2) of the rows `kept` that hash alike and look alike, and their differences (k,).

    Not all such pairs: enough of them to tell which pictures hang together. k is then of the order of n, where
    thousands of pictures alike would make millions of pairs.
    """
    looks, known = _Looks(records, thumbnails), _Known(len(records), train_count)
    pairs: list[Pairs] = [np.empty((0, 2), np.int64)]
    differences = [np.empty(0, np.float32)]
    for block in near_hash_pairs(np.ascontiguousarray(records["hash"][kept]), distance):
        for start in range(0, len(block), PAIRS_SIFTED):
            candidates = looks.plausible(known.leave_out(kept[block[start : start + PAIRS_SIFTED]]))
            for begin in range(0, len(candidates), PAIRS_AT_ONCE):
                part = known.leave_out(candidates[begin : begin + PAIRS_AT_ONCE])
                difference = looks.difference(part)
                alike = difference <= MAX_DIFFERENCE
                pairs.append(part[alike])
                differences.append(difference[alike])
                known.add(part[alike])
    return np.concatenate(pairs), np.concatenate(differences)


class _Known:
    """What the pairs found so far make of all others: the groups of train and of test, and who has partners enough."""

    def __init__(self, count: int, train_count: int) -> None:
        self.train_count = train_count
        self.parent = np.arange(
            count
        )  # of a forest whose trees are the groups; only within train or within test
        self.partners = np.zeros(count, np.int64)  # of a test picture in train

    def leave_out(self, pairs: Pairs) -> Pairs:
        """Drop pairs within one group, and those of test pictures with `PARTNERS` training pictures found."""
        one, two = pairs.T
        return pairs[
            np.where(
                self._one_split(pairs),
                self._roots(one) != self._roots(two),
                self.partners[two] < PARTNERS,
            )
        ]

    def add(self, pairs: Pairs) -> None:
        one_split = self._one_split(pairs)
        np.add.at(self.partners, pairs[~one_split, 1], 1)
        for one, two in pairs[one_split].tolist():
            roots = self._root(one), self._root(two)
            # Rows hang directly below the root they have now, which keeps the trees flat.
            self.parent[[one, two, *roots]] = min(roots)

    def _one_split(self, pairs: Pairs) -> npt.NDArray[np.bool_]:
        return np.asarray((pairs[:, 1] < self.train_count) | (pairs[:, 0] >= self.train_count))

    def _root(self, row: int) -> int:
        while (above := int(self.parent[row])) != row:
            row = above
        return row

    def _roots(self, rows: Pairs) -> Pairs:
        while ((above := self.parent[rows]) != rows).any():
            rows = above
        return rows


class _Looks:
    """Compares pictures by their thumbnails, pairs at a time."""

    def __init__(self, records: Records, thumbnails: Thumbnails) -> None:
        self.mean, self.spread = records["mean"], records["spread"]
        self.coarse, self.tint, self.aspect = records["coarse"], records["tint"], records["aspect"]
        self.flat = self.spread < FLAT_SPREAD
        self.thumbnails = thumbnails
        self.held: dict[int, Grey] = {}

    def plausible(self, pairs: Pairs) -> Pairs:
        """Drop pairs that shape, colour or the coarse thumbnail already tell apart."""
        one, two = pairs.T
        ratio = self.aspect[one] / self.aspect[two]
        keep = np.maximum(ratio, 1 / ratio) <= MAX_ASPECT_RATIO
        keep &= np.abs(self.tint[one] - self.tint[two]).max(axis=1, initial=0.0) <= MAX_COLOUR_STEP
        keep &= self.flat[one] == self.flat[two]
        keep &= ~self.flat[one] | (np.abs(self.mean[one] - self.mean[two]) <= MAX_FLAT_STEP)
        pairs = pairs[keep]
        one, two = pairs.T
        # The mean over a block never differs by more than the block's worst pixel does.
        first, second = (self.coarse[rows] - self.mean[rows][:, None] for rows in (one, two))
        coarse = np.abs(first - second * self._gain(pairs)[:, None])
        return pairs[coarse.max(axis=1, initial=0.0) <= MAX_DIFFERENCE + COARSE_ROUNDING]

    def difference(self, pairs: Pairs) -> npt.NDArray[np.float32]:
        """Difference of the worst pixel, grey levels; infinite where the two do not correlate. Shape (k,)."""
        self._hold(pairs)
        one, two = (self._centred(column) for column in pairs.T)
        worst = np.abs(one - two * self._gain(pairs)[:, None]).max(axis=1)
        spread = self.spread[pairs[:, 0]] * self.spread[pairs[:, 1]]
        correlation = (one * two).mean(axis=1) / np.maximum(spread, 1e-6)
        worst[~self.flat[pairs[:, 0]] & (correlation < MIN_CORRELATION)] = np.inf
        return np.asarray(worst, np.float32)

    def _centred(self, rows: Pairs) -> npt.NDArray[np.float32]:
        pixels = np.stack([self.held[row] for row in rows.tolist()]).reshape(len(rows), -1)
        return np.asarray(pixels - self.mean[rows][:, None], np.float32)

    def _hold(self, pairs: Pairs) -> None:
        """Have the thumbnails of these pairs at hand, and not too many others."""
        if len(self.held) > THUMBNAILS_HELD:
            self.held.clear()
        missing = np.array([row for row in np.unique(pairs).tolist() if row not in self.held], np.int64)
        if len(missing):
            self.held.update(zip(missing.tolist(), self.thumbnails(missing), strict=True))

    def _gain(self, pairs: Pairs) -> npt.NDArray[np.float32]:
        """Contrast of the first relative to the second, as far as matching may undo it. Shape (k,)."""
        one, two = pairs.T
        gain = np.clip(self.spread[one] / np.maximum(self.spread[two], 1e-6), *GAIN_LIMITS)
        return np.where(self.flat[one], np.float32(1.0), gain)


def _components(edges: Pairs, count: int) -> list[list[int]]:
    """Connected components of more than one position."""
    graph = coo_array((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    members: dict[int, list[int]] = defaultdict(list)
    for position in np.unique(edges).tolist():
        members[int(labels[position])].append(position)
    return sorted(group for group in members.values() if len(group) > 1)
