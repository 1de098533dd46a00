"""`--time_limit`: how it is written, what is shown of it, and what ends a run that does not end by itself."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import app_fakes
import pytest
from app_fakes import RESULTS, FakePipeline
from rich.console import Console

import grandmaster_train
import live_view
import utils
from grandmaster.errors import UserError
from screens import summary_panel
from time_limit import process_start, read_time_limit, watchdog


@pytest.mark.parametrize(
    ("written", "minutes"),
    [
        ("9h", 540),
        ("45m", 45),
        ("90s", 1.5),
        ("1h30m", 90),
        ("1h30m30s", 90.5),
        ("0.5h", 30),
        (" 2H ", 120),
    ],
)
def test_written_times(written: str, minutes: float) -> None:
    assert read_time_limit(written) == pytest.approx(minutes)


@pytest.mark.parametrize(
    "written", ["", "9", "540", "h", "9 hours", "1m30", "30m1h", "-9h", "1e3s", "1h 30m"]
)
def test_what_is_no_time_is_one_clear_error(written: str) -> None:
    with pytest.raises(UserError, match=r"is no length of time \(in --time_limit\). .*9h, 45m, 1h30m, 90s"):
        read_time_limit(written)


def test_times_in_which_nothing_can_be_done_are_refused() -> None:
    with pytest.raises(UserError, match="2s is too short"):
        read_time_limit("2s")
    with pytest.raises(UserError, match="0h is too short"):
        read_time_limit("0h")


def test_only_what_trains_has_a_limit(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert grandmaster_train.main(["--mode", "explore", "--time_limit", "9h"]) == 2
    assert "not for --mode explore" in capsys.readouterr().err


def test_the_limit_counts_from_the_start_of_the_process(
    pipeline: FakePipeline, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["grandmaster_train.py", "--mode", "quick_test", "--time_limit", "9h"])
    assert grandmaster_train.main() == 0
    started = pipeline.runs[-1].started
    assert started == pytest.approx(process_start(), abs=0.5)
    # From a menu, or a test, the process may be older than the command.
    assert grandmaster_train.main(["--mode", "quick_test", "--time_limit", "9h"]) == 0
    assert pipeline.runs[-1].started == pytest.approx(time.monotonic(), abs=5)


def test_process_start_sees_the_imports() -> None:
    code = "import time; time.sleep(0.4)\nfrom time_limit import process_start\nprint(time.monotonic() - process_start())"
    end = subprocess.run(
        [sys.executable, "-c", code],
        env=app_fakes.run_environment(),
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert 0.4 < float(end.stdout) < 20


def test_a_run_that_hangs_is_ended_within_its_limit(home: Path) -> None:
    """The fake pipeline sleeps for a minute; the submission that it wrote before is named."""
    (home / "runs/toy_quick_test").mkdir(parents=True)
    (home / "runs/toy_quick_test/submission_toy_quick_test.csv").write_text("ID,target\n")
    began = time.monotonic()
    end = subprocess.run(
        [
            *(sys.executable, app_fakes.__file__, str(home), "train"),
            *("--mode", "quick_test", "--time_limit", "5s"),
        ],
        env=app_fakes.run_environment(FAKE_BEHAVIOUR="slow"),
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert time.monotonic() - began < 5 + 3  # the limit counts from main(): this is no process of its own
    assert end.returncode == 4
    assert "The time limit was reached" in end.stderr
    assert "stands: " in end.stderr
    assert "submission_toy_quick_test.csv" in end.stderr
    assert end.stderr.strip().splitlines()[-1].endswith("--time_limit 5s")
    assert "Traceback" not in end.stderr


def test_one_that_cannot_even_reach_python_is_ended() -> None:
    """As a library that holds the interpreter's lock: no thread gets to run."""
    code = (
        "import re, time\nfrom time_limit import watchdog\n"
        "with watchdog(time.monotonic() + 1.5, lambda: 'never said', 4):\n"
        "    re.match(r'(a+)+$', 'a' * 60 + 'b')\n"  # matching does not give the lock away
    )
    began = time.monotonic()
    end = subprocess.run(
        [sys.executable, "-c", code],
        env=app_fakes.run_environment(),
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert time.monotonic() - began < 6
    assert end.returncode == 1
    assert "Timeout" in end.stderr


def test_a_run_that_ends_in_time_is_left_alone() -> None:
    with watchdog(time.monotonic() + 0.7, lambda: "", 4):
        pass
    time.sleep(0.9)


def test_lines_and_panel_show_the_time_to_the_limit() -> None:
    now = [100.0]
    stream = io.StringIO()
    console = Console(file=stream, width=100)
    view = live_view.PlainView(console, utils.RunLog(None), clock=lambda: now[0], ends=700.0)
    view.start("train", 10)
    now[0] = 160.0
    view.advance("train", 1)
    assert "9m 00s to the limit" in stream.getvalue()
    live = live_view.LiveView(console, utils.RunLog(None), title="t", clock=lambda: now[0], ends=700.0)
    console.print(live.render())
    assert "elapsed 0s · 9m 00s to the limit" in stream.getvalue()
    assert live_view.PlainView(console, utils.RunLog(None)).to_limit() == ""


def test_the_end_says_what_was_given_up() -> None:
    limited: dict[str, Any] = {"limit_seconds": 720.0, "used_seconds": 700.0, "gave_up": ["6 of 7 models"]}

    def shown(time: dict[str, Any]) -> str:
        console = Console(file=io.StringIO(), width=100)
        console.print(summary_panel({**RESULTS, "time": time}, Path("x")))
        return console.file.getvalue()  # type: ignore[attr-defined]

    assert "11m 40s of 12m 00s; changed for the limit:" in shown(limited)
    assert "6 of 7 models" in shown(limited)
    assert "11m 40s of 12m 00s; nothing was given up" in shown({**limited, "gave_up": []})
