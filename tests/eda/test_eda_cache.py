"""What was measured once is not measured again, and nothing wrong is ever taken from the cache."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from eda_pictures import brighter, competition, count_decoded, photo, save

import grandmaster.eda.cache as cache_module
import grandmaster.eda.fingerprint as fingerprint_module
from grandmaster.config import InspectConfig
from grandmaster.eda.cache import (
    CacheDamaged,
    CacheUnusable,
    FileStamp,
    Measured,
    PictureCache,
)
from grandmaster.eda.fingerprint import Inspection, inspect_pictures
from grandmaster.eda.signature import inspect_picture
from grandmaster.progress import SilentProgress

TRAIN = {"a": 0, "b": 1, "c": 0, "c_near": 1}
TEST = ["d", "e"]


class Messages(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str, level: str = "info") -> None:
        self.lines.append(f"{level}: {text}")

    def finish(self, task: str, note: str = "") -> None:
        self.lines.append(f"finish: {note}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A competition's folder with a near pair, so that thumbnails are asked for."""
    for number, id_ in enumerate(("a", "b", "c")):
        save(tmp_path / "data" / "train" / f"{id_}.jpg", photo(number), quality=90)
    save(tmp_path / "data" / "train" / "c_near.jpg", brighter(photo(2), 1.04), quality=80)
    for number, id_ in enumerate(TEST):
        save(tmp_path / "data" / "test" / f"{id_}.jpg", photo(10 + number), quality=90)
    return tmp_path / "data"


def look(
    root: Path, cache: Path | None, progress: SilentProgress | None = None, size: int = 256
) -> Inspection:
    return inspect_pictures(
        competition(root, TRAIN, TEST),
        InspectConfig(analysis_size=size),
        progress or SilentProgress(),
        threads=2,
        cache_folder=cache,
    )


def content(inspection: Inspection) -> dict[str, object]:
    return {key: value for key, value in inspection.fingerprint.items() if key != "seconds"}


def test_a_second_run_decodes_nothing_and_says_the_same(root, tmp_path, monkeypatch):
    cold = look(root, tmp_path / "cache")
    decoded = count_decoded(monkeypatch)
    progress = Messages()
    warm = look(root, tmp_path / "cache", progress)
    assert decoded == []
    assert content(warm) == content(cold) == content(look(root, None))
    assert warm.fingerprint["duplicates"]["near"] == [["c", "c_near"]]
    assert (warm.table.values == cold.table.values).all()
    assert progress.lines == ["finish: 6 pictures (6 measured before), 0 unreadable, 1 group of duplicates"]


def test_a_copy_within_the_data_was_not_known_before(root, tmp_path, monkeypatch):
    shutil.copyfile(root / "train" / "a.jpg", root / "test" / "e.jpg")
    monkeypatch.setattr(fingerprint_module, "AT_ONCE", 1)
    progress = Messages()
    look(root, tmp_path / "cache", progress)
    look(root, tmp_path / "cache", progress)
    assert [line.partition(",")[0] for line in progress.lines] == [
        "finish: 6 pictures",
        "finish: 6 pictures (6 measured before)",
    ]


def test_an_unchanged_file_is_not_even_read(root, tmp_path, monkeypatch):
    look(root, tmp_path / "cache")
    monkeypatch.setattr("grandmaster.eda.fingerprint.read_bytes", None)
    look(root, tmp_path / "cache")


def test_moved_and_freshly_unpacked_files_are_known_by_their_content(root, tmp_path, monkeypatch):
    cold = look(root, tmp_path / "cache")
    moved = tmp_path / "elsewhere"
    shutil.copytree(root, moved, copy_function=shutil.copyfile)  # other folder, other times
    decoded = count_decoded(monkeypatch)
    assert content(look(moved, tmp_path / "cache")) == content(cold)
    monkeypatch.setattr("grandmaster.eda.fingerprint.read_bytes", None)
    look(moved, tmp_path / "cache")  # and by their new names from then on
    assert decoded == []


def test_only_a_changed_file_is_measured_again(root, tmp_path, monkeypatch):
    look(root, tmp_path / "cache")
    path = root / "train" / "b.jpg"
    before = path.stat()
    save(path, photo(77), quality=90)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    decoded = count_decoded(monkeypatch)
    changed = look(root, tmp_path / "cache")
    assert decoded == ["b.jpg"]
    assert content(changed) == content(look(root, None))


def test_another_analysis_size_has_a_cache_of_its_own(root, tmp_path, monkeypatch):
    look(root, tmp_path / "cache")
    other = look(root, tmp_path / "cache", size=128)
    assert content(other) == content(look(root, None, size=128))
    decoded = count_decoded(monkeypatch)
    look(root, tmp_path / "cache")
    look(root, tmp_path / "cache", size=128)
    assert decoded == []


