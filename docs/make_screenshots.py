"""Makes the pictures of the page in docs/images: every tab on a desktop in light colours, and on a phone in dark ones.

Needs playwright, a Chromium, and fonts for Korean (`fonts-noto-cjk`). Start the page first, on data that may be shown:

    make demo
    python 04_training/dashboard.py
    python docs/make_screenshots.py --run demo --picture data/sample_competition/test/<any>.jpg
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).resolve().parent / "images"
TABS = ("data", "models", "train", "runs", "predict", "submit")
PATIENCE = 600_000  # ms
LARGEST = 200_000  # bytes of a file
LOOKS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "light", "locale": "en-US"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "locale": "ko-KR"},
}


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--run", required=True, help="a finished run")
    parser.add_argument("--picture", type=Path, required=True, help="what is predicted")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    given = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=given.chromium, args=["--no-sandbox"])
        for look, settings in LOOKS.items():
            page = browser.new_context(**settings).new_page()
            page.set_default_timeout(PATIENCE)
            for tab in TABS:
                page.goto(f"{given.url}/?tab={tab}&run={given.run}")
                settle(page)
                if tab == "predict":
                    page.locator("input[type=file]").set_input_files(given.picture)
                    page.locator(".gm-shown").first.wait_for()
                    settle(page)
                save(page.screenshot(), IMAGES / f"page_{tab}_{look}.png")
        browser.close()


def settle(page: Any) -> None:
    """Wait until nothing turns any more."""
    page.locator(".gm-wide .gm-card").first.wait_for()
    page.wait_for_timeout(3_000)
    page.wait_for_function("document.querySelectorAll('.gm-wide .q-spinner').length === 0")
    page.wait_for_timeout(2_000)


def save(screenshot: bytes, path: Path) -> None:
    """With as many colours as fit into `LARGEST` bytes."""
    picture = Image.open(io.BytesIO(screenshot)).convert("RGB")
    for colours in (256, 128, 64, 32):
        buffer = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= LARGEST:
            break
    path.write_bytes(buffer.getvalue())
    print(f"{path.name}: {buffer.tell() / 1000:.0f} kB")


if __name__ == "__main__":
    main()
