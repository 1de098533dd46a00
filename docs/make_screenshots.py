"""Makes the pictures in docs/images, all from real runs: the terminal, a run's report, a comparison, the page.

    python docs/make_screenshots.py                                # all; trains three small runs, about half an hour on one core
    python docs/make_screenshots.py report comparison              # of runs that are there

Needs playwright, a Chromium, fonts for Korean (`fonts-noto-cjk`), pexpect and pyte. The runs are `quick`, `plain` and `fitted` of
training_results/, on the sample competition, which is made where data/ has none. What is finished is not trained
again, but for `quick`, which the pictures of the terminal are made of.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright
from terminal_pictures import Terminal

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
DATA, RESULTS = ROOT / "data" / "sample_competition", ROOT / "training_results"
PICTURES, TEST_PICTURES = 400, 160
PATIENCE = 600_000  # ms
LARGEST = 200_000  # bytes of a file
PORT = 8089
TABS = ("data", "models", "train", "runs", "predict", "submit")
LOOKS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "light", "locale": "en-US"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "locale": "ko-KR"},
}
TRAIN = "python 04_training/grandmaster_train.py"
SMALL = "--set hardware.threads=1"
QUICK = f"{TRAIN} --mode quick_test --experiment_name quick --set training.epochs=30 {SMALL}"
PLAN = f"{TRAIN} --mode full_training --vram 16 --dry_run {SMALL}"
COMPARED = {
    name: f"{TRAIN} --mode quick_test --experiment_name {name} --folds 3 --set model.image_size=64 "
    f"--set training.epochs=30 --set augmentation.policy={policy} {SMALL}"
    for name, policy in (("plain", "light"), ("fitted", "test_like"))
}
# Of the report: name of the picture, run, heading that it begins with, heading that it ends before, px at most.
PARTS = (
    ("top", "quick", "", "What to do next", 900),
    ("differences", "quick", "How test differs from train", "Can a classifier tell train from test?", 1000),
    ("shift", "quick", "What was done to the test pictures", "Classes", 690),
    ("plan", "quick", "Plan", "Augmentation of training pictures", 900),
    ("curves", "fitted", "Training", "Out of fold", 640),
    ("confusion", "fitted", "Confusion", "Most confused", 900),
    ("looks", "fitted", "Where the models look", "Surest of the right answers", 640),
    ("gains", "fitted", "What each technique was worth", "Technique", 760),
    ("time", "fitted", "Time", "Machine", 700),
)


def main() -> None:
    """Take what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{', '.join(TAKEN)} (default: all)")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    given = parser.parse_args()
    unknown = set(given.what) - TAKEN.keys()
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    IMAGES.mkdir(exist_ok=True)
    if not DATA.is_dir():
        make_sample()
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=given.chromium, args=["--no-sandbox"])
        for name in given.what or TAKEN:
            TAKEN[name](browser)
        browser.close()


def make_sample() -> None:
    """The sample competition, with few pictures."""
    words = [sys.executable, "-m", "grandmaster.competition.sample", "--out", str(DATA)]
    words += ["--images", str(PICTURES), "--test_images", str(TEST_PICTURES)]
    subprocess.run(words, check=True, env=os.environ | {"PYTHONPATH": str(ROOT / "03_modeling")})


# --- the terminal -------------------------------------------------------------------------------------------------


def take_terminal(browser: Any) -> None:
    """The menu, the system check, the plan, a run at work and at its end."""
    page = browser.new_page(viewport={"width": 1240, "height": 900}, device_scale_factor=1.5)

    def shot(name: str, terminal: Terminal, **cut: Any) -> None:
        page.set_content(terminal.html(**cut))
        save(page.locator("body").screenshot(), IMAGES / f"terminal_{name}.png")

    # A run that is finished has no live view: it is trained again.
    shutil.rmtree(RESULTS / "quick", ignore_errors=True)
    with Terminal(ROOT) as terminal:
        terminal.type(f"{QUICK}\r")
        terminal.wait_for(r"epoch 2\d/30|Done: quick", seconds=1800)
        shot("live", terminal, rows=26)
        terminal.wait_for("Done: quick", seconds=1800)
        terminal.settle(3)
        shot("end", terminal, first="Done: quick", last="╰")
    for name, language, question in (("menu", "en", "What next"), ("menu_ko", "ko", "무엇을 할까요")):
        with Terminal(ROOT, GRANDMASTER_LANG=language) as terminal:
            terminal.type("python 04_training/run_training.py\r")
            terminal.wait_for(question)
            terminal.settle(2)
            shot(name, terminal)
    with Terminal(ROOT) as terminal:
        terminal.command(f"{TRAIN} --mode debug")
        shot("debug", terminal, last=" to look at,")
    with Terminal(ROOT) as terminal:
        terminal.command(PLAN)
        shot("plan", terminal, first="Models x folds", last="  total")
        shot("policy", terminal, first="What is done to training pictures", last="on simulated pictures")


# --- the report and a comparison ----------------------------------------------------------------------------------


def train(command: str) -> None:
    """A run to its end, where it is not there yet."""
    name = re.search(r"--experiment_name (\S+)", command)
    assert name is not None
    if not (RESULTS / name[1] / "report.html").is_file():
        with Terminal(ROOT) as terminal:
            terminal.command(command, seconds=3600)


def take_report(browser: Any) -> None:
    """Parts of the reports of the quick test and of a run of three folds."""
    for command in (QUICK, COMPARED["fitted"]):
        train(command)
    page = browser.new_page(viewport={"width": 1168, "height": 900})
    for name, run, first, last, most in PARTS:
        page.goto((RESULTS / run / "report.html").as_uri())
        cut(page, first, last, most, IMAGES / f"report_{name}.png")


