"""The table of runs, their reports, and two or more of them compared."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from nicegui import ui

from grandmaster.page.comparing import Compared, compare_all
from grandmaster.page.desk import Desk
from grandmaster.page.run_state import RunLine, all_runs
from grandmaster.page.widgets import (
    card,
    chip,
    filled,
    heading,
    interval,
    lead,
    muted,
    note,
    number,
    table,
)
from grandmaster.report.run_comparison import comparison_cells
from grandmaster.report.texts import speaker as report_speaker

FIRST = 30  # runs that are shown at once
TONES = {"running": "first", "finished": "good", "stopped": "warn", "failed": "bad"}


def build(desk: Desk) -> None:
    """The tab."""
    say = desk.say
    with ui.row().classes("w-full items-center justify-between no-wrap"):
        lead(say("runs.lead"))
        ui.button(icon="refresh", on_click=lambda: desk.go("runs")).props("flat dense round").tooltip(
            say("page.again")
        )
    compared = ui.column().classes("w-full gm-fill")
    place = ui.column().classes("w-full")
    ui.timer(
        0,
        partial(filled, place, say, partial(all_runs, desk.application), partial(_show, desk, compared)),
        once=True,
    )


def _show(desk: Desk, compared: ui.column, lines: list[RunLine]) -> None:
    say = desk.say
    if not lines:
        note(say("runs.none"))
        return
    picked: list[str] = []
    with ui.row().classes("w-full items-center gap-4"):
        names = sorted({line.competition for line in lines if line.competition})
        chosen = (
            ui.select({"": say("page.any"), **{name: name for name in names}}, value="", label=say("runs.of"))
            .props("outlined dense")
            .classes("min-w-[200px]")
        )

        async def compare() -> None:
            if len(picked) < 2:
                ui.notify(say("runs.compare_hint"))
                return
            work = partial(compare_all, desk.application.results, tuple(picked), desk.language)
            await filled(compared, say, work, partial(_comparison, desk))

        button = ui.button(say("runs.compare", count=0), icon="compare_arrows", on_click=compare)
        button.props("outline").mark("compare")
        muted(say("runs.first"))
    rows = ui.column().classes("w-full gap-3")
    shown = FIRST

    def pick(name: str, on: bool) -> None:
        picked[:] = [other for other in picked if other != name] + ([name] if on else [])
        button.set_text(say("runs.compare", count=len(picked)))

    def fill() -> None:
        rows.clear()
        fitting = [line for line in lines if chosen.value in ("", line.competition)]
        with rows:
            for line in fitting[:shown]:
                _row(desk, line, partial(pick, line.name), picked=line.name in picked)
            if len(fitting) > shown:
                ui.button(say("page.more", count=len(fitting) - shown), on_click=more).props("flat")

    def more() -> None:
        nonlocal shown
        shown += FIRST
        fill()

    chosen.on_value_change(fill)
    fill()


def _row(desk: Desk, line: RunLine, pick: partial[None], *, picked: bool) -> None:
    say = desk.say
    with (
        ui.element("div").classes("gm-card").mark(f"run-{line.name}"),
        ui.element("div").classes("gm-run"),
    ):
        box = ui.checkbox(value=picked, on_change=lambda event: pick(bool(event.value)))
        box.tooltip(say("runs.pick")).mark(f"pick-{line.name}")
        box.set_enabled(line.score is not None)
        with ui.column().classes("gap-1 min-w-0"):
            with ui.row().classes("items-center gap-2"):
                ui.label(line.name).classes("gm-name")
                chip(say(f"runs.{line.standing}"), TONES[line.standing])
            muted(" · ".join(part for part in (line.competition, line.mode, ", ".join(line.models)) if part))
        with ui.column().classes("gap-0 gm-score"):
            _score(desk, line)
        with ui.row().classes("gap-2 gm-acts no-wrap"):
            if line.reported:
                link = ui.link(say("runs.report"), f"/report/{quote(line.name, safe='')}", new_tab=True)
                link.classes("font-semibold").mark(f"report-{line.name}")
            if line.explored:
                ui.link(
                    say("runs.explored"), f"/exploration/{quote(line.name, safe='')}", new_tab=True
                ).classes("font-semibold")
            if line.standing != "finished":

                def look() -> None:
                    desk.run = line.name
                    desk.go("train")

                ui.button(say("runs.look"), on_click=look).props("outline dense").mark(f"look-{line.name}")


def _score(desk: Desk, line: RunLine) -> None:
    if line.score is None:
        return
    with ui.row().classes("items-baseline gap-2"):
        ui.label(number(line.score.value)).classes("gm-big")
        ui.label(interval(line.score.low, line.score.high)).classes("gm-muted gm-num")
    muted(desk.say("runs.score", metric=line.score.title))
    if line.corrupted is not None:
        words = f"{number(line.corrupted.value)} {desk.say('runs.corrupted')}"
        ui.label(words).classes("gm-muted gm-num")


def _comparison(desk: Desk, found: Compared) -> None:
    say, said = desk.say, report_speaker(desk.language)
    columns = ["compare.on", "compare.before", "compare.after", "compare.gain", "compare.bootstrap"]
    columns += ["compare.corrected", "compare.ahead", "compare.verdict"]
    with card():
        for one in found.pairs:
            heading(f"{one.first} → {one.second}")
            ui.label(one.sentence_in(said)).mark("verdict")
            rows = [("clean", one.clean), ("corrupted", one.corrupted)]
            table(
                [say(column) for column in columns],
                [
                    [say(f"compare.{name}"), *comparison_cells(each, said)]
                    for name, each in rows
                    if each is not None
                ],
            )
            for note in one.notes:
                muted(f"{note.said(said)}.")
        if len(found.pairs) > 1:
            muted(say("runs.many", count=len(found.pairs)))
        link = ui.link(say("compare.page"), f"/comparison/{quote(found.page, safe='')}", new_tab=True)
        link.classes("font-semibold").mark("comparison-page")
