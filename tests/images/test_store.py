"""The store gives the same pictures whether it holds them or reads them anew."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from grandmaster.images.decode import PictureError
from grandmaster.images.resize import resized, to_square
from grandmaster.images.store import PictureStore


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    found = []
    for number, shape in enumerate([(40, 80), (90, 30), (16, 16), (200, 100)]):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(path)
        found.append(path)
    return found


def test_in_memory_and_on_disk_are_equal(paths: list[Path]) -> None:
    bytes_needed = 4 * 32 * 32 * 3
    held = PictureStore(paths, 32, memory_budget=bytes_needed)
    read = PictureStore(paths, 32, memory_budget=bytes_needed - 1)
    assert (held.in_memory, read.in_memory) == (True, False)
    for row in range(4):
        assert held[row].shape == (32, 32, 3)
        assert held[row].dtype == np.uint8
        np.testing.assert_array_equal(held[row], read[row])
        np.testing.assert_array_equal(held[row], to_square(np.asarray(Image.open(paths[row])), 32))
    np.testing.assert_allclose(held.aspects, [2, 1 / 3, 1, 0.5], rtol=1e-6)
    np.testing.assert_array_equal(held.aspects, read.aspects)


def test_held_pictures_are_not_read_again(paths: list[Path]) -> None:
    store = PictureStore(paths, 32, memory_budget=10**6)
    before = store[1].copy()
    paths[1].unlink()
    np.testing.assert_array_equal(store[1], before)


@pytest.mark.parametrize("budget", [0, 10**6])
def test_unreadable_pictures_are_recorded_and_raise(paths: list[Path], budget: int) -> None:
    paths[1].write_bytes(b"")
    paths[3].write_bytes(paths[3].read_bytes()[:3000])
    store = PictureStore(paths, 32, memory_budget=budget, threads=2)
    assert set(store.unreadable) == {1, 3}
    assert store.unreadable[1] == "file is empty"
    assert "truncated" in store.unreadable[3]
    assert store[0].shape == store[2].shape == (32, 32, 3)
    with pytest.raises(PictureError, match="file is empty") as caught:
        store[1]
    assert caught.value.path == paths[1]


def test_progress_counts_every_picture(paths: list[Path]) -> None:
    seen: list[int] = []
    PictureStore(paths, 8, memory_budget=10**6, on_progress=seen.append)
    assert seen == [1, 2, 3, 4]


def test_shrinking_averages_and_growing_interpolates() -> None:
    noise = np.random.default_rng(0).normal(128, 20, (256, 256, 3)).astype(np.uint8)
    # Catmull and Rom's kernel leaves 0.82 of what the mean over the 16 pixels of one result would: its integral of squares.
    assert to_square(noise, 64).std() == pytest.approx(0.82 * 20 / 4, rel=0.05)
    ramp = np.repeat(np.linspace(0, 255, 8).astype(np.uint8)[None, :, None], 8, 0).repeat(3, 2)
    grown = to_square(ramp, 32)[16, :, 0].astype(int)
    assert (np.diff(grown) >= 0).all()
    assert np.diff(grown).max() < 15  # copying pixels would make steps of 36
    wide = to_square(noise[:8], 64)  # one side grows, the other shrinks
    assert wide.shape == (64, 64, 3)
    assert wide.std() < 11


@pytest.mark.parametrize("shape", [(550, 750, 3), (90, 500, 3), (300, 300, 1), (300, 200, 5)])
def test_reductions_are_pillows(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (24, 32, shape[2]), np.uint8)
    picture = cv2.resize(coarse, shape[1::-1], interpolation=cv2.INTER_CUBIC).reshape(shape)
    for place, image in ((0, picture), (shape[2] - 1, picture[::-1, ::-1]), (0, picture[10:, 20:])):
        image.flags.writeable = False  # as pictures mapped from the cache are
        made = resized(image, 100, 150)[..., place].astype(int)
        expected = np.asarray(Image.fromarray(image[..., place]).resize((100, 150), Image.Resampling.BICUBIC))
        assert np.abs(made - expected).max() <= 1
    flat = resized(picture[..., 0], 100, 150)
    np.testing.assert_array_equal(flat, resized(picture, 100, 150)[..., 0])


def test_right_size_is_not_copied() -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    assert to_square(image, 16) is image
