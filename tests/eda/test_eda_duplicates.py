"""Planted duplicates are found, look-alikes are not."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from eda_pictures import Pixels, brighter, document, photo, resized, save
from PIL import Image

import grandmaster.eda.duplicates as duplicates_module
from grandmaster.eda.duplicates import Duplicates, find_duplicates
from grandmaster.eda.signature import inspect_picture
from grandmaster.images.decode import read_picture


def search(
    paths: list[Path], train_count: int | None = None, distance: int = 4, analysis_size: int = 256
) -> Duplicates:
    found = [signature(path, analysis_size) for path in paths]
    thumbnails = np.stack([thumbnail for _, thumbnail in found])
    return find_duplicates(
        np.concatenate([record for record, _ in found]),
        lambda rows: thumbnails[rows],
        paths,
        train_count=len(paths) if train_count is None else train_count,
        distance=distance,
    )


def signature(path: Path, analysis_size: int = 256):
    data = path.read_bytes()
    return inspect_picture(path, data, digest=hashlib.sha256(data).digest(), analysis_size=analysis_size)


def saved(folder: Path, pictures: list[Pixels], suffix: str = ".png") -> list[Path]:
    return [save(folder / f"{number}{suffix}", pixels) for number, pixels in enumerate(pictures)]


def brute_force(hashes: np.ndarray, distance: int) -> set[tuple[int, int]]:
    values = hashes.tolist()
    return {
        (one, two)
        for one, two in itertools.combinations(range(len(values)), 2)
        if (values[one] ^ values[two]).bit_count() <= distance
    }


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
    looks = [signature(path, 128)[0]["look"].tobytes() for path in paths]
    assert looks[0] == looks[1] == looks[2], "the premise of this test"
    assert (read_picture(paths[0]) != read_picture(paths[1])).any(), "the premise of this test"
    found = search(paths, analysis_size=128)
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
    return int(signature(path)[0]["hash"][0])


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
    """Their pixels cannot differ by much, and the coarse pattern that is hashed is the same."""
    coarse = np.random.default_rng(0).normal(200, 10, (8, 8)).astype(np.float32)
    pattern = cv2.resize(coarse, (256, 256), interpolation=cv2.INTER_CUBIC)
    pictures = []
    for seed in range(4):
        signs = np.random.default_rng(seed).choice([-10, 10], (16, 16))
        texture = np.kron(signs, [[1, -1], [-1, 1]]).repeat(8, axis=0).repeat(8, axis=1)
        pictures.append(np.repeat((pattern + texture)[..., None], 3, axis=2).astype(np.uint8))
    paths = saved(tmp_path, pictures)
    hashes = np.array([read_hash(path) for path in paths], np.uint64)
    assert brute_force(hashes, 16), "they must hash alike, else this says nothing"
    assert max(int(part.max()) - int(part.min()) for part in pictures) < 2 * duplicates_module.MAX_DIFFERENCE
    assert search(paths, distance=16).groups == []


def test_lower_contrast_is_matched(tmp_path):
    """Black on white at 78 % contrast differs by over 50 grey levels and is the same picture still."""
    page = np.full((300, 300, 3), 255, np.uint8)
    page[30:90, 40:160] = page[150:180, 60:240] = page[220:260, 30:70] = 0
    paler = (128 + (page.astype(np.float32) - 128) * 0.78).astype(np.uint8)
    assert search(saved(tmp_path, [page, paler])).near == [[0, 1]]


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


def test_hundreds_of_pictures_alike_are_not_compared_all_with_all(tmp_path, monkeypatch):
    """A camera that looks at an empty street: every frame hashes and looks like every other."""
    rng = np.random.default_rng(0)
    scene = photo(1, width=128, height=96)
    frames = [np.clip(scene + rng.normal(0, 2, (96, 128, 1)), 0, 255).astype(np.uint8) for _ in range(60)]
    compared = []
    difference = duplicates_module._Looks.difference

    def counting(self, pairs):
        compared.append(len(pairs))
        return difference(self, pairs)

    monkeypatch.setattr(duplicates_module._Looks, "difference", counting)
    monkeypatch.setattr(duplicates_module, "PAIRS_AT_ONCE", 8)
    monkeypatch.setattr(duplicates_module, "PARTNERS", 3)
    found = search(saved(tmp_path, frames), train_count=30)
    assert found.groups == [list(range(30))]
    assert found.test_groups == [list(range(30, 60))]
    assert [test for _, test in found.across] == list(range(30, 60))
    assert sum(compared) < 60 * 59 / 2 / 4
