"""The run: an ordered list of stages over one run folder. Running the same command again is resuming."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock
import msgspec
import torch

from grandmaster.competition.label_fixes import with_label_fixes
from grandmaster.competition.reader import read_competition
from grandmaster.competition.table import Competition
from grandmaster.config import Config
from grandmaster.errors import FolderTaken, UserError, did_you_mean
from grandmaster.pipeline import (
    distilling,
    exploring,
    finding_rate,
    keeping,
    labels,
    outcome,
    predicting,
    preparing,
    pseudo_labels,
    so_far,
    specialists,
    trying,
)
from grandmaster.pipeline.choosing_backbones import check_backbones
from grandmaster.pipeline.clock import Clock
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.hardware import describe_environment, planning_hardware, read_hardware
from grandmaster.pipeline.heartbeat import Heartbeat, beating
from grandmaster.pipeline.later import Later, later_work
from grandmaster.pipeline.plan import Plan
from grandmaster.pipeline.planner import FREE_SETTINGS
from grandmaster.pipeline.tracking import tracked
from grandmaster.pipeline.training_modes import check_inference_only
from grandmaster.progress import Progress
from grandmaster.stopwatch import Stopwatch
from grandmaster.storage import plain, read_json, read_object, write_json

# Name -> what it does; the order is the order of the run, the names are what --until takes.
STAGE_FUNCTIONS: dict[str, Callable[[RunContext], None]] = {
    "inspect": preparing.inspect,
    "shift": preparing.shift,
    "plan": preparing.plan,
    "find_rate": finding_rate.find_rates,
    "trial": trying.trial,
    "train": so_far.train,
    "pseudo_label": pseudo_labels.pseudo_label,
    "distill": distilling.distill,
    "predict": predicting.predict_test,
    "specialist": specialists.fit_specialists,
    "ensemble": predicting.ensemble,
    "label_quality": labels.label_quality,
    "submit": outcome.submit,
    "report": outcome.report,
}
STAGES = tuple(STAGE_FUNCTIONS)
# An exploration trains nothing and needs no weights.
EXPLORE_STAGE_FUNCTIONS: dict[str, Callable[[RunContext], None]] = {
    "inspect": preparing.inspect,
    "shift": preparing.shift,
    "explore": exploring.explore,
}
EXPLORE_STAGES = tuple(EXPLORE_STAGE_FUNCTIONS)


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What is asked for.

    Attributes:
        data_path: the competition's folder.
        run_folder: where everything goes; one run a folder.
        mode: name of the mode, for the report.
        command: the command line that repeats this run.
        models_wanted: 1 or 7, where `model.backbones` is open.
        until: last stage to do; None: all.
        started: when the command began, by `time.monotonic`; its time limit counts from there. None: now.
        change: what is done to the competition after it was read (canaries plant things); None: nothing.
    """

    data_path: Path
    run_folder: Path
    config: Config
    mode: str
    command: str
    models_wanted: int = 1
    until: str | None = None
    started: float | None = field(default=None, compare=False)
    change: Callable[[Competition], Competition] | None = field(default=None, compare=False)


def run_pipeline(request: RunRequest, progress: Progress) -> dict[str, Any]:
    """Do every stage that is not done yet.

    Returns:
        The content of `final_results.json`; empty when `until` ends the run before it.

    Raises:
        UserError: bad data or settings, another run in this folder, or a folder that holds a different run.
    """
    _check_until(request, STAGES)
    clock = _clock(request)
    with _held_folder(request):
        _refuse_other_run(request)
        context = _open(request, progress, clock)
        _refuse_absent_gpu(context)
        told = tracked(
            request.config.run.trackers,
            request.run_folder,
            context.competition.name,
            msgspec.to_builtins(request.config),
            progress,
            left=clock.left,
        )
        with beating(request.run_folder, progress) as heartbeat, told:
            so_far.without_pictures(context)
            environment = describe_environment(context.hardware, command=request.command, mode=request.mode)
            write_json(request.run_folder / "environment.json", environment)
            if request.started is not None:
                context.add_seconds("start", time.monotonic() - request.started)
            if not _do(STAGE_FUNCTIONS, context, request.until, heartbeat):
                return {}
        results: dict[str, Any] = read_json(request.run_folder / "final_results.json")
        return results


