"""The table in README.md and the marks of the tests say the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


def listed() -> dict[int, list[str]]:
    """Row -> the test files that it names."""
    lines = (TESTS / "faults" / "README.md").read_text(encoding="utf-8").splitlines()
    rows = [re.fullmatch(r"\| (\d+) \|.*\|([^|]*)\|", line) for line in lines]
    return {int(row[1]): re.findall(r"`([^`]+)`", row[2]) for row in rows if row}


def marked() -> dict[int, set[str]]:
    """Row -> the test files with a test that injects it."""
    found: dict[int, set[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
                row = ast.literal_eval(node.args[0])
                found.setdefault(row, set()).add(str(path.relative_to(TESTS)))
    return found


def test_every_row_has_a_test_where_it_says():
    rows, marks = listed(), marked()
    assert len(rows) > 60
    wrong = [
        (row, file)
        for row, files in rows.items()
        for file in files or ["none"]
        if file not in marks.get(row, ())
    ]
    assert not wrong


def test_every_mark_has_a_row():
    assert not set(marked()) - set(listed())


def test_how_a_fault_is_injected_is_always_said(request: pytest.FixtureRequest):
    for item in request.session.items:
        for mark in item.iter_markers("fault"):
            number, how = mark.args
            assert isinstance(number, int), item.nodeid
            assert len(how) > 5, item.nodeid
