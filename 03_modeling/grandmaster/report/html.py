"""The report of a run: one HTML file that opens anywhere, without a network.

Everything that came from data (names, ids, paths, reasons) is escaped by Jinja2; scripts and outside resources are
none, and the page's own content security policy forbids them. The same run folder always gives the same bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from grandmaster import __version__
from grandmaster.competition.table import Competition
from grandmaster.report.artefacts import Fit, FitResult, FitScore, RunArtefacts, read_run
from grandmaster.report.data import describe_data
from grandmaster.report.figures import IntervalRow, curves_figure, interval_figure
from grandmaster.report.groups import training_pictures
from grandmaster.report.headline import Headline, describe_result
from grandmaster.report.lookalikes import lookalikes, policy_sheet
from grandmaster.report.looks import describe_looks
from grandmaster.report.moved import MovedLayer, moved_layers
from grandmaster.report.out_of_fold import judge
from grandmaster.report.out_of_fold_labels import judge_labels
from grandmaster.report.out_of_fold_numbers import judge_numbers
from grandmaster.report.planned import ModelPlan
from grandmaster.report.shift import kind_rows
from grandmaster.report.suspects import describe_suspects
from grandmaster.report.techniques import technique_rows
from grandmaster.report.values import FILTERS
from grandmaster.report.wall_time import WallTime, wall_time
from grandmaster.storage import write_atomic
from grandmaster.texts import counted

HERE = Path(__file__).parent
MOST_CURVES = 60
"""Fits whose curves are drawn: twelve models on five folds."""


@dataclass(frozen=True, kw_only=True)
class PlannedModel:
    """A line of the plan beside what was measured; means over the folds that were trained."""

    plan: ModelPlan
    folds: int
    minutes: float | None
    memory_gb: float | None
    came_down_to: str


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One fit in the training section."""

    fit: Fit
    figure: Markup | None


@dataclass(frozen=True, kw_only=True)
class ModelCurves:
    """All fits of one backbone."""

    backbone: str
    curves: tuple[Curve, ...]
    moved: tuple[MovedLayer, ...]


def write_report(run_folder: Path, competition: Competition) -> Path:
    """Write `report.html` of a run from the artefacts that its folder holds.

    Args:
        run_folder: folder of the run; any file in it may be missing, and the page says what is absent.
        competition: the competition that the run was made from; its pictures are shown.

    Returns:
        The path of the report.

    Raises:
        UserError: no such folder, a damaged artefact, or a run of other data.
    """
    run = read_run(run_folder)
    path = run_folder / "report.html"
    write_atomic(path, render_report(run, competition))
    return path


def render_report(run: RunArtefacts, competition: Competition) -> str:
    """The page as text."""
    found, kind = run.out_of_fold, competition.kind
    oof = judge(found, competition) if found is not None and kind == "multiclass" else None
    labels = (
        judge_labels(found, competition, run.rule) if found is not None and kind == "multilabel" else None
    )
    numbers = (
        judge_numbers(found, competition, run.rule)
        if found is not None and kind in ("ordinal", "regression")
        else None
    )
    headline = describe_result(run, competition, oof)
    return render_page(
        "template.html.jinja",
        competition=competition,
        run=run,
        final=run.final,
        headline=headline,
        data=describe_data(run, competition),
        kinds=kind_rows(run.shift),
        most_test_like=lookalikes(run, training_pictures(competition)),
        sheet=policy_sheet(run.folder),
        models=_planned_models(run),
        curves=_curves(run, headline.metric_title),
        curves_left_out=max(0, len(run.fits) - MOST_CURVES),
        oof=oof,
        oof_labels=labels,
        oof_numbers=numbers,
        model_scores=_model_scores(run, headline),
        alone=_alone(run),
        tta_gain=_tta_gain(run),
        time=_time(run),
        suspects=describe_suspects(run, competition),
        techniques=technique_rows(run.techniques),
        looks=describe_looks(run, competition),
    )


def render_page(name: str, **content: Any) -> str:
    """A page from its template, with the style inside."""
    style = Markup((HERE / "style.css").read_text(encoding="utf-8"))
    return _environment().get_template(name).render(style=style, version=__version__, **content)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment


