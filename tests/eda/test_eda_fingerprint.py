"""`make_fingerprint` over whole competitions."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cv2
import msgspec
import pytest
from eda_pictures import brighter, competition, count_decoded, document, photo, rotated, save

import grandmaster.eda.fingerprint as fingerprint_module
import grandmaster.eda.signature as signature_module
from grandmaster.config import InspectConfig
from grandmaster.eda.fingerprint import make_fingerprint
from grandmaster.eda.shift import describe_shift
from grandmaster.eda.statistics import NAMES
from grandmaster.errors import UserError
from grandmaster.progress import SilentProgress

CONFIG = InspectConfig()


class Recorder(SilentProgress):
    def __init__(self) -> None:
        self.calls: list[tuple[str, str, int]] = []

    def start(self, task: str, total: int) -> None:
        self.calls.append(("start", task, total))

    def advance(self, task: str, units: int = 1, **facts: str | int | float) -> None:
        self.calls.append(("advance", task, units))

    def finish(self, task: str, note: str = "") -> None:
        self.calls.append(("finish", task, 0))


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """12 training and 8 test pictures with one of everything that has to be noticed."""
    root = tmp_path_factory.mktemp("planted")
    for number in range(8):
        save(root / "train" / f"p{number}.jpg", photo(number), quality=92)
    save(root / "train" / "q0_again.jpg", brighter(photo(0), 1.05), quality=60)
    (root / "train" / "q1_copy.jpg").write_bytes((root / "train" / "p1.jpg").read_bytes())
    whole = (root / "train" / "p2.jpg").read_bytes()
    (root / "train" / "x_cut.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "train" / "x_empty.jpg").write_bytes(b"")
    for number in range(5):
        save(root / "test" / f"t{number}.jpg", rotated(photo(100 + number), 25), quality=92)
    (root / "test" / "u_leak.jpg").write_bytes((root / "train" / "p3.jpg").read_bytes())
    save(root / "test" / "u_near.jpg", photo(4), quality=50)
    (root / "test" / "v_text.jpg").write_text("this is no picture")
    train = {f"p{number}": number % 2 for number in range(8)}
    train |= {"q0_again": 0, "q1_copy": 0, "x_cut": 1, "x_empty": 1}
    test = [*(f"t{number}" for number in range(5)), "u_leak", "u_near", "v_text", "w_missing"]
    return competition(root, train, test)


def test_fingerprint_has_the_agreed_form(planted):
    progress = Recorder()
    fingerprint = make_fingerprint(planted, CONFIG, progress, threads=2)
    assert list(fingerprint) == [
        "analysis_size",
        "contents",
        "train",
        "test",
        "fill_value",
        "classes",
        "class_statistics",
        "unreadable",
        "odd",
        "duplicates",
        "seconds",
    ]
    assert fingerprint["analysis_size"] == 256
    assert fingerprint["fill_value"] == 255
    assert (fingerprint["train"]["count"], fingerprint["test"]["count"]) == (10, 7)
    for split in ("train", "test"):
        assert tuple(fingerprint[split]["statistics"]) == NAMES
        for summary in fingerprint[split]["statistics"].values():
            assert list(summary) == ["mean", "std", "q05", "q25", "q50", "q75", "q95"]
    assert fingerprint["classes"] == [
        {"index": 0, "label": "class 0", "name": "Class 0", "count": 6, "share": 0.5},
        {"index": 1, "label": "class 1", "name": "Class 1", "count": 6, "share": 0.5},
    ]
    assert msgspec.json.decode(msgspec.json.encode(fingerprint)) == fingerprint
    assert progress.calls == [
        ("start", "inspect", 21),
        *[("advance", "inspect", 1)] * 21,
        ("finish", "inspect", 0),
    ]


def test_planted_duplicates_conflicts_and_leaks_are_named(planted):
    assert make_fingerprint(planted, CONFIG, SilentProgress())["duplicates"] == {
        "exact": [["p1", "q1_copy"]],
        "near": [["p0", "q0_again"]],
        "groups": [["p0", "q0_again"], ["p1", "q1_copy"]],
        "label_conflicts": [["p1", "q1_copy"]],
        "across": [["p3", "u_leak"], ["p4", "u_near"]],
        "test_groups": [],
    }


def test_planted_duplicates_within_test_are_named(tmp_path):
    """Also those that a training picture stands for, and what is alike only by way of it."""
    for number in range(4):
        save(tmp_path / "train" / f"a{number}.png", photo(number))
    planted = {
        "copy0": photo(0),  # equal to a training picture, and to each other
        "copy0_again": photo(0),
        "near0": brighter(photo(0), 1.05),
        "own": photo(50),
        "own_again": photo(50),
        "own_near": brighter(photo(50), 0.95),
        "single": photo(60),
        "twice_only_with_train": photo(1),
    }
    for name, pixels in planted.items():
        save(tmp_path / "test" / f"{name}.png", pixels)
    made = competition(tmp_path, {f"a{number}": 0 for number in range(4)}, sorted(planted), suffix=".png")
    duplicates = make_fingerprint(made, CONFIG, SilentProgress())["duplicates"]
    assert duplicates["test_groups"] == [["copy0", "copy0_again", "near0"], ["own", "own_again", "own_near"]]
    assert duplicates["across"] == [
        ["a0", "copy0"],
        ["a0", "copy0_again"],
        ["a0", "near0"],
        ["a1", "twice_only_with_train"],
    ]
    assert duplicates["groups"] == []


def test_unreadable_pictures_are_listed_with_the_reason(planted):
    unreadable = make_fingerprint(planted, CONFIG, SilentProgress())["unreadable"]
    found = [(entry["split"], entry["id"], Path(entry["path"]).name) for entry in unreadable]
    assert found == [
        ("train", "x_cut", "x_cut.jpg"),
        ("train", "x_empty", "x_empty.jpg"),
        ("test", "v_text", "v_text.jpg"),
        ("test", "w_missing", "w_missing.jpg"),
    ]
    assert "truncated" in unreadable[0]["reason"]
    assert all(entry["reason"] for entry in unreadable)


def test_result_does_not_depend_on_threads_or_on_which_is_first(planted, monkeypatch):
    results = []
    look = fingerprint_module._look

    def slow_at_the_start(path: str, **options: Any):
        time.sleep(0.03 if Path(path).name.startswith("p") else 0.0)
        return look(path, **options)

    for threads in (1, 3, 8):
        fingerprint = make_fingerprint(planted, CONFIG, SilentProgress(), threads=threads)
        results.append(fingerprint)
        monkeypatch.setattr(fingerprint_module, "_look", slow_at_the_start)
    for fingerprint in results:
        assert fingerprint.pop("seconds") > 0
    assert results[0] == results[1] == results[2]


def test_opencv_threads_are_left_as_they_were(planted):
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        make_fingerprint(planted, CONFIG, SilentProgress())
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_each_picture_is_decoded_once(planted, monkeypatch):
    decoded = count_decoded(monkeypatch)
    make_fingerprint(planted, CONFIG, SilentProgress(), threads=1)
    assert len(decoded) == len(set(decoded)) == 20


def test_a_bug_in_a_thread_is_not_swallowed(planted, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(signature_module, "measure", broken)
    with pytest.raises(ZeroDivisionError):
        make_fingerprint(planted, CONFIG, SilentProgress())


@pytest.mark.parametrize(("fill", "expected"), [(0, 0), (255, 255)])
def test_fill_value_is_that_of_the_test_pictures(tmp_path, fill, expected):
    save(tmp_path / "train" / "a.jpg", photo(1))
    for number in range(3):
        save(tmp_path / "test" / f"{number}.jpg", rotated(photo(number), 30, fill))
    made = competition(tmp_path, {"a": 0}, ["0", "1", "2"])
    assert make_fingerprint(made, CONFIG, SilentProgress())["fill_value"] == expected


def test_rotated_test_set_is_described_as_shifted(tmp_path):
    for number in range(40):
        pixels = document(number) if number % 2 else photo(number)
        save(tmp_path / "train" / f"{number}.jpg", pixels)
        save(tmp_path / "test" / f"{number}.jpg", rotated(pixels, 10 + number * 2))
    ids = [str(number) for number in range(40)]
    made = competition(tmp_path, dict.fromkeys(ids, 0), ids)
    shifts = {s.name: s for s in describe_shift(make_fingerprint(made, CONFIG, SilentProgress()))}
    assert shifts["corner_fill"].size == "large"
    assert shifts["axis_alignment"].size == "large"
    assert shifts["axis_alignment"].difference < 0
    assert shifts["width"].size == "none"


def test_no_test_pictures_and_no_readable_training_picture(tmp_path):
    save(tmp_path / "train" / "a.jpg", photo(1))
    made = competition(tmp_path, {"a": 0}, [])
    fingerprint = make_fingerprint(made, CONFIG, SilentProgress())
    assert fingerprint["test"]["count"] == 0
    assert fingerprint["test"]["statistics"]["brightness"]["mean"] is None
    assert describe_shift(fingerprint) == []
    (tmp_path / "train" / "a.jpg").write_bytes(b"\xff\xd8 nothing")
    with pytest.raises(UserError, match=r"not one training picture can be read.*a\.jpg"):
        make_fingerprint(made, CONFIG, SilentProgress())
