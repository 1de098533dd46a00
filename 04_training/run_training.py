# PYTHON_ARGCOMPLETE_OK
"""Interactive menu over `grandmaster_train.main`: it asks, that does."""

from __future__ import annotations

import shlex
import sys
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from rich.box import ROUNDED
from rich.cells import cell_len
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

import data_loader
import grandmaster_train
import models
import options
import utils
from comparing_modes import COMPARISON, is_comparison
from config import MODES
from grandmaster.config import TrainingMode
from grandmaster.errors import UserError
from live_view import make_view
from messages import language, text

if TYPE_CHECKING:
    from prompt_toolkit.application import Application
    from prompt_toolkit.key_binding import KeyPressEvent

    from grandmaster.models.registry import ModelEntry


PAGES = ("report.html", "eda.html", f"{COMPARISON}.html")


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


def items() -> list[Item]:
    """What can be done now."""
    lines = [
        Item(
            title=_columns((mode.title[language()], 20), (mode.name, 20), (mode.time[language()], 0)),
            about=mode.about[language()],
            action=partial(train, mode.name),
        )
        for mode in MODES.values()
    ]
    lines += [
        Item(title=text("menu.found"), action=show_found),
        Item(title=text("menu.plan"), action=show_plan),
        Item(title=text("menu.report"), action=open_report),
        Item(title=text("menu.resume"), action=resume),
        Item(title=text("menu.models"), action=show_models),
        Item(title=text("menu.compare"), action=compare_modes),
    ]
    if not found():
        lines.append(Item(title=text("menu.sample"), action=make_sample))
    return [*lines, Item(title=text("menu.quit"), action=leave)]


def train(mode: str, *flags: str) -> None:
    """Run a mode, on the competition that the person chooses where there are several."""
    competitions = [] if mode == "debug" else found()
    command = ["--mode", mode, *flags]
    if len(competitions) < 2:
        grandmaster_train.main(command)
        return
    folders = [
        Item(title=path.name, action=partial(grandmaster_train.main, [*command, "--data_path", str(path)]))
        for path in competitions
    ]
    choose(text("menu.which_data"), folders).action()


def show_plan() -> None:
    """The plan of a mode, as `--dry_run` prints it."""
    modes = [
        Item(
            title=mode.title[language()],
            about=mode.about[language()],
            action=partial(train, name, "--dry_run"),
        )
        for name, mode in MODES.items()
        if name not in ("debug", "explore")
    ]
    choose(text("menu.which_mode"), [*modes, Item(title=text("menu.back"), action=lambda: None)]).action()


def show_models() -> None:
    """The models of the registry; of the one that is chosen, its guide and its training modes."""
    from grandmaster.models.registry import ENTRIES
    from grandmaster.models.registry.modes import badge

    lines = [
        Item(
            title=_columns((entry.id, 24), (entry.title, 24), (badge(entry), 0)),
            about=entry.purpose,
            action=partial(show_modes, entry),
        )
        for entry in ENTRIES.values()
    ]
    choose(text("menu.which_model"), [*lines, Item(title=text("menu.back"), action=lambda: None)]).action()


def show_modes(entry: ModelEntry) -> None:
    """What can be done with one model; a mode that it does not support says why."""
    from grandmaster.models.registry.modes import refusal

    def about(mode: TrainingMode) -> str:
        modes = entry.training_modes
        if mode == modes.recommended:
            return text("menu.recommended_mode")
        return text("menu.discouraged_mode") if mode in modes.discouraged else ""

    lines = [Item(title=text("menu.guide"), action=partial(models.main, ["--guide", entry.id]))]
    for mode in get_args(TrainingMode):
        why = refusal(entry, mode)
        action = (
            partial(train, "quick_test", "--models", entry.id, "--set", f"training.mode={mode}")
            if why is None
            else partial(print, why)
        )
        said = about(mode) if why is None else text("menu.refused_mode")
        lines.append(Item(title=text("menu.train_so", mode=mode), about=said, action=action))
    question = text("menu.which_training", name=entry.title)
    choose(question, [*lines, Item(title=text("menu.back"), action=lambda: None)]).action()


def compare_modes() -> None:
    """A model fine-tuned and from scratch, of those that can be trained both ways."""
    from grandmaster.models.registry import ENTRIES
    from grandmaster.models.registry.modes import refusal

    lines = [
        Item(
            title=_columns((entry.id, 24), (entry.title, 0)),
            about=entry.purpose,
            action=partial(train, "quick_test", "--compare_modes", "--models", entry.id),
        )
        for entry in ENTRIES.values()
        if entry.backbone is not None
        and not any(refusal(entry, mode) for mode in ("full_training", "fine_tuning"))
    ]
    choose(text("menu.which_model"), [*lines, Item(title=text("menu.back"), action=lambda: None)]).action()


def show_found() -> None:
    """What each competition folder was read as."""
    from screens import competition_panel

    console = utils.make_console()
    try:
        for folder in data_loader.find_competitions(None):
            try:
                console.print(competition_panel(data_loader.load(folder)))
            except UserError as error:
                console.print(Text(f"✗ {folder.name}: {error}", style="red"))
    except UserError as error:
        console.print(Text(f"▲ {error}", style="yellow"))


