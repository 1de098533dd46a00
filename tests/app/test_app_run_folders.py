"""Runs named on a command line: what is wrong with one is said before anything heavy is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import app_fakes
import pytest

COMMANDS = {
    "compare_runs": ["unfinished", "unfinished"],
    "choose_final": ["unfinished"],
    "submit": ["unfinished"],
    "kaggle_bundle": ["--run", "unfinished", "--user", "me", "--competition", "waste"],
}


@pytest.mark.parametrize("program", COMMANDS)
def test_a_run_without_a_result_is_refused_before_torch_is_loaded(home: Path, program: str) -> None:
    (home / "runs" / "unfinished").mkdir(parents=True)
    (home / "runs" / "unfinished" / "config.json").write_text("{}")
    code = (
        f"import sys, pathlib, options, {program}\n"
        f"options.RESULTS_FOLDER = pathlib.Path({str(home / 'runs')!r})\n"
        f"ended = {program}.main({COMMANDS[program]!r})\n"
        "print(ended, 'torch' in sys.modules)\n"
    )
    end = subprocess.run(
        [sys.executable, "-c", code],
        env=app_fakes.run_environment(),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert end.stdout.split() == ["2", "False"], end.stderr
    assert "the run has not come to its end: no final_results.json" in end.stderr
