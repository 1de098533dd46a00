"""Whoever reads what a run says goes away (row 50), or the terminal is closed (row 51). The pipeline behind is a slow one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app import app_fakes
from faults.forked import hear_signals_from_the_start

pytestmark = [
    pytest.mark.slow,  # whole runs in processes of their own
    pytest.mark.skipif(sys.platform == "win32", reason="no such signals, no such terminals"),
]
INTERRUPTED = 130


@pytest.fixture
def home(tmp_path: Path) -> Path:
    app_fakes.make_competition(tmp_path / "data" / "toy")
    return tmp_path


def command(home: Path, *flags: str) -> list[str]:
    return [sys.executable, app_fakes.__file__, str(home), "train", "--mode", "quick_test", *flags]


def wait_for(log: Path, text: str) -> None:
    """The time limit of tests ends it otherwise."""
    while not (log.is_file() and text in log.read_text()):
        time.sleep(0.05)


def ignores(pid: int, number: int) -> bool:
    """Whether a process (Linux) will never hear a signal."""
    shown = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(shown["SigIgn"], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("both", [False, True], ids=["| head -n 0", "2>&1 | head -n 0"])
@pytest.mark.fault(
    50, "the reading end of standard output closed from the beginning, and that of standard error, too"
)
def test_row_50_a_run_goes_on_without_a_reader(home, both):
    reading, writing = os.pipe()
    process = subprocess.Popen(
        command(home),
        env=app_fakes.run_environment(),
        stdout=writing,
        stderr=writing if both else subprocess.PIPE,
        preexec_fn=hear_signals_from_the_start,
    )
    os.close(reading)
    os.close(writing)
    error = b"" if process.stderr is None else process.stderr.read()
    if process.stderr is not None:
        process.stderr.close()
    assert process.wait() == 0, error
    assert error == b""
    log = (home / "runs/toy_quick_test/train.log").read_text()
    assert log.splitlines()[-1].endswith("run finished")
    assert "a message [with brackets]" in log


@pytest.mark.fault(51, "SIGHUP, and SIGHUP where nohup said to ignore it")
def test_row_51_sighup_ends_as_ctrl_c_does_unless_it_is_ignored(home):
    log = home / "runs/toy_quick_test/train.log"
    process = subprocess.Popen(
        command(home),
        env=app_fakes.run_environment(FAKE_BEHAVIOUR="slow"),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_signals_from_the_start,
    )
    wait_for(log, "a message")
    process.send_signal(signal.SIGHUP)
    _, error = process.communicate()
    assert process.returncode == INTERRUPTED
    assert "Resume with:" in error
    assert log.read_text().splitlines()[-1].endswith("interrupted")
    log.unlink()
    ignoring = ["nohup", *command(home)]
    process = subprocess.Popen(
        ignoring,
        env=app_fakes.run_environment(FAKE_BEHAVIOUR="slow"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=hear_signals_from_the_start,
    )
    wait_for(log, "a message")
    process.send_signal(signal.SIGHUP)
    if sys.platform == "linux":
        assert ignores(process.pid, signal.SIGHUP)
    else:
        time.sleep(1)  # enough for a signal that is not ignored
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == INTERRUPTED
    assert "interrupted" in log.read_text()


@pytest.mark.fault(51, "the terminal of a live view closed while it is at work")
def test_row_51_a_closed_terminal(home):
    import pty

    log = home / "runs/toy_quick_test/train.log"
    pid, terminal = pty.fork()
    if pid == 0:
        hear_signals_from_the_start()
        environment = app_fakes.run_environment(FAKE_BEHAVIOUR="slow", TERM="xterm", COLUMNS="120")
        os.execve(sys.executable, command(home), environment)
    wait_for(log, "a message")
    shown = b""
    while b"train tiny fold 0" not in shown:  # the live view; the time limit of tests ends it otherwise
        shown += os.read(terminal, 65536)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == INTERRUPTED, log.read_text()
    assert log.read_text().splitlines()[-1].endswith("interrupted")