def _planned_models(run: RunArtefacts) -> tuple[PlannedModel, ...]:
    planned = []
    for model in run.plan.models if run.plan else ():
        results = [fit.result for fit in run.fits if fit.backbone == model.backbone and fit.result]
        seconds = _mean(result.seconds for result in results)
        planned.append(
            PlannedModel(
                plan=model,
                folds=len(results),
                minutes=None if seconds is None else seconds / 60,
                memory_gb=_mean(result.memory_gb for result in results),
                came_down_to=_came_down_to(model, results),
            )
        )
    return tuple(planned)


def _came_down_to(plan: ModelPlan, results: Sequence[FitResult]) -> str:
    """The smallest batch that memory left, where it ran out while training; empty where it did not."""
    told = [result for result in results if result.micro_batch is not None]
    least = min(told, key=lambda result: result.micro_batch or 0, default=None)
    again = any(result.grad_checkpointing for result in told) and not plan.grad_checkpointing
    if (
        least is None
        or plan.micro_batch is None
        or not (again or (least.micro_batch or 0) < plan.micro_batch)
    ):
        return ""
    how = ", recomputing activations" if again else ""
    return f"{least.micro_batch} × {least.accumulation}{how} when memory ran out; the same pictures a step"


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _curves(run: RunArtefacts, metric_title: str) -> tuple[ModelCurves, ...]:
    drawn = (Curve(fit=fit, figure=_curve(fit, metric_title)) for fit in run.fits[:MOST_CURVES])
    return tuple(
        ModelCurves(
            backbone=backbone,
            curves=tuple(group),
            moved=moved_layers(
                run.folder / f"fold_{fit.fold}" / backbone for fit in run.fits if fit.backbone == backbone
            ),
        )
        for backbone, group in groupby(drawn, key=lambda curve: curve.fit.backbone)
    )


def _curve(fit: Fit, metric_title: str) -> Markup | None:
    if not fit.epochs:
        return None
    best = fit.result.best_epoch if fit.result else None
    if best is None:  # still training: the last epoch that was the best when it was written
        best = max((epoch.epoch for epoch in fit.epochs if epoch.best), default=None)
    return curves_figure(
        fit.epochs,
        best_epoch=best,
        metric_title=metric_title,
        about=f"Training of {fit.backbone} on fold {fit.fold}: losses, validation score and learning rate",
    )


def _model_scores(run: RunArtefacts, headline: Headline) -> Markup | None:
    """Single models beside their blend: what the ensemble brought."""
    final = run.final
    scores: tuple[FitScore, ...] = (final.models or ()) if final else ()
    rows = tuple(
        IntervalRow(
            label=f"{item.backbone} · fold {item.fold}", value=item.score, low=item.low, high=item.high
        )
        for item in scores[:MOST_CURVES]
        if item.score is not None
    )
    if not rows:
        return None
    return interval_figure(
        rows,
        baseline=headline.score.score if headline.score else None,
        baseline_name="blend, all folds",
        axis=headline.metric_title,
        about="Score of each model on its own validation fold, against the blend",
    )


def _alone(run: RunArtefacts) -> str:
    """Why a model's own score is not that at the top, be it the only one."""
    tta = run.final.tta if run.final else None
    views = tta.views if tta and tta.views is not None else 1
    seen = f", by the mean of all {counted(views, 'view')}" if views > 1 else ""
    chosen = ", with the views that were chosen" if tta and tta.chosen else ""
    return f"Each model alone, on its own fold{seen}. The score at the top is that of the blend{chosen}."


def _tta_gain(run: RunArtefacts) -> float | None:
    tta = run.final.tta if run.final else None
    if tta is None or tta.score_with is None or tta.score_without is None:
        return None
    return tta.score_with - tta.score_without


def _time(run: RunArtefacts) -> WallTime | None:
    final = run.final
    if final is not None and final.seconds:
        return wall_time(final.seconds, final.steps)
    return wall_time(run.training.seconds, None) if run.training is not None else None
