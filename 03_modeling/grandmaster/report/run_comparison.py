"""Runs side by side on one page: one HTML file that opens anywhere, made like a run's report and linking to it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from grandmaster.competition.comparison import Comparison
from grandmaster.errors import UserError
from grandmaster.language import Language, Speaker
from grandmaster.report.artefacts import RunArtefacts, Score
from grandmaster.report.class_comparison import ClassesCompared
from grandmaster.report.figures import (
    RUN_COLOURS,
    RUN_DASHES,
    IntervalRow,
    RunCurves,
    interval_figure,
    run_colour,
    runs_figure,
)
from grandmaster.report.html import MOST_CURVES, render_page
from grandmaster.report.run_differences import Difference
from grandmaster.report.texts import speaker
from grandmaster.report.values import signed_span
from grandmaster.report.wall_time import WallTime, wall_time
from grandmaster.storage import read_bytes, write_atomic

# By it a file is known that may be overwritten: it stands in every comparison, and in nothing else.
MARK = b'<meta name="page" content="comparison of runs">'


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """One run on the page.

    Attributes:
        name: told apart from all others of the page.
        side: which side of the comparison it is of, from 0; seeds of one recipe are of one side.
        board: "public" and "private" scores as they were entered; without those that were not.
    """

    name: str
    side: int
    artefacts: RunArtefacts
    board: dict[str, str]

    @property
    def clean(self) -> Score | None:
        """Its score on validation pictures as they are."""
        return self.artefacts.final.cross_validation if self.artefacts.final else None

    @property
    def corrupted(self) -> Score | None:
        """Its score on validation pictures corrupted as the test set is."""
        return self.artefacts.final.corrupted_validation if self.artefacts.final else None

    @property
    def models(self) -> str:
        """Its backbones."""
        final = self.artefacts.final
        return ", ".join(dict.fromkeys(fit.backbone for fit in (final.models or ()))) if final else ""


@dataclass(frozen=True, kw_only=True)
class ComparedPair:
    """The first side against another one.

    Attributes:
        clean, corrupted: the latter None where not both have such pictures.
        rows: that both have predicted.
        sentence: the verdict.
    """

    first: str
    second: str
    clean: Comparison
    corrupted: Comparison | None
    rows: int
    sentence: str
    notes: tuple[str, ...]

    @property
    def deciding(self) -> Comparison:
        """The one that foretells the board."""
        return self.corrupted or self.clean


@dataclass(frozen=True, kw_only=True)
class RunsSideBySide:
    """The content of the page.

    Attributes:
        sides: their names; the first is what the others are compared with.
        pairs: the first side with every other one.
        differing: what differs between the runs, in their "settings", "plan", "augmentation" and "machine".
        classes: None where no row was predicted by all.
        notes: what has to be said beside.
    """

    competition: str
    metric_title: str
    higher_is_better: bool
    sides: tuple[str, ...]
    runs: tuple[ComparedRun, ...]
    pairs: tuple[ComparedPair, ...]
    differing: tuple[tuple[str, tuple[Difference, ...]], ...]
    classes: ClassesCompared | None
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Key:
    """How a run is drawn wherever it is."""

    colour: int
    dash: int


@dataclass(frozen=True, kw_only=True)
class _TimeLine:
    """A line of the table of times: seconds of each run, None where a run has no such stage."""

    name: str
    seconds: tuple[float | None, ...]


def comparison_cells(one: Comparison, say: Speaker) -> list[str]:
    """A comparison as texts: before, after, gain, interval by bootstrap, interval by the corrected t test, folds ahead, verdict.

    Args:
        say: the texts of the reports.
    """
    corrected = one.corrected
    return [
        f"{one.before:.4f}",
        f"{one.after:.4f}",
        f"{one.gain:+.4f}",
        signed_span(one.low, one.high, say),
        "–" if corrected is None else signed_span(corrected.low, corrected.high, say),
        f"{sum(fold.gain > 0 for fold in one.by_fold)} / {len(one.by_fold)}",
        say(f"verdict.{one.verdict}"),
    ]


def require_own(path: Path) -> None:
    """Refuse a place where something else is kept.

    Raises:
        UserError: a folder, or a file that is no comparison of runs.
    """
    if path.is_dir():
        raise UserError("is a folder", where=path, fix="Give the name of a file, such as comparison.html.")
    if path.exists() and MARK not in read_bytes(path):
        raise UserError(
            "this file is no comparison of runs, and would be lost",
            where=path,
            fix="Give another name, or move it away.",
        )


def write_run_comparison(path: Path, compared: RunsSideBySide, language: Language = "en") -> None:
    """Write the page; one that stood there is replaced.

    Args:
        language: that the page speaks; it is that of the sentences and notes in `compared`.

    Raises:
        UserError: as `require_own`, or it cannot be written.
    """
    require_own(path)
    write_atomic(path, render_run_comparison(compared, path.parent, speaker(language)))


def render_run_comparison(compared: RunsSideBySide, folder: Path, say: Speaker) -> str:
    """The page as text; the same runs always give the same bytes.

    Args:
        folder: where it will lie; from there it links to the reports.
    """
    runs = compared.runs
    times = [_time(run.artefacts) for run in runs]
    return render_page(
        "run_comparison.html.jinja",
        say,
        compared=compared,
        mark=Markup(MARK.decode()),
        keys=[_key(place) for place in range(len(runs))],
        figure=_scores_figure(compared, say),
        curves=_curves(compared, say),
        reports=[_report(run.artefacts.folder, folder) for run in runs],
        boards=[board for board in ("public", "private") if any(board in run.board for run in runs)],
        times=times,
        time_lines=_time_lines(times),
        totals=[_total(run.artefacts, time) for run, time in zip(runs, times, strict=True)],
        fits=[_fit_seconds(run.artefacts) for run in runs],
    )


def _key(place: int) -> _Key:
    return _Key(colour=place % len(RUN_COLOURS), dash=place // len(RUN_COLOURS) % len(RUN_DASHES))


def _scores_figure(compared: RunsSideBySide, say: Speaker) -> Markup | None:
    """On corrupted pictures where every run has such: those foretell the board."""
    like_test = all(pair.corrupted for pair in compared.pairs)
    rows = []
    for place, run in enumerate(compared.runs):
        told = run.corrupted if like_test else run.clean
        if told is not None and told.score is not None:
            rows.append(
                IntervalRow(
                    label=run.name,
                    value=told.score,
                    low=told.low,
                    high=told.high,
                    colour=run_colour(place),
                )
            )
    if not rows:
        return None
    title = say("runs.like_test", metric=compared.metric_title) if like_test else compared.metric_title
    return interval_figure(
        rows,
        baseline=None,
        baseline_name="",
        axis=say("scores.higher" if compared.higher_is_better else "scores.lower", title=title),
        about=say("runs.about"),
        say=say,
    )


def _curves(compared: RunsSideBySide, say: Speaker) -> tuple[tuple[str, Markup], ...]:
    """(title, figure) of every measure that a run has recorded."""
    drawn = []
    for field in ("val_score", "val_score_corrupted", "val_loss", "train_loss", "learning_rate"):
        runs = [
            RunCurves(
                place=place,
                fits=tuple(
                    tuple((epoch.epoch, getattr(epoch, field)) for epoch in fit.epochs)
                    for fit in run.artefacts.fits[:MOST_CURVES]
                    if any(getattr(epoch, field) is not None for epoch in fit.epochs)
                ),
            )
            for place, run in enumerate(compared.runs)
        ]
        known = [run for run in runs if run.fits]
        if known:
            title = say(f"run_curves.{field}", metric=compared.metric_title)
            drawn.append((title, runs_figure(known, about=say("run_curves.about", title=title))))
    return tuple(drawn)


def _report(run: Path, folder: Path) -> str | None:
    """The address of a run's report, seen from a folder; None where it has none."""
    report = run / "report.html"
    if not report.is_file():
        return None
    return quote(Path(os.path.relpath(report, folder)).as_posix())


def _time(run: RunArtefacts) -> WallTime | None:
    final = run.final
    return wall_time(final.seconds, final.steps) if final and final.seconds else None


def _total(run: RunArtefacts, time: WallTime | None) -> float | None:
    if run.final and run.final.total_seconds is not None:
        return run.final.total_seconds
    return time.seconds if time else None


def _fit_seconds(run: RunArtefacts) -> float | None:
    """Of all finished fits together."""
    known = [fit.result.seconds for fit in run.fits if fit.result and fit.result.seconds is not None]
    return sum(known) if known else None


def _time_lines(times: Sequence[WallTime | None]) -> tuple[_TimeLine, ...]:
    """A line for every stage, in the order of the runs; those that took no time in any run are left out."""
    stages = [{stage.name: stage.seconds for stage in time.stages} if time else {} for time in times]
    names = dict.fromkeys(name for known in stages for name in known)
    lines = [_TimeLine(name=name, seconds=tuple(known.get(name) for known in stages)) for name in names]
    return tuple(line for line in lines if any((seconds or 0) >= 0.05 for seconds in line.seconds))
