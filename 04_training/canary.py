"""`--canary`: leaks are provoked on purpose, and a table says whether any got through."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import data_loader
from messages import text
from options import CHECK_FAILED, DONE, Settings

if TYPE_CHECKING:
    from rich.table import Table

    from grandmaster.pipeline.canaries import Canary

_SIGNS = {"alive": ("✓", "green"), "dead": ("✗", "bold red"), "no power": ("▲", "yellow")}


def run_canaries(settings: Settings) -> int:
    """Run every canary on a part of the competition, or on one made for it where none is given; exit code.

    Nothing is written but into a temporary folder that is removed.
    """
    from grandmaster.pipeline.canaries import CANARIES, Ground
    from grandmaster.pipeline.canaries import run_canaries as each
    from grandmaster.pipeline.canary_data import write_made_up
    from utils import make_console

    console = make_console()
    with tempfile.TemporaryDirectory(prefix="grandmaster_canary_") as place:
        if settings.data_path is None:
            data, shown = write_made_up(Path(place) / "made_up"), text("canary.made_up")
        else:
            data = data_loader.one_competition(data_loader.find_competitions(settings.data_path))
            shown = data_loader.shown(data)
        ground = Ground(data_path=data, config=settings.config, place=Path(place) / "runs")
        console.print(text("canary.begin", count=len(CANARIES), data=shown), soft_wrap=True, markup=False)
        found = []
        for canary in each(ground):
            found.append(canary)
            sign, style = _SIGNS[canary.outcome]
            console.print(f"{sign} {canary.name}: {canary.outcome}", style=style)
    console.print(canary_table(found))
    alive = all(canary.outcome == "alive" for canary in found)
    console.print(
        text("canary.alive" if alive else "canary.dead"),
        style="green" if alive else "bold red",
        soft_wrap=True,
    )
    return DONE if alive else CHECK_FAILED


def canary_table(found: list[Canary]) -> Table:
    """Each with what was planted, what was measured, and what would have been noticed."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_lines=True)
    table.add_column(text("canary.canary"), no_wrap=True)
    table.add_column(text("canary.what"), ratio=2, overflow="fold")
    table.add_column(text("canary.result"), ratio=4, overflow="fold")
    for canary in found:
        sign, style = _SIGNS[canary.outcome]
        result = Text.assemble((canary.outcome, style), f": {canary.result}\n", (canary.power, "dim"))
        table.add_row(Text(f"{sign} {canary.name}", style=style), Text(canary.what), result)
    return table
