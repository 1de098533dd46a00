"""The report of a run: one HTML file that opens anywhere, without a network.

Everything that came from data (names, ids, paths, reasons) is escaped by Jinja2; scripts and outside resources are
none, and the page's own content security policy forbids them. The same run folder always gives the same bytes in one
language.
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
from grandmaster.language import Language, Speaker
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
from grandmaster.report.texts import speaker
from grandmaster.report.values import FILTERS, text
from grandmaster.report.wall_time import WallTime, wall_time
from grandmaster.storage import write_atomic

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


def write_report(run_folder: Path, competition: Competition, language: Language = "en") -> Path:
    """Write `report.html` of a run from the artefacts that its folder holds.

    Args:
        run_folder: folder of the run; any file in it may be missing, and the page says what is absent.
        competition: the competition that the run was made from; its pictures are shown.
        language: that the page speaks; what the run wrote into its files stays as it is.

    Returns:
        The path of the report.

    Raises:
        UserError: no such folder, a damaged artefact, or a run of other data.
    """
    run = read_run(run_folder)
    path = run_folder / "report.html"
    write_atomic(path, render_report(run, competition, speaker(language)))
    return path


def render_report(run: RunArtefacts, competition: Competition, say: Speaker) -> str:
    """The page as text."""
    found, kind = run.out_of_fold, competition.kind
    oof = judge(found, competition) if found is not None and kind == "multiclass" else None
    labels = (
        judge_labels(found, competition, run.rule, say)
        if found is not None and kind == "multilabel"
        else None
    )
    numbers = (
        judge_numbers(found, competition, run.rule, say)
        if found is not None and kind in ("ordinal", "regression")
        else None
    )
    headline = describe_result(run, competition, oof, say)
    return render_page(
        "template.html.jinja",
        say,
        competition=competition,
        run=run,
        final=run.final,
        headline=headline,
        data=describe_data(run, competition, say),
        kinds=kind_rows(run.shift, say),
        most_test_like=lookalikes(run, training_pictures(competition, say)),
        sheet=policy_sheet(run.folder),
        models=_planned_models(run, say),
        curves=_curves(run, headline.metric_title, say),
        curves_left_out=max(0, len(run.fits) - MOST_CURVES),
        oof=oof,
        oof_labels=labels,
        oof_numbers=numbers,
        model_scores=_model_scores(run, headline, say),
        alone=_alone(run, say),
        tta_gain=_tta_gain(run),
        time=_time(run),
        suspects=describe_suspects(run, competition, say),
        techniques=technique_rows(run.techniques),
        looks=describe_looks(run, competition, say),
    )


def render_page(name: str, say: Speaker, **content: Any) -> str:
    """A page from its template, with the style inside."""
    style = Markup((HERE / "style.css").read_text(encoding="utf-8"))
    return _environment(say).get_template(name).render(style=style, version=__version__, **content)


class _Spoken(Speaker):
    """For templates: what a text holds goes into the page as it stands, tags too; what fills its places is escaped."""

    def __call__(self, key: str, /, **values: Any) -> str:
        return Markup(self.raw(key)).format(**values)


@functools.cache
def _environment(say: Speaker) -> jinja2.Environment:
    """Where templates look texts up, with `say` and `counted`; `word|known("verdict")` is for words in a run's files."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    spoken = _Spoken(say.texts, say.language)
    environment.globals |= {
        "language": say.language,
        "say": spoken,
        "counted": spoken.counted,
    }
    environment.filters.update(FILTERS)
    environment.filters["text"] = functools.partial(text, truth=(say("shared.yes"), say("shared.no")))
    environment.filters["known"] = lambda word, kind: say.known(f"{kind}.{word}", word)
    return environment


def _planned_models(run: RunArtefacts, say: Speaker) -> tuple[PlannedModel, ...]:
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
                came_down_to=_came_down_to(model, results, say),
            )
        )
    return tuple(planned)


def _came_down_to(plan: ModelPlan, results: Sequence[FitResult], say: Speaker) -> str:
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
    key = "plan.came_down_to_recomputing" if again else "plan.came_down_to"
    return say(key, batch=f"{least.micro_batch} × {least.accumulation}")


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _curves(run: RunArtefacts, metric_title: str, say: Speaker) -> tuple[ModelCurves, ...]:
    drawn = (Curve(fit=fit, figure=_curve(fit, metric_title, say)) for fit in run.fits[:MOST_CURVES])
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


def _curve(fit: Fit, metric_title: str, say: Speaker) -> Markup | None:
    if not fit.epochs:
        return None
    best = fit.result.best_epoch if fit.result else None
    if best is None:  # still training: the last epoch that was the best when it was written
        best = max((epoch.epoch for epoch in fit.epochs if epoch.best), default=None)
    return curves_figure(
        fit.epochs,
        best_epoch=best,
        metric_title=metric_title,
        about=say("curves.about", backbone=fit.backbone, fold=fit.fold),
        say=say,
    )


def _model_scores(run: RunArtefacts, headline: Headline, say: Speaker) -> Markup | None:
    """Single models beside their blend: what the ensemble brought."""
    final = run.final
    scores: tuple[FitScore, ...] = (final.models or ()) if final else ()
    rows = tuple(
        IntervalRow(
            label=f"{item.backbone} · {say('models.fold', fold=item.fold)}",
            value=item.score,
            low=item.low,
            high=item.high,
        )
        for item in scores[:MOST_CURVES]
        if item.score is not None
    )
    if not rows:
        return None
    return interval_figure(
        rows,
        baseline=headline.score.score if headline.score else None,
        baseline_name=say("models.blend_all_folds"),
        axis=headline.metric_title,
        about=say("models.about"),
        say=say,
    )


def _alone(run: RunArtefacts, say: Speaker) -> str:
    """Why a model's own score is not that at the top, be it the only one."""
    tta = run.final.tta if run.final else None
    views = tta.views if tta and tta.views is not None else 1
    alone = say("models.alone")
    if views > 1:
        alone = say("models.alone_views", alone=alone, count=views)
    return say(
        "models.alone_and_blend_chosen" if tta and tta.chosen else "models.alone_and_blend", alone=alone
    )


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
