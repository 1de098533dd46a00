"""The page in a real browser: a training from the first click to a board score, with no request to anywhere else."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import data_loader
from grandmaster.page.processes import process_of
from pipeline.small_competition import SETTINGS, write_competition

pytest.importorskip("nicegui")
playwright = pytest.importorskip("playwright.sync_api")

PATIENCE = 900_000  # ms: the machine may be busy with other things
EPOCHS = 150  # of a training that is stopped on its way
CHROMIUM = next(
    (
        path
        for path in map(Path, ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"))
        if path.exists()
    ),
    None,
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(true: Callable[[], object]) -> None:
    """Wait for it."""
    end = time.monotonic() + PATIENCE / 1000
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)


def ask(port: int, path: str, host: str | None = None) -> int:
    """Status of a request whose path is sent as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.putrequest("GET", path, skip_host=True)
        connection.putheader("Host", host or f"127.0.0.1:{port}")
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A page of its own, in a process of its own."""
    write_competition(tmp_path / "squares")
    (tmp_path / "secret.html").write_text("secret")
    number = free_port()
    flags = [
        "--port",
        str(number),
        "--runs",
        str(tmp_path / "runs"),
        "--data_path",
        str(tmp_path / "squares"),
    ]
    with (tmp_path / "page.log").open("wb") as log:
        page = subprocess.Popen(
            [sys.executable, str(data_loader.ROOT / "04_training" / "dashboard.py"), *flags],
            cwd=tmp_path,
            # NiceGUI would take the page for one of its own tests.
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        end = time.monotonic() + PATIENCE / 1000
        while True:
            try:
                assert ask(number, "/") == 200
                break
            except OSError:
                assert page.poll() is None, (tmp_path / "page.log").read_text()
                assert time.monotonic() < end, "the page did not open"
                time.sleep(0.5)
        yield number
    finally:
        page.terminate()
        page.wait(60)


@pytest.fixture
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        try:
            found = started.chromium.launch(
                executable_path=str(CHROMIUM) if CHROMIUM else None, args=["--no-sandbox"]
            )
        except playwright.Error as error:
            pytest.skip(f"no Chromium: {str(error).splitlines()[0]}")
        yield found
        found.close()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_from_the_first_click_to_a_board_score(port: int, browser: Any, tmp_path: Path) -> None:
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    asked: list[str] = []
    wrong: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"http://127.0.0.1:{port}/?tab=train")

    # Train.
    page.get_by_text("More", exact=True).click()
    page.get_by_label("More settings").fill("\n".join([*SETTINGS, "folds.train=1", "training.epochs=1"]))
    page.get_by_label("Name of the experiment").fill("clicked")
    page.get_by_role("button", name="Show plan").click()
    page.get_by_text("The plan", exact=True).wait_for()
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_text("finished", exact=True).wait_for()
    page.get_by_text("run finished").wait_for()
    assert page.locator("canvas").count() == 2  # the curves of the epochs

    # Runs, and the report, which loads nothing else.
    page.get_by_role("tab", name="Runs").click()
    page.get_by_text("cross-validated macro F1").wait_for()
    with context.expect_page() as opened:
        page.get_by_role("link", name="Report").click()
    opened.value.wait_for_load_state()
    assert "clicked" in opened.value.title()
    opened.value.close()

    # Predict.
    page.get_by_role("tab", name="Predict").click()
    page.locator("input[type=file]").set_input_files(tmp_path / "squares" / "test" / "test003.png")
    page.get_by_text("1 model, 2 views", exact=True).wait_for()
    assert page.locator("img.gm-shown").count() >= 1

    # Submit.
    page.get_by_role("tab", name="Submit").click()
    page.get_by_text("submission_clicked.csv").wait_for()
    page.get_by_label("Public score").fill("0.8765")
    page.get_by_role("button", name="Note the score").click()
    page.get_by_role("cell", name="0.8765").wait_for()
    assert ",0.8765," in (tmp_path / "runs" / "LEADERBOARD.csv").read_text()
    page.get_by_role("button", name="Choose").click()
    page.get_by_text("There is no other run").wait_for()

    # Data and models.
    page.get_by_role("tab", name="Data").click()
    page.get_by_text("48 to train on, 18 to predict").wait_for()
    page.get_by_text("Every file can be read.").wait_for()
    page.get_by_role("tab", name="Models").click()
    page.get_by_label("Search").fill("D-FINE")
    page.get_by_text("1 of ").wait_for()
    page.get_by_role("button", name="Guide").click()
    page.get_by_text("dfine_x does not support full_training").first.wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="한국어").click()
    page.get_by_role("tab", name="실행 기록").wait_for()

    assert wrong == []
    ours = (f"http://127.0.0.1:{port}/", f"ws://127.0.0.1:{port}/", "data:", "blob:")
    assert [url for url in asked if not url.startswith(ours)] == []

    # Nothing else of the disk, and nobody else.
    for path in (
        "/report/../secret.html",
        "/report/..%2fsecret.html",
        "/report/..",
        "/report/%2e%2e",
        "/report/nobody",
        "/submission/clicked/..%2f..%2fsecret.html",
        "/submission/clicked/config.json",
        "/_nicegui/../../secret.html",
    ):
        assert ask(port, path) == 404, path
    assert ask(port, "/submission/clicked/submission_clicked.csv") == 200
    assert ask(port, "/", host="evil.example") == 403
    assert not (tmp_path / ".nicegui").exists()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_training_is_stopped_and_goes_on_where_it_was(port: int, browser: Any, tmp_path: Path) -> None:
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{port}/?tab=train")
    run = tmp_path / "runs" / "halted"
    epochs = run / "fold_0" / "test_resnet" / "metrics.jsonl"
    stop, resume = (page.get_by_role("button", name=name, exact=True) for name in ("Stop", "Resume"))
    report = page.get_by_role("link", name="Report")

    # So many epochs that it is still at work when it is stopped.
    page.get_by_text("More", exact=True).click()
    settings = [*SETTINGS, "folds.train=1", f"training.epochs={EPOCHS}", "training.patience=0"]
    page.get_by_label("More settings").fill("\n".join(settings))
    page.get_by_label("Name of the experiment").fill("halted")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_text("running", exact=True).wait_for()
    until(lambda: epochs.is_file() and epochs.read_bytes().count(b"\n") >= 3)
    stop.wait_for()
    resume.wait_for(state="hidden")
    works = process_of(run.parent, "halted")
    assert works is not None

    stop.click()
    page.get_by_text("halted is ending.").wait_for()
    page.get_by_text("stopped", exact=True).wait_for()
    stop.wait_for(state="hidden")
    resume.wait_for()
    report.wait_for(state="hidden")
    page.locator(".gm-log").filter(has_text="interrupted").wait_for()
    assert not works.is_running()
    assert (run / "train.log").read_text().splitlines()[-1].endswith("interrupted")
    assert "Resume with:" in (run.parent / ".page" / "halted.txt").read_text()
    assert not (run / "final_results.json").exists()
    asked, before = (run / "config.json").read_bytes(), epochs.read_bytes().splitlines()
    assert 3 <= len(before) < EPOCHS

    resume.click()
    page.get_by_text("halted has started.").wait_for()
    page.get_by_text("running", exact=True).wait_for()
    resume.wait_for(state="hidden")
    page.get_by_text("finished", exact=True).wait_for()
    page.get_by_text("run finished").wait_for()
    report.wait_for()
    stop.wait_for(state="hidden")
    resume.wait_for(state="hidden")
    after = epochs.read_bytes().splitlines()
    assert after[: len(before)] == before, "no epoch is trained a second time"
    assert [json.loads(line)["epoch"] for line in after] == list(range(1, EPOCHS + 1))
    assert (run / "config.json").read_bytes() == asked
    log = (run / "train.log").read_text()
    assert log.count("interrupted") == 1
    assert log.rstrip().endswith("run finished")
    assert (run / "submission_halted.csv").is_file()
    page.get_by_role("tab", name="Runs").click()
    page.get_by_text("cross-validated macro F1").wait_for()
