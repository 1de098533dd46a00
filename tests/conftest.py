"""Shared by all tests: the table of injected faults (`pytest -m fault --fault_table=PATH.csv`, also with `-n 2`)."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PROPERTY = "faults"
TIMES = pytest.StashKey[int]()
CALLED = pytest.StashKey[pytest.TestReport]()


@dataclass
class Row:
    """One fault of the table, over all tests that inject it."""

    how: list[str] = field(default_factory=list)
    times: int = 0
    survived: int = 0
    seconds: float = 0.0


class FaultTable:
    """Adds up what the reports of the tests carry: under pytest-xdist the tests run in other processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[int, Row] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "teardown":
            return
        for name, value in report.user_properties:
            if name == PROPERTY:
                self._add(*value)

    def _add(self, number: int, how: str, times: int, survived: int, seconds: float) -> None:
        row = self.rows.setdefault(number, Row())
        row.times += times
        row.survived += survived
        row.seconds += seconds
        if how not in row.how:
            row.how.append(how)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.rows:
            return
        terminalreporter.section("faults injected")
        lines = [
            (number, "; ".join(sorted(row.how)), row.times, row.survived, round(row.seconds, 1))
            for number, row in sorted(self.rows.items())
        ]
        for number, how, times, survived, seconds in lines:
            terminalreporter.write_line(f"{number:>3}  {survived}/{times}  {seconds:>7.1f} s  {how}")
        with self.path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([("row", "injected", "times", "survived", "seconds"), *lines])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault_table", help="CSV of the faults that were injected and survived")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "fault(row, how): injects this row of the fault table, in this way; several may be given"
    )
    path, is_worker = config.getoption("--fault_table"), hasattr(config, "workerinput")
    if path is not None and not is_worker:
        config.pluginmanager.register(FaultTable(Path(path)))


@pytest.fixture(autouse=True)
def _threads_of_torch(request: pytest.FixtureRequest) -> Iterator[None]:
    """Runs set torch's threads for the whole process; a test must not leave that to the next. Where nets are fitted
    directly, one thread: the nets are small, and what is equal to the bit is equal on one."""
    torch = sys.modules.get("torch")
    before = None if torch is None else torch.get_num_threads()
    if torch is not None and request.node.path.parent.name in ("training", "faults"):
        torch.set_num_threads(1)
    yield
    if torch is not None:
        torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _usual_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as without a terminal, wherever the tests were started."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def injected(request: pytest.FixtureRequest) -> Iterator[list[object]]:
    """To be appended to at every injection, where a test does more than one."""
    done: list[object] = []
    yield done
    request.node.stash[TIMES] = len(done)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """The last report of a test carries what the table says about it; a skipped test injects nothing."""
    report = yield
    if report.when == "call" and not report.skipped:
        item.stash[CALLED] = report
    elif report.when == "teardown" and CALLED in item.stash:
        called = item.stash[CALLED]
        times = item.stash.get(TIMES, 1)
        survived = times if called.passed and report.passed else 0
        report.user_properties += [
            (PROPERTY, [*mark.args, times, survived, called.duration]) for mark in item.iter_markers("fault")
        ]
    return report
