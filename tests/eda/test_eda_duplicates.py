"""Planted duplicates are found, look-alikes are not."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from eda_pictures import Pixels, brighter, document, photo, resized, save
from PIL import Image

import grandmaster.eda.duplicates as duplicates_module
from grandmaster.eda.duplicates import Duplicates, find_duplicates, make_signature, near_hash_pairs
from grandmaster.eda.statistics import analysis_grey
from grandmaster.images.decode import picture_size, read_picture
from grandmaster.storage import file_sha256


def search(
    paths: list[Path], train_count: int | None = None, distance: int = 4, at_least: int | None = None
) -> Duplicates:
    signatures = []
    for path in paths:
        width, height = picture_size(path)
        pixels = read_picture(path, at_least=at_least)
        digest = bytes.fromhex(file_sha256(path))
        grey = analysis_grey(pixels, 256)
        signatures.append(make_signature(pixels, grey, width=width, height=height, file_digest=digest))
    count = len(paths) if train_count is None else train_count
    return find_duplicates(signatures, paths, train_count=count, distance=distance)


def saved(folder: Path, pictures: list[Pixels], suffix: str = ".png") -> list[Path]:
    return [save(folder / f"{number}{suffix}", pixels) for number, pixels in enumerate(pictures)]


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
    hashes = clustered_hashes(400, seed=distance)
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
    monkeypatch.setattr(duplicates_module, "BUCKET_WINDOW", 10)
    assert sum(len(block) for block in near_hash_pairs(np.zeros(1000, np.uint64), 4)) < 1000 * 10


def test_equal_files_and_equal_pixels_are_exact(tmp_path):
    first = save(tmp_path / "a.png", photo(1))
    copy = tmp_path / "b.png"
    copy.write_bytes(first.read_bytes())
    repacked = save(tmp_path / "c.png", photo(1), compress_level=0)
    assert repacked.read_bytes() != first.read_bytes()
    other = save(tmp_path / "d.png", photo(2))
    found = search([other, first, copy, repacked])
    assert found.exact == [[1, 2, 3]]
    assert found.near == []
    assert found.groups == [[1, 2, 3]]


def test_one_pixel_apart_is_near_but_not_exact(tmp_path):
    changed = photo(1).copy()
    changed[100, 100] ^= 1
    found = search(saved(tmp_path, [photo(1), changed]))
    assert found.exact == []
    assert found.near == [[0, 1]]


def test_equality_at_reduced_size_is_proved_at_full_size(tmp_path):
    """JPEGs that differ only in the finest detail decode alike at 1/4 size."""
    smooth = np.full((1200, 1200), 128, np.float32)
    smooth[300:900, 300:900] = 60
    fine = smooth.copy()
    fine[:, ::2] += 12
    fine[:, 1::2] -= 12
    pictures = [np.repeat(part[..., None], 3, axis=2).astype(np.uint8) for part in (smooth, fine)]
    paths = [save(tmp_path / f"{n}.jpg", pixels, quality=95) for n, pixels in enumerate(pictures)]
    paths.append(save(tmp_path / "2.jpg", pictures[0], quality=95, progressive=True))
    small = [read_picture(path, at_least=256) for path in paths]
    assert (small[0] == small[1]).all(), "the premise of this test"
    assert (small[0] == small[2]).all(), "the premise of this test"
    found = search(paths, at_least=256)
    assert found.exact == [[0, 2]]
    assert found.groups == [[0, 1, 2]]


@pytest.mark.parametrize("make", [photo, document], ids=["photo", "document"])
def test_planted_near_duplicates_are_found_and_grouped(tmp_path, make):
    originals = [make(seed) for seed in range(4)]
    paths = [save(tmp_path / f"{n}.jpg", pixels, quality=92) for n, pixels in enumerate(originals)]
    paths.append(save(tmp_path / "encoded.jpg", originals[0], quality=40))
    paths.append(save(tmp_path / "resized.jpg", resized(originals[1], 0.6), quality=90))
    paths.append(save(tmp_path / "brighter.jpg", brighter(originals[2], 1.08), quality=90))
    paths.append(save(tmp_path / "both.jpg", brighter(resized(originals[0], 0.8), 0.94), quality=80))
    found = search(paths)
    assert found.near == [[0, 4, 7], [1, 5], [2, 6]]
    assert found.exact == []


def test_documents_of_one_template_are_not_duplicates(tmp_path):
    paths = saved(tmp_path, [document(seed) for seed in range(12)] + [document(0, changed_line=5)])
    hashes = [read_hash(path) for path in paths]
    alike = brute_force(np.array(hashes, np.uint64), 4)
    assert len(alike) > 3, "the template must hash alike, else this says nothing"
    assert (0, 12) in alike
    assert search(paths).groups == []


def read_hash(path: Path) -> int:
    pixels = read_picture(path)
    grey = analysis_grey(pixels, 256)
    height, width = pixels.shape[:2]
    return make_signature(pixels, grey, width=width, height=height, file_digest=b"").hash


def test_flat_pictures_of_different_grey_colour_or_shape_are_kept_apart(tmp_path):
    def flat(*colour: int, shape: tuple[int, int] = (100, 100)) -> Pixels:
        return np.full((*shape, 3), colour, np.uint8)

    pictures = [
        flat(120, 120, 120),
        flat(123, 123, 123),  # near to the first
        flat(160, 160, 160),  # another grey
        flat(180, 94, 120),  # another colour, of the first one's grey
        flat(120, 120, 120, shape=(100, 200)),  # another shape
        flat(0, 0, 0),
        flat(255, 255, 255),
        photo(1),
    ]
    found = search(saved(tmp_path, pictures))
    assert found.groups == [[0, 1]]


def test_faint_pictures_with_other_content_are_kept_apart(tmp_path):
    faint = [(230 + resized(photo(seed), 0.5) // 16).astype(np.uint8) for seed in range(6)]
    assert max(int(part.max()) - int(part.min()) for part in faint) < duplicates_module.MAX_DIFFERENCE
    assert search(saved(tmp_path, faint), distance=16).groups == []


def test_across_pairs_name_the_equal_or_most_alike_training_picture(tmp_path):
    train = [photo(1), photo(2), photo(3)]
    train.append(brighter(train[0], 1.1))
    test = [photo(9), train[1], cv2.GaussianBlur(train[0], (0, 0), 0.6), photo(10), photo(10)]
    found = search(saved(tmp_path, train + test), train_count=len(train))
    assert found.near == [[0, 3]]
    assert found.across == [(1, 5), (0, 6)]
    assert found.exact == [], "equal pictures within test are nobody's leak"


def test_equal_test_pictures_share_their_near_training_picture(tmp_path):
    near = brighter(photo(1), 1.03)
    found = search(saved(tmp_path, [photo(1), photo(2), near, near]), train_count=2)
    assert found.across == [(0, 2), (0, 3)]
    assert found.groups == []


def test_a_chain_is_one_group_even_where_equal_pictures_link_it(tmp_path):
    first = photo(1)
    near = brighter(first, 1.05)
    paths = saved(tmp_path, [near, photo(2), first, near])
    found = search(paths)
    assert found.exact == [[0, 3]]
    assert found.near == [[0, 2]]
    assert found.groups == [[0, 2, 3]]


def test_pictures_in_a_different_mode_are_compared_as_seen(tmp_path):
    grey = Image.fromarray(photo(5)).convert("L")
    grey.save(tmp_path / "grey.png")
    grey.convert("RGB").save(tmp_path / "rgb.png")
    assert search([tmp_path / "grey.png", tmp_path / "rgb.png"]).exact == [[0, 1]]
