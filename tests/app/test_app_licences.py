"""The licence of pretrained weights is shown at the end of a run."""

from __future__ import annotations

from pathlib import Path

import app_fakes
from rich.console import Console

from screens import summary_panel


def shown(*models: dict[str, object]) -> str:
    score = {"fold": 0, "score": 0.9, "score_corrupted": 0.79, "gap": 0.11, "minutes": 1.0}
    results = app_fakes.RESULTS | {"models": [score | model for model in models]}
    console = Console(width=140)
    with console.capture() as captured:
        console.print(summary_panel(results, Path("runs/toy")))
    return captured.get()


def test_each_backbones_licence_is_shown_once_and_what_it_forbids() -> None:
    free = {"backbone": "swin_large", "licence": "mit", "non_commercial": False}
    bound = {"backbone": "resnext101_32x32d", "licence": "cc-by-nc-4.0", "non_commercial": True}
    text = shown(free, free | {"fold": 1}, bound)
    assert text.count("swin_large  mit") == 1
    assert "resnext101_32x32d  cc-by-nc-4.0 ▲ not for commercial use" in text
    assert text.count("not for commercial use") == 1


def test_a_random_start_has_no_licence_to_show() -> None:
    assert "licence" not in shown({"backbone": "tiny", "licence": "", "non_commercial": False})
    assert "licence" not in shown({"backbone": "tiny"})  # results of an older run
