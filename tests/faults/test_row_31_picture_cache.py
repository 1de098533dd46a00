"""Row 31: the cache of decoded pictures is half-written, damaged, out of date, or built by two at once."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import numpy as np
import pytest
from PIL import Image

from grandmaster.images.cache import ENTRY, FACTS, PIXELS, CacheRoom
from grandmaster.images.resize import to_square
from grandmaster.images.store import PictureStore

COUNT, SIZE = 6, 32
IN_MEMORY, MAPPED = 10**8, 0


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "pictures" / f"{number}.png" for number in range(COUNT)]
    found[0].parent.mkdir()
    for number, path in enumerate(found):
        save(path, seed=number)
    return found


@pytest.fixture
def room(tmp_path: Path) -> CacheRoom:
    return CacheRoom(folder=tmp_path / "cache", limit=10**9)


def save(path: Path, *, seed: int) -> None:
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (48, 40, 3), dtype=np.uint8)).save(path)


def opened(paths: list[Path], room: CacheRoom | None, budget: int = IN_MEMORY) -> PictureStore:
    return PictureStore(paths, SIZE, memory_budget=budget, cache=room, threads=2)


def entry_of(room: CacheRoom) -> Path:
    (found,) = (path.parent for path in room.folder.glob(f"*/{ENTRY}"))
    return found


def require_right(store: PictureStore, paths: list[Path]) -> None:
    for row, path in enumerate(paths):
        np.testing.assert_array_equal(store[row], to_square(np.asarray(Image.open(path)), SIZE))
    np.testing.assert_allclose(store.aspects, 40 / 48, rtol=1e-6)
    np.testing.assert_array_equal(store.sides, 48)


@pytest.mark.parametrize("budget", [IN_MEMORY, MAPPED])
def test_second_store_decodes_nothing(paths: list[Path], room: CacheRoom, budget: int) -> None:
    assert opened(paths, room, budget).reused == 0
    originals = [path.read_bytes() for path in paths]
    for path in paths:  # what cannot be decoded cannot have been
        times = path.stat()
        path.write_bytes(b"\0" * times.st_size)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    store = opened(paths, room, budget)
    assert (store.reused, store.decoded, store.in_memory) == (COUNT, True, budget == IN_MEMORY)
    for path, content in zip(paths, originals, strict=True):
        path.write_bytes(content)
    require_right(store, paths)


def test_mapped_pictures_need_no_file(paths: list[Path], room: CacheRoom) -> None:
    plain, store = opened(paths, None), opened(paths, room, MAPPED)
    for path in paths:
        path.unlink()
    for row in range(COUNT):
        np.testing.assert_array_equal(store[row], plain[row])


def test_unreadable_ones_are_remembered(paths: list[Path], room: CacheRoom) -> None:
    paths[2].write_bytes(b"no picture")
    before = opened(paths, room)
    after = opened(paths, room)
    assert after.reused == COUNT
    assert after.unreadable == before.unreadable
    assert set(after.unreadable) == {2}


@pytest.mark.fault(31, "a picture replaced after the cache was built")
@pytest.mark.parametrize("budget", [IN_MEMORY, MAPPED])
def test_replaced_picture_is_decoded_anew(paths: list[Path], room: CacheRoom, budget: int) -> None:
    opened(paths, room, budget)
    save(paths[3], seed=99)
    os.utime(paths[3], ns=(1, 1))
    store = opened(paths, room, budget)
    assert store.reused == COUNT - 1
    require_right(store, paths)
    assert opened(paths, room, budget).reused == COUNT


def damage_pixels(entry: Path) -> None:
    with (entry / PIXELS).open("r+b") as file:
        file.seek(4 * SIZE * SIZE * 3 + 100)
        value = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([value ^ 255]))


def cut(name: str) -> Callable[[Path], None]:
    def damage(entry: Path) -> None:
        os.truncate(entry / name, (entry / name).stat().st_size // 2)

    return damage


@pytest.mark.fault(31, "a flipped byte, and each file of the cache cut in half")
@pytest.mark.parametrize("budget", [IN_MEMORY, MAPPED])
@pytest.mark.parametrize(
    "damage", [damage_pixels, cut(PIXELS), cut(FACTS), cut(ENTRY)], ids=["byte", PIXELS, FACTS, ENTRY]
)
def test_damaged_cache_is_built_anew(
    paths: list[Path], room: CacheRoom, budget: int, damage: Callable[[Path], None]
) -> None:
    opened(paths, room, budget)
    damage(entry_of(room))
    require_right(opened(paths, room, budget), paths)
    require_right(opened(paths, room, budget), paths)  # built anew by now
    store = opened(paths, room, budget)
    assert store.reused == COUNT
    require_right(store, paths)


SCRIPT = """
import sys
from pathlib import Path
from grandmaster.images.cache import CacheRoom
from grandmaster.images.store import PictureStore
cache, *paths = map(Path, sys.argv[1:])
store = PictureStore(paths, 32, memory_budget=0, cache=CacheRoom(folder=cache, limit=10**9), threads=1)
print(store.reused)
"""


def start(paths: list[Path], room: CacheRoom) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(room.folder), *map(str, paths)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "03_modeling")},
    )


@pytest.mark.fault(31, "two processes that build the cache at once")
def test_two_that_build_at_once(paths: list[Path], room: CacheRoom) -> None:
    opened(paths, room)
    folder = entry_of(room)
    (folder / ENTRY).unlink()  # not there, and its lock is known
    with filelock.FileLock(room.folder / f".{folder.name}.lock"):
        both = [start(paths, room) for _ in range(2)]
        time.sleep(1.0)  # both wait, or come later: one of them builds in any case
    assert sorted(int(one.communicate()[0]) for one in both) == [0, COUNT]
    require_right(opened(paths, room), paths)


@pytest.mark.fault(31, "killed while the cache is built")
def test_killed_while_building(paths: list[Path], room: CacheRoom) -> None:
    content = paths[4].read_bytes()
    paths[4].unlink()
    os.mkfifo(paths[4])  # whoever reads it waits
    process = start(paths, room)
    while not list(room.folder.glob(f"*.part/{PIXELS}")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert list(room.folder.glob("*.part"))
    assert not list(room.folder.glob(f"*/{ENTRY}"))
    paths[4].unlink()
    paths[4].write_bytes(content)
    store = opened(paths, room, MAPPED)
    assert store.reused == 0
    require_right(store, paths)
    assert not list(room.folder.glob("*.part"))
    assert opened(paths, room, MAPPED).reused == COUNT


@contextmanager
def largest_file(limit: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.fault(31, "no room on the disk for the cache")
@pytest.mark.parametrize("budget", [IN_MEMORY, MAPPED])
def test_full_disk_costs_the_cache_only(paths: list[Path], room: CacheRoom, budget: int) -> None:
    with largest_file(1000):
        store = opened(paths, room, budget)
        require_right(store, paths)
    assert store.decoded == (budget == IN_MEMORY)
    assert not list(room.folder.glob("*/*"))


@pytest.mark.fault(31, "a folder of the cache that cannot be made")
def test_without_a_folder_there_is_no_cache(paths: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    require_right(opened(paths, CacheRoom(folder=tmp_path / "file" / "cache", limit=10**9)), paths)


def test_limits_are_kept_and_the_oldest_make_room(paths: list[Path], room: CacheRoom) -> None:
    one = COUNT * SIZE * SIZE * 3
    two_fit = CacheRoom(folder=room.folder, limit=int(2.5 * one))
    sets = [paths, paths[::-1], [paths[0]] * COUNT]
    opened(sets[0], two_fit)
    opened(sets[1], two_fit)
    for entry in room.folder.glob(f"*/{ENTRY}"):
        os.utime(entry, ns=(1, 1))
    assert opened(sets[0], two_fit).reused == COUNT  # used just now: the other one is the oldest
    opened(sets[2], two_fit)
    assert [opened(each, two_fit).reused for each in (sets[0], sets[2])] == [COUNT, COUNT]
    assert opened(sets[1], CacheRoom(folder=room.folder, limit=one - 1)).reused == 0
    assert [opened(each, two_fit).reused for each in (sets[0], sets[2])] == [
        COUNT,
        COUNT,
    ]  # nothing was removed in vain


def test_disk_that_must_stay_free_stays_free(paths: list[Path], tmp_path: Path) -> None:
    room = CacheRoom(folder=tmp_path / "cache", limit=10**9, reserve=10**18)
    assert not opened(paths, room, MAPPED).decoded
    assert not list(room.folder.glob(f"*/{ENTRY}"))
