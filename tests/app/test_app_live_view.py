"""Both views of a run, and the log."""

from __future__ import annotations

import io
import re
import threading
from pathlib import Path

import pytest
from rich.console import Console

from live_view import LINE_EVERY, LiveView, PlainView, format_facts
from utils import RunLog, duration, make_console


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def plain_view(log: RunLog | None = None) -> tuple[PlainView, io.StringIO, Clock]:
    stream, clock = io.StringIO(), Clock()
    return PlainView(Console(file=stream, width=120), log or RunLog(None), clock=clock), stream, clock


def test_plain_lines_start_every_10_seconds_finish() -> None:
    view, stream, clock = plain_view()
    view.expect({"train a fold 0": 200.0, "train a fold 1": 200.0})
    view.start("train a fold 0", 200)
    for step in range(1, 101):
        clock.now += 1.0
        view.advance("train a fold 0", 1, epoch=f"{1 + step // 50}/4", loss=0.123456)
    view.finish("train a fold 0", "macro F1 0.912")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1 + 100 // int(LINE_EVERY) + 1
    assert all(re.match(r"\d\d:\d\d:\d\d . ", line) for line in lines)
    assert lines[0].endswith("train a fold 0: started")
    middle = lines[5]
    for part in (" 25%", "epoch 2/4", "loss 0.1235", "2m 30s left", "ETA 5m 50s", "whole run 12%"):
        assert part in middle
    assert lines[-1].endswith("train a fold 0: macro F1 0.912 (1m 40s)")


def test_a_message_is_shown_as_it_is() -> None:
    view, stream, _ = plain_view()
    view.message("3 pictures [a/b.jpg] :smile: are broken", "warn")
    assert "▲ 3 pictures [a/b.jpg] :smile: are broken" in stream.getvalue()


def test_many_short_tasks_do_not_flood() -> None:
    view, stream, clock = plain_view()
    view.start("inspect", 10_000)
    for _ in range(10_000):
        clock.now += 0.0015
        view.advance("inspect")
    assert len(stream.getvalue().splitlines()) == 1 + int(15 // LINE_EVERY)


def test_live_panel_shows_tasks_and_the_whole_run() -> None:
    clock = Clock()
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    view = LiveView(console, RunLog(None), title="toy [x]", clock=clock)
    view.expect({"train a fold 0": 100.0, "train a fold 1": 100.0})
    view.start("train a fold 0", 100)
    for _ in range(50):
        clock.now += 1.0
        view.advance("train a fold 0", 1, epoch="1/2", macro_f1=0.87654)
    with console.capture() as capture:
        console.print(view.render())
    shown = capture.get()
    for part in ("toy [x]", "train a fold 0", "50/100", "epoch 1/2", "macro f1 0.8765", "50%", "50s left"):
        assert part in shown
    for part in ("whole run", "0 of 2 tasks", "25%", "2m 30s left", "elapsed 50s"):
        assert part in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_live_view_leaves_the_finished_lines_behind_and_logs_all(tmp_path: Path) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=100, force_terminal=True, color_system=None)
    log = tmp_path / "train.log"
    with LiveView(console, RunLog(log), title="toy") as view:
        view.start("inspect", 2)
        view.advance("inspect", 2)
        view.finish("inspect", "2 pictures")
        view.message("look at [this]", "warn")
    assert "✓ inspect: 2 pictures" in stream.getvalue()
    assert "▲ look at [this]" in stream.getvalue()
    assert "inspect: started" not in stream.getvalue()
    for part in ("inspect: started", "inspect: 2 pictures", "look at [this]"):
        assert part in log.read_text()


def test_log_waits_for_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "run" / "train.log"
    log = RunLog(path)
    log.write("first")
    assert not path.parent.exists()
    path.parent.mkdir()
    log.write("second\nthird")
    lines = path.read_text().splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == ["first", "second", "third"]
    RunLog(path).write("a later run")
    assert len(path.read_text().splitlines()) == 4


def test_a_full_disk_does_not_end_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "train.log"
    folder.mkdir()  # a folder in the log's place cannot be written either
    RunLog(folder).write("lost")
    assert list(folder.iterdir()) == []


def test_facts() -> None:
    facts = {"epoch": "3/8", "loss": 0.41239, "learning_rate": 3e-5, "images": 12}
    assert format_facts(facts) == "epoch 3/8  loss 0.4124  learning rate 3e-05  images 12"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (59.4, "59s"),
        (59.6, "1m 00s"),
        (125, "2m 05s"),
        (7620, "2h 07m"),
        (97200, "1d 03h"),
        (-3, "0s"),
    ],
)
def test_duration(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_narrow_encoding_does_not_end_the_run() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    make_console(stream).print("✓ 완료")
    stream.flush()
    assert raw.getvalue() == b"? ??\n"


def test_a_line_is_shown_while_the_panel_is_drawn() -> None:
    """The live view holds its own lock while it draws; who shows a line must not hold the one that drawing waits for."""

    class Drawing(LiveView):
        drawn = 0

        def _show(self, text: str, level: str, transient: bool) -> None:
            thread = threading.Thread(target=self.render, daemon=True)
            thread.start()
            thread.join(20)
            self.drawn += not thread.is_alive()

    now = [0.0]
    view = Drawing(Console(file=io.StringIO()), RunLog(None), title="toy", clock=lambda: now[0])
    view.start("task", 10)
    now[0] = LINE_EVERY + 1
    view.advance("task", 1)
    view.message("said")
    view.finish("task")
    assert view.drawn == 4
