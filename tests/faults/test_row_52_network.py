"""A run asks nothing of the network, unless weights from the hub were asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.app_fakes import run_environment
from faults.command import PROGRAM, arguments
from faults.forked import PATIENCE
from pipeline.small_competition import write_competition

pytestmark = pytest.mark.slow  # whole runs in processes of their own

# Put before everything that is imported: every name looked up and every address connected to is written down and refused.
# Sockets of this machine (AF_UNIX) are how processes talk.
WATCHMAN = """
import os, sys

def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto", "socket.sendmsg"):
        import socket
        if event.startswith("socket.get"):
            what = arguments[0]
        elif arguments[0].family == socket.AF_UNIX:
            return
        else:
            what = arguments[1]
        with open(os.environ["WATCHED"], "a") as file:
            file.write(f"{event} {what}\\n")
        raise OSError(101, "Network is unreachable")

sys.addaudithook(watch)
sys.argv = sys.argv[1:]
import runpy
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def watched(place: Path, *changes: str, **environment: str) -> tuple[int, str, list[str]]:
    """Exit code, all that was said, and what was asked of the network."""
    data = place / "squares"
    if not data.exists():
        write_competition(data)
    (place / "watchman.py").write_text(WATCHMAN)
    asked = place / "asked.txt"
    known = {name: value for name, value in run_environment().items() if name != "HF_HUB_OFFLINE"}
    ended = subprocess.run(
        [sys.executable, str(place / "watchman.py"), str(PROGRAM), *arguments(data, place, *changes)],
        env={**known, "WATCHED": str(asked), "HF_HOME": str(place / "hub"), **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return (
        ended.returncode,
        ended.stdout + ended.stderr,
        asked.read_text().splitlines() if asked.exists() else [],
    )


@pytest.mark.fault(52, "every socket refused in a whole run, imports and report included")
def test_row_52_nothing_is_asked_of_the_network(tmp_path):
    code, said, asked = watched(tmp_path, "hardware.workers=2", "folds.train=1", "training.epochs=1")
    assert asked == []
    assert code == 0, said
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.slow
@pytest.mark.fault(52, "weights of the hub asked for where every socket is refused")
def test_row_52_weights_of_the_hub_are_asked_for_and_missed_loudly(tmp_path):
    code, said, asked = watched(
        tmp_path,
        "model.pretrained=true",
        "folds.train=1",
        "training.epochs=1",
        HTTPS_PROXY="",
        https_proxy="",
    )
    assert asked, "the watchman sees what there is to see"
    assert all("huggingface" in line or "hf.co" in line for line in asked), asked
    assert code == 0, said
    assert "RANDOM" in said


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux"
    or os.geteuid() != 0
    or subprocess.run(["which", "unshare"], capture_output=True).returncode,
    reason="a network of one's own is not permitted",
)
@pytest.mark.fault(52, "a machine without any network device, not even its own address")
def test_row_52_a_machine_without_network(tmp_path):
    data = write_competition(tmp_path / "squares")
    command = [sys.executable, str(PROGRAM), *arguments(data, tmp_path, "folds.train=1", "training.epochs=1")]
    ended = subprocess.run(
        ["unshare", "-n", *command], env=run_environment(), capture_output=True, text=True, timeout=PATIENCE
    )
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "run" / "report.html").exists()
