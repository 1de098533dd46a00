"""A picture is dropped, the models of a run say what it is."""

from __future__ import annotations

from functools import partial

import numpy as np
from nicegui import ui
from nicegui.events import UploadEventArguments

from grandmaster.language import Speaker
from grandmaster.page.desk import Desk
from grandmaster.page.predicting import MOST_MB, FitSays, Said, predict_picture
from grandmaster.page.submitting import finished_names
from grandmaster.page.widgets import bar, card, filled, heading, lead, muted, note, table

MOST_SHOWN = 8


def build(desk: Desk) -> None:
    """The tab."""
    lead(desk.say("predict.lead"))
    place = ui.column().classes("w-full gap-4")
    work = partial(
        filled, place, desk.say, partial(finished_names, desk.application.results), partial(_show, desk)
    )
    ui.timer(0, work, once=True)


def _show(desk: Desk, names: dict[str, list[str]]) -> None:
    say, results = desk.say, desk.application.results
    if not names:
        note(say("submit.no_run"))
        return
    every = {name: f"{name} ({competition})" for competition, of_one in names.items() for name in of_one}
    with card(), ui.row().classes("w-full items-center gap-4"):
        first = desk.run if desk.run in every else next(iter(every))
        select = ui.select(every, value=first, label=say("submit.run"))
        select.props("outlined dense").classes("min-w-[260px]")
        all_folds = ui.switch(say("predict.all_folds"))
        upload = ui.upload(
            label=say("predict.drop", mb=MOST_MB),
            auto_upload=True,
            max_files=1,
            max_file_size=MOST_MB * 2**20,
            on_rejected=lambda: ui.notify(say("predict.too_large", mb=MOST_MB), type="negative"),
        )
        upload.props("flat bordered accept=image/*,.dcm,.dicom").classes("gm-drop")
    said = ui.column().classes("w-full gap-4")

    async def look(event: UploadEventArguments) -> None:
        upload.reset()
        content = await event.file.read()
        work = partial(
            predict_picture, results, select.value, event.file.name, content, all_folds=all_folds.value
        )
        await filled(said, say, work, partial(_said, say))

    upload.on_upload(look)


def _said(say: Speaker, said: Said) -> None:
    with ui.element("div").classes("gm-split"):
        with card():
            heading(say("predict.says"))
            if said.decided:
                ui.label(said.decided).classes("gm-big")
            _values(said)
            views = say.counted("predict.views_each", len(said.fits[0].views))
            muted(say.counted("predict.mean_of", len(said.fits), views=views))
            if said.blend is not None:
                muted(say("predict.blend", method=said.blend))
        with card():
            heading(say("predict.heat"))
            with ui.element("div").classes("gm-split gm-pair"):
                for uri in (said.picture, said.heat):
                    if uri is not None:
                        ui.element("img").classes("gm-shown").props["src"] = uri
            if said.heat is None:
                muted(say("predict.no_heat", why=said.no_heat))
            else:
                model, label, method = said.heat_of
                muted(say("predict.heat_of", model=model, label=label, method=method))
    with card():
        heading(say("predict.by_view"))
        for fit in said.fits:
            _fit(say, said, fit)


def _values(said: Said) -> None:
    """Probabilities as bars, the highest first; other values as numbers."""
    if not said.shares:
        table(["", ""], [[name, f"{value:.4g}"] for name, value in zip(said.names, said.values, strict=True)])
        return
    with ui.element("div").classes("gm-classes"):
        for place in np.argsort(-said.values)[:MOST_SHOWN]:
            ui.label(said.names[place]).classes("text-sm")
            bar(float(said.values[place]))
            ui.label(f"{said.values[place]:.1%}").classes("gm-muted gm-num text-right")


def _fit(say: Speaker, said: Said, fit: FitSays) -> None:
    ui.label(fit.name).classes("gm-name")
    best = np.argsort(-said.values)[:3] if said.shares else np.arange(min(3, len(said.names)))
    columns = [say("predict.view"), say("predict.weight"), say("predict.says_first")]
    rows = []
    for view, weight, values in zip(fit.views, fit.weights, fit.values, strict=True):
        first = said.names[int(values.argmax())] if said.shares else ""
        shown = [f"{values[place]:.1%}" if said.shares else f"{values[place]:.4g}" for place in best]
        rows.append([say(f"view.{view}"), f"{weight:.0%}", first, *shown])
    table([*columns, *(said.names[place] for place in best)], rows)
