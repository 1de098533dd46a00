"""Predicts with a bundle as Kaggle would: nothing but its own code, no network, read-only input, a larger hidden test set."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from grandmaster.competition.csv_files import read_table
from grandmaster.competition.table import Competition
from grandmaster.texts import counted
from kaggle_infer import REPORT
from kaggle_names import folder_bytes

# Put before everything that is imported: every name that is looked up, every address that is connected to, and every file
# below INPUT that is opened for writing, made, renamed or removed, is written down and refused. AF_UNIX sockets are how
# processes talk; what was imported is written down at the end.
GUARD = """
import atexit, os, runpy, sys

INPUT, ASKED = os.environ["GUARDED_INPUT"], os.environ["GUARD_LOG"]
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
NETWORK = ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto", "socket.sendmsg")
CHANGING = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")

def note(text):
    with open(ASKED, "a") as file:
        file.write(text + "\\n")

def inside(path):
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    return isinstance(path, (str, os.PathLike)) and os.path.realpath(path).startswith(INPUT + os.sep)

def watch(event, arguments):
    if event in NETWORK:
        import socket
        if event.startswith("socket.get"):
            what = arguments[0]
        elif arguments[0].family == socket.AF_UNIX:
            return
        else:
            what = arguments[1]
        note(f"network: {event} {what}")
        raise OSError(101, "Network is unreachable")
    if event == "open" and arguments[2] is not None and arguments[2] & WRITING and inside(arguments[0]):
        note(f"write: {arguments[0]}")
        raise OSError(30, "Read-only file system")
    if event in CHANGING and any(map(inside, arguments[:2])):
        note(f"write: {event} {arguments[0]}")
        raise OSError(30, "Read-only file system")

def modules():
    with open(ASKED + ".modules", "w") as file:
        for module in list(sys.modules.values()):
            if (path := getattr(module, "__file__", None)) is not None:
                file.write(path + "\\n")

sys.addaudithook(watch)
atexit.register(modules)
sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class NotProven(RuntimeError):
    """The bundle does not do what it should; says what was seen."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What was seen.

    Attributes:
        times: how many times the test pictures were copied; 1: they could not be, and are themselves.
    """

    rows: int
    pictures: int
    times: int
    models: int
    seconds: float
    peak_gb: float
    megabytes: float
    gave_up: tuple[str, ...]

    def lines(self) -> list[str]:
        """For people."""
        larger = (
            f"{self.times} times the test set, under new ids" if self.times > 1 else "the test set as it is"
        )
        return [
            f"Proven: {counted(self.rows, 'row')} of {counted(self.pictures, 'picture')} ({larger}) through the gate, by {counted(self.models, 'model')}, "
            f"in {self.seconds:.0f} s on this machine, {self.peak_gb:.1f} GB of memory at most; the dataset has "
            f"{self.megabytes:.1f} MB.",
            "  Only the bundle's code was imported, nothing was asked of the network, nothing was written to the input.",
            *(f"  note: {line}" for line in self.gave_up),
        ]


def prove(dataset: Path, competition: Competition, *, times: int, minutes: float) -> Proof:
    """Predict in a process of its own, with an empty home and an environment of nothing but PATH.

    Raises:
        NotProven: it ended with an error, asked for the network, wrote to its input, took code from elsewhere, or its
            submission has not the rows that were asked for.
    """
    with tempfile.TemporaryDirectory(prefix="kaggle_proof_") as name:
        place = Path(name).resolve()
        attached = place / "input"
        bundle, data = attached / dataset.name, attached / "competition"
        shutil.copytree(dataset, bundle, copy_function=_linked)
        pictures, copied = hidden_test(competition, data, times)
        started = time.perf_counter()
        out = _carry_out(place, bundle, data, attached, minutes)
        seconds = time.perf_counter() - started
        told = json.loads((out / REPORT).read_text(encoding="utf-8"))
        rows = len(pd.read_csv(out / "submission.csv", dtype=str))
        wanted = len(read_table(data / _sample_name(competition, data)))
        if rows != wanted:
            raise NotProven(f"the submission has {rows} rows, {wanted} were asked for")
    return Proof(
        rows=rows,
        pictures=pictures,
        times=copied,
        models=len(told["members"]),
        seconds=seconds,
        peak_gb=told["peak_gb"],
        megabytes=folder_bytes(dataset) / 2**20,
        gave_up=tuple(told["gave_up"]),
    )


