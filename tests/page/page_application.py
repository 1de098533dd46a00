"""An application for the page whose commands are as small as a test wants them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grandmaster.errors import UserError
from grandmaster.page.application import Application, ModeText

ROOT = Path(__file__).resolve().parents[2]


def no_sample(_: Any) -> Path:
    raise AssertionError("nobody asked for the sample")


def application(folder: Path, **changes: Any) -> Application:
    """Runs in `folder/runs`, data in `folder/data`; commands that end at once."""

    def find() -> Sequence[Path]:
        found = sorted(path for path in (folder / "data").glob("*") if path.is_dir())
        if not found:
            raise UserError("no competition found")
        return found

    whole: dict[str, Any] = {
        "root": folder,
        "train": (sys.executable, "-c", "print('trained')"),
        "plan": (sys.executable, "-c", "print('planned')"),
        "results": folder / "runs",
        "data": (),
        "find_competitions": find,
        "modes": (
            ModeText(
                name="quick_test",
                title={"en": "Quick", "ko": "빠름"},
                about={"en": "", "ko": ""},
                trains=True,
            ),
        ),
        "presets": {},
        "weights_dir": None,
        "check": lambda flags: None,
        "stored_flags": lambda run: ["--experiment_name", run.name],
        "fixes_file": lambda run: folder / "label_fixes.csv",
        "experiment_name": lambda data, mode: f"{data.name}_{mode}",
        "make_sample": no_sample,
        "finished": "run finished",
    }
    return Application(**(whole | changes))
