"""Files are whole or absent."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from grandmaster.errors import UserError
from grandmaster.storage import digest, read_json, write_atomic, write_csv, write_json

ROOT = Path(__file__).resolve().parent.parent
FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from grandmaster.errors import UserError
from grandmaster.storage import write_atomic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomic(Path(sys.argv[1]), b"x" * 5000)
except UserError as error:
    print(error)
else:
    sys.exit("nothing was raised")
"""


def test_json_takes_what_numpy_returns(tmp_path):
    class Point(msgspec.Struct):
        x: float

    value = {
        "bool": np.bool_(True),
        "int": np.int64(3),
        "float": np.float32(0.5),
        "array": np.arange(2),
        "nan": math.nan,
        "inf": np.float64("inf"),
        "path": Path("a/b"),
        "struct": Point(1.0),
        3: (1, {2}),
    }
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == {
        "bool": True,
        "int": 3,
        "float": 0.5,
        "array": [0, 1],
        "nan": None,
        "inf": None,
        "path": "a/b",
        "struct": {"x": 1.0},
        "3": [1, [2]],
    }


@pytest.mark.fault(30, "a limit of file size while a file is replaced")
def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "state.bin"
    write_atomic(path, b"old")
    # A file size limit holds for a whole process: the full disk of a child.
    child = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, env={"PYTHONPATH": "03_modeling"}, cwd=ROOT, check=False
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    assert "what was there before is untouched" in child.stdout
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.bin"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write.*file/x\.json"):
        write_json(tmp_path / "file" / "x.json", {})


@pytest.mark.parametrize(
    ("text", "message"), [(None, "missing"), ("{", "not valid JSON"), ("", "not valid JSON")]
)
def test_bad_json_is_one_clear_error(tmp_path, text, message):
    path = tmp_path / "plan.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read_json(path)
    assert str(path) in str(error.value)


def test_csv_is_plain(tmp_path):
    write_csv(tmp_path / "a.csv", pd.DataFrame({"id": ["=1+1", "001"], "x": [1, 2]}))
    assert (tmp_path / "a.csv").read_bytes() == b"id,x\n=1+1,1\n001,2\n"


def test_digest_sees_values_not_the_order_of_keys():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    assert digest([1, 2]) != digest([2, 1])


def test_content_that_is_written_into_the_open_file_is_whole_or_absent(tmp_path):
    path = tmp_path / "a.bin"
    write_atomic(path, lambda file: [file.write(part) for part in (b"one ", b"two")])
    assert path.read_bytes() == b"one two"

    def half(file):
        file.write(b"half")
        raise RuntimeError("lost on the way")

    with pytest.raises(RuntimeError, match="lost on the way"):
        write_atomic(path, half)
    assert path.read_bytes() == b"one two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]
