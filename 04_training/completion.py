"""What the Tab key offers on a command line: flags, and for each the values that there are. Loaded when a shell asks, only.

The shell's part is argcomplete's, an extra of the package; see "Completion" in README.md.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import data_loader
import options
from config import BACKBONES, MODES, STAGES
from grandmaster.config import MetricName, TrainingMode
from grandmaster.errors import UserError
from grandmaster.settings import FieldInfo, fields
from run_folders import runs_in

# What was typed of the word so far, and the flags before it -> words that may be meant.
Completer = Callable[[str, argparse.Namespace], Iterable[str]]


def offer(parser: argparse.ArgumentParser) -> None:
    """Answer the shell, and end the process: nothing of the command itself is done."""
    try:
        import argcomplete
    except ModuleNotFoundError:
        os._exit(1)  # another Python's argcomplete asks: a command must not run because Tab was pressed
    for action in parser._actions:
        action.completer = _asked(completer_of(parser.prog, action))  # type: ignore[attr-defined]
    places = any(not action.option_strings for action in parser._actions)
    argcomplete.autocomplete(
        parser,
        # A bare Tab lists the flags, unless there is a run to be named.
        always_complete_options=not places,
        default_completer=argcomplete.completers.SuppressCompleter(),
    )


def _asked(completer: Completer) -> Callable[..., list[str]]:
    """As argcomplete calls it; folders that cannot be read, or files that are damaged, offer nothing."""

    def ask(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
        try:
            return list(completer(prefix, parsed_args))
        except (UserError, OSError):
            return []

    return ask


def completer_of(program: str, action: argparse.Action) -> Completer:
    """What offers the values of a flag, or of a place without one."""
    name = action.option_strings[0] if action.option_strings else action.dest
    return BY_PROGRAM.get((program, name)) or BY_NAME.get(name) or nothing


def nothing(prefix: str, given: argparse.Namespace) -> Iterable[str]:
    """For numbers and free text: nobody knows them better than who types."""
    return ()


def folders(prefix: str, given: argparse.Namespace) -> Iterable[str]:
    """Any folder."""
    return _paths(prefix)


def files(*endings: str) -> Completer:
    """Files with one of these endings (none: all), and the folders on the way to them."""

    def found(prefix: str, given: argparse.Namespace) -> Iterable[str]:
        return _paths(prefix, lambda name: not endings or name.endswith(endings))

    return found


def _paths(prefix: str, wanted: Callable[[str], bool] = lambda name: False) -> Iterator[str]:
    """Folders, with a slash behind, and files that are wanted, whose path begins so; hidden ones where a dot is typed."""
    head, slash, begun = prefix.rpartition("/")
    for entry in sorted(Path(f"{head}{slash}" or ".").expanduser().iterdir()):
        if not entry.name.startswith(begun) or (entry.name[0] == "." and not begun.startswith(".")):
            continue
        if entry.is_dir():
            yield f"{head}{slash}{entry.name}/"
        elif wanted(entry.name):
            yield f"{head}{slash}{entry.name}"


def competitions(prefix: str, given: argparse.Namespace) -> Iterator[str]:
    """The competitions that are found by themselves, then any folder."""
    known: list[str] = []
    with contextlib.suppress(UserError):  # there is none: still any folder may be meant
        known = [data_loader.shown(folder) for folder in data_loader.find_competitions(None)]
    yield from _first(known, prefix, given)


def _first(known: Sequence[str], prefix: str, given: argparse.Namespace) -> Iterator[str]:
    """These folders, then all others."""
    yield from known
    yield from (folder for folder in folders(prefix, given) if folder.rstrip("/") not in known)


def _results(given: argparse.Namespace) -> Path:
    """Where runs are kept, as far as is known yet."""
    output = getattr(given, "output", None)
    return options.RESULTS_FOLDER if output is None else data_loader.resolve(output)


def run_names(prefix: str, given: argparse.Namespace) -> Iterator[str]:
    """Names of runs, and any folder where a path is typed."""
    yield from (folder.name for folder in runs_in(_results(given)))
    if "/" in prefix or prefix.startswith(("~", ".")):
        yield from folders(prefix, given)


def run_folders(prefix: str, given: argparse.Namespace) -> Iterator[str]:
    """Folders of runs by their paths, for flags that take no name."""
    yield from _first([data_loader.shown(folder) for folder in runs_in(_results(given))], prefix, given)


def listed(values: Iterable[str]) -> Completer:
    """One of these."""
    known = tuple(values)
    return lambda prefix, given: known


def several(one: Completer) -> Completer:
    """The same with commas between: what stands before the last comma is kept."""

    def found(prefix: str, given: argparse.Namespace) -> Iterator[str]:
        before, comma, last = prefix.rpartition(",")
        taken = before.split(",")
        yield from (f"{before}{comma}{word}" for word in one(last, given) if word not in taken)

    return found


def backbones(prefix: str, given: argparse.Namespace) -> Iterator[str]:
    """The large ones of a full run, then all others of the registry that can be trained."""
    from grandmaster.models.registry import ENTRIES
    from grandmaster.models.registry.modes import require_trainable

    yield from BACKBONES
    for name, entry in ENTRIES.items():
        try:
            require_trainable(entry)
        except UserError:
            continue
        if name not in BACKBONES:
            yield name


def registered(prefix: str, given: argparse.Namespace) -> Iterable[str]:
    """Every model of the registry."""
    from grandmaster.models.registry import ENTRIES

    return ENTRIES


def recipes(prefix: str, given: argparse.Namespace) -> Iterator[str]:
    """Presets and experiments by name, and YAML files."""
    from experiment_files import known_recipes

    yield from known_recipes()
    found = files(".yaml", ".yml")(prefix, given)
    yield from (path for path in found if "/" in prefix or not path.endswith("/"))


def stages(prefix: str, given: argparse.Namespace) -> Iterable[str]:
    """Of the mode that is given."""
    mode = MODES.get(getattr(given, "mode", None) or "")
    return STAGES if mode is None else mode.stages


def settings(prefix: str, given: argparse.Namespace) -> Iterator[str]:
    """`section.field=`, and behind the sign the values that such a field may have."""
    path, sign, value = prefix.partition("=")
    for field in fields():
        if not sign:
            yield f"{field.path}="
        elif field.path == path:
            yield from (f"{path}={word}" for word in _values(field, value, given))


def _values(field: FieldInfo, begun: str, given: argparse.Namespace) -> Iterator[str]:
    by_path: Mapping[str, Completer] = {
        "model.backbones": several(backbones),
        "model.weights_dir": folders,
        "model.registry_file": files(".yaml", ".yml"),
        "data.label_fixes": files(".csv"),
    }
    if field.path in by_path:
        yield from by_path[field.path](begun, given)
    elif "|" in field.type_text:
        yield from field.type_text.split("|")
    if field.default is None:
        yield "none"


def fits(prefix: str, given: argparse.Namespace) -> Iterator[str]:
    """Finished fits of the run that is named."""
    if given.run is None:
        return
    run = data_loader.resolve(given.run)
    for spec in sorted(run.rglob("spec.json")):
        if (spec.parent / "manifest.json").exists():
            yield spec.parent.relative_to(run).as_posix()


def competition_names(prefix: str, given: argparse.Namespace) -> Iterable[str]:
    """Of the finished runs that there are."""
    from grandmaster.storage import read_json

    found = (run / "final_results.json" for run in runs_in(_results(given)))
    return sorted({str(read_json(path).get("competition")) for path in found if path.is_file()})


def tasks(prefix: str, given: argparse.Namespace) -> Iterable[str]:
    """Of the models of the registry."""
    from grandmaster.models.registry.entry import Task

    return get_args(Task)


# A value that is free text or a number has no line here, and is listed by `test_app_completion.py`.
BY_NAME: dict[str, Completer] = {
    "--data_path": competitions,
    "--data": competitions,
    "--weights_dir": folders,
    "--bundle": folders,
    "--output": folders,
    "--out": folders,
    "--runs": folders,
    "--run": run_names,
    "run": run_names,
    "runs": run_names,
    "--models": several(backbones),
    "--mode": listed(MODES),
    "--preset": recipes,
    "--set": settings,
    "--until": stages,
    "--experiment_name": run_names,
    "--fixes": files(".csv"),
    "--submission": files(".csv"),
    "--solution": files(".csv"),
    "--metric": listed(get_args(MetricName)),
    "--html": files(".html"),
    "--registry_file": files(".yaml", ".yml"),
    "--guide": registered,
    "--task": tasks,
}
BY_PROGRAM: dict[tuple[str, str], Completer] = {
    ("accept_labels.py", "--run"): run_folders,
    ("export_model.py", "--run"): run_folders,
    ("export_model.py", "--fit"): fits,
    ("compare_runs.py", "runs"): several(run_names),
    ("models.py", "--mode"): listed(get_args(TrainingMode)),
    ("choose_final.py", "--competition"): competition_names,
    ("kaggle_infer.py", "--out"): files(".csv"),
}
