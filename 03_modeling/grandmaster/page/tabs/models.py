"""Cards about the models there are, filters, and a drawer with the guide to one of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_args

import torch
from nicegui import run, ui

from grandmaster.models.registry import ENTRIES, ModelEntry, Task
from grandmaster.models.registry.modes import mode_warnings, recommend
from grandmaster.models.registry.user_file import added_models
from grandmaster.page.desk import Desk
from grandmaster.page.model_cards import (
    MODES,
    Filters,
    ModelCard,
    count,
    fits,
    guide_of,
    least_memory,
    make_cards,
    passing,
)
from grandmaster.page.places import competitions_of
from grandmaster.page.widgets import chip, filled, lead, muted, note, safely

# Counted once for all pages: seconds for the parameters of a large model, up to a minute for its memory.
_PARAMETERS: dict[str, int] = {}
_MEMORY: dict[str, float] = {}
SIGNS = {"recommended": "★", "supported": "✓", "discouraged": "▲", "refused": "✗"}
LICENCES = ("apache-2.0", "mit", "cc-by-nc", "agpl")


@dataclass(kw_only=True)
class _Shown:
    """What is on the tab now, and what was asked for."""

    desk: Desk
    cards: list[ModelCard]
    added: dict[str, ModelEntry]
    wanted: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, ui.label] = field(default_factory=dict)


def build(desk: Desk) -> None:
    """The tab."""
    lead(desk.say("models.lead"))
    place = ui.column().classes("w-full gap-4")
    work = partial(filled, place, desk.say, partial(_cards, desk), partial(_show, desk))
    ui.timer(0, work, once=True)


def _cards(desk: Desk) -> tuple[list[ModelCard], dict[str, ModelEntry]]:
    folder = competitions_of(desk.application).get(desk.competition)
    added: dict[str, ModelEntry] = {}
    if folder is not None:
        added = added_models(None, folder)
    return make_cards(desk.application.weights_dir, added, counted=_PARAMETERS), added


def _show(desk: Desk, found: tuple[list[ModelCard], dict[str, ModelEntry]]) -> None:
    say, shown = desk.say, _Shown(desk=desk, cards=found[0], added=found[1])
    advice = muted("")
    with ui.element("div").classes("gm-form") as form:
        everything = {"": say("page.any")}
        ui.input(say("models.search"), on_change=lambda event: change("text", event.value or "")).props(
            "outlined dense clearable"
        ).mark("search")
        for key, options in (
            ("task", {task: say(f"task.{task}") for task in get_args(Task)}),
            ("mode", {mode: say(f"mode.{mode}") for mode in MODES}),
            ("licence", {name: name for name in LICENCES}),
        ):
            ui.select(
                everything | options,
                value="",
                label=say(f"models.{key}"),
                on_change=lambda event, key=key: change(key, event.value or None),
            ).props("outlined dense").mark(key)
        for key in ("million", "gpu", "images"):
            ui.number(
                say(f"models.{key}"), min=0, on_change=lambda event, key=key: change(key, event.value or None)
            ).props("outlined dense clearable debounce=500").mark(key)
        if desk.application.weights_dir is not None:
            ui.switch(say("models.at_hand"), on_change=lambda event: change("at_hand", bool(event.value)))
    counting = muted("")
    heading = muted("")
    grid = ui.element("div").classes("gm-grid")

    def change(key: str, value: Any) -> None:
        shown.wanted[key] = value
        images = _whole(shown.wanted.get("images"))
        task: Task = shown.wanted.get("task") or "classification"
        told = recommend(task, images).text if images else ""
        advice.set_text(say("models.advice", images=f"{images:,}", text=told) if images else "")
        fill()

    def fill() -> None:
        wanted = Filters(
            text=shown.wanted.get("text", ""),
            task=shown.wanted.get("task"),
            mode=shown.wanted.get("mode"),
            licence=shown.wanted.get("licence"),
            most_million=shown.wanted.get("million"),
            most_gb=shown.wanted.get("gpu"),
            at_hand=shown.wanted.get("at_hand", False),
        )
        fitting = passing(shown.cards, wanted, _MEMORY)
        heading.set_text(say("models.found", count=len(fitting), all=len(shown.cards)))
        grid.clear()
        shown.labels.clear()
        with grid:
            for card in fitting:
                _card(shown, card)

    async def count_parameters() -> None:
        for card in shown.cards:
            if card.parameters is None and card.id in ENTRIES and card.trainable:
                parameters: int | None = await run.cpu_bound(count, card.id)
                if form.is_deleted or parameters is None:
                    return
                _PARAMETERS[card.id] = parameters
                if card.id in shown.labels:
                    shown.labels[card.id].set_text(_million(_PARAMETERS[card.id]))
        shown.cards = make_cards(desk.application.weights_dir, shown.added, counted=_PARAMETERS)

    async def count_memory() -> None:
        """Only once somebody asks for it: it takes minutes for all."""
        if not (shown.wanted.get("gpu") or torch.cuda.is_available()):
            return
        names = [card.id for card in shown.cards if card.trainable and card.id in ENTRIES]
        for done, name in enumerate(names):
            if name in _MEMORY:
                continue
            counting.set_text(say("models.counting", done=done, all=len(names)))
            found = await run.cpu_bound(least_memory, name)
            if form.is_deleted:
                return
            if found is not None:
                _MEMORY[name] = found
            fill()
        counting.set_text("")

    busy = [False]

    async def count_all() -> None:
        if not busy[0]:
            busy[0] = True
            try:
                await count_parameters()
                await count_memory()
            finally:
                busy[0] = False

    fill()
    ui.timer(2.0, count_all)


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and 0 < value < 1e12 else 0


def _million(parameters: int) -> str:
    return f"{parameters / 1e6:.1f} M"


def _card(shown: _Shown, card: ModelCard) -> None:
    say = shown.desk.say
    with (
        ui.element("div").classes("gm-card").mark(f"model-{card.id}"),
        ui.column().classes("w-full h-full gap-2"),
    ):
        with ui.row().classes("w-full items-baseline justify-between no-wrap gap-2"):
            ui.label(card.title).classes("gm-name")
            unknown = "…" if card.trainable and card.id in ENTRIES else "?"  # "…": it is being counted
            parameters = unknown if card.parameters is None else _million(card.parameters)
            label = ui.label(parameters + ("*" if card.documented and card.parameters else ""))
            label.classes("gm-muted gm-num whitespace-nowrap")
            if card.documented:
                label.tooltip(say("models.documented"))
            shown.labels[card.id] = label
        muted(" · ".join(part for part in (card.id, say(f"task.{card.task}"), _pixels(card)) if part))
        if card.purpose:
            ui.label(card.purpose).classes("text-sm leading-snug")
        with ui.row().classes("gap-1 gm-modes"):
            for badge in card.modes:
                word = chip(f"{SIGNS[badge.offered]} {say(f'mode.{badge.mode}')}", badge.offered)
                word.tooltip(badge.why or say(f"offered.{badge.offered}"))
        with ui.row().classes("gap-1"):
            if card.missing:
                chip(say(f"models.missing.{card.missing}"), "warn")
            chip(card.licence, "bad" if card.non_commercial else "").tooltip(
                say("models.non_commercial") if card.non_commercial else say("models.licence")
            )
            if card.at_hand:
                chip(say("models.weights_here"), "good")
            _memory(shown, card)
        muted(say("models.pretrained_on", data=card.pretrained_on))
        ui.space()
        with ui.row().classes("gap-2"):
            ui.button(
                say("models.guide"), icon="menu_book", on_click=safely(say, partial(_drawer, shown, card))
            ).props("flat dense").mark(f"guide-{card.id}")
            if card.trainable:
                ui.button(say("models.train"), on_click=partial(_train, shown.desk, card.id)).props(
                    "outline dense"
                )


def _pixels(card: ModelCard) -> str:
    return "" if card.input_size is None else f"{card.input_size} px"


def _memory(shown: _Shown, card: ModelCard) -> None:
    least = _MEMORY.get(card.id)
    if least is None:
        return
    room = shown.wanted.get("gpu")
    if room is None and torch.cuda.is_available():
        room = torch.cuda.get_device_properties(0).total_memory / 2**30
    tone = "" if room is None else "good" if fits(least, float(room)) else "bad"
    chip(shown.desk.say("models.needs_gb", gb=f"{least:.1f}"), tone)


def _train(desk: Desk, name: str) -> None:
    desk.model = name
    desk.go("train")


def _drawer(shown: _Shown, card: ModelCard) -> None:
    """The guide, from the side."""
    desk, say = shown.desk, shown.desk.say
    entry = ENTRIES.get(card.id) or shown.added[card.id]
    images = _whole(shown.wanted.get("images")) or None
    with (
        ui.dialog().props("position=right full-height") as dialog,
        ui.card().classes("gm-drawer h-full gap-3 overflow-auto").mark("guide"),
    ):
        with ui.row().classes("w-full items-center justify-between no-wrap"):
            ui.label(card.title).classes("gm-h")
            ui.button(icon="close", on_click=dialog.close).props("flat dense round").tooltip(
                say("page.close")
            )
        for badge in card.modes:
            if badge.offered == "refused":
                note(f"{badge.why}.", "bad")
            for warning in () if images is None else mode_warnings([(entry, badge.mode)], images):
                if badge.offered != "refused":
                    note(warning, "warn")
        text = ui.column().classes("w-full")
        if card.trainable:
            ui.button(say("models.train"), on_click=partial(_train, desk, card.id)).props("outline")
    dialog.open()
    work = partial(guide_of, entry, desk.application.results, images)
    ui.timer(0, partial(filled, text, say, work, _guide_text), once=True)


def _guide_text(lines: list[str]) -> None:
    ui.label("\n".join(lines)).classes("gm-log").style("max-height:none")
