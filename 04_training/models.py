# PYTHON_ARGCOMPLETE_OK
"""The models there are, how each may be trained, and under which licence: a table, or a guide to one of them."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import data_loader
import options
from grandmaster.config import TrainingMode
from grandmaster.errors import UserError
from grandmaster.texts import counted
from options import BAD_INPUT, DONE, Parser, choice, one_line, parse_flags

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from grandmaster.models.registry import ModelEntry
    from grandmaster.models.registry.facts import Facts

MODES: tuple[str, ...] = get_args(TrainingMode)
_MODE_TITLES = ("tune", "full", "only")  # short for MODES, which the lines below the table name
_HERE = {"": "✓", "extra not installed": "extra", "task not here yet": "-"}
# Columns: from so many on there is room for all; licences and data sets of more letters are cut short.
_WIDE, _LICENCE_WIDTH, _PRETRAINED_WIDTH = 96, 14, 23
_LEGEND = (
    "★ recommended  ✓ supported  ▲ discouraged  - not supported",
    "tune: fine_tuning, full: full_training, only: inference_only",
    "licence: of the weights; *: documented, not counted",
    "here: ✓ is trained here, extra: its package is missing, -: not here yet",
    "All about one: models.py --guide NAME",
)
_SIGNS = {"recommended": "★", "supported": "✓", "discouraged": "▲", "refused": "-"}


def make_parser() -> Parser:
    """Its flags."""
    parser = Parser(
        prog="models.py",
        description="Lists the models of the registry with their training modes, or with --guide tells all about one. "
        "Signs of a mode: ★ recommended, ✓ supported, ▲ discouraged, - not supported. "
        "Exit code 0: done; 2: bad input, or a mode that the model of --guide does not support.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--guide", metavar="NAME", help="all about one model, with commands to copy; any timm name will do")
    add(
        "--mode",
        metavar="MODE",
        help=f"only models that support it: {', '.join(MODES)}; with --guide: may it?",
    )
    add("--task", metavar="TASK", help="only models for it: classification, detection, segmentation, ...")
    add("--licence", metavar="TEXT", help="only weights whose licence has this in its name, such as apache")
    add("--max_parameters", metavar="MILLION", help="only models of at most so many million parameters")
    add("--fits_vram", metavar="GB", help="only models that can be trained on a GPU of so much memory")
    add("--weights_dir", metavar="FOLDER", help="only models whose weights lie in this folder")
    add("--images", metavar="N", help="labelled pictures that you have: what is recommended, and warnings")
    add("--data_path", metavar="FOLDER", help="competition whose models.yaml counts too")
    add("--registry_file", metavar="FILE", help="YAML file of models that you added")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table or the guide and return the exit code."""
    try:
        given = parse_flags(make_parser(), sys.argv[1:] if argv is None else argv)
        return _guide(given) if given.guide is not None else _table(given)
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT


def _added(given: argparse.Namespace) -> dict[str, ModelEntry]:
    """Models that the person added."""
    from grandmaster.models.registry.user_file import added_models

    file = None if given.registry_file is None else str(data_loader.resolve(given.registry_file))
    folder = None if given.data_path is None else data_loader.resolve(given.data_path)
    return added_models(file, folder)


def _guide(given: argparse.Namespace) -> int:
    from grandmaster.models.registry import find_entry
    from grandmaster.models.registry.facts import facts_of
    from grandmaster.models.registry.guide import guide_lines
    from grandmaster.models.registry.modes import require_mode
    from grandmaster.pipeline.measured import measured_speeds
    from grandmaster.pipeline.speed import ProbeCache
    from utils import make_console

    entry = find_entry(given.guide, _added(given))
    if given.mode is not None:
        require_mode(entry, _mode(given.mode))
    images = _number("--images", given.images)
    speeds: list[str] = []
    if entry.backbone is not None:
        cache = ProbeCache(options.RESULTS_FOLDER / ".cache", read_only=True)
        speeds = [
            speed.text(None if images is None else int(images))
            for speed in measured_speeds(cache, entry.backbone.timm_name)
        ]
    console = make_console()
    for line in guide_lines(
        entry, facts_of(entry), images=None if images is None else int(images), speeds=speeds
    ):
        console.print(line, soft_wrap=True, markup=False)
    return DONE


def _table(given: argparse.Namespace) -> int:
    from grandmaster.models.registry import ENTRIES
    from grandmaster.models.registry.modes import recommend
    from utils import make_console

    console = make_console()
    found = list(_chosen(given, [*ENTRIES.values(), *_added(given).values()]))
    if not found:
        raise UserError("no model is left", where="the filters", fix="Leave some of them out.")
    console.print(models_table(found, console.width))
    images = _number("--images", given.images)
    if images is not None:
        for task in dict.fromkeys(entry.task for entry, _ in found):
            line = f"{task.replace('_', '-')} with {counted(int(images), 'picture')}: {recommend(task, int(images)).text}"
            console.print(line, soft_wrap=True, markup=False)
    for line in _LEGEND:
        console.print(line, style="dim", soft_wrap=True, markup=False)
    return DONE


