"""How a run stands, read from its folder and nothing else: so it is the same whoever started it, and after a restart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from grandmaster.errors import UserError
from grandmaster.page import processes
from grandmaster.page.application import Application
from grandmaster.page.places import EXPLORATION, REPORT, runs_in
from grandmaster.pipeline import heartbeat
from grandmaster.storage import read_object
from grandmaster.texts import JSON_DAMAGE

Standing = Literal["running", "finished", "stopped", "failed"]
LOG = "train.log"
LINES = 40
# As the log's lines begin: `2026-11-26 22:53:43 · `.
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
# `train resnet10t fold 0:  33%  epoch 4/12  ...  4m 29s left  whole run 44%, ETA 5m 45s`
_AT_WORK = re.compile(r"^\S (?P<task>.+?): +(?P<share>\d+)%(?:  (?P<facts>.*))?$")
_BEGUN = re.compile(r"^\S (?P<task>.+): started$")
_DONE = re.compile(r"^✓ (?P<task>.+?): ")
_WHOLE = re.compile(r"whole run (?P<share>\d+)%, ETA (?P<eta>\S+(?: \d\S+)?)")


@dataclass(frozen=True, kw_only=True)
class Score:
    """A cross-validated score.

    Attributes:
        title: of the metric, for people.
        low, high: its interval; None where there is none.
    """

    title: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """One run in the table.

    Attributes:
        created: of the result, ISO 8601; empty before there is one.
        explored: the folder holds a page about data.
        resumable: there is a command that goes on with it.
    """

    name: str
    folder: Path
    standing: Standing
    competition: str
    mode: str
    models: tuple[str, ...]
    score: Score | None
    corrupted: Score | None
    created: str
    reported: bool
    explored: bool
    resumable: bool


@dataclass(frozen=True, kw_only=True)
class Live:
    """A run that is at work.

    Attributes:
        stage: of the pipeline; empty before the first.
        task: what is being done; empty: nothing is known.
        facts: about it, in the words of the log.
        task_share, share: of the task and of the whole run, 0 to 1; None: not known.
        eta: in words; empty: not known.
        memory_gb: of the process, GiB; None: not known.
        lines: the last of its log.
    """

    stage: str
    task: str
    facts: str
    task_share: float | None
    share: float | None
    eta: str
    memory_gb: float | None
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The epochs of one fit: losses, and scores on clean and on corrupted validation pictures (None: not measured)."""

    name: str
    epochs: tuple[int, ...]
    train_loss: tuple[float | None, ...]
    val_loss: tuple[float | None, ...]
    score: tuple[float | None, ...]
    corrupted: tuple[float | None, ...]


def all_runs(application: Application) -> list[RunLine]:
    """Every run, the newest first; one whose files are damaged is listed as far as they can be read."""
    return [read_line(application, folder) for folder in runs_in(application.results).values()]


def read_line(application: Application, folder: Path) -> RunLine:
    """One run's line."""
    settings, results = _object(folder / "config.json"), _object(folder / "final_results.json")
    title = str(results.get("metric_title", ""))
    models = results.get("models")
    names = [str(model.get("backbone")) for model in models] if isinstance(models, list) else []
    data = settings.get("data_path")
    return RunLine(
        name=folder.name,
        folder=folder,
        standing=standing_of(application, folder),
        competition=str(results.get("competition") or (Path(data).name if isinstance(data, str) else "")),
        mode=str(settings.get("mode") or "explore"),
        models=tuple(dict.fromkeys(names)),
        score=_score(results.get("cross_validation"), title),
        corrupted=_score(results.get("corrupted_validation"), title),
        created=str(results.get("created", "")),
        reported=(folder / REPORT).is_file(),
        explored=(folder / EXPLORATION).is_file(),
        resumable=(folder / "environment.json").is_file(),
    )


