"""Caches that several runs share: built by two processes at once, or half written. What they hold is never wrong."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import sys
from pathlib import Path

import msgspec
import pytest

from faults.forked import PATIENCE, fork_context
from grandmaster.competition.reader import read_competition
from grandmaster.config import DataConfig, InspectConfig
from grandmaster.eda.cache import PictureCache
from grandmaster.eda.fingerprint import inspect_pictures
from grandmaster.pipeline.speed import Probe, ProbeCache
from grandmaster.storage import plain, write_json
from pipeline.small_competition import Record, write_competition

pytestmark = pytest.mark.slow  # whole runs in processes of their own

KEYS = 40


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares", train=120)


def look(data: Path, cache: Path | None, told: Path | None = None) -> tuple[dict[str, object], Record]:
    record = Record()
    competition = read_competition(data, DataConfig())
    found = inspect_pictures(competition, InspectConfig(), record, threads=1, cache_folder=cache).fingerprint
    found = {key: value for key, value in found.items() if key != "seconds"}
    if told is not None:
        write_json(told, {"found": found, "messages": record.messages})
    return found, record


def at_once(count: int, work, *arguments) -> None:  # type: ignore[no-untyped-def]
    """`work(number, barrier, *arguments)` in so many processes that begin together."""
    context = multiprocessing.get_context("spawn") if sys.platform == "win32" else fork_context()
    barrier = context.Barrier(count)
    processes = [context.Process(target=work, args=(n, barrier, *arguments)) for n in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE)
    assert [process.exitcode for process in processes] == [0] * count


def look_together(number, barrier, data, cache, told) -> None:  # type: ignore[no-untyped-def]
    barrier.wait(PATIENCE)
    look(data, cache, told / f"{number}.json")


@pytest.mark.fault(31, "three processes that build the cache of measured pictures at once")
def test_row_31_pictures_measured_by_three_processes_at_once(data, tmp_path):
    alone, _ = look(data, None)
    at_once(3, look_together, data, tmp_path / "cache", tmp_path)
    for number in range(3):
        told = msgspec.json.decode((tmp_path / f"{number}.json").read_bytes())
        assert told["found"] == plain(alone)
        assert not told["messages"], "each waits for the others, none goes on without"
    (path,) = (tmp_path / "cache").glob("*.sqlite")
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert database.execute("SELECT count(*) FROM files").fetchone() == (138,)
    database.close()
    _, record = look(data, tmp_path / "cache")
    assert "138 measured before" in record.notes["inspect"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
@pytest.mark.fault(
    31, "a cache of measured pictures of which a part was written, with and without its journal"
)
def test_row_31_a_half_written_cache_is_made_anew(data, tmp_path, share):
    alone, _ = look(data, tmp_path / "cache")
    path = tmp_path / "cache" / PictureCache.file_name(InspectConfig().analysis_size)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    Path(f"{path}-journal").write_bytes(os.urandom(2000))
    found, _ = look(data, tmp_path / "cache")
    assert found == alone
    _, record = look(data, tmp_path / "cache")
    assert "138 measured before" in record.notes["inspect"], "it is whole again"


def put_together(number, barrier, folder) -> None:  # type: ignore[no-untyped-def]
    probe = Probe(formats=(1.0,), other_formats=(2.0,), optimiser=(0.1, 0.2))
    cache = ProbeCache(folder)
    barrier.wait(PATIENCE)
    for key in range(KEYS):
        cache.put(f"{number}; model{key}, ", probe)


@pytest.mark.fault(31, "three processes that remember measured speeds at once; half of the file written")
def test_row_31_speeds_remembered_by_three_processes_at_once(tmp_path):
    at_once(3, put_together, tmp_path)
    cache = ProbeCache(tmp_path)
    missing = [(n, key) for n in range(3) for key in range(KEYS) if cache.get(f"{n}; model{key}, ") is None]
    assert not missing
    path = tmp_path / ProbeCache.FILE_NAME
    path.write_bytes(path.read_bytes()[:1000])
    cut = ProbeCache(tmp_path)
    assert cut.get("0; model0, ") is None, "nothing is taken from half a file"
    cut.put("new", Probe(formats=(1.0,), other_formats=(2.0,), optimiser=(0.1, 0.2)))
    assert ProbeCache(tmp_path).get("new") is not None