def _chosen(given: argparse.Namespace, entries: Sequence[ModelEntry]) -> Iterator[tuple[ModelEntry, Facts]]:
    """What passes the filters; those that cost nothing come first, since counting a large model takes seconds."""
    from grandmaster.models.registry import Task
    from grandmaster.models.registry.facts import facts_of

    task = None if given.task is None else choice("--task", given.task.replace("-", "_"), get_args(Task))
    mode = None if given.mode is None else _mode(given.mode)
    most = _number("--max_parameters", given.max_parameters)
    room = _number("--fits_vram", given.fits_vram)
    folder = None if given.weights_dir is None else data_loader.resolve(given.weights_dir)
    for entry in entries:
        if task is not None and entry.task != task:
            continue
        if mode is not None and mode not in entry.training_modes.supported:
            continue
        read = facts_of(entry, count=False)
        if given.licence is not None and given.licence.lower() not in read.licence_weights.lower():
            continue
        if folder is not None and not _at_hand(entry, folder):
            continue
        facts = facts_of(entry)
        if most is not None and (facts.parameters is None or facts.parameters > most * 1e6):
            continue
        if room is not None and not _fits(entry, room):
            continue
        yield entry, facts


def _at_hand(entry: ModelEntry, folder: Path) -> bool:
    from grandmaster.models.weights import architectures_at_hand

    return entry.backbone is not None and bool(architectures_at_hand(folder, [entry.backbone]))


def _fits(entry: ModelEntry, room: float) -> bool:
    """Whether it can be trained on such a card; what cannot be counted here is left out."""
    from grandmaster.pipeline.memory import GPU_SHARE, least_memory_gb

    return entry.backbone is not None and least_memory_gb(entry.backbone) <= GPU_SHARE * room


def models_table(rows: Sequence[tuple[ModelEntry, Facts]], width: int) -> Table:
    """A line a model, below the name of its task; within it in the order given.

    Args:
        width: of the console, columns; what a narrow one has no room for is in the guide to a model.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from grandmaster.models.registry import Task

    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column("model", style="cyan", no_wrap=True)
    table.add_column("million", justify="right", no_wrap=True, min_width=7)
    for title in _MODE_TITLES:
        table.add_column(title, justify="center", no_wrap=True, min_width=4)
    table.add_column("licence", no_wrap=True, max_width=_LICENCE_WIDTH)
    wide = width >= _WIDE
    if wide:
        table.add_column("pretrained on", no_wrap=True, max_width=_PRETRAINED_WIDTH)
    table.add_column("here", no_wrap=True, min_width=5)
    task, order = None, get_args(Task)
    for entry, facts in sorted(rows, key=lambda row: order.index(row[0].task)):
        if entry.task != task:
            task = entry.task
            table.add_section()
            table.add_row(Text(task.replace("_", "-"), style="bold"))
        million = "?" if facts.parameters is None else f"{facts.parameters / 1e6:.1f}"
        million += "*" if facts.source.startswith("documented") else ""
        table.add_row(
            Text(entry.id),
            million,
            *(_sign(entry, mode) for mode in MODES),
            Text(facts.licence_weights),
            *([Text(_short(facts.pretrained_on))] if wide else []),
            _here(entry),
        )
    return table


def _short(pretrained_on: str) -> str:
    """`ImageNet-22k, then ImageNet-1k` -> `ImageNet-22k + 1k`; remarks in brackets are in the guide."""
    bare = re.sub(r" \([^)]*\)", "", pretrained_on)
    return re.sub(r"(ImageNet-\w+), then ImageNet-", r"\1 + ", bare).replace(", then ", " + ")


def _here(entry: ModelEntry) -> Text:
    """Whether it can be trained here."""
    from rich.text import Text

    from grandmaster.models.registry.modes import badge

    missing = badge(entry)
    return Text(_HERE.get(missing, missing), style="yellow" if missing else "green")


def _sign(entry: ModelEntry, mode: str) -> str:
    modes = entry.training_modes
    if mode not in modes.supported:
        return _SIGNS["refused"]
    if mode == modes.recommended:
        return _SIGNS["recommended"]
    return _SIGNS["discouraged" if mode in modes.discouraged else "supported"]


def _mode(given: str) -> TrainingMode:
    return choice("--mode", given, MODES)  # type: ignore[return-value]  # one of the literal's values


def _number(flag: str, text: str | None) -> float | None:
    """A number above 0; None: not given."""
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise UserError(f"{text!r} is not allowed", where=flag, fix="Give a number above 0")
    return value


if __name__ == "__main__":
    sys.exit(main())
