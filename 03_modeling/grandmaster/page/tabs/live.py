"""One training while it is at work: how far it is, its epochs, its last lines; stopped and gone on with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nicegui import run, ui

from grandmaster.page import processes
from grandmaster.page.desk import Desk
from grandmaster.page.places import REPORT, runs_in
from grandmaster.page.run_state import Curve, Live, Standing, read_curves, read_live, standing_of
from grandmaster.page.widgets import card, chip, heading, muted, safely

SECONDS = 2.0  # between two looks
TONES = {"running": "first", "finished": "good", "stopped": "warn", "failed": "bad", "starting": "first"}
COLOURS = ("#2f6fd6", "#d5731b", "#0f8f86", "#9a5bd0")


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look at a run found; `standing` is None before it has a folder and a process."""

    standing: Standing | None
    live: Live
    curves: tuple[Curve, ...]
    printed: tuple[str, ...]
    resumable: bool


def look_at(desk: Desk, name: str) -> Look:
    """Read how a run stands."""
    results = desk.application.results
    folder = results / name
    works = processes.process_of(results, name) is not None
    standing: Standing | None = "running" if works else None
    if folder.is_dir() and not works:
        standing = standing_of(desk.application, folder)
    return Look(
        standing=standing,
        live=read_live(folder),
        curves=tuple(read_curves(folder)),
        printed=tuple(processes.printed(results, name)),
        resumable=not works and standing != "finished" and (folder / "environment.json").is_file(),
    )


class LiveCard:
    """A card that keeps itself up to date."""

    def __init__(self, desk: Desk, name: str, on_end: Callable[[], Awaitable[None]] | None = None) -> None:
        """`on_end`: called once when the process has ended."""
        self._on_end, self._worked = on_end, False
        self._desk, self._name, self._say = desk, name, desk.say
        self._chart: tuple[ui.echart, ui.echart] | None = None
        self._curves: tuple[Curve, ...] = ()
        with card() as self._card:
            self._card.mark(f"live-{name}")
            with ui.row().classes("w-full items-center gap-2"):
                heading(name)
                self._chip = chip(self._say("live.starting"), "first").mark("standing")
                ui.space()
                self._stop = ui.button(
                    self._say("live.stop"), icon="stop", on_click=safely(self._say, self._end)
                )
                self._stop.props("outline dense color=negative").tooltip(self._say("live.stop_sure")).mark(
                    "stop"
                )
                self._resume = ui.button(
                    self._say("live.resume"), icon="play_arrow", on_click=safely(self._say, self._go_on)
                )
                self._resume.props("outline dense").mark("resume")
                self._report = ui.link(self._say("runs.report"), _report(name), new_tab=True).mark("report")
                self._report.classes("font-semibold")
            self._whole, self._task = _Bar(), _Bar()
            self._facts = muted("")
            self._charts = ui.element("div").classes("gm-split gm-fill")
            self._log = ui.expansion(self._say("live.log"), value=True).classes("w-full").props("dense")
            with self._log:
                self._lines = ui.label("").classes("gm-log").mark("log")
        ui.timer(SECONDS, self.update)
        ui.timer(0, self.update, once=True)

    async def update(self) -> None:
        """Look again."""
        found = await run.io_bound(look_at, self._desk, self._name)
        if found is None or self._card.is_deleted:
            return
        say, live = self._say, found.live
        word = found.standing or "failed"
        self._chip.set_text(say(f"runs.{word}"))
        self._chip.classes(replace=f"gm-chip {TONES[word]}")
        works = found.standing == "running"
        ended, self._worked = self._worked and not works, works
        if ended and self._on_end is not None:
            await self._on_end()
        self._stop.set_visibility(works)
        self._resume.set_visibility(found.resumable)
        self._report.set_visibility((self._desk.application.results / self._name / REPORT).is_file())
        left = say("live.left", eta=live.eta) if live.eta else ""
        self._whole.show(say("live.whole"), live.share if works else None, left)
        self._task.show(live.task, live.task_share if works and live.task else None, live.facts)
        stage = say("live.stage", stage=live.stage) if live.stage else ""
        memory = "" if live.memory_gb is None else say("live.memory", gb=f"{live.memory_gb:.1f}")
        self._facts.set_text(" · ".join(part for part in (stage, memory) if part) if works else "")
        # Where there is no log yet, or the command was refused, what it printed is all there is.
        failed = found.standing in (None, "failed") or not live.lines
        lines = found.printed if failed else live.lines
        self._lines.set_text("\n".join(lines))
        self._log.set_visibility(bool(lines))
        if found.curves != self._curves:
            self._curves = found.curves
            self._draw(found.curves[-1])

    def _draw(self, curve: Curve) -> None:
        say = self._say
        losses = {say("live.loss"): curve.train_loss, say("live.val_loss"): curve.val_loss}
        scores = {say("live.val_score"): curve.score, say("live.val_corrupted"): curve.corrupted}
        options = [_options(f"{curve.name}", curve.epochs, lines) for lines in (losses, scores)]
        if self._chart is None:
            with self._charts:
                first, second = (ui.echart(each).classes("w-full").style("height:230px") for each in options)
            self._chart = (first, second)
            return
        for chart, each in zip(self._chart, options, strict=True):
            chart.options.update(each)
            chart.update()

    def _end(self) -> None:
        if processes.stop(self._desk.application.results, self._name):
            ui.notify(self._say("live.stopping", name=self._name))

    async def _go_on(self) -> None:
        await run.io_bound(resume, self._desk, self._name)
        ui.notify(self._say("train.started", name=self._name))
        await self.update()


