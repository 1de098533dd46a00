"""A file that does not fit the disk: nothing half written stays, the state before it is whole, the same command goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from faults.killing import contents, decided, finished_files, full_disk, whole_run
from pipeline.small_competition import write_competition

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no limit of file size")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_competition(tmp_path_factory.mktemp("data") / "squares")


def run_on_a_full_disk(data: Path, place: Path, sizes: tuple[int, ...], injected: list[object]) -> None:
    whole_run(data, place / "whole" / "run")
    expected, plan = contents(place / "whole" / "run"), decided(place / "whole" / "run")
    for largest in sizes:
        folder = place / str(largest) / "run"
        said = full_disk(data, folder, largest)
        assert said.startswith("cannot write: File too large"), largest
        assert "what was there before is untouched" in said
        rest = [path for path in folder.rglob("*") if path.suffix in (".part", ".tmp")]
        assert not rest, f"{largest} B"
        done = finished_files(folder)
        whole_run(data, folder)
        again = [path for path, stamp in done.items() if path.stat().st_mtime_ns != stamp]
        assert not again, f"{largest} B"
        assert contents(folder) == expected, f"{largest} B"
        assert decided(folder) == plan
        injected.append(largest)


@pytest.mark.slow
@pytest.mark.fault(
    30, "no room for a file of 300 B, 3 kB, 30 kB, 1 MB, 2 MB, then the same command with room"
)
def test_row_30_a_run_on_a_full_disk(data, tmp_path, injected):
    run_on_a_full_disk(data, tmp_path, (300, 3_000, 30_000, 1_000_000, 2_000_000), injected)
