"""The page that compares runs: what it shows is gathered from their folders and their ledgers; nothing in them is changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from grandmaster.competition.metrics import METRICS
from grandmaster.errors import UserError
from grandmaster.language import Language, Speaker
from grandmaster.pipeline.finished import FinishedRun
from grandmaster.pipeline.judging import Judge
from grandmaster.pipeline.ledger import BOARDS, ledger_of, read_ledger
from grandmaster.pipeline.plan import ModelPlan
from grandmaster.pipeline.run_comparison import RunsCompared
from grandmaster.report.artefacts import FinalResults, RunArtefacts, read_run
from grandmaster.report.class_comparison import Answers, ClassesCompared, compare_classes
from grandmaster.report.run_comparison import ComparedPair, ComparedRun, RunsSideBySide, write_run_comparison
from grandmaster.report.run_differences import Difference, differences
from grandmaster.report.texts import speaker
from grandmaster.report.values import percent
from grandmaster.storage import digest, read_object

FOLDER = "comparisons"
"""Below a folder of runs: where their comparisons lie."""
LONGEST_NAME = 120  # bytes; most systems allow 255
# Of a model's plan: estimates, and what only says how a value was come by.
_NOT_COMPARED = ("minutes_per_fold", "test_minutes_per_fold", "memory_gb", "disk_gb", "reasons", "adaptation")


def default_place(sides: Sequence[Sequence[Path]]) -> Path:
    """Where the page of some runs lies: beside the first of them, always under the same name.

    Args:
        sides: their folders.
    """
    named = "_vs_".join("+".join(folder.name for folder in side) for side in sides)
    if len(named.encode()) > LONGEST_NAME:
        cut = named.encode()[:LONGEST_NAME].decode(errors="ignore")
        named = f"{cut}_{digest([[folder.name for folder in side] for side in sides])}"
    return sides[0][0].parent / FOLDER / f"{named}.html"


def write_comparison_page(
    path: Path,
    sides: Sequence[Sequence[FinishedRun]],
    found: Sequence[RunsCompared],
    language: Language = "en",
) -> None:
    """Write the page of runs that were compared.

    Args:
        sides: each a run, or runs of one recipe with several seeds.
        found: the first side with every other one, in order.
        language: that the page speaks.

    Raises:
        UserError: the place holds something else, a run has a damaged file, or the page cannot be written.
    """
    runs, say = [run for side in sides for run in side], speaker(language)
    names = _distinct([run.folder for run in runs])
    artefacts = [read_run(run.folder) for run in runs]
    competition, notes = runs[0].context.competition, list[str]()
    metric = METRICS[competition.metric]
    side_of = [number for number, side in enumerate(sides) for _ in side]
    called = tuple(
        " + ".join(name for name, of in zip(names, side_of, strict=True) if of == number)
        for number in range(len(sides))
    )
    compared = RunsSideBySide(
        competition=competition.name,
        metric_title=metric.title,
        higher_is_better=metric.higher_is_better,
        sides=called,
        runs=tuple(
            ComparedRun(name=name, side=side, artefacts=known, board=_board(run, name, notes, say))
            for run, name, side, known in zip(runs, names, side_of, artefacts, strict=True)
        ),
        pairs=tuple(
            _pair(one, called[0], second, say) for one, second in zip(found, called[1:], strict=True)
        ),
        differing=_differing(runs, artefacts, say),
        classes=_classes(sides, corrupted=all(one.corrupted for one in found)),
        notes=tuple(notes),
    )
    write_run_comparison(path, compared, language)


def _distinct(folders: Sequence[Path]) -> list[str]:
    """The names of folders, with as much of what they lie in as tells them apart."""
    depth = max(len(folder.parts) for folder in folders)
    for count in range(1, depth + 1):
        names = ["/".join(folder.parts[-count:]) for folder in folders]
        if len(set(names)) == len(set(folders)):
            return names
    return [folder.name for folder in folders]


def _pair(found: RunsCompared, first: str, second: str, say: Speaker) -> ComparedPair:
    named = dataclasses.replace(found, first=first, second=second)
    return ComparedPair(
        first=first,
        second=second,
        clean=named.clean,
        corrupted=named.corrupted,
        rows=named.rows,
        sentence=named.sentence_in(say),
        notes=tuple(note.said(say) for note in named.notes),
    )


def _board(run: FinishedRun, name: str, notes: list[str], say: Speaker) -> dict[str, str]:
    """What the board said of a run; a ledger that cannot be read is noted, and must not spoil the page."""
    try:
        table = read_ledger(ledger_of(run.folder))
    except UserError as error:
        notes.append(say("runs.no_board", name=name, why=error.what))
        return {}
    line: pd.DataFrame = table[table["experiment"] == run.name]
    return {board: str(line[board].iloc[0]) for board in BOARDS if len(line) and line[board].iloc[0]}


def _differing(
    runs: Sequence[FinishedRun], artefacts: Sequence[RunArtefacts], say: Speaker
) -> tuple[tuple[str, tuple[Difference, ...]], ...]:
    one_model = all(len(run.context.plan.models) == 1 for run in runs)
    plans = [
        dict(_plan(run, known.final, one_model=one_model)) for run, known in zip(runs, artefacts, strict=True)
    ]
    truth = say("shared.yes"), say("shared.no")
    machines = [dict(_machine(run, say)) for run in artefacts]
    return (
        (
            "settings",
            differences([_settings(run) for run in runs], none=say("differing.open"), truth=truth),
        ),
        ("plan", differences(plans, truth=truth)),
        ("augmentation", _augmentation(runs)),
        ("machine", differences(machines, truth=truth)),
    )


def _settings(run: FinishedRun) -> dict[str, Any]:
    """`section.field` of every setting, and what is asked for beside them."""
    asked = read_object(run.folder / "config.json")
    found: dict[str, Any] = {"mode": asked.get("mode"), "data": asked.get("data_path")}
    for section, fields in msgspec.to_builtins(run.context.config).items():
        found |= {f"{section}.{name}": value for name, value in fields.items()}
    return found


def _plan(run: FinishedRun, final: FinalResults | None, *, one_model: bool) -> Iterator[tuple[str, Any]]:
    """Decisions, models and what was chosen after training.

    Args:
        one_model: every run has a single model: they are set side by side, whatever they are called.
    """
    plan = run.context.plan
    for name, value, _ in plan.lines():
        yield name.replace("_", " "), value
    for model in plan.models:
        for field, value in _model(run, model).items():
            yield f"{'model' if one_model else model.backbone}: {field.replace('_', ' ')}", value
    if final is not None and final.ensemble is not None:
        yield "blend", final.ensemble.method
    if final is not None and final.tta is not None:
        yield "views are chosen", final.tta.chosen


def _model(run: FinishedRun, model: ModelPlan) -> dict[str, Any]:
    known: dict[str, Any] = msgspec.to_builtins(model)
    known["weights"] = model.weights.source.rsplit("/", 1)[-1]
    known["learning_rate"] = run.context.found_rates.get(model.backbone, model.learning_rate)
    return {field: value for field, value in known.items() if field not in _NOT_COMPARED}


def _augmentation(runs: Sequence[FinishedRun]) -> tuple[Difference, ...]:
    """Operations that differ: the shares of pictures and, where they are equal, with what arguments."""
    whole = [dict(_operations(run, arguments=True)) for run in runs]
    shares = [dict(_operations(run, arguments=False)) for run in runs]
    other_shares = {line.name: line for line in differences(shares)}
    return tuple(other_shares.get(line.name, line) for line in differences(whole))


def _operations(run: FinishedRun, *, arguments: bool) -> Iterator[tuple[str, str]]:
    """By name, what a run was trained with; an operation may be there twice."""
    used = run.context.augmentation
    groups = [("", used.operations), *((f"{one.name}: ", one.operations) for one in used.class_policies)]
    for group, operations in groups:
        for name in dict.fromkeys(operation.name for operation in operations):
            same = [operation for operation in operations if operation.name == name]
            yield (
                f"{group}{name}",
                " + ".join(
                    percent(one.probability) + (_arguments(one.params) if arguments else "") for one in same
                ),
            )


def _arguments(params: dict[str, Any]) -> str:
    return f" ({', '.join(f'{name} {value}' for name, value in params.items())})" if params else ""


def _machine(run: RunArtefacts, say: Speaker) -> Iterator[tuple[str, Any]]:
    known = run.environment
    if known is None:
        return
    yield "GPU", known.gpu.name if known.gpu else say("machine.no_gpu")
    yield "CPU", known.cpu
    yield say("machine.core_count"), known.cores
    yield "Python", known.python
    yield from known.versions.items()


def _classes(sides: Sequence[Sequence[FinishedRun]], *, corrupted: bool) -> ClassesCompared | None:
    """On the pictures that every run has predicted; None where there is none.

    Args:
        corrupted: on pictures corrupted as the test set is, as the verdicts are.
    """
    kind = "oof_corrupted" if corrupted else "oof"
    known = [[(run, run.predictions(kind)) for run in side] for side in sides]
    loaded = [[(run, oof) for run, oof in side if oof is not None] for side in known]
    shared = set.intersection(*(set(oof.ids) for side in loaded for _, oof in side))
    if not shared:
        return None
    first = sides[0][0].context
    ids = sorted(shared)

    def answers(run: FinishedRun, oof: Any) -> Answers:
        judge = Judge(run.context)
        rows = judge.rows(oof.aligned_to(ids))
        return Answers(values=rows.values, decided=judge.decisions(rows))

    return compare_classes(
        first.competition.kind,
        first.competition.class_names or first.competition.outputs,
        Judge(first).rows(loaded[0][0][1].aligned_to(ids)).truth,
        [[answers(run, oof) for run, oof in side] for side in loaded],
        corrupted=corrupted,
    )
