"""A training: asked for in a form, planned, started, watched."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from nicegui import run, ui

from grandmaster.errors import UserError
from grandmaster.models.registry import ENTRIES
from grandmaster.page import processes
from grandmaster.page.desk import Desk
from grandmaster.page.model_cards import MODES
from grandmaster.page.places import competitions_of
from grandmaster.page.planning import Planned, Planning
from grandmaster.page.tabs.live import LiveCard, running
from grandmaster.page.tabs.plan import show_plan
from grandmaster.page.training_form import Form, flags_of
from grandmaster.page.widgets import card, filled, lead, muted, note, safely, tell
from grandmaster.progress import SilentProgress


def build(desk: Desk) -> None:
    """The tab."""
    lead(desk.say("train.lead"))
    place = ui.column().classes("w-full gap-4")
    work = partial(filled, place, desk.say, partial(competitions_of, desk.application), partial(_show, desk))
    ui.timer(0, work, once=True)


def _show(desk: Desk, competitions: dict[str, Path]) -> None:
    live = ui.column().classes("w-full gap-4 gm-fill")
    with live:
        for name in running(desk):
            LiveCard(desk, name)
    if not competitions:
        offer_sample(desk, "train")
        return
    plan = ui.column().classes("w-full gap-4 gm-fill")
    with card():
        _TrainingForm(desk, competitions, plan, live)
    plan.move(target_index=-1)


def offer_sample(desk: Desk, tab: str) -> None:
    """Where there is no data: a button that makes the sample competition, then opens the tab anew."""
    say = desk.say
    note(say("train.no_data"))

    async def make() -> None:
        button.props("loading")
        try:
            await run.io_bound(desk.application.make_sample, SilentProgress())
        finally:
            button.props(remove="loading")
        desk.go(tab)

    button = ui.button(say("train.sample"), on_click=safely(say, make)).mark("sample")


class _TrainingForm:
    """The fields, and what their buttons do."""

    def __init__(self, desk: Desk, competitions: dict[str, Path], plan: ui.column, live: ui.column) -> None:
        self._desk, self._competitions, self._plan, self._live = desk, competitions, plan, live
        self._planning: Planning | None = None
        self._fields: dict[str, Any] = {}
        say = desk.say
        with ui.element("div").classes("gm-form"):
            first = desk.competition if desk.competition in competitions else next(iter(competitions))
            self._select("data", {name: name for name in competitions}, first, on_change=self._rename)
            modes = {
                mode.name: mode.title[desk.language]
                for mode in desk.application.modes
                if mode.name != "explore"
            }
            self._select("mode", modes, next(iter(modes)), on_change=self._rename)
            names = {
                name: f"{entry.title} ({name})"
                for name, entry in ENTRIES.items()
                if entry.backbone is not None
            }
            if desk.model:
                names.setdefault(desk.model, desk.model)  # one that the person added
            models = ui.select(
                names,
                value=[desk.model] if desk.model in names else [],
                label=say("train.models"),
                multiple=True,
                with_input=True,
                new_value_mode="add-unique",
            )
            self._fields["models"] = models.props("outlined dense use-chips").mark("models")
            self._fields["minutes"] = ui.number(say("train.minutes"), min=0).props("outlined dense clearable")
            self._fields["minutes"].mark("minutes")
            self._fields["name"] = ui.input(say("train.name")).props("outlined dense").mark("name")
        about = muted("")
        with ui.expansion(say("train.more"), icon="tune").classes("w-full").props("dense").mark("more"):
            with ui.element("div").classes("gm-form"):
                open_modes: dict[str, str] = {
                    "": say("train.decides"),
                    **{mode: say(f"mode.{mode}") for mode in MODES},
                }
                self._select("how", open_modes, "")
                presets = {"": say("train.decides"), **{name: name for name in desk.application.presets}}
                self._select("preset", presets, "")
                self._fields["folds"] = ui.number(say("train.folds"), min=1, max=50, precision=0)
                self._fields["folds"].props("outlined dense clearable").mark("folds")
            recipe = muted("")
            self._fields["preset"].on_value_change(
                lambda event: recipe.set_text(desk.application.presets.get(event.value, ""))
            )
            self._fields["settings"] = ui.textarea(say("train.settings")).props("outlined dense autogrow")
            self._fields["settings"].classes("w-full").mark("settings")
            self._fields["rules"] = ui.switch(say("train.rules"))
        with ui.row().classes("gap-3 items-center"):
            ui.button(say("train.plan"), icon="list_alt", on_click=self._show_plan).props("outline").mark(
                "plan"
            )
            ui.button(say("train.start"), icon="play_arrow", on_click=safely(say, self._start)).props(
                "unelevated"
            ).mark("start")
        self._about = about
        self._rename()

    def _select(self, key: str, options: dict[str, str], value: str, on_change: Any = None) -> None:
        select = ui.select(options, value=value, label=self._desk.say(f"train.{key}"), on_change=on_change)
        self._fields[key] = select.props("outlined dense").mark(key)

    def _rename(self) -> None:
        """The experiment's name as the command line would give it."""
        if "name" not in self._fields:
            return
        desk, mode = self._desk, self._fields["mode"].value
        folder = self._competitions[self._fields["data"].value]
        desk.competition = self._fields["data"].value
        self._fields["name"].set_value(desk.application.experiment_name(folder, mode))
        known = {each.name: each for each in desk.application.modes}
        self._about.set_text(known[mode].about[desk.language])

    def _form(self) -> Form:
        value = {key: field.value for key, field in self._fields.items()}
        return Form(
            data=self._competitions[value["data"]],
            mode=value["mode"],
            experiment=value["name"] or "",
            models=tuple(value["models"] or ()),
            folds=None if value["folds"] is None else int(value["folds"]),
            minutes=value["minutes"],
            preset=value["preset"] or None,
            training_mode=value["how"] or None,
            weights_dir=self._desk.application.weights_dir,
            settings=value["settings"] or "",
            allow_test_training=bool(value["rules"]),
        )

    async def _show_plan(self) -> None:
        say, plan = self._desk.say, self._plan
        if self._planning is not None:
            self._planning.give_up()
        planning = self._planning = Planning()
        plan.clear()
        with plan, card(), ui.row().classes("items-center gap-3 w-full no-wrap"):
            ui.spinner(size="sm")
            doing = muted(say("train.planning", what="..."))
            ui.space()
            ui.button(say("train.give_up"), on_click=planning.give_up).props("flat dense")
        found: Planned | None = None
        wrong: Exception | None = None
        try:
            async for line in planning.lines(self._desk.application, flags_of(self._form())):
                if isinstance(line, Planned):
                    found = line
                elif not doing.is_deleted:
                    doing.set_text(say("train.planning", what=line))
        except Exception as error:  # noqa: BLE001 - whatever it is, the page has to stay and say so
            wrong = error
        if plan.is_deleted or planning is not self._planning:
            return
        plan.clear()
        with plan:
            if wrong is not None:
                tell(say, wrong)
            elif found is not None:
                show_plan(say, found)

    async def _start(self) -> None:
        desk, form = self._desk, self._form()
        name = form.experiment.strip()
        if not name:
            raise UserError("the experiment has no name", fix="Give it one.")
        await run.io_bound(processes.start, desk.application, name, flags_of(form), desk.language)
        ui.notify(desk.say("train.started", name=name), type="positive")
        desk.run = name
        self._live.clear()
        with self._live:
            for each in dict.fromkeys([name, *running(desk)]):
                LiveCard(desk, each)
