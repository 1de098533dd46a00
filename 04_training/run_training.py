# PYTHON_ARGCOMPLETE_OK
"""Interactive menu over `grandmaster_train.main`: it asks, that does."""

from __future__ import annotations

import shlex
import sys
import webbrowser
from collections.abc import Sequence
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
from grandmaster.language import language
from live_view import make_view
from menu_questions import Item, QuitMenu, ask, choose
from messages import text

if TYPE_CHECKING:
    from grandmaster.models.registry import ModelEntry


PAGES = ("report.html", "eda.html", f"{COMPARISON}.html")


@dataclass
class Chosen:
    """What the person has chosen for all that follows; None: nothing yet."""

    data: Path | None = None


chosen = Chosen()


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
        Item(title=text("menu.choose_data"), action=choose_data),
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
    """Run a mode on the data that the person chose, or chooses now where there are several."""
    command = ["--mode", mode, *flags]
    if mode != "debug" or chosen.data is not None:
        data = chosen.data or data_to_use()
        if data is None:
            return
        command += ["--data_path", str(data)]
    grandmaster_train.main(command)


def data_to_use() -> Path | None:
    """The only data there are, or those of several that the person wants; None: there are none, or none are wanted."""
    known = known_data()
    if not known:
        print(_no_competition())
    return choose_data() if len(known) > 1 else next(iter(known), None)


def choose_data() -> Path | None:
    """Ask for the data of all that follows; None: they stay as they are."""
    folders = [
        Item(title=path.name, about=data_loader.shown(path), action=partial(Path, path))
        for path in known_data()
    ]
    other = Item(title=text("menu.other_folder"), action=ask_folder)
    back = Item(title=text("menu.back"), action=lambda: None)
    answer = choose(text("menu.which_data"), [*folders, other, back]).action()
    if isinstance(answer, Path):
        chosen.data = answer
        return answer
    return None


def ask_folder() -> Path | None:
    """A folder that is typed in; None: an empty line.

    Raises:
        UserError: it holds no competition.
    """
    given = ask(text("menu.type_folder")).strip()
    if not given:
        return None
    try:
        return data_loader.find_competitions(given)[0]
    except UserError as error:
        raise UserError(error.what, fix=error.fix) from None  # it was not given by a flag


def known_data() -> list[Path]:
    """Competition folders in data/, or Kaggle's, then those of earlier runs, the newest run first."""
    here = found()
    known = {path.resolve() for path in here}
    earlier = data_loader.earlier_competitions(reversed(runs()))
    if chosen.data is not None:
        earlier = [chosen.data, *(path for path in earlier if path != chosen.data)]
    return here + [path for path in earlier if path.resolve() not in known]


def _no_competition() -> str:
    folder = data_loader.shown(data_loader.DATA_FOLDER)
    return text("menu.no_competition", folder=folder, choose=text("menu.choose_data"))


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
        lines.append(
            Item(title=text("menu.train_so", mode=text(f"menu.mode.{mode}")), about=said, action=action)
        )
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
    folders = known_data() if chosen.data is None else [chosen.data]
    if not folders:
        console.print(Text(f"▲ {_no_competition()}", style="yellow"))
    for folder in folders:
        try:
            console.print(competition_panel(data_loader.load(folder)))
        except UserError as error:
            console.print(Text(f"✗ {folder.name}: {error}", style="red"))


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
    folders = known_data() if chosen.data is None else [chosen.data]
    names = ", ".join(folder.name for folder in folders)
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
        description="A menu over the competitions in data/, those of earlier runs, and any other folder. It takes no "
        "flags: with --data_path and all others, start grandmaster_train.py.",
        allow_abbrev=False,
    )


def main(argv: Sequence[str] = ()) -> int:
    """Ask and do until the person quits; exit code 0, or 2 where flags are given."""
    try:
        options.parse_flags(make_parser(), argv)
    except UserError:
        given = shlex.join(argv)
        fix = f"Start grandmaster_train.py {given} instead, or choose the data in the menu"
        print(f"error: {UserError(f'the menu takes no flags: {given}', fix=fix)}", file=sys.stderr)
        return options.BAD_INPUT
    try:
        _ask_and_do()
    except BrokenPipeError:  # `| head`
        utils.silence(sys.stdout)
    return 0


def _ask_and_do() -> None:
    """Until the person quits, or nobody reads what is said."""
    console = utils.make_console()
    try:
        while True:
            console.print(header())
            if not utils.has_reader(sys.stdout):
                return
            item = choose(text("menu.question"), items())
            try:
                item.action()
            except UserError as error:
                print(f"error: {error}", file=sys.stderr)
            console.print()
    except (QuitMenu, KeyboardInterrupt):
        print(text("menu.bye"), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