def test_other_measuring_code_measures_all_anew(root, tmp_path, monkeypatch):
    look(root, tmp_path / "cache")
    monkeypatch.setattr(cache_module, "_version", lambda: "of tomorrow")
    decoded = count_decoded(monkeypatch)
    look(root, tmp_path / "cache")
    assert len(decoded) == 6


def test_the_version_follows_the_code_that_measures(tmp_path, monkeypatch):
    before = cache_module._version()
    assert before == cache_module._version()
    for module in cache_module._MEASURED_BY:
        edited = tmp_path / "edited.py"
        edited.write_text(Path(module.__file__).read_text() + "\n")
        with monkeypatch.context() as patch:
            patch.setattr(module, "__file__", str(edited))
            assert cache_module._version() != before


def overwrite_whole(path: Path) -> None:
    path.write_bytes(b"this is no database, and long enough to look like one" * 100)


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()


DAMAGE = {
    "no database": overwrite_whole,
    "cut": cut_in_half,
    "record changed": lambda path: change(path, "UPDATE pictures SET record = zeroblob(length(record))"),
    "record cut": lambda path: change(path, "UPDATE pictures SET record = substr(record, 1, 9)"),
    "thumbnail changed": lambda path: change(path, "UPDATE pictures SET thumbnail = zeroblob(9216)"),
    "table gone": lambda path: change(path, "DROP TABLE files"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.fault(31, "a cache of measured pictures damaged in six ways")
def test_a_damaged_cache_is_made_anew(root, tmp_path, monkeypatch, damage):
    cold = look(root, tmp_path / "cache")
    (path,) = (tmp_path / "cache").glob("*.sqlite")
    damage(path)
    progress = Messages()
    assert content(look(root, tmp_path / "cache", progress)) == content(cold)
    assert progress.lines[0].startswith("warn: The cache")
    assert str(path) in progress.lines[0]
    decoded = count_decoded(monkeypatch)
    assert content(look(root, tmp_path / "cache")) == content(cold)
    assert decoded == [], "the new cache is whole"


def test_a_cache_that_cannot_be_made_is_done_without(root, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    progress = Messages()
    assert content(look(root, tmp_path / "cache", progress)) == content(look(root, None))
    assert [line.split(":")[0] for line in progress.lines] == ["warn", "finish"]
    assert "going on without" in progress.lines[0]


@pytest.mark.fault(31, "a cache that another run does not let go")
def test_a_cache_held_by_another_run_is_done_without_and_left_alone(root, tmp_path, monkeypatch):
    cold = look(root, tmp_path / "cache")
    monkeypatch.setattr(cache_module, "_BUSY_SECONDS", 0.1)
    (path,) = (tmp_path / "cache").glob("*.sqlite")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    progress = Messages()
    assert content(look(root, tmp_path / "cache", progress)) == content(cold)
    other.execute("ROLLBACK")
    other.close()
    assert "going on without" in progress.lines[0]
    decoded = count_decoded(monkeypatch)
    look(root, tmp_path / "cache")
    assert decoded == []


def test_what_was_measured_before_a_run_is_killed_is_kept(root, tmp_path, monkeypatch):
    monkeypatch.setattr("grandmaster.eda.fingerprint.AT_ONCE", 2)

    class Killed(SilentProgress):
        seen = 0

        def advance(self, task: str, units: int = 1, **facts: str | int | float) -> None:
            self.seen += units
            if self.seen == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look(root, tmp_path / "cache", Killed())
    decoded = count_decoded(monkeypatch)
    assert content(look(root, tmp_path / "cache")) == content(look(root, None))
    assert sorted(decoded[:-6]) == ["d.jpg", "e.jpg"]


def test_thumbnails_come_in_the_order_asked_for_and_nothing_else_is_given(tmp_path):
    cache = PictureCache(None, analysis_size=64)
    pictures = []
    for number in range(3):
        data = save(tmp_path / f"{number}.png", photo(number)).read_bytes()
        digest = bytes([number]) * 32
        record, thumbnail = inspect_picture(tmp_path, data, digest=digest, analysis_size=64)
        stamp = FileStamp(path=tmp_path / f"{number}.png", size=1, time_ns=1)
        pictures.append(Measured(stamp=stamp, record=record, thumbnail=thumbnail))
    cache.add(pictures[:2])
    records = np.concatenate([picture.record for picture in pictures])
    found = cache.thumbnails(records[[1, 0, 1]])
    assert all((found[row] == pictures[which].thumbnail).all() for row, which in enumerate((1, 0, 1)))
    assert cache.find_content(bytes(32)) == pictures[0].record
    assert cache.find_content(b"\2" * 32) is None
    with pytest.raises(CacheDamaged):
        cache.thumbnails(records[[2]])
    cache.close()
    with pytest.raises((CacheDamaged, CacheUnusable)):
        cache.find_content(bytes(32))
