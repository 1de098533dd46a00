"""The frame around the tabs: title, tabs, language, light or dark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from nicegui import ui
from starlette.requests import Request

from grandmaster.page.application import Application
from grandmaster.page.desk import TABS, Desk
from grandmaster.page.tabs import TAB_BUILDERS
from grandmaster.page.texts import choose_language, speaker

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
ICONS = {
    "data": "photo_library",
    "models": "category",
    "train": "play_circle",
    "runs": "leaderboard",
    "predict": "image_search",
    "submit": "outbox",
}
# A year; only for this page, never sent with a request from elsewhere.
_COOKIE = "document.cookie='{name}={value}; path=/; max-age=31536000; SameSite=Strict'; location.reload()"
_THEMES: Mapping[str, bool | None] = {"light": False, "dark": True}


def build(application: Application, request: Request) -> None:
    """Fill a page that a browser asked for: `/?tab=runs&run=NAME` opens at a tab."""
    language = choose_language(request.cookies.get("gm_language"), request.headers.get("accept-language", ""))
    desk = Desk(application=application, language=language, say=speaker(language))
    ui.add_css(STYLE)
    ui.colors(primary="#2f6fd6", positive="#1c8a4c", negative="#c43030", warning="#a86a00")
    theme = request.cookies.get("gm_theme", "")
    ui.dark_mode(_THEMES.get(theme))
    ui.page_title(desk.say("page.title"))
    wanted = request.query_params.get("tab", "runs")
    desk.run = request.query_params.get("run", "")
    _frame(desk, wanted if wanted in TABS else "runs", theme)


def _frame(desk: Desk, first: str, theme: str) -> None:
    say = desk.say
    with ui.header().classes("p-0"), ui.column().classes("gm-top gap-0"):
        with ui.row().classes("w-full items-center no-wrap gap-2"):
            ui.label(say("page.title")).classes("text-lg font-bold")
            ui.label(say("page.lead")).classes("gm-muted gm-hide")
            ui.space()
            other = "ko" if desk.language == "en" else "en"
            ui.button(
                say("page.language"),
                on_click=lambda: ui.run_javascript(_COOKIE.format(name="gm_language", value=other)),
            ).props("flat dense no-caps").mark("language")
            turned = "light" if theme == "dark" else "dark"
            ui.button(
                icon="contrast",
                on_click=lambda: ui.run_javascript(_COOKIE.format(name="gm_theme", value=turned)),
            ).props("flat dense round").tooltip(say("page.theme"))
        with ui.tabs().classes("w-full").props("align=left inline-label no-caps") as tabs:
            for name in TABS:
                ui.tab(name, say(f"tab.{name}"), icon=ICONS[name])
    with ui.tab_panels(tabs, value=first, animated=False, keep_alive=False).classes("w-full"):
        places: dict[str, ui.element] = {}
        for name in TABS:
            with ui.tab_panel(name):
                places[name] = ui.column().classes("gm-wide gap-4")

    def show(name: str) -> None:
        for other_name, place in places.items():
            if other_name != name:
                place.clear()
        places[name].clear()
        with places[name]:
            _builder(name)(desk)

    def go(name: str) -> None:
        if tabs.value == name:
            show(name)
        else:
            tabs.set_value(name)

    desk.go = go
    tabs.set_value(first)
    tabs.on_value_change(lambda event: show(str(event.value)))
    show(first)


def _builder(name: str) -> Callable[[Desk], None]:
    return TAB_BUILDERS[name]