def open_report() -> None:
    """The newest report, of a run or about data: in a browser where there is a display, else its path."""
    pages = (page for name in PAGES for page in options.RESULTS_FOLDER.glob(f"*/{name}"))
    reports = sorted(pages, key=lambda path: path.stat().st_mtime)
    if not reports:
        print(text("menu.no_report"))
    elif utils.has_display() and webbrowser.open(reports[-1].resolve().as_uri()):
        print(text("menu.report_opened", path=data_loader.shown(reports[-1])))
    else:
        print(text("menu.report_at", path=data_loader.shown(reports[-1])))


def resume() -> None:
    """Go on with the newest unfinished run, by the command stored in its folder."""
    open_runs = [folder for folder in runs() if not is_finished(folder)]
    if not open_runs:
        print(text("menu.nothing_to_resume", folder=data_loader.shown(options.RESULTS_FOLDER)))
        return
    command = stored_command(open_runs[-1])
    print(text("menu.resuming", name=open_runs[-1].name, command=command))
    # The run is here, wherever the working folder of its first start was.
    grandmaster_train.main([*shlex.split(command)[2:], "--output", str(options.RESULTS_FOLDER)])


def make_sample() -> None:
    """Render the sample competition, for a person without data."""
    place = data_loader.shown(data_loader.DATA_FOLDER / data_loader.SAMPLE_NAME)
    print(text("menu.making_sample", path=place, count=data_loader.SAMPLE_IMAGES), flush=True)
    with make_view(
        utils.make_console(), utils.RunLog(None), title=data_loader.SAMPLE_NAME, plain=False
    ) as view:
        folder = data_loader.make_sample_competition(view)
    print(text("menu.sample_made", path=data_loader.shown(folder)))


def leave() -> None:
    """End the menu."""
    raise QuitMenu


def found() -> list[Path]:
    """Competition folders; none is no error here."""
    try:
        return data_loader.find_competitions(None)
    except UserError:
        return []


def runs() -> list[Path]:
    """Run folders, and those of comparisons, that were begun by a stored command, oldest first."""
    stored = [path.parent for path in options.RESULTS_FOLDER.glob("*/environment.json")]
    folders = [folder for folder in stored if is_comparison(folder) or (folder / "config.json").is_file()]
    return sorted(folders, key=lambda folder: max(file.stat().st_mtime for file in folder.iterdir()))


def is_finished(folder: Path) -> bool:
    """Its results and its report are there, and nothing was begun since: the log's last line says so."""
    compares = is_comparison(folder)
    results = (
        (f"{COMPARISON}.json", f"{COMPARISON}.html") if compares else ("final_results.json", "report.html")
    )
    if not all((folder / name).is_file() for name in results):
        return False
    log = folder / "train.log"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return not lines or lines[-1].endswith(grandmaster_train.FINISHED)


def stored_command(folder: Path) -> str:
    """The command that began a run: `python .../grandmaster_train.py --mode ...`.

    Raises:
        UserError: the file is damaged or holds none.
    """
    from grandmaster.storage import read_json

    path = folder / "environment.json"
    facts = read_json(path)
    command = facts.get("command") if isinstance(facts, dict) else None
    if not isinstance(command, str) or "grandmaster_train.py" not in command:
        raise UserError("no command is stored", where=path, fix="Run the command of that run again")
    return command


def header() -> Panel:
    """Data and last run at a glance."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    names = ", ".join(folder.name for folder in found())
    table.add_row(text("menu.data"), Text(names) if names else Text(text("menu.no_data"), style="yellow"))
    table.add_row(text("menu.last_run"), _last_run())
    heading = Text(text("menu.title"), style="bold cyan")
    return Panel(table, title=heading, title_align="left", box=ROUNDED, border_style="cyan", padding=(0, 1))


def _last_run() -> Text:
    """Name and score of the newest run."""
    folders = runs()
    if not folders:
        return Text(text("menu.no_run"), style="dim")
    newest = folders[-1]
    if not is_finished(newest):
        return Text.assemble(newest.name, (f"  ({text('menu.unfinished')})", "yellow"))
    from grandmaster.storage import read_json

    try:
        results = read_json(newest / "final_results.json")
        score = f"{results['metric_title']} {results['cross_validation']['score']:.4f}"
    except (UserError, KeyError, TypeError):  # edited by hand: the menu still has to open
        return Text(newest.name)
    return Text.assemble(newest.name, (f"  {score}", "green"))


def _columns(*cells: tuple[str, int]) -> str:
    """Cells padded to widths as a terminal counts them (a Korean letter takes two)."""
    return "".join(word + " " * max(1 if width else 0, width - cell_len(word)) for word, width in cells)


def make_parser() -> options.Parser:
    """No flags: what there is to say is asked for."""
    return options.Parser(
        prog="run_training.py",
        description="A menu over the competitions in data/. It takes no flags: with --data_path and all others, "
        "start grandmaster_train.py.",
        allow_abbrev=False,
    )


def main(argv: Sequence[str] = ()) -> int:
    """Ask and do until the person quits; exit code 0, or 2 where flags are given."""
    try:
        options.parse_flags(make_parser(), argv)
    except UserError:
        given = shlex.join(argv)
        fix = f"Start grandmaster_train.py {given} instead, or put the competition into data/"
        print(f"error: {UserError(f'the menu takes no flags: {given}', fix=fix)}", file=sys.stderr)
        return options.BAD_INPUT
    console = utils.make_console()
    try:
        while True:
            console.print(header())
            chosen = choose(text("menu.question"), items())
            try:
                chosen.action()
            except UserError as error:
                print(f"error: {error}", file=sys.stderr)
            console.print()
    except (QuitMenu, KeyboardInterrupt):
        print(text("menu.bye"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
