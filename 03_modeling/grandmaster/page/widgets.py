"""The few shapes that the page is made of. Every text goes in as text: nothing that came from data is read as HTML."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from nicegui import run, ui

from grandmaster.errors import UserError
from grandmaster.language import Say
from grandmaster.report.groups import Example

Tone = Literal["", "good", "first", "warn", "bad"]
log = logging.getLogger("grandmaster.page")


@contextmanager
def card() -> Iterator[ui.element]:
    """A block with a frame."""
    with ui.element("div").classes("gm-card") as element, ui.column().classes("w-full gap-3"):
        yield element


def heading(text: str) -> None:
    """Of a card."""
    ui.label(text).classes("gm-h")


def lead(text: str) -> None:
    """A sentence under the tabs that says what the page is for."""
    ui.label(text).classes("gm-lead")


def muted(text: str) -> ui.label:
    """Something said aside."""
    return ui.label(text).classes("gm-muted")


def chip(text: str, tone: str = "") -> ui.label:
    """A word or two in a pill."""
    return ui.label(text).classes(f"gm-chip {tone}")


def note(text: str, tone: Tone = "") -> ui.label:
    """A sentence in a box."""
    return ui.label(text).classes(f"gm-note {tone}")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, wide: Iterable[int] = ()) -> None:
    """A plain table that scrolls sideways where it has to; columns in `wide` may break their lines."""
    breaking = set(wide)
    with ui.element("div").classes("gm-scroll"), ui.element("table").classes("gm-table"):
        if any(columns):
            with ui.element("thead"), ui.element("tr"):
                for column in columns:
                    with ui.element("th"):
                        ui.label(column)
        with ui.element("tbody"):
            for row in rows:
                with ui.element("tr"):
                    for place, cell in enumerate(row):
                        with ui.element("td").classes("loose" if place in breaking else "tight"):
                            ui.label(cell)


def bar(share: float) -> None:
    """How much of something there is, 0 to 1."""
    with ui.element("div").classes("gm-bar"):
        ui.element("div").style(f"width:{100 * min(1.0, max(0.0, share)):.1f}%")


def thumbs(pictures: Iterable[Example]) -> None:
    """Small pictures with a caption each."""
    with ui.element("div").classes("gm-thumbs"):
        for picture in pictures:
            thumb(picture.picture, picture.caption, title=picture.id)


def thumb(uri: str, caption: str, *, title: str = "") -> None:
    """One small picture; `uri` is a `data:` URI that was made here."""
    with ui.element("div").classes("gm-thumb"):
        if uri.startswith("data:image/"):
            ui.element("img").props["src"] = uri
        ui.label(caption).classes("cap").tooltip(title or caption)


def busy(say: Say) -> ui.row:
    """A wheel that turns while something is computed."""
    with ui.row().classes("items-center gap-3") as row:
        ui.spinner(size="sm")
        muted(say("page.working"))
    return row


def tell(say: Say, error: Exception) -> None:
    """An error as a box: what the person can mend in its own words, anything else in short."""
    if isinstance(error, UserError):
        note(str(error), "bad").props("data-error")
    else:
        log.error("unexpected", exc_info=error)
        note(say("page.unexpected", what=type(error).__name__), "bad").props("data-error")


async def filled(
    place: ui.element, say: Say, compute: Callable[[], Any], show: Callable[[Any], None]
) -> None:
    """Compute beside the page, with a wheel in `place` meanwhile; then show the result there, or what is wrong."""
    place.clear()
    with place:
        busy(say)
    found, wrong = None, None
    try:
        found = await run.io_bound(compute)
    except Exception as error:  # noqa: BLE001 - whatever it is, the page has to stay and say so
        wrong = error
    if place.is_deleted or (found is None and wrong is None):
        return  # the person has gone elsewhere, or the page is being ended
    place.clear()
    with place:
        if wrong is not None:
            tell(say, wrong)
        else:
            show(found)


def safely(say: Say, action: Callable[[], Awaitable[None] | None]) -> Callable[[], Awaitable[None]]:
    """A handler of a button whose errors are shown as a message."""

    async def handle() -> None:
        try:
            result = action()
            if result is not None:
                await result
        except UserError as error:
            ui.notify(str(error), type="negative", multi_line=True, timeout=12_000)
        except Exception as error:
            log.exception("unexpected")
            ui.notify(say("page.unexpected", what=type(error).__name__), type="negative", multi_line=True)

    return handle


def number(value: float | None, digits: int = 4) -> str:
    """A score, or a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def interval(low: float | None, high: float | None) -> str:
    """`0.4737 – 0.6041`; empty where there is none."""
    return "" if low is None or high is None else f"{low:.4f} – {high:.4f}"