def standing_of(application: Application, folder: Path) -> Standing:
    """Whether a process works in the folder; else how the last one ended, by its log."""
    if processes.process_of(application.results, folder.name) is not None:
        return "running"
    lines = processes.last_lines(folder / LOG, 1)
    last = lines[-1] if lines else ""
    ended = (folder / "final_results.json").is_file() and (folder / REPORT).is_file()
    explored = (folder / EXPLORATION).is_file() and not (folder / "config.json").is_file()
    if (ended or explored) and (not last or last.endswith(application.finished)):
        return "finished"
    # A traceback is indented, or names the error on its last line.
    said = _STAMP.sub("", last)
    return "failed" if said.startswith("error:") or re.match(r"\w*(Error|Exception)\b", said) else "stopped"


def read_live(folder: Path) -> Live:
    """What a run is doing."""
    lines = processes.last_lines(folder / LOG, LINES)
    beat = _object(folder / heartbeat.FILE_NAME)
    memory = beat.get("memory_gb")
    task = facts = eta = ""
    task_share: float | None = None
    share: float | None = None
    over: set[str] = set()
    for line in reversed(lines):
        text = _STAMP.sub("", line)
        if done := _DONE.match(text):
            over.add(done["task"])
            continue
        whole = _WHOLE.search(text)
        if whole and share is None:
            share, eta = int(whole["share"]) / 100, whole["eta"]
        found = _AT_WORK.match(text) or _BEGUN.match(text)
        if found and not task and found["task"] not in over:
            told = found.groupdict()
            task, task_share = told["task"], int(told.get("share") or 0) / 100
            facts = re.sub(r"(^| {2})whole run .*$", "", told.get("facts") or "")
        if task and share is not None:
            break
    return Live(
        stage=str(beat.get("stage", "")),
        task=task,
        facts=facts,
        task_share=task_share,
        share=share,
        eta=eta,
        memory_gb=float(memory) if isinstance(memory, int | float) else None,
        lines=tuple(_STAMP.sub("", line) for line in lines[-12:]),
    )


def read_curves(folder: Path) -> list[Curve]:
    """The epochs of every planned fit so far, by model and fold."""
    found = []
    for path in sorted(folder.glob("fold_*/*/metrics.jsonl")):
        epochs = _epochs(path)
        if not epochs:
            continue
        numbers = sorted(epochs)

        def column(
            name: str, numbers: list[int] = numbers, epochs: dict[int, dict[str, Any]] = epochs
        ) -> tuple[float | None, ...]:
            return tuple(_number(epochs[number].get(name)) for number in numbers)

        fold = path.parent.parent.name.removeprefix("fold_")
        found.append(
            Curve(
                name=f"{path.parent.name} fold {fold}",
                epochs=tuple(numbers),
                train_loss=column("train_loss"),
                val_loss=column("val_loss"),
                score=column("val_score"),
                corrupted=column("val_score_corrupted"),
            )
        )
    return found


def _epochs(path: Path) -> dict[int, dict[str, Any]]:
    """By number; a line that is being written is left out, an epoch that was repeated counts as it was last."""
    found: dict[int, dict[str, Any]] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    for line in lines:
        try:
            epoch = msgspec.json.decode(line)
        except JSON_DAMAGE:
            continue
        if isinstance(epoch, dict) and isinstance(epoch.get("epoch"), int):
            found[epoch["epoch"]] = epoch
    return found


def _object(path: Path) -> dict[str, Any]:
    """Empty where the file is missing, damaged or being replaced: a table of runs has to open all the same."""
    if not path.is_file():
        return {}
    try:
        return read_object(path)
    except UserError:
        return {}


def _score(found: Any, title: str) -> Score | None:
    if not isinstance(found, dict):
        return None
    value = _number(found.get("score"))
    if value is None:
        return None
    return Score(title=title, value=value, low=_number(found.get("low")), high=_number(found.get("high")))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def data_of(folder: Path) -> Path | None:
    """The competition's folder that a run, or an exploration, is of; None: it does not say."""
    settings = _object(folder / "config.json")
    if isinstance(settings.get("data_path"), str):
        return Path(settings["data_path"])
    return None
