"""The page of an exploration: what the data are like, before anything is trained. One file that opens anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from grandmaster.competition.metrics import METRICS
from grandmaster.competition.table import Competition
from grandmaster.language import Language, Speaker
from grandmaster.report.artefacts import RunArtefacts, read_run
from grandmaster.report.data import DataSection, describe_data
from grandmaster.report.figures import RangeRow, balance_figure, ranges_figure
from grandmaster.report.fingerprint import Fingerprint
from grandmaster.report.groups import Example, Group, Known, show_groups, test_pictures, training_pictures
from grandmaster.report.headline import Step, in_mode
from grandmaster.report.html import render_page
from grandmaster.report.lookalikes import lookalikes, policy_sheet
from grandmaster.report.sentences import describe_shift
from grandmaster.report.shift import kind_rows
from grandmaster.report.texts import speaker
from grandmaster.storage import write_atomic

FILE_NAME = "eda.html"
MOST_CLASS_ROWS = 40
OF_CLASSES = ("brightness", "contrast", "sharpness", "noise", "overexposed", "axis_alignment", "aspect")
QUANTILES = ("q05", "q25", "q50", "q75", "q95")


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """Means of the statistics of one class; None where one is not known."""

    label: str
    name: str
    count: int | None
    means: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """What the page shows beyond the report's section about the data.

    Attributes:
        sentences: how test differs from train.
        balance, sizes, aspects: figures; None where there is nothing to draw.
        class_columns, class_rows, class_rows_left_out: the table of statistics of each class.
        in_train, across, within_test: groups of duplicates, and how many there are of each kind.
        most_test_like: training pictures that look most like test pictures.
        sheet: `data:` URI of the sheet of augmented pictures.
        steps: what to do next.
    """

    sentences: tuple[str, ...]
    balance: Markup | None
    sizes: Markup | None
    aspects: Markup | None
    class_columns: tuple[str, ...]
    class_rows: tuple[ClassRow, ...]
    class_rows_left_out: int
    in_train: tuple[Group, ...]
    in_train_count: int
    across: tuple[Group, ...]
    across_count: int
    within_test: tuple[Group, ...]
    within_test_count: int
    most_test_like: tuple[Example, ...]
    sheet: str | None
    steps: tuple[Step, ...]


def write_exploration(
    folder: Path, competition: Competition, *, command: str, language: Language = "en"
) -> Path:
    """Write `eda.html` from what a folder holds: `fingerprint.json`, and a plan where there is one.

    Args:
        folder: of the exploration or of a run.
        competition: the competition that was inspected; its pictures are shown.
        command: the command line that makes this page again; those of the next steps are made from it.
        language: that the page speaks.

    Returns:
        The path of the page.

    Raises:
        UserError: no such folder, or a damaged artefact.
    """
    run = read_run(folder)
    path = folder / FILE_NAME
    write_atomic(path, render_exploration(run, competition, speaker(language), command=command))
    return path


def render_exploration(run: RunArtefacts, competition: Competition, say: Speaker, *, command: str) -> str:
    """The page as text."""
    data = describe_data(run, competition, say)
    return render_page(
        "explore.html.jinja",
        say,
        competition=competition,
        metric_title=METRICS[competition.metric].title,
        fingerprint=run.fingerprint or Fingerprint(),
        plan=run.plan,
        shift=run.shift,
        kinds=kind_rows(run.shift, say),
        data=data,
        more=_explore(run, competition, data, command, say),
        command=command,
    )


def _explore(
    run: RunArtefacts, competition: Competition, data: DataSection, command: str, say: Speaker
) -> Exploration:
    fingerprint = run.fingerprint or Fingerprint()
    train, test = training_pictures(competition, say), test_pictures(competition)
    duplicates = fingerprint.duplicates
    class_rows = _class_rows(fingerprint, competition)
    # A pair across is (training picture, test picture).
    across = [
        [(pair[0], train), *((picture_id, test) for picture_id in pair[1:])] for pair in duplicates.across
    ]
    return Exploration(
        sentences=describe_shift(data.statistics, say),
        balance=_balance(fingerprint, say),
        sizes=_ranges(fingerprint, ("width", "height"), "px", say("explore.sizes_about"), say),
        aspects=_ranges(fingerprint, ("aspect",), say("unit.aspect"), say("explore.aspects_about"), say),
        class_columns=tuple(say(f"statistic.{name}") for name in OF_CLASSES),
        class_rows=class_rows[:MOST_CLASS_ROWS],
        class_rows_left_out=max(0, len(class_rows) - MOST_CLASS_ROWS)
        + fingerprint.class_statistics.classes_left_out,
        in_train=show_groups(_all_of(duplicates.groups, train)),
        in_train_count=len(duplicates.groups),
        across=show_groups(across),
        across_count=len(across),
        within_test=show_groups(_all_of(duplicates.test_groups, test)),
        within_test_count=len(duplicates.test_groups),
        most_test_like=lookalikes(run, train),
        sheet=policy_sheet(run.folder),
        steps=_steps(data, command, say),
    )


def _all_of(groups: Iterable[tuple[str, ...]], known: Known) -> list[list[tuple[str, Known]]]:
    return [[(picture_id, known) for picture_id in group] for group in groups]


def _balance(fingerprint: Fingerprint, say: Speaker) -> Markup | None:
    counts = [item.count for item in fingerprint.classes]
    if len(counts) < 2:
        return None
    return balance_figure(counts, about=say("explore.balance_about"), say=say)


def _ranges(
    fingerprint: Fingerprint, names: tuple[str, ...], axis: str, about: str, say: Speaker
) -> Markup | None:
    rows = []
    for name in names:
        sides = []
        for side in (fingerprint.train, fingerprint.test):
            quantiles = [side.statistics.get(name, {}).get(key) for key in QUANTILES]
            known = tuple(value for value in quantiles if value is not None)
            sides.append(known if len(known) == len(QUANTILES) else None)
        if any(side is not None for side in sides):
            rows.append(RangeRow(label=say(f"statistic.{name}").lower(), train=sides[0], test=sides[1]))
    return ranges_figure(rows, axis=axis, about=about) if rows else None


def _class_rows(fingerprint: Fingerprint, competition: Competition) -> tuple[ClassRow, ...]:
    names = dict(zip(competition.classes, competition.class_names, strict=True))
    return tuple(
        ClassRow(
            label=label,
            name=names.get(label, label),
            count=entry.count,
            means=tuple(entry.statistics.get(name, {}).get("mean") for name in OF_CLASSES),
        )
        for label, entry in fingerprint.class_statistics.classes.items()
    )


def _steps(data: DataSection, command: str, say: Speaker) -> tuple[Step, ...]:
    steps = []
    if data.conflict_count:
        steps.append(Step(text=say.counted("next.conflicts", data.conflict_count)))
    quick = in_mode(command, "quick_test")
    if quick:
        steps.append(Step(text=say("next.dry_run"), command=f"{quick} --dry_run"))
        steps.append(Step(text=say("next.quick_test"), command=quick))
    steps.append(Step(text=say("next.explore_again"), command=command))
    return tuple(steps)