def take_comparison(browser: Any) -> None:
    """Two runs of the same folds that differ in their augmentation: the terminal's answer, and the page."""
    for command in COMPARED.values():
        train(command)
    page = browser.new_page(viewport={"width": 1240, "height": 900}, device_scale_factor=1.5)
    with Terminal(ROOT) as terminal:
        terminal.command(f"python 04_training/compare_runs.py {' '.join(COMPARED)}")
        page.set_content(terminal.html(last="All of it on a page"))
        save(page.locator("body").screenshot(), IMAGES / "terminal_compare.png")
    place = (RESULTS / "comparisons" / f"{'_vs_'.join(COMPARED)}.html").as_uri()
    page = browser.new_page(viewport={"width": 1168, "height": 900})
    page.goto(place)
    cut(page, "", "What differs", 1130, IMAGES / "comparison_top.png")
    cut(page, "Curves", "Class by class", 1000, IMAGES / "comparison_curves.png")
    cut(page, "Class by class", "Time", 700, IMAGES / "comparison_classes.png")
    page = browser.new_context(**LOOKS["phone"]).new_page()
    page.goto(place)
    save(page.screenshot(), IMAGES / "comparison_phone.png")


def cut(page: Any, first: str, last: str, most: int, path: Path) -> None:
    """What lies between two headings, the first with it; empty: from the top.

    Args:
        most: px at most; then it ends below the last line of a table, picture or paragraph that is whole.
    """
    # The line of links stays at the top of a window: here it would lie over the part.
    page.add_style_tag(content="nav { display: none !important; }")
    headings = page.evaluate(_PLACES, "h1, h2, h3")
    place = next((place for place, (text, *_) in enumerate(headings) if first and text == first), -1)
    assert first == "" or place >= 0, f"no heading {first!r}"
    # A section begins with a line, which is left out; a smaller heading is given some room.
    top = headings[place][1] + (8 if headings[place][3] == "H2" else -24) if first else 0
    end = next((top for text, top, *_ in headings[place + 1 :] if text == last), None)
    assert end is not None, f"no heading {last!r} behind {first!r}"
    room = 0
    if end - top > most:
        blocks = page.evaluate(_PLACES, "tr, .decisions > div, figure, p, li")
        end, room = 12 + max(bottom for _, _, bottom, _ in blocks if bottom <= top + most), 16
    clip = {"x": 0, "y": top, "width": 1168, "height": end - top - 12}
    save(page.screenshot(full_page=True, clip=clip), path, room=room)


# Text, upper and lower edge (px from the page's top), and kind of all elements that are shown.
_PLACES = """chosen => [...document.querySelectorAll(chosen)].map(e => {
    const box = e.getBoundingClientRect();
    return [e.innerText.trim(), box.top + scrollY, box.bottom + scrollY, e.tagName];
}).filter(([, top, bottom]) => bottom > top)"""


# --- the page -----------------------------------------------------------------------------------------------------


def take_page(browser: Any) -> None:
    """Every tab on a desktop in light colours, and on a phone in dark ones, in Korean."""
    train(QUICK)
    picture = sorted((DATA / "test").iterdir())[3]
    with served() as url:
        for look, settings in LOOKS.items():
            page = browser.new_context(**settings).new_page()
            page.set_default_timeout(PATIENCE)
            for tab in TABS:
                page.goto(f"{url}/?tab={tab}&run=quick")
                settle(page)
                if tab == "models":  # parameters are counted while the page is shown
                    page.wait_for_function("!document.querySelector('.gm-wide').innerText.includes('…')")
                if tab == "predict":
                    page.locator("input[type=file]").set_input_files(picture)
                    page.locator(".gm-shown").first.wait_for()
                    settle(page)
                save(page.screenshot(), IMAGES / f"page_{tab}_{look}.png")


@contextmanager
def served() -> Iterator[str]:
    """The page, in a process of its own."""
    url = f"http://127.0.0.1:{PORT}"
    words = [sys.executable, str(ROOT / "04_training" / "dashboard.py"), "--port", str(PORT)]
    process = subprocess.Popen(words, cwd=ROOT)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(url, timeout=5)
                break
            except OSError:
                time.sleep(1)
        yield url
    finally:
        process.terminate()
        process.wait()


def settle(page: Any) -> None:
    """Wait until nothing turns any more."""
    page.locator(".gm-wide .gm-card").first.wait_for()
    page.wait_for_timeout(3_000)
    page.wait_for_function("document.querySelectorAll('.gm-wide .q-spinner').length === 0")
    page.wait_for_timeout(2_000)


def save(screenshot: bytes, path: Path, *, room: int = 0) -> None:
    """With as many colours as fit into `LARGEST` bytes.

    Args:
        room: px of the page's colour below.
    """
    taken = Image.open(io.BytesIO(screenshot)).convert("RGB")
    picture = Image.new("RGB", (taken.width, taken.height + room), taken.getpixel((0, 0)))
    picture.paste(taken)
    for colours in (256, 128, 64, 32):
        buffer = io.BytesIO()
        # Large areas keep their colour exactly, and small marks theirs: neither does so alone.
        reduced = picture.quantize(
            colours, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE
        )
        reduced.save(buffer, "PNG", optimize=True)
        if buffer.tell() <= LARGEST:
            break
    path.write_bytes(buffer.getvalue())
    print(f"{path.name}: {buffer.tell() / 1000:.0f} kB")


TAKEN = {"terminal": take_terminal, "report": take_report, "comparison": take_comparison, "page": take_page}

if __name__ == "__main__":
    main()
