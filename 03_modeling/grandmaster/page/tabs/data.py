"""A competition's data: what was found, what its pictures are like, which labels may be wrong."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from nicegui import run, ui

from grandmaster.language import Say
from grandmaster.page import processes
from grandmaster.page.data_view import DataView, Measured, accept_suspects, is_certain, view_data
from grandmaster.page.desk import Desk
from grandmaster.page.places import competitions_of
from grandmaster.page.tabs.live import LiveCard
from grandmaster.page.tabs.train import offer_sample
from grandmaster.page.widgets import (
    bar,
    card,
    filled,
    heading,
    lead,
    muted,
    note,
    safely,
    table,
    thumb,
    thumbs,
)
from grandmaster.report.groups import Group
from grandmaster.report.suspects import Suspects
from grandmaster.report.values import number, shift, size

MOST_CLASSES = 40


def build(desk: Desk) -> None:
    """The tab."""
    lead(desk.say("data.lead"))
    place = ui.column().classes("w-full gap-4")
    work = partial(
        filled, place, desk.say, partial(competitions_of, desk.application), partial(_choose, desk)
    )
    ui.timer(0, work, once=True)


def _choose(desk: Desk, competitions: dict[str, Path]) -> None:
    say = desk.say
    if not competitions:
        offer_sample(desk, "data")
        return
    if desk.competition not in competitions:
        desk.competition = next(iter(competitions))
    live = ui.column().classes("w-full gm-fill")
    found = ui.column().classes("w-full gap-4")
    show_found = partial(_show, desk)

    async def look() -> None:
        folder = competitions[desk.competition]
        await filled(found, say, partial(view_data, desk.application, folder, desk.language), show_found)

    async def choose(name: str) -> None:
        desk.competition = name
        await look()

    def watch(name: str) -> None:
        live.clear()
        with live:
            LiveCard(desk, name, on_end=look)

    async def explore() -> None:
        folder = competitions[desk.competition]
        name = desk.application.experiment_name(folder, "explore")
        flags = ["--mode", "explore", "--data_path", str(folder), "--experiment_name", name]
        await run.io_bound(processes.start, desk.application, name, flags, desk.language)
        watch(name)

    with ui.row().classes("w-full items-center gap-4") as row:
        names = {name: name for name in competitions}
        select = ui.select(
            names,
            value=desk.competition,
            label=say("train.data"),
            on_change=lambda event: choose(str(event.value)),
        )
        select.props("outlined dense").classes("min-w-[240px]")
        ui.button(say("data.explore"), icon="travel_explore", on_click=safely(say, explore)).props("outline")
        muted(say("data.explore_hint"))
    row.move(target_index=0)
    for name, folder in competitions.items():
        exploration = desk.application.experiment_name(folder, "explore")
        if name == desk.competition and processes.process_of(desk.application.results, exploration):
            watch(exploration)
    ui.timer(0, look, once=True)


def _show(desk: Desk, view: DataView) -> None:
    say = desk.say
    _found(say, view)
    if view.measured is None:
        note(say("data.not_yet"), "warn")
    else:
        _shift(say, view.measured)
        _side_by_side(say, view.measured)
        _duplicates(say, view.measured)
    with card():
        heading(say("data.suspects"))
        if view.suspects is None:
            muted(say("data.suspects_later"))
        else:
            _suspects(desk, *view.suspects)


def _found(say: Say, view: DataView) -> None:
    competition = view.competition
    with ui.element("div").classes("gm-split"):
        with card():
            heading(say("data.found"))
            pictures = {"train": f"{len(competition.train):,}", "test": f"{len(competition.test):,}"}
            ui.label(say("data.pictures", **pictures)).classes("gm-name")
            form = competition.submission_format.replace("_", " ")
            columns = ", ".join((competition.id_column, *competition.target_columns[:6]))
            table(
                ["", ""],
                [
                    [say("data.layout"), competition.layout],
                    [say("data.kind"), competition.kind],
                    [say("data.metric"), f"{competition.metric}: {competition.metric_reason}"],
                    [say("data.submission"), f"{form} ({columns})"],
                ],
                wide=(1,),
            )
            if view.measured is not None:
                _broken(say, view.measured)
            with ui.expansion(say("data.read_as")).classes("w-full").props("dense"):
                for line in competition.understood:
                    muted(line)
        if view.classes:
            with card():
                heading(f"{say('data.classes')}: {len(view.classes)}")
                _classes(say, view.classes)


def _classes(say: Say, classes: tuple[tuple[str, int], ...]) -> None:
    most = max((count for _, count in classes), default=0) or 1
    with ui.element("div").classes("gm-classes"):
        for name, count in classes[:MOST_CLASSES]:
            ui.label(name).classes("text-sm")
            bar(count / most)
            ui.label(f"{count:,}").classes("gm-muted gm-num text-right")
    if len(classes) > MOST_CLASSES:
        muted(say("page.more", count=len(classes) - MOST_CLASSES))


def _broken(say: Say, measured: Measured) -> None:
    section = measured.section
    if not section.unreadable_count:
        note(say("data.no_broken"), "good")
        return
    note(say("data.broken", count=section.unreadable_count), "bad")
    table(
        ["", "", ""],
        [[one.split, one.id, one.reason or ""] for one in section.unreadable],
        wide=(1, 2),
    )


def _shift(say: Say, measured: Measured) -> None:
    with card():
        with ui.row().classes("w-full justify-between items-baseline"):
            heading(say("data.shift"))
            muted(say("data.from", name=measured.name))
        told = measured.told_apart
        if told is not None and told.auc is not None:
            values = {"auc": number(told.auc), "low": number(told.low), "high": number(told.high)}
            ui.label(say("data.auc", **values))
        for sentence in measured.sentences:
            ui.label(sentence).classes("text-sm")
        if not measured.sentences and not measured.kinds:
            muted(say("data.alike"))
        if measured.kinds:
            table(
                [say("data.done_to"), say("data.share"), say("data.strength")],
                [
                    [
                        kind.title,
                        "" if kind.found.share is None else f"{kind.found.share:.0%}",
                        "; ".join(f"{text} {kind.unit} ({share:.0f}%)" for text, share in kind.strengths),
                    ]
                    for kind in measured.kinds
                ],
                wide=(2,),
            )
        with ui.expansion(say("data.statistic")).classes("w-full").props("dense"):
            table(
                [say(f"data.{name}") for name in ("statistic", "train", "test", "difference")],
                [
                    [
                        row.name,
                        *(
                            (size if row.is_bytes else number)(value)
                            for value in (row.train_mean, row.test_mean)
                        ),
                        f"{shift(row.shift)} ({row.strength_text})",
                    ]
                    for row in measured.section.statistics
                ],
            )


def _side_by_side(say: Say, measured: Measured) -> None:
    with card():
        heading(say("data.side_by_side"))
        with ui.element("div").classes("gm-split"):
            for key, pictures in (
                ("train", measured.section.train_examples),
                ("test", measured.section.test_examples),
            ):
                with ui.column().classes("gap-2 w-full"):
                    muted(say(f"data.{key}"))
                    thumbs(pictures)
        if measured.like_test:
            muted(say("data.like_test"))
            thumbs(measured.like_test)


def _duplicates(say: Say, measured: Measured) -> None:
    section = measured.section
    with card():
        heading(say("data.duplicates"))
        ui.label(
            say(
                "data.duplicates_counts",
                exact=section.exact.count,
                near=section.near.count,
                across=section.across.count,
                within=section.within_test.count,
            )
        )
        _groups(measured.across)
        if section.conflict_count:
            note(say("data.conflicts", count=section.conflict_count), "warn")
            _groups(section.conflicts)


def _groups(groups: tuple[Group, ...]) -> None:
    with ui.row().classes("gap-4"):
        for group in groups:
            with ui.row().classes("gap-2 no-wrap"):
                for picture in group.pictures:
                    with ui.element("div").style("width:104px"):
                        thumb(picture.picture, picture.caption, title=picture.id)


def _suspects(desk: Desk, name: str, found: Suspects) -> None:
    say = desk.say
    if not found.count:
        note(say("data.suspects_none"), "good")
        return
    judged = "?" if found.judged is None else f"{found.judged:,}"
    muted(say("data.suspects_hint", count=f"{found.count:,}", judged=judged, name=name))
    ticked: set[str] = set()

    async def accept() -> None:
        done = await run.io_bound(accept_suspects, desk.application, name, frozenset(ticked))
        if done is not None:
            words = say("data.accepted", added=done[0], count=len(ticked), file=done[1].name)
            ui.notify(words, type="positive")

    button = ui.button(say("data.accept", count=0), icon="done_all", on_click=safely(say, accept))

    def tick(picture: str, on: bool) -> None:
        (ticked.add if on else ticked.discard)(picture)
        button.set_text(say("data.accept", count=len(ticked)))

    with ui.element("div").classes("gm-thumbs gm-suspects"):
        for one in found.shown:
            with ui.element("div").classes("gm-thumb"):
                if one.picture:
                    ui.element("img").props["src"] = one.picture
                ui.label(say("data.wrong", label=one.label)).classes("cap").tooltip(one.suspect.id)
                if not is_certain(one.suspect):
                    ui.label(say("data.undecided")).classes("cap")
                    continue
                picture = one.suspect.id
                ui.checkbox(
                    say("data.right", label=one.suggested),
                    on_change=lambda event, picture=picture: tick(picture, bool(event.value)),
                ).props("dense size=sm").classes("text-sm")
    button.move(target_index=-1)
