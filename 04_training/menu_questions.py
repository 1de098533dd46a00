"""How the menu asks: by arrow keys or numbers on a terminal, by a line of input through a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import utils
from messages import text

if TYPE_CHECKING:
    from prompt_toolkit.application import Application
    from prompt_toolkit.key_binding import KeyPressEvent


@dataclass(frozen=True, kw_only=True)
class Item:
    """A line of a menu, what there is to say about it, and what choosing it does."""

    title: str
    about: str = ""
    action: Callable[[], object]


class QuitMenu(Exception):
    """The person wants out."""


def choose(question: str, items: Sequence[Item]) -> Item:
    """Which item is wanted: arrow keys on a terminal, else a number on a line of its own.

    Raises:
        QuitMenu: end of input, or Ctrl-C.
    """
    return (
        _choose_by_arrows(question, items) if utils.is_interactive() else _choose_by_number(question, items)
    )


def _choose_by_number(question: str, items: Sequence[Item]) -> Item:
    print(question)
    for number, item in enumerate(items, start=1):
        print(f"  {number:>2}. {item.title}" + (f": {item.about}" if item.about else ""))
    while True:
        print(text("menu.number"), end="", flush=True)
        line = sys.stdin.readline()
        print()
        if not line:
            raise QuitMenu
        word = line.strip()
        if word.isascii() and word.isdigit() and 1 <= int(word) <= len(items):
            return items[int(word) - 1]
        print(text("menu.bad_number", last=len(items)))


def _choose_by_arrows(question: str, items: Sequence[Item]) -> Item:
    import questionary

    style = questionary.Style(
        [("pointer", "fg:ansicyan bold"), ("highlighted", "fg:ansicyan bold"), ("text", "fg:ansibrightblack")]
    )
    rows = [
        questionary.Choice(f"{number + 1:>2}. {item.title}", value=number, description=item.about or None)
        for number, item in enumerate(items)
    ]
    hint = text("menu.hint")
    asked = questionary.select(question, choices=rows, style=style, instruction=hint, qmark="", pointer="❯")
    _move_by_digits(asked.application)
    answer = asked.ask(kbi_msg="")
    if answer is None:
        raise QuitMenu
    return items[answer]


def _move_by_digits(menu: Application[int]) -> None:
    """A typed number moves the pointer to the item of that number, so that Enter never takes another one."""
    from prompt_toolkit.key_binding import KeyBindings, merge_key_bindings
    from questionary.prompts.common import InquirerControl

    control = next(part for part in menu.layout.find_all_controls() if isinstance(part, InquirerControl))
    bindings, typed = KeyBindings(), ""

    def move(event: KeyPressEvent) -> None:
        nonlocal typed
        last = control.choice_count
        # "1", "3" is 13 where there are so many items, else 3.
        typed = next(
            word for word in (typed + event.data, event.data, "") if not word or 1 <= int(word) <= last
        )
        if typed:
            control.pointed_at = int(typed) - 1

    for digit in "0123456789":
        bindings.add(digit)(move)
    menu.key_bindings = merge_key_bindings([menu.key_bindings or KeyBindings(), bindings])


def ask(question: str) -> str:
    """A line that is typed, a folder's name completed with the tab key on a terminal; empty for Ctrl-C there."""
    if utils.is_interactive():
        import questionary

        return questionary.path(question, qmark="", only_directories=True).ask(kbi_msg="") or ""
    print(question, end="", flush=True)
    line = sys.stdin.readline()
    print()
    return line
