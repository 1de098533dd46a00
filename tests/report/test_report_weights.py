"""The report says which weights a model started from, under which licence, and what was adapted of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec

from grandmaster.competition.table import Competition
from grandmaster.models.adaptation import Adaptation
from grandmaster.report.html import write_report

CHANGED = Adaptation(
    classes=(1000, 5), channels=(3, 6), resized={"pos_embed": ((1, 577, 8), (1, 145, 8))}, loaded=10, body=12
)


def page(finished: Path, competition: Competition, place: Path, **facts: object) -> str:
    folder = Path(shutil.copytree(finished, place / "run"))
    path = folder / "plan.json"
    plan = json.loads(path.read_text())
    plan["models"][0] |= facts
    path.write_text(json.dumps(plan))
    return write_report(folder, competition).read_text(encoding="utf-8")


def test_licence_and_adaptation_are_on_the_page(
    finished: Path, competition: Competition, tmp_path: Path
) -> None:
    html = page(
        finished, competition, tmp_path, licence="apache-2.0", adaptation=msgspec.to_builtins(CHANGED)
    )
    assert "<small>licence: apache-2.0</small>" in html
    assert "not for commercial use" not in html
    for part in (
        "classifier 1,000 -&gt; 5 outputs, new",
        "first layer 3 -&gt; 6 channels, repeated and scaled by 0.5",
        "pos_embed 1x577x8 -&gt; 1x145x8, resized",
        "10 of 12 tensors of the body loaded",
    ):
        assert part in html


def test_a_licence_that_forbids_commercial_use_stands_out(
    finished: Path, competition: Competition, tmp_path: Path
) -> None:
    html = page(finished, competition, tmp_path, licence="cc-by-nc-4.0")
    assert '<span class="warn">cc-by-nc-4.0, not for commercial use</span>' in html


def test_a_plan_of_before_says_nothing_of_it(
    finished: Path, competition: Competition, tmp_path: Path
) -> None:
    assert "<small>licence:" not in page(finished, competition, tmp_path)