def explore_data(request: RunRequest, progress: Progress) -> Path | None:
    """Look at the data and write `eda.html`; train nothing.

    The folder may be that of a run of the same data: the page then shows its plan too, and the run goes on unharmed.

    Returns:
        The page; None when `until` ends it before.

    Raises:
        UserError: bad data or settings, another run at work in this folder, or a folder with a run of other data.
    """
    _check_until(request, EXPLORE_STAGES)
    with _held_folder(request):
        _refuse_other_data(request)
        context = _open(request, progress)
        done = _do(EXPLORE_STAGE_FUNCTIONS, context, request.until)
    return context.folder / "eda.html" if done else None


def _clock(request: RunRequest) -> Clock:
    """Of the time limit, from when the command began."""
    limit = request.config.run.time_limit
    started = time.monotonic() if request.started is None else request.started
    return Clock(limit=None if limit is None else 60 * limit, started=started)


def _check_until(request: RunRequest, stages: Sequence[str]) -> None:
    if request.until is not None and request.until not in stages:
        raise UserError(
            f"no stage is called {request.until!r}", where="--until", fix=did_you_mean(request.until, stages)
        )


@contextmanager
def _held_folder(request: RunRequest) -> Iterator[None]:
    """The run's folder, to itself."""
    _claim_folder(request)
    try:
        held = filelock.FileLock(request.run_folder / ".lock").acquire(timeout=0)
    except filelock.Timeout:
        raise FolderTaken(
            "another run is at work in this folder",
            where=request.run_folder,
            fix="Wait for it, stop it, or choose another --experiment_name.",
        ) from None
    with held:
        yield


def _do(
    stages: Mapping[str, Callable[[RunContext], None]],
    context: RunContext,
    until: str | None,
    heartbeat: Heartbeat | None = None,
) -> bool:
    """Every stage in order; False where `until` ended it before the last.

    Args:
        heartbeat: None for what is no run: an exploration leaves the times of a run that may lie in its folder alone.
    """
    # A guess until the plan knows more: a picture takes about 10 ms to read.
    pictures = len(context.competition.train) + len(context.competition.test)
    context.progress.expect({"inspect": 0.01 * pictures / context.hardware.cores})
    for name, stage in stages.items():
        if heartbeat is None:
            stage(context)
        else:
            heartbeat.enter(name)
            with _timed(context, name):
                stage(context)
        if name == until and name != list(stages)[-1]:
            context.progress.message(f"Stopped after stage {name!r}, as asked.")
            return False
    return True


@contextmanager
def _timed(context: RunContext, stage: str) -> Iterator[None]:
    """Notes what the stage takes, also when it is stopped."""
    watch, started = Stopwatch(), time.perf_counter()
    try:
        with watch.counting():
            yield
    finally:
        context.add_seconds(stage, time.perf_counter() - started, watch.seconds)


def plan_only(request: RunRequest, progress: Progress) -> Plan:
    """Read the data, make the plan; keep what was measured, write nothing else.

    The plan that a run with these settings has, perhaps edited, is shown as it stands.
    """
    return planned_work(request, progress)[0]


def planned_work(request: RunRequest, progress: Progress) -> tuple[Plan, list[Later]]:
    """As `plan_only`, with what comes after the planned fits where the settings ask for it."""
    context = _open(request, progress, _clock(request))
    plan = preparing.planned(context)
    return plan, later_work(plan, context.competition, context.config)


def read_data(request: RunRequest, progress: Progress) -> Competition:
    """Read the data as a run does, label fixes included, and say how they were understood; write nothing."""
    return _open(request, progress).competition


def open_context(request: RunRequest, progress: Progress) -> RunContext:
    """What the stages of a run share, to look at the run from outside; writes nothing."""
    return _open(request, progress)


