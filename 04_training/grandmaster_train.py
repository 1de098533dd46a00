# PYTHON_ARGCOMPLETE_OK
"""Command line: from a competition folder to a checked submission."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import comparing_modes
import data_loader
from _source_roots import ROOT
from config import STAGES
from grandmaster import __version__
from grandmaster.errors import FolderTaken, UserError
from messages import text
from options import (
    BAD_INPUT,
    CHECK_FAILED,
    DONE,
    FAILED,
    INTERRUPTED,
    OUT_OF_TIME,
    Settings,
    command_line,
    make_parser,
    one_line,
    parse_flags,
    read_settings,
)
from time_limit import process_start, watchdog

# Rich, pandas and torch are imported where they are used: `--help` and a typo answer at once.
if TYPE_CHECKING:
    from grandmaster.pipeline.run import RunRequest
    from utils import RunLog

# The last line of a finished run's log; any other last line means that there is something to resume.
FINISHED = "run finished"


def run_debug(settings: Settings) -> int:
    """Check machine, packages and data, each line shown as soon as it is known; exit code."""
    from rich.live import Live

    import utils
    from grandmaster.pipeline.doctor import run_doctor
    from screens import check_lines, check_summary, check_table

    began = time.monotonic()
    competitions: list[Path] = []
    with contextlib.suppress(UserError) if settings.data_path is None else contextlib.nullcontext():
        competitions = data_loader.find_competitions(settings.data_path)
    findings = run_doctor(
        config=settings.config,
        competitions=competitions,
        results_folder=settings.results,
        requirements=ROOT / "requirements.txt",
    )
    console = utils.make_console()
    checks = []
    if settings.plain or not utils.is_interactive():
        for check in findings:
            checks.append(check)
            console.print(check_lines(check), soft_wrap=True)
    else:
        with Live(check_table(checks, more=True), console=console, refresh_per_second=10) as live:
            for check in findings:
                checks.append(check)
                live.update(check_table(checks, more=True))
            live.update(check_table(checks, more=False))
    console.print(check_summary(checks, time.monotonic() - began))
    return CHECK_FAILED if any(check.status == "fail" for check in checks) else DONE


def show_plan(settings: Settings, request: RunRequest, command: str) -> int:
    """`--dry_run`: the plan as tables; writes no run, but keeps what was measured for it."""
    import utils
    from grandmaster.pipeline.run import planned_work
    from live_view import make_view
    from screens import plan_tables

    console = utils.make_console()
    with make_view(console, utils.RunLog(None), title=request.mode, plain=settings.plain) as view:
        plan, later = planned_work(request, view)
    console.print(plan_tables(plan, later))
    console.print(text("plan.written_nothing"), style="dim")
    console.print(command, soft_wrap=True, markup=False)
    return DONE


def run(settings: Settings, request: RunRequest, command: str, log: RunLog) -> int:
    """The whole road, or to `--until`; shows the result."""
    import utils
    from grandmaster.pipeline.run import run_pipeline
    from live_view import make_view
    from screens import summary_panel

    console = utils.make_console()
    log.write(f"{request.command} (grandmaster {__version__})", later=True)
    title = f"{request.run_folder.name} · {settings.mode.name}"

    def last_words() -> str:
        log.write("the time limit was reached")
        path = request.run_folder / f"submission_{request.run_folder.name}.csv"
        stands = text("end.submission_stands", path=data_loader.shown(path)) if path.exists() else ""
        return f"{text('end.out_of_time')} {stands}\n{text('end.resume')}\n{command}"

    minutes = request.config.run.time_limit
    ends = None if minutes is None else (request.started or time.monotonic()) + 60 * minutes
    with (
        watchdog(ends, last_words, OUT_OF_TIME),
        make_view(console, log, title=title, plain=settings.plain, ends=ends) as view,
    ):
        results = run_pipeline(request, view)
    if request.until is not None and request.until != STAGES[-1]:
        console.print(text("end.stopped", stage=request.until))
        console.print(command, soft_wrap=True, markup=False)
    else:
        console.print(summary_panel(results, request.run_folder))
        log.write(FINISHED)
    return DONE


def explore(settings: Settings, request: RunRequest, command: str, log: RunLog) -> int:
    """`--mode explore`: a page about the data; `--dry_run`: what was understood, and what would be written."""
    import utils
    from grandmaster.pipeline.run import explore_data, read_data
    from grandmaster.report.headline import in_mode
    from live_view import make_view
    from screens import competition_panel

    console = utils.make_console()
    page = data_loader.shown(request.run_folder / "eda.html")
    title = f"{request.run_folder.name} · {settings.mode.name}"
    if settings.dry_run:
        with make_view(console, log, title=title, plain=settings.plain) as view:
            competition = read_data(request, view)
        console.print(competition_panel(competition))
        console.print(text("explore.written_nothing", path=page), style="dim", markup=False)
        console.print(command, soft_wrap=True, markup=False)
        return DONE
    log.write(f"{request.command} (grandmaster {__version__})", later=True)
    with make_view(console, log, title=title, plain=settings.plain) as view:
        written = explore_data(request, view)
    if written is None:
        console.print(text("end.stopped", stage=request.until))
        console.print(command, soft_wrap=True, markup=False)
    else:
        console.print(text("explore.done", path=page), soft_wrap=True, markup=False)
        quick = in_mode(request.command, "quick_test")
        if quick:
            console.print(text("explore.next"), style="dim")
            console.print(f"{quick} --dry_run", soft_wrap=True, markup=False)
        log.write(FINISHED)
    return DONE


def execute(settings: Settings, started: float | None = None) -> int:
    """Do what was asked and turn every way of ending into an exit code and one line.

    Args:
        started: when the command began, by `time.monotonic`: a time limit counts from there.
    """
    from utils import RunLog, say_error

    log, command = RunLog(None), ""
    try:
        if settings.canary:
            from canary import run_canaries

            return run_canaries(settings)
        if settings.mode.name == "debug":
            return run_debug(settings)
        data_path = data_loader.one_competition(data_loader.find_competitions(settings.data_path))
        if settings.compare_modes:
            experiment = settings.experiment or comparing_modes.experiment_name(data_path, settings)
            command = command_line(settings, data_path, experiment, Path.cwd())
            if settings.dry_run:
                return comparing_modes.show_plans(
                    settings, data_path, experiment, command, make_request=make_request
                )
            log = RunLog(settings.results / experiment / "train.log")
            return comparing_modes.run_comparison(
                settings, data_path, experiment, log, make_request=make_request, run=run, finished=FINISHED
            )
        experiment = settings.experiment or data_loader.experiment_name(data_path, settings.mode.name)
        command = command_line(settings, data_path, experiment, Path.cwd())
        request = make_request(settings, data_path, experiment, started or time.monotonic())
        log = RunLog(None if settings.dry_run else request.run_folder / "train.log")
        if settings.mode.name == "explore":
            return explore(settings, request, command, log)
        if settings.dry_run:
            return show_plan(settings, request, command)
        return run(settings, request, command, log)
    except FolderTaken as error:  # its log is that of the other run, which may be at work or finished
        return _bad_input(error)
    except UserError as error:
        log.write(f"error: {error}")
        return _bad_input(error)
    except KeyboardInterrupt:
        log.write("interrupted")
        if command and not settings.dry_run:
            until = [] if settings.until is None else ["--until", settings.until]
            say_error(f"\n{text('end.interrupted')}\n{shlex.join([*shlex.split(command), *until])}")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost place: it is logged in full, the person sees one line
        return _unexpected(error, log)


def make_request(
    settings: Settings, data_path: Path, experiment: str, started: float | None = None
) -> RunRequest:
    """What the pipeline is asked to do; the stored command is written as from the repository's root."""
    from grandmaster.pipeline.run import RunRequest

    return RunRequest(
        data_path=data_path,
        run_folder=settings.results / experiment,
        config=settings.config,
        mode=settings.mode.name,
        command=command_line(settings, data_path, experiment, ROOT),
        until=settings.until,
        models_wanted=settings.mode.models_wanted,
        started=started,
    )