def resume(desk: Desk, name: str) -> None:
    """Start the command again that began a run.

    Raises:
        UserError: it is not stored, or a process works for it already.
    """
    folder: Path = desk.application.results / name
    flags = desk.application.stored_flags(folder)
    processes.start(desk.application, name, flags, desk.language)


class _Bar:
    """A line with a name, a bar, a percentage, and something said beside."""

    def __init__(self) -> None:
        with ui.column().classes("w-full gap-1") as self._all:
            with ui.row().classes("w-full justify-between no-wrap items-baseline"):
                self._name = ui.label("").classes("text-sm font-semibold")
                self._share = ui.label("").classes("gm-muted gm-num whitespace-nowrap")
            with ui.element("div").classes("gm-bar"):
                self._fill = ui.element("div").style("width:0%")
        self._all.set_visibility(False)

    def show(self, name: str, share: float | None, beside: str) -> None:
        """Hidden where no share is known."""
        self._all.set_visibility(share is not None)
        if share is None:
            return
        self._name.set_text(name)
        self._share.set_text("  ".join(part for part in (beside, f"{share:.0%}") if part))
        self._fill.style(f"width:{100 * share:.1f}%")


def _report(name: str) -> str:
    return f"/report/{quote(name, safe='')}"


def _options(
    title: str, epochs: tuple[int, ...], lines: dict[str, tuple[float | None, ...]]
) -> dict[str, Any]:
    """Of one chart; lines without a value are left out."""
    grey = "#8a93a2"
    axis = {"axisLabel": {"color": grey}, "splitLine": {"lineStyle": {"color": "#8a93a233"}}}
    return {
        "animation": False,
        "color": list(COLOURS),
        "title": {"text": title, "textStyle": {"fontSize": 13, "color": grey}, "left": 0},
        "legend": {"textStyle": {"color": grey}, "right": 0, "top": 0, "itemWidth": 14},
        "grid": {"left": 44, "right": 12, "top": 44, "bottom": 26},
        "tooltip": {"trigger": "axis"},
        "xAxis": {"type": "category", "data": [str(epoch) for epoch in epochs], "axisLabel": {"color": grey}},
        "yAxis": {"type": "value", "scale": True, **axis},
        "series": [
            {
                "name": name,
                "type": "line",
                "data": list(values),
                "showSymbol": len(epochs) < 20,
                "smooth": False,
            }
            for name, values in lines.items()
            if any(value is not None for value in values)
        ],
    }


def running(desk: Desk) -> list[str]:
    """Names of what is at work, and of the run that was asked for."""
    known = runs_in(desk.application.results)
    names = processes.at_work(desk.application.results, known)
    asked = [desk.run] if desk.run in known else []
    return list(dict.fromkeys([*asked, *names]))
