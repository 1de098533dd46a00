"""Pictures that occur twice: equal files, equal pixels, and the same picture stored another way.

Near-duplicates are found in two steps. Perceptual hashes (pHash of ImageHash) a few bits apart propose pairs:
fast, but documents of one template hash alike. The pixels decide: two thumbnails, matched in brightness and
contrast, must agree everywhere; one changed line of text is enough not to be a duplicate.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from grandmaster.eda.statistics import Grey
from grandmaster.images.decode import read_picture

HASH_BITS = 64
# A bucket of hashes is searched exhaustively up to this size and in a sliding window beyond it, which keeps
# the time linear when tens of thousands of pictures (all black, all of one template) share one hash.
BUCKET_WINDOW = 16_384

THUMBNAIL = 96  # px a side: a line of a printed page is then about 2 px high, enough to see that it differs
COARSE = 12  # px a side of the thumbnail of the thumbnail that is compared first
# Measured on photos and documents: re-encoding at quality 30, half size and 15 % more brightness differ by up
# to 40 grey levels at the worst pixel, one changed line of a form by at least 60.
MAX_DIFFERENCE = 45.0  # grey levels, at the worst pixel of two matched thumbnails
MIN_CORRELATION = 0.9  # of two thumbnails; keeps faint pictures, which cannot differ by much, apart
GAIN_LIMITS = (0.75, 1.33)  # contrast of one picture relative to the other that matching may undo
FLAT_SPREAD = 2.0  # standard deviation, grey levels, under which a picture has no content to correlate
MAX_FLAT_STEP = 8.0  # grey levels between two flat pictures called the same
MAX_COLOUR_STEP = 12.0  # levels of R - grey and B - grey; two cards can differ in colour only
MAX_ASPECT_RATIO = 1.06  # of the two aspects; covers the rounding of small sizes

Pairs = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What is kept of one picture to find its duplicates (about 10 kB).

    Attributes:
        file_digest: of the file's bytes.
        pixel_digest: of the decoded pixels and the picture's full size.
        reduced: the pixels were decoded at reduced size, so equal digests do not prove equal pictures.
        hash: 64-bit perceptual hash.
        thumbnail: uint8 (THUMBNAIL, THUMBNAIL), grey, aspect not kept.
        tint: float32 (2,), mean of R - grey and of B - grey.
        aspect: width / height.
    """

    file_digest: bytes
    pixel_digest: bytes
    reduced: bool
    hash: int
    thumbnail: Grey
    tint: npt.NDArray[np.float32]
    aspect: float


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Duplicates as positions in the list searched; every group sorted, groups in order of their first member.

    Attributes:
        exact: groups of training pictures with equal bytes or equal pixels.
        near: groups of training pictures alike but not equal; of equal ones only the first appears here.
        groups: both together, connected components.
        across: (training, test) pairs, at most one a test picture: the equal one, or else the most alike.
    """

    exact: list[list[int]]
    near: list[list[int]]
    groups: list[list[int]]
    across: list[tuple[int, int]]


def make_signature(
    pixels: npt.NDArray[np.uint8], grey: Grey, *, width: int, height: int, file_digest: bytes
) -> Signature:
    """Signature of a picture.

    Args:
        pixels: uint8 RGB as decoded, possibly at reduced size.
        grey: the same as grey picture at analysis size.
        width: full size, px.
        height: full size, px.
        file_digest: any collision-free digest of the file.
    """
    red, green, blue = pixels.reshape(-1, 3).mean(axis=0)
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue
    bits = imagehash.phash(Image.fromarray(grey), hash_size=8).hash
    return Signature(
        file_digest=file_digest,
        pixel_digest=_pixel_digest(pixels, width, height),
        reduced=pixels.shape[:2] != (height, width),
        hash=int.from_bytes(np.packbits(bits).tobytes(), "big"),
        thumbnail=np.asarray(
            cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA), np.uint8
        ),
        tint=np.array([red - luminance, blue - luminance], np.float32),
        aspect=width / height,
    )


def _pixel_digest(pixels: npt.NDArray[np.uint8], width: int, height: int) -> bytes:
    digest = hashlib.blake2b(f"{width}x{height}".encode(), digest_size=16)
    digest.update(pixels.tobytes())
    return digest.digest()


def find_duplicates(
    signatures: Sequence[Signature], paths: Sequence[Path], *, train_count: int, distance: int
) -> Duplicates:
    """Duplicates among training pictures, and between training and test pictures.

    Args:
        signatures: of all readable pictures, training pictures first.
        paths: their files; read again only to prove that pictures decoded at reduced size are equal.
        train_count: how many of them are training pictures.
        distance: largest number of differing hash bits, 0 to 63, of a pair worth comparing.
    """
    count = len(signatures)
    # The first of each set of equal pictures stands for all of them; it is a training picture if any is.
    first = _first_equal(signatures, paths)
    kept = np.unique(first)
    pairs, differences = _near_pairs([signatures[i] for i in kept], kept < train_count, distance)
    pairs = kept[pairs]

    equal_edges = np.column_stack([first, np.arange(count)])[:train_count]
    near_edges = pairs[(pairs < train_count).all(axis=1)]
    most_alike: dict[int, int] = {}
    for row in np.lexsort((pairs[:, 0], differences)):
        train_position, test_position = pairs[row].tolist()
        if test_position >= train_count:
            most_alike.setdefault(test_position, train_position)
    across = []
    for position in range(train_count, count):
        same = int(first[position])
        partner = same if same < train_count else most_alike.get(same)
        if partner is not None:
            across.append((partner, position))
    return Duplicates(
        exact=_components(equal_edges, count),
        near=_components(near_edges, count),
        groups=_components(np.concatenate([equal_edges, near_edges]), count),
        across=across,
    )


def near_hash_pairs(hashes: npt.NDArray[np.uint64], distance: int) -> Iterator[Pairs]:
    """All pairs of 64-bit hashes that differ in at most `distance` bits, each once, in blocks.

    The bits are dealt into distance + 1 bands. Two hashes that differ in no more than `distance` bits agree in
    at least one whole band (pigeonhole), so only hashes in one bucket of some band are compared (Manku et al.,
    "Detecting Near-Duplicates for Web Crawling", 2007). Memory is O(n); buckets larger than `BUCKET_WINDOW`
    are searched in a window over the sorted hashes.

    Yields:
        int64 (k, 2), first < second, k at most n.
    """
    if not 0 <= distance < HASH_BITS:
        raise ValueError(f"distance must be 0 to {HASH_BITS - 1}, not {distance}")
    # Neighbouring bits of a perceptual hash depend on each other; dealing them out fills the buckets evenly.
    masks = [
        np.uint64(sum(1 << bit for bit in range(band, HASH_BITS, distance + 1)))
        for band in range(distance + 1)
    ]
    for band, mask in enumerate(masks):
        order = np.lexsort((hashes, hashes & mask))
        ordered = hashes[order]
        keys = ordered & mask
        lower = np.arange(len(order))
        for step in range(1, min(len(order), BUCKET_WINDOW + 1)):
            # Buckets are runs of equal keys: who has no neighbour at this step has none at the next.
            lower = lower[lower + step < len(order)]
            lower = lower[keys[lower] == keys[lower + step]]
            if len(lower) == 0:
                break
            bits = ordered[lower] ^ ordered[lower + step]
            close = np.bitwise_count(bits) <= distance
            for earlier in masks[:band]:
                close &= (bits & earlier) != 0  # else this pair came with that band
            found = lower[close]
            if len(found):
                yield np.sort(np.column_stack([order[found], order[found + step]]), axis=1)


def _first_equal(signatures: Sequence[Signature], paths: Sequence[Path]) -> Pairs:
    """For each picture the position of the first one with the same bytes or the same pixels."""
    same_file: dict[bytes, int] = {}
    same_pixels: dict[bytes, list[int]] = defaultdict(list)
    first = np.arange(len(signatures))
    for position, signature in enumerate(signatures):
        first[position] = same_file.setdefault(signature.file_digest, position)
        if first[position] == position:
            same_pixels[signature.pixel_digest].append(position)
    for positions in same_pixels.values():
        if len(positions) == 1:
            continue
        full: dict[bytes, int] = {}
        for position in positions:
            digest = b""
            if signatures[position].reduced:
                pixels = read_picture(paths[position])
                digest = _pixel_digest(pixels, pixels.shape[1], pixels.shape[0])
            first[position] = full.setdefault(digest, position)
    return first[first]


def _near_pairs(
    signatures: Sequence[Signature], in_train: npt.NDArray[np.bool_], distance: int
) -> tuple[Pairs, npt.NDArray[np.float32]]:
    """Pairs (k, 2) that hash alike and look alike, at least one of them in train, and their differences (k,)."""
    hashes = np.array([signature.hash for signature in signatures], dtype=np.uint64)
    looks = _Looks(signatures)
    pairs: list[Pairs] = [np.empty((0, 2), np.int64)]
    differences = [np.empty(0, np.float32)]
    for block in near_hash_pairs(hashes, distance):
        candidates = looks.plausible(block[in_train[block].any(axis=1)])
        for start in range(0, len(candidates), 256):
            part = candidates[start : start + 256]
            difference = looks.difference(part)
            pairs.append(part[difference <= MAX_DIFFERENCE])
            differences.append(difference[difference <= MAX_DIFFERENCE])
    return np.concatenate(pairs), np.concatenate(differences)


class _Looks:
    """Compares pictures by their thumbnails, pairs at a time."""

    def __init__(self, signatures: Sequence[Signature]) -> None:
        self.signatures = signatures
        count, cell = len(signatures), THUMBNAIL // COARSE
        self.mean = np.empty(count, np.float32)
        self.spread = np.empty(count, np.float32)
        self.coarse = np.empty((count, COARSE * COARSE), np.float32)  # minus the mean
        for row, signature in enumerate(signatures):
            thumbnail = signature.thumbnail
            self.mean[row], self.spread[row] = thumbnail.mean(), thumbnail.std()
            blocks = thumbnail.reshape(COARSE, cell, COARSE, cell).mean(axis=(1, 3), dtype=np.float32)
            self.coarse[row] = blocks.ravel() - self.mean[row]
        self.flat = self.spread < FLAT_SPREAD
        self.tint = np.array([signature.tint for signature in signatures], np.float32).reshape(count, 2)
        self.aspect = np.array([signature.aspect for signature in signatures])

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
        coarse = np.abs(self.coarse[one] - self.coarse[two] * self._gain(pairs)[:, None])
        return pairs[coarse.max(axis=1, initial=0.0) <= MAX_DIFFERENCE]

    def difference(self, pairs: Pairs) -> npt.NDArray[np.float32]:
        """Difference of the worst pixel, grey levels; infinite where the two do not correlate. Shape (k,)."""
        one, two = (self._centred(column) for column in pairs.T)
        worst = np.abs(one - two * self._gain(pairs)[:, None]).max(axis=1)
        spread = self.spread[pairs[:, 0]] * self.spread[pairs[:, 1]]
        correlation = (one * two).mean(axis=1) / np.maximum(spread, 1e-6)
        worst[~self.flat[pairs[:, 0]] & (correlation < MIN_CORRELATION)] = np.inf
        return np.asarray(worst, np.float32)

    def _centred(self, rows: Pairs) -> npt.NDArray[np.float32]:
        pixels = np.stack([self.signatures[row].thumbnail for row in rows]).reshape(len(rows), -1)
        return np.asarray(pixels - self.mean[rows][:, None], np.float32)

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