def _bad_input(error: UserError) -> int:
    print(f"error: {one_line(error)}", file=sys.stderr)
    return BAD_INPUT


def _unexpected(error: Exception, log: RunLog) -> int:
    place = ""
    if log.path is not None:
        with contextlib.suppress(OSError):  # the disk may be what failed; the line below still says what
            log.write_exception(error)
            place = f". The traceback is in {data_loader.shown(log.path)}"
    print(f"error: unexpected {type(error).__name__}: {one_line(error)}{place}", file=sys.stderr)
    if not place:
        traceback.print_exception(error)
    return FAILED


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """What asks a process to end ends a run as Ctrl-C does: cleanly, with the resume command.

    SIGTERM is a batch system's or Docker's stop, SIGHUP that of a terminal that is closed (unless `nohup` said otherwise).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a loader's worker, forked with this handler: just end
            os._exit(128 + number)
        if hasattr(
            signal, "SIGCHLD"
        ):  # workers were asked to end, too: torch need not call that an error now
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        raise KeyboardInterrupt

    known = [
        getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
    ]  # no SIGHUP on Windows
    before = {
        number: handler
        for number in known
        if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)
    }
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (default: the process's own) and return its exit code."""
    started = process_start() if argv is None else time.monotonic()
    try:
        settings = read_settings(parse_flags(make_parser(), sys.argv[1:] if argv is None else argv))
        if settings.compare_modes:
            comparing_modes.check_flags(settings)
    except UserError as error:
        return _bad_input(error)
    with _terminable():
        return execute(settings, started)


if __name__ == "__main__":
    sys.exit(main())