def _open(request: RunRequest, progress: Progress, clock: Clock | None = None) -> RunContext:
    keeping.refuse_clash(request.config)
    pseudo_labels.rounds_wanted(request.config)  # refuses what the rules of the competition do not allow
    settings = request.config.data
    competition = with_label_fixes(read_competition(request.data_path, settings), settings.label_fixes)
    check_backbones(request.config, competition)
    distilling.check_student(request.config, competition)
    check_inference_only(request.config, competition)
    if request.change is not None:
        competition = request.change(competition)
    for line in competition.understood:
        progress.message(line, "warn" if line.startswith("warning") else "info")
    hardware = read_hardware(request.config.hardware)
    torch.set_num_threads(request.config.hardware.threads or hardware.cores)
    return RunContext(
        folder=request.run_folder,
        competition=competition,
        config=request.config,
        hardware=hardware,
        mode=request.mode,
        command=request.command,
        models_wanted=request.models_wanted,
        progress=progress,
        clock=clock or Clock(),
    )


def _claim_folder(request: RunRequest) -> None:
    """Refuse a read-only results folder before any work."""
    probe = request.run_folder / ".writable"
    try:
        request.run_folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"the results folder cannot be written: {error.strerror or error}",
            where=request.run_folder,
            fix="Choose another with --output.",
        ) from error


def _refuse_absent_gpu(context: RunContext) -> None:
    """A plan for another machine's GPU can be looked at, not carried out."""
    wanted = planning_hardware(context.hardware, context.config.hardware)
    if wanted.absent:
        raise UserError(
            f"no GPU to train on: hardware.vram_gb asks for one of {wanted.vram_gb:g} GB",
            where="--vram",
            fix="Add --dry_run to see the plan for such a card, or leave it out to train on the CPU.",
        )


def _refuse_other_data(request: RunRequest) -> None:
    """An exploration may look at a run's data from inside its folder, but not at other data."""
    path = request.run_folder / "config.json"
    then = read_object(path).get("data_path") if path.exists() else None
    if then is not None and then != str(request.data_path.resolve()):
        raise FolderTaken(
            f"this folder holds a run of other data: {then}",
            where=request.run_folder,
            fix="Choose another --experiment_name.",
        )


def _refuse_other_run(request: RunRequest) -> None:
    """A folder belongs to one configuration; another one is refused with the difference, nothing overwritten."""
    path = request.run_folder / "config.json"
    # Before there is a plan nothing has been done that other settings could spoil: a mistyped name may be mended.
    started = path.exists() and (request.run_folder / "plan.json").exists()
    now: dict[str, Any] = plain(
        {
            "data_path": request.data_path.resolve(),
            "mode": request.mode,
            "models_wanted": request.models_wanted,
            **msgspec.to_builtins(request.config),
        }
    )
    if started:
        difference = _difference(_with_defaults(read_object(path)), now)
        if difference:
            raise FolderTaken(
                "this folder holds a run with other settings: " + "; ".join(difference),
                where=request.run_folder,
                fix="Repeat the settings to resume it, or choose another --experiment_name.",
            )
    write_json(path, now)


def _with_defaults(stored: dict[str, Any]) -> dict[str, Any]:
    """Stored settings; one that the version which wrote them did not know yet is as it is when nobody sets it."""
    defaults: dict[str, Any] = plain(msgspec.to_builtins(Config()))
    known = {name: stored.get(name, {}) for name in defaults}
    return stored | {name: defaults[name] | said for name, said in known.items() if isinstance(said, dict)}


def _difference(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    lines = []
    for key in sorted(set(then) | set(now)):
        old, new = then.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            lines += [
                f"{key}.{name} was {old.get(name)}, now {new.get(name)}"
                for name in sorted(set(old) | set(new))
                if old.get(name) != new.get(name) and (key, name) not in FREE_SETTINGS
            ]
        elif old != new:
            lines.append(f"{key} was {old}, now {new}")
    return lines
