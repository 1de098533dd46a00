"""The first section: the score, what it is worth, and what to do next."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from markupsafe import Markup

from grandmaster.competition.metrics import METRICS
from grandmaster.competition.table import Competition
from grandmaster.language import Speaker
from grandmaster.report.artefacts import RunArtefacts, Score
from grandmaster.report.drawing import FIRST, THIRD
from grandmaster.report.figures import IntervalRow, interval_figure
from grandmaster.report.out_of_fold import SURE, OutOfFold
from grandmaster.report.values import level
from grandmaster.report.values import score as score_text

NEXT_MODE = {
    "explore": "quick_test",
    "debug": "quick_test",
    "quick_test": "full_training",
    "full_training": "competition_ready",
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something to do, with the command that does it where there is one."""

    text: str
    command: str | None = None


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The section."""

    experiment: str
    mode: str | None
    created: str | None
    metric_title: str
    higher_is_better: bool
    score: Score | None
    corrupted: Score | None
    baseline: float | None
    baseline_name: str
    gain: float | None
    loss_by_corruption: float | None
    verdict: str
    cautions: tuple[str, ...]
    figure: Markup | None
    steps: tuple[Step, ...]


def describe_result(
    run: RunArtefacts, competition: Competition, oof: OutOfFold | None, say: Speaker
) -> Headline:
    """Gather the section; everything in it may be absent."""
    final = run.final
    metric = METRICS[competition.metric]
    title = (final and final.metric_title) or metric.title
    higher = metric.higher_is_better
    if final and final.higher_is_better is not None:
        higher = final.higher_is_better
    score = _known(final.cross_validation if final else None)
    corrupted = _known(final.corrupted_validation if final else None)
    baseline = final.baseline.score if final and final.baseline else None
    named = final.baseline.name if final and final.baseline else "majority class"
    baseline_name = say.known(f"baseline.{named}", named)
    value = score.score if score else None
    mode = (final and final.mode) or (run.environment and run.environment.mode) or None
    return Headline(
        experiment=(final and final.experiment) or run.folder.resolve().name,
        mode=mode,
        created=final.created if final else None,
        metric_title=title,
        higher_is_better=higher,
        score=score,
        corrupted=corrupted,
        baseline=baseline,
        baseline_name=baseline_name,
        gain=_better_by(value, baseline, higher),
        loss_by_corruption=_better_by(value, corrupted.score if corrupted else None, higher),
        verdict=_verdict(score, baseline, baseline_name, higher, say),
        cautions=_cautions(run, say),
        figure=_figure(score, corrupted, baseline, baseline_name, title, higher, say),
        steps=_steps(run, mode, oof, say),
    )


def _better_by(value: float | None, other: float | None, higher: bool) -> float | None:
    """How much better the first is, in the metric's own direction."""
    if value is None or other is None:
        return None
    return value - other if higher else other - value


def _known(score: Score | None) -> Score | None:
    """A score object whose score is null says as little as none."""
    return None if score is None or score.score is None else score


def _verdict(
    score: Score | None, baseline: float | None, baseline_name: str, higher: bool, say: Speaker
) -> str:
    """Whether the model has learnt anything beyond chance, in one sentence."""
    if score is None:
        return say("verdict.no_score")
    if baseline is None or score.low is None or score.high is None:
        return say("verdict.no_baseline")
    beyond = score.low > baseline if higher else score.high < baseline
    key = "verdict.beyond_baseline" if beyond else "verdict.reaches_baseline"
    return say(key, baseline=baseline_name, score=score_text(baseline))


def _cautions(run: RunArtefacts, say: Speaker) -> tuple[str, ...]:
    """Why the score is lower than these models could reach: fewer epochs than planned, and random weights."""
    results = [fit.result for fit in run.fits if fit.result is not None]
    planned = {model.backbone: model.epochs or 0 for model in (run.plan.models if run.plan else ())}
    lines = []
    for backbone in dict.fromkeys(result.backbone for result in results):
        own = [result for result in results if result.backbone == backbone]
        # A fit that ended by itself, because it no longer got better, lacks nothing.
        epochs = [result.epochs for result in own if result.epochs is not None and not result.stopped_early]
        wanted = planned.get(backbone, 0)
        if epochs and min(epochs) < wanted:
            least, most = min(epochs), max(epochs)
            span = str(least) if least == most else say("shared.from_to", low=least, high=most)
            lines.append(say.counted("caution.epochs", wanted, model=backbone, trained=span))
        if any(result.weights == "none" for result in own):
            lines.append(say("caution.random_weights", model=backbone))
    return tuple(lines)


def _figure(
    score: Score | None,
    corrupted: Score | None,
    baseline: float | None,
    baseline_name: str,
    title: str,
    higher: bool,
    say: Speaker,
) -> Markup | None:
    named = ((say("scores.cross_validated"), score, FIRST), (say("scores.corrupted"), corrupted, THIRD))
    rows = tuple(
        IntervalRow(label=label, value=item.score, low=item.low, high=item.high, colour=colour)
        for label, item, colour in named
        if item is not None and item.score is not None
    )
    if not rows:
        return None
    return interval_figure(
        rows,
        baseline=baseline,
        baseline_name=baseline_name,
        axis=say("scores.higher" if higher else "scores.lower", title=title),
        about=say("scores.about"),
        say=say,
    )


def _steps(run: RunArtefacts, mode: str | None, oof: OutOfFold | None, say: Speaker) -> tuple[Step, ...]:
    steps = []
    final = run.final
    command = (final and final.command) or (run.environment and run.environment.command) or None
    submission = final.submission if final else None
    if submission is None:
        steps.append(Step(text=say("next.no_submission"), command=command))
    elif submission.problems:
        steps.append(Step(text=say("next.refused"), command=command))
    elif submission.file:
        steps.append(Step(text=say("next.upload", file=submission.file)))
    else:
        steps.append(Step(text=say("next.upload_unnamed")))
    if oof and oof.sure_and_wrong:
        text = say.counted("next.sure_and_wrong", oof.sure_and_wrong, level=level(SURE))
        steps.append(Step(text=text))
    following = NEXT_MODE.get(mode or "")
    if command and following:
        longer = in_mode(command, following)
        if longer:
            steps.append(Step(text=say("next.mode", mode=following), command=longer))
    if command and submission is not None and not submission.problems:
        steps.append(Step(text=say("next.again"), command=command))
    return tuple(steps)


def in_mode(command: str, mode: str) -> str | None:
    """The same command in another mode, its experiment renamed so that no finished run is touched.

    What made the run small (fewer folds or models, a time limit) is left out. None for a command that cannot be
    taken apart.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    changed: list[str] = []
    named = False
    place = 0
    while place < len(words):
        flag, sign, value = words[place].partition("=")
        if flag in ("--mode", "--experiment_name", "--set", "--folds", "--models", "--time_limit"):
            if not sign:
                place += 1
                if place == len(words):
                    return None
                value = words[place]
            if flag == "--set":
                changed += [] if value.startswith("run.minutes") else [flag, value]
            elif flag == "--experiment_name":
                changed += [flag, f"{_without_mode(value)}_{mode}"]
            elif flag == "--mode":
                changed += [flag, mode]
                named = True
        else:
            changed.append(words[place])
        place += 1
    if not named:
        changed += ["--mode", mode]
    return shlex.join(changed)


def _without_mode(experiment: str) -> str:
    """The name before an earlier advice added its mode, so that names do not grow from run to run."""
    for mode in {**NEXT_MODE, **dict.fromkeys(NEXT_MODE.values())}:
        experiment = experiment.removesuffix(f"_{mode}")
    return experiment
