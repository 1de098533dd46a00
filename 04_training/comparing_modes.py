"""`--compare_modes`: one model fine-tuned and trained from scratch, as two runs below one folder, and what came of it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import data_loader
from _source_roots import ROOT
from grandmaster.errors import UserError
from grandmaster.language import language
from grandmaster.settings import with_settings
from messages import text
from options import DONE, Settings, command_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from grandmaster.language import Speaker
    from grandmaster.models.registry import ModelEntry
    from grandmaster.pipeline.run import RunRequest
    from grandmaster.report.mode_comparison import ModesCompared
    from utils import RunLog

# Name of its files; `grandmaster.report.mode_comparison` would load what draws figures.
COMPARISON = "mode_comparison"

# Begins and goes on with one run: settings, request, command and log, as `grandmaster_train.run` takes them.
OneRun = Callable[[Settings, "RunRequest", str, "RunLog"], int]
# What `grandmaster_train.make_request` takes.
MakeRequest = Callable[[Settings, Path, str, float | None], "RunRequest"]


def experiment_name(data_path: Path, settings: Settings) -> str:
    """The default name of a comparison: another model makes another one."""
    (model,) = settings.config.model.backbones or ("",)
    return f"{data_loader.experiment_name(data_path, settings.mode.name)}_modes_{model}"


def is_comparison(folder: Path) -> bool:
    """Whether a folder of results is that of a comparison: it has two runs below it and is none itself."""
    return (folder / "train.log").is_file() and any(
        (folder / mode / "config.json").is_file() for mode in ("fine_tuning", "full_training")
    )


def require_possible(settings: Settings, data_path: Path) -> ModelEntry:
    """Refuse what cannot be compared before anything is trained; what is known of the model.

    Raises:
        UserError: a mode that it does not support, or no weights to fine-tune.
    """
    from grandmaster.models.registry import find_entry
    from grandmaster.models.registry.user_file import added_models
    from grandmaster.pipeline.mode_comparison import require_comparable

    added = added_models(settings.config.model.registry_file, data_path)
    require_comparable(settings.config, added)
    return find_entry((settings.config.model.backbones or ("",))[0], added)


def run_comparison(
    settings: Settings,
    data_path: Path,
    experiment: str,
    log: RunLog,
    *,
    make_request: MakeRequest,
    run: OneRun,
    finished: str,
) -> int:
    """Do both runs, each going on where it stopped, and write and show the comparison; exit code.

    Args:
        experiment: name of the folder of both runs.
        log: of the comparison; each run has one of its own.
        finished: last line of the log of what is done.
    """
    import utils
    from grandmaster.pipeline.finished import open_run
    from grandmaster.pipeline.mode_comparison import MODES, compare_modes, same_budget, share_steps
    from grandmaster.pipeline.plan import read_plan
    from grandmaster.report.mode_comparison import write_comparison
    from grandmaster.report.texts import speaker
    from grandmaster.storage import write_json

    entry = require_possible(settings, data_path)
    folder, command = settings.results / experiment, command_line(settings, data_path, experiment, ROOT)
    write_json(folder / "environment.json", {"command": command})
    log.write(command)
    console, budget = utils.make_console(), list[str]()
    for mode in MODES:
        console.print(text(f"compare.{mode}", model=entry.id), style="bold")
        if budget:
            share_steps(folder / MODES[0], folder / mode)
        one = _settings_of(settings, mode, budget, folder)
        request = make_request(one, data_path, mode, time.monotonic())
        ended = run(one, request, command, utils.RunLog(request.run_folder / "train.log"))
        if ended != DONE:
            return ended
        opened = open_run(request.run_folder)
        budget = budget or same_budget(
            read_plan(request.run_folder / "plan.json", opened.context.competition)
        )
    tuned, scratch = (open_run(folder / mode) for mode in MODES)
    compared = compare_modes(scratch, tuned, entry, command=command)
    page = write_comparison(folder, compared, language())
    console.print(comparison_tables(compared))
    say = speaker(language())
    for note in compared.notes:
        console.print(f"{note.said(say)}.", style="dim", soft_wrap=True, markup=False)
    console.print(text("compare.page", path=data_loader.shown(page)), soft_wrap=True, markup=False)
    log.write(finished)
    return DONE


def show_plans(
    settings: Settings,
    data_path: Path,
    experiment: str,
    command: str,
    *,
    make_request: MakeRequest,
) -> int:
    """`--dry_run`: the plans of both runs; writes neither, but keeps what was measured."""
    import utils
    from grandmaster.pipeline.mode_comparison import MODES, same_budget
    from grandmaster.pipeline.run import planned_work
    from live_view import make_view
    from screens import plan_tables

    entry = require_possible(settings, data_path)
    console, budget = utils.make_console(), list[str]()
    for mode in MODES:
        one = _settings_of(settings, mode, budget, settings.results / experiment)
        with make_view(console, utils.RunLog(None), title=mode, plain=settings.plain) as view:
            plan, later = planned_work(make_request(one, data_path, mode, None), view)
        console.print(text(f"compare.{mode}", model=entry.id), style="bold")
        console.print(plan_tables(plan, later))
        budget = budget or same_budget(plan)
    console.print(text("plan.written_nothing"), style="dim")
    console.print(command, soft_wrap=True, markup=False)
    return DONE


def _settings_of(settings: Settings, mode: str, budget: list[str], folder: Path) -> Settings:
    """The command line of one of the two runs, which resumes it alone as any other."""
    more = (f"training.mode={mode}", *budget)
    return dataclasses.replace(
        settings,
        config=with_settings(settings.config, more, where="--compare_modes"),
        assignments=(*settings.assignments, *more),
        results=folder,
        experiment=mode,
        compare_modes=False,
    )


def comparison_tables(compared: ModesCompared) -> RenderableType:
    """Both runs side by side, how far each layer moved, and the verdict."""
    from rich.console import Group
    from rich.text import Text

    from grandmaster.report.texts import speaker

    say = speaker(language())
    parts: list[RenderableType] = [_side_by_side(compared, say), _gains(compared, say)]
    if compared.layers:
        parts.append(_moved(compared, say))
    return Group(*parts, Text(compared.verdict(say), style="bold"))


def _table(title: str, *columns: tuple[str, dict[str, Any]]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, title=Text(title), title_justify="left", title_style="bold")
    for name, how in columns:
        table.add_column(name, **how)
    return table


def _side_by_side(compared: ModesCompared, say: Speaker) -> Table:
    from rich.text import Text

    from grandmaster.report.mode_comparison import table_lines

    title = (
        f"{compared.backbone} on {compared.competition}, {compared.input_size} px, "
        f"{compared.folds_trained} of {compared.folds_total} folds"
    )
    table = _table(
        title,
        ("", {"style": "cyan"}),
        *((say(f"modes.{mode}"), {"overflow": "fold"}) for mode in ("full_training", "fine_tuning")),
    )
    for line in table_lines(compared, say):
        style = "dim" if line.documented else ""
        table.add_row(Text(line.name), Text(line.full_training, style), Text(line.fine_tuning, style))
    return table


def _gains(compared: ModesCompared, say: Speaker) -> Table:
    from grandmaster.report.values import signed_span

    table = _table(
        text("compare.gain"),
        (text("compare.pictures"), {"style": "cyan"}),
        *((text(f"compare.{name}"), {"justify": "right"}) for name in ("gains", "bootstrap", "corrected_t")),
        (text("compare.verdict"), {}),
    )
    for name, gain in (("clean", compared.gain), ("corrupted", compared.gain_corrupted)):
        if gain is not None:
            t = gain.corrected
            table.add_row(
                text(f"compare.{name}"),
                f"{gain.gain:+.4f}",
                signed_span(gain.low, gain.high, say),
                "-" if t is None else signed_span(t.low, t.high, say),
                say(f"verdict.{gain.verdict}"),
            )
    return table


def _moved(compared: ModesCompared, say: Speaker) -> Table:
    from rich.text import Text

    from grandmaster.report.values import count, share

    right: dict[str, Any] = {"justify": "right", "no_wrap": True}
    table = _table(
        text("compare.moved"),
        (text("compare.layer"), {"style": "cyan", "overflow": "fold"}),
        (text("compare.parameters"), right),
        *((say(f"modes.{mode}"), right) for mode in ("full_training", "fine_tuning")),
    )
    for layer in compared.layers:
        shares = (share(layer.full_training), share(layer.fine_tuning))
        table.add_row(Text(layer.layer), count(layer.parameters), *shares)
    return table


def check_flags(settings: Settings) -> None:
    """Refuse flags that a comparison has no use for, before the data are looked at.

    Raises:
        UserError: names the first.
    """
    asked = {
        "--canary": settings.canary,
        "--until": settings.until is not None,
        "--time_limit": settings.config.run.time_limit is not None,
        "--mode": settings.mode.name in ("debug", "explore"),
    }
    why = {
        "--canary": "canaries train nets of their own",
        "--until": "both runs go the whole way",
        "--time_limit": "a limit would cut the two runs at different places; set run.minutes or training.epochs",
        "--mode": "there is nothing trained to compare",
    }
    for flag, given in asked.items():
        if given:
            raise UserError(
                f"--compare_modes does not go with this: {why[flag]}", where=flag, fix="Leave it out."
            )
    if any(one.partition("=")[0].strip() == "training.mode" for one in settings.assignments):
        raise UserError(
            "the training mode is what --compare_modes compares",
            where="--set training.mode",
            fix="Leave it out.",
        )
    if len(settings.config.model.backbones or ()) != 1:
        raise UserError(
            "--compare_modes trains one model twice, and "
            + ("several are named" if settings.config.model.backbones else "none is named"),
            where="--models",
            fix="Name one, for example --models mobilenetv2_100.",
        )
