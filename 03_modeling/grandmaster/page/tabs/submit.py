"""The gate, the ledger, and the final two."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from nicegui import run, ui

from grandmaster.errors import UserError
from grandmaster.page.desk import Desk
from grandmaster.page.submitting import (
    Checked,
    Chosen,
    Ledger,
    check_submissions,
    choose_two,
    finished_names,
    ledger,
    note_scores,
)
from grandmaster.page.widgets import card, filled, heading, lead, muted, note, safely, table


def build(desk: Desk) -> None:
    """The tab."""
    lead(desk.say("submit.lead"))
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
    every = [name for of_one in names.values() for name in of_one]
    with card():
        heading(say("submit.gate"))
        select = _select(desk, "submit.run", every)
        checked = ui.column().classes("w-full")
    with card():
        heading(say("submit.ledger"))
        muted(say("submit.ledger_hint"))
        with ui.row().classes("w-full items-center gap-3"):
            whose = _select(desk, "submit.run", every)
            fields = [
                ui.number(say(f"submit.{board}"), format="%.6g").props("outlined dense clearable")
                for board in ("public", "private")
            ]
            noted = ui.button(say("submit.note"), icon="edit_note").props("unelevated")
        book = ui.column().classes("w-full")
    with card():
        heading(say("submit.final"))
        muted(say("submit.final_hint"))
        with ui.row().classes("w-full items-center gap-3"):
            of = _select(desk, "train.data", list(names))
            choose = ui.button(say("submit.choose"), icon="emoji_events").props("outline")
        chosen = ui.column().classes("w-full")

    async def check() -> None:
        await filled(
            checked,
            say,
            partial(check_submissions, results, select.value),
            partial(_gate, desk, select.value),
        )

    async def pick() -> None:
        await filled(chosen, say, partial(choose_two, results, names[of.value]), partial(_two, desk))

    async def write() -> None:
        public, private = (field.value for field in fields)
        if public is None and private is None:
            raise UserError(say("submit.no_score"))
        await run.io_bound(note_scores, results, whose.value, public=public, private=private)
        ui.notify(say("submit.noted"), type="positive")
        for field in fields:
            field.set_value(None)
        await show_ledger()

    async def show_ledger() -> None:
        await filled(book, say, partial(ledger, results), partial(_ledger, desk))

    select.on_value_change(check)
    noted.on_click(safely(say, write))
    choose.on_click(pick)
    ui.timer(0, check, once=True)
    ui.timer(0, show_ledger, once=True)


def _select(desk: Desk, key: str, names: list[str]) -> ui.select:
    select = ui.select({name: name for name in names}, value=names[0], label=desk.say(key))
    return select.props("outlined dense").classes("min-w-[220px]")


def _gate(desk: Desk, name: str, found: list[Checked]) -> None:
    say = desk.say
    if not found:
        note(say("submit.none"), "warn")
    for one in found:
        verdict = one.verdict
        with ui.row().classes("w-full items-center justify-between gap-2"):
            with ui.column().classes("gap-0"):
                ui.label(one.file.name).classes("gm-name")
                muted(say("submit.rows", rows=f"{one.rows:,}", form=one.form))
            ui.link(
                say("submit.download"), f"/submission/{quote(name, safe='')}/{quote(one.file.name, safe='')}"
            ).classes("font-semibold")
        if verdict.problems:
            note(say("submit.failed"), "bad")
        elif verdict.warnings:
            note(say("submit.warned"), "warn")
        else:
            note(say("submit.passed"), "good")
        for line in (*verdict.problems, *verdict.warnings):
            muted(line)


def _ledger(desk: Desk, found: Ledger) -> None:
    say = desk.say
    if not len(found.table):
        muted(say("page.nothing"))
        return
    rows = []
    for row in found.table.to_dict("records"):
        spans = [
            f"{_short(row[name])} ({_short(row[f'{name}_low'])} – {_short(row[f'{name}_high'])})"
            if row[name]
            else "–"
            for name in ("cv", "corrupted")
        ]
        rows.append([row["experiment"], row["metric"], *spans, row["public"] or "–", row["private"] or "–"])
    names = ("experiment", "cv", "cv_corrupted", "public", "private")
    titles = [say(f"submit.{name}") for name in names]
    table([titles[0], say("data.metric"), *titles[1:]], rows)
    for sentence in found.sentences:
        ui.label(sentence).classes("text-sm")


def _two(desk: Desk, found: Chosen) -> None:
    say, choice = desk.say, found.choice
    for number, reason in enumerate(choice.reasons, start=1):
        note(f"{number}. {reason}", "good")
    table(
        ["", f"{choice.scored_on} CV", say("submit.differs"), say("submit.good"), say("submit.why")],
        [
            [
                one.run.name,
                f"{one.score:.4f} ({one.low:.4f} – {one.high:.4f})",
                f"{one.differs:.3f}",
                "✓" if one.good else "–",
                one.why,
            ]
            for one in choice.candidates
        ],
        wide=(0, 4),
    )
    muted(choice.measure)
    for name, why in found.left_out:
        muted(say("submit.left_out", name=name, why=why))


def _short(number: str) -> str:
    """A number of the ledger with four decimals; what a person wrote there that is none stays as it is."""
    try:
        return f"{float(number):.4f}"
    except ValueError:
        return number