def _carry_out(place: Path, bundle: Path, data: Path, attached: Path, minutes: float) -> Path:
    """Run the inference under guard; the folder of what it wrote."""
    guard, log, out, home = place / "guard.py", place / "asked.txt", place / "working", place / "home"
    guard.write_text(GUARD, encoding="utf-8")
    for folder in (out, home):
        folder.mkdir()
    program = bundle / "code" / "04_training" / "kaggle_infer.py"
    flags = [
        "--bundle",
        str(bundle),
        "--data",
        str(data),
        "--out",
        str(out / "submission.csv"),
        "--minutes",
        str(minutes),
    ]
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(home),
        "GUARDED_INPUT": str(attached),
        "GUARD_LOG": str(log),
        "PYTHONDONTWRITEBYTECODE": "1",
        **{
            name: os.environ[name]
            for name in ("OMP_NUM_THREADS", "TMPDIR", "SYSTEMROOT")
            if name in os.environ
        },
    }
    command = [sys.executable, "-s", str(guard), str(program), *flags]
    try:
        ended = subprocess.run(
            command, env=environment, cwd=out, capture_output=True, text=True, timeout=60 * minutes + 120
        )
    except subprocess.TimeoutExpired:
        raise NotProven(f"it had not ended two minutes after its limit of {minutes:g}") from None
    asked = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    if asked:
        raise NotProven(f"it asked for what Kaggle does not give: {'; '.join(asked[:3])}")
    if ended.returncode != 0:
        raise NotProven(
            f"it ended with code {ended.returncode}: {(ended.stderr or ended.stdout).strip()[-2000:]}"
        )
    loaded = Path(f"{log}.modules").read_text(encoding="utf-8").splitlines()
    own = [path for path in loaded if f"{os.sep}grandmaster{os.sep}" in path]
    foreign = [path for path in own if not Path(path).resolve().is_relative_to(bundle)]
    if not own or foreign:
        raise NotProven(
            f"it took code from elsewhere: {', '.join(foreign[:3]) or 'none of its own was used'}"
        )
    return out


def hidden_test(competition: Competition, target: Path, times: int) -> tuple[int, int]:
    """A copy of the competition whose test pictures are `times` copies of those there are, under new ids.

    Where several pictures make up a row of the submission, or none can be found by its id, they stay as they are.

    Returns:
        How many test pictures there are, and how many times they were copied.
    """
    test, root = competition.test, competition.root
    shutil.copytree(root, target, copy_function=_linked)
    if not (test["id"] == test["row"]).all() or not all(Path(path).is_file() for path in test["path"]):
        return len(test), 1
    tables = [path for path in target.glob("*.csv") if path.name == _sample_name(competition, target)]
    tables += [path for path in target.glob("test*.csv") if path not in tables]
    for number in range(times):
        for path in test["path"]:
            old = target / Path(path).relative_to(root)
            _linked(old, old.with_name(_new(old.name, number)))
    for path in test["path"]:
        (target / Path(path).relative_to(root)).unlink()
    for table in tables:
        known = read_table(table)
        if competition.id_column not in known.columns:
            continue
        copies = [
            known.assign(
                **{competition.id_column: [_new(one, number) for one in known[competition.id_column]]}
            )
            for number in range(times)
        ]
        table.unlink()  # it may be a link to the competition's own
        pd.concat(copies).to_csv(table, index=False)
    return len(test) * times, times


def _new(name: str, number: int) -> str:
    """An id, or a file's name: before its last part, the number of the copy."""
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}copy{number}_{last}"


def _sample_name(competition: Competition, folder: Path) -> str:
    """The table with the columns of the sample submission and its number of rows."""
    columns = list(competition.sample_submission.columns)
    fitting = [
        path.name for path in sorted(folder.glob("*.csv")) if list(read_table(path).columns) == columns
    ]
    return next((name for name in fitting if "sample" in name.lower()), fitting[0] if fitting else "")


def _linked(source: object, target: object) -> object:
    """A second name of a file, or a copy where that cannot be."""
    try:
        os.link(str(source), str(target))
    except OSError:
        shutil.copyfile(str(source), str(target))
    return target
