"""One open page: its language, what it works on, and how its tabs reach each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from grandmaster.language import Language, Speaker
from grandmaster.page.application import Application

TABS = ("data", "models", "train", "runs", "predict", "submit")


@dataclass(kw_only=True)
class Desk:
    """What all tabs of one open page share.

    Attributes:
        go: shows a tab; its content is made anew.
        competition: chosen last, by its listed name; empty: none yet.
        model: to be trained next; empty: none was asked for.
        run: to be looked at; empty: none was asked for.
    """

    application: Application
    language: Language
    say: Speaker
    go: Callable[[str], None] = field(default=lambda _: None)
    competition: str = ""
    model: str = ""
    run: str = ""
