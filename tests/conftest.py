"""Shared by all tests: the table of injected faults (`pytest tests/faults --fault_table PATH.csv`)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Row:
    """One fault of the table, over all tests that inject it."""

    how: list[str] = field(default_factory=list)
    times: int = 0
    survived: int = 0
    seconds: float = 0.0


ROWS = pytest.StashKey[dict[int, Row]]()
TIMES = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault_table", type=Path, help="CSV of the faults that were injected and survived")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "fault(row, how): injects this row of the fault table, in this way; several may be given"
    )
    config.stash[ROWS] = {}


@pytest.fixture
def injected(request: pytest.FixtureRequest) -> Iterator[list[object]]:
    """To be appended to at every injection, where a test does more than one."""
    done: list[object] = []
    yield done
    request.node.stash[TIMES] = len(done)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.when == "call" and not report.skipped:
        item.stash[_REPORT] = report
    elif report.when == "teardown" and _REPORT in item.stash:
        called = item.stash[_REPORT]
        for mark in item.iter_markers("fault"):
            row = item.config.stash[ROWS].setdefault(mark.args[0], Row())
            times = item.stash.get(TIMES, 1)
            row.times += times
            row.survived += times if called.passed and report.passed else 0
            row.seconds += called.duration
            if mark.args[1] not in row.how:
                row.how.append(mark.args[1])
    return report


_REPORT = pytest.StashKey[pytest.TestReport]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows, path = config.stash[ROWS], config.getoption("--fault_table")
    if not rows or path is None:
        return
    terminalreporter.section("faults injected")
    lines = [
        (number, "; ".join(row.how), row.times, row.survived, round(row.seconds, 1))
        for number, row in sorted(rows.items())
    ]
    for number, how, times, survived, seconds in lines:
        terminalreporter.write_line(f"{number:>3}  {survived}/{times}  {seconds:>7.1f} s  {how}")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("row", "injected", "times", "survived", "seconds"), *lines])
