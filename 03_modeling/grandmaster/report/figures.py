"""Figures of the pages: scores with intervals, class sizes, ranges, curves, scatters. See `drawing` for how they are drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from grandmaster.language import Speaker
from grandmaster.report.artefacts import Epoch
from grandmaster.report.drawing import (
    BAD,
    CARD,
    FIRST,
    GOOD,
    GRID,
    INK,
    MUTED,
    SECOND,
    THIRD,
    Spelled,
    as_svg,
    dress,
    new_figure,
    style,
)
from grandmaster.report.values import score as score_text

MOST_POINTS = 1500
"""Pictures drawn in a scatter: each is a mark in the page."""


@dataclass(frozen=True, kw_only=True)
class IntervalRow:
    """A point with its interval, None where there is none."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    colour: str = FIRST


@dataclass(frozen=True, kw_only=True)
class RangeRow:
    """The 5, 25, 50, 75 and 95 % points of one measure on both sides, None where they are not known."""

    label: str
    train: tuple[float, ...] | None
    test: tuple[float, ...] | None


@dataclass(frozen=True, kw_only=True)
class RunCurves:
    """One measure of all fits of a run, over their epochs; None where an epoch has none.

    Attributes:
        place: of the run among those that are drawn together: its colour and dashes.
        fits: of each, (number of the epoch, value).
    """

    place: int
    fits: tuple[tuple[tuple[int, float | None], ...], ...]


def interval_figure(
    rows: Sequence[IntervalRow],
    *,
    baseline: float | None,
    baseline_name: str,
    axis: str,
    about: str,
    say: Speaker,
) -> Markup:
    """Scores with their intervals one under the other, against the baseline.

    Args:
        rows: from top to bottom.
        baseline: score of the trivial answer, drawn as a line.
        baseline_name: what that answer is.
        axis: title of the score and which direction is better.
        about: the figure in words, for those who cannot see it; also what makes its inner names unique.
        say: the texts in the page's language.
    """
    with style(about):
        height = 0.5 + 0.44 * len(rows)
        figure = new_figure(width=3.9, height=height)
        # margins in inches, as fractions: letting matplotlib measure its text takes most of the time
        figure.subplots_adjust(left=0.02, right=0.98, bottom=0.44 / height, top=1.0 - 0.02 / height)
        axes = figure.add_subplot()
        dress(axes, grid=False)
        along = axes.get_yaxis_transform()
        behind = {"facecolor": CARD, "edgecolor": "none", "pad": 1.5}  # no line through the words
        spelled = Spelled()
        for place, row in enumerate(rows):
            bounds = [row.value if bound is None else bound for bound in (row.low, row.high)]
            axes.plot(
                bounds, [place, place], color=row.colour, linewidth=3, alpha=0.45, solid_capstyle="round"
            )
            axes.plot([row.value], [place], marker="o", markersize=7, color=row.colour, linestyle="none")
            axes.text(0, place - 0.28, spelled(row.label), transform=along, color=INK, bbox=behind)
            numbers = score_text(row.value)
            if row.low is not None and row.high is not None:
                numbers += f"  [{score_text(row.low)}, {score_text(row.high)}]"
            axes.text(1, place - 0.28, numbers, transform=along, color=INK, ha="right", bbox=behind)
        if baseline is not None:
            # Beside the intervals only: behind the words above them it would look like a part of these.
            for place in range(len(rows)):
                ends = [place - 0.1, place + 0.4]
                axes.plot([baseline, baseline], ends, color=MUTED, linestyle=(0, (3, 2)), linewidth=1.2)
        axes.set_ylim(len(rows) - 0.6, -0.75)
        axes.yaxis.set_major_locator(NullLocator())
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.margins(x=0.06)
        label = axis
        if baseline is not None:
            label = say("scores.dashed", axis=axis, name=baseline_name, score=score_text(baseline))
        axes.set_xlabel(spelled(label), color=MUTED)
        return as_svg(figure, about, spelled)


def balance_figure(counts: Sequence[int], *, about: str, say: Speaker) -> Markup:
    """Pictures of each class, the largest first, against the mean.

    Args:
        counts: at least one.
        about, say: as for `interval_figure`.
    """
    with style(about):
        figure = new_figure(width=3.9, height=1.7)
        figure.subplots_adjust(left=0.135, right=0.985, bottom=0.23, top=0.96)
        axes = figure.add_subplot()
        dress(axes, grid=True)
        ordered = sorted(counts, reverse=True)
        place = range(1, len(ordered) + 1)
        # One shape and not a bar each: thousands of classes are a figure too.
        edges = [0.5, *(number + 0.5 for number in place)]
        axes.stairs(ordered, edges, fill=True, color=FIRST, alpha=0.75)
        mean = sum(ordered) / len(ordered)
        axes.axhline(mean, color=MUTED, linestyle=(0, (3, 2)), linewidth=1.2)
        axes.set_xlim(0.5, len(ordered) + 0.5)
        axes.set_ylim(0, 1.08 * max(1, ordered[0]))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        spelled = Spelled()
        axes.set_xlabel(spelled(say("explore.balance_axis", mean=f"{mean:,.1f}")), color=MUTED)
        return as_svg(figure, about, spelled)


def ranges_figure(rows: Sequence[RangeRow], *, axis: str, about: str) -> Markup:
    """Where train and test lie on one axis: 5 to 95 % as a line, 25 to 75 % as a bar, the median as a mark.

    Args:
        rows: from top to bottom.
        axis: what is measured, and its unit.
        about: as for `interval_figure`.
    """
    with style(about):
        height = 0.42 + 0.5 * len(rows)
        figure = new_figure(width=3.9, height=height)
        figure.subplots_adjust(left=0.135, right=0.97, bottom=0.4 / height, top=1.0 - 0.02 / height)
        axes = figure.add_subplot()
        dress(axes, grid=False)
        axes.grid(axis="x", color=GRID, linewidth=0.7)
        for place, row in enumerate(rows):
            for quantiles, colour, offset in ((row.train, FIRST, -0.17), (row.test, THIRD, 0.17)):
                if quantiles is None:
                    continue
                q05, q25, q50, q75, q95 = quantiles
                level = place + offset
                axes.plot([q05, q95], [level, level], color=colour, linewidth=1.6, alpha=0.55)
                axes.plot([q25, q75], [level, level], color=colour, linewidth=7, alpha=0.45)
                axes.plot([q50], [level], marker="|", markersize=11, markeredgewidth=2, color=colour)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        spelled = Spelled()
        axes.set_yticks(range(len(rows)), [spelled(row.label) for row in rows])
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.margins(x=0.06)
        axes.set_xlabel(spelled(axis), color=MUTED)
        return as_svg(figure, about, spelled)


def curves_figure(
    epochs: Sequence[Epoch], *, best_epoch: int | None, metric_title: str, about: str, say: Speaker
) -> Markup:
    """Losses, validation score and learning rate of one fit, one under the other over the epochs.

    Args:
        epochs: in order; their numbers may be null.
        best_epoch: marked where it is known.
        metric_title: name of the score.
        about, say: as for `interval_figure`.
    """
    spelled = Spelled()
    with style(about):
        figure = new_figure(width=3.9, height=3.4)
        figure.subplots_adjust(left=0.135, right=0.985, bottom=0.12, top=0.935, hspace=0.34)
        loss, score, rate = figure.subplots(3, 1, sharex=True, height_ratios=[1.0, 1.0, 0.42])
        number = [epoch.epoch for epoch in epochs]
        for axes in (loss, score, rate):
            dress(axes, grid=True)
            if best_epoch is not None:
                axes.axvline(best_epoch, color=GOOD, linewidth=1, linestyle=(0, (3, 2)), alpha=0.8)

        for axes, field, colour, label in (
            (loss, "train_loss", FIRST, say("curves.train_loss")),
            (loss, "val_loss", SECOND, say("curves.val_loss")),
            (score, "val_score", SECOND, metric_title),
            (score, "val_score_corrupted", THIRD, say("curves.corrupted")),
        ):
            _line(axes, number, [getattr(epoch, field) for epoch in epochs], colour, spelled(label))
        best = next((epoch for epoch in epochs if epoch.epoch == best_epoch), None)
        if best is not None and best.val_score is not None:
            score.plot(
                [best.epoch],
                [best.val_score],
                marker="o",
                markersize=5.5,
                color=GOOD,
                linestyle="none",
                label=spelled(say("curves.best")),
            )
        for axes in (loss, score):
            _legend(axes, spelled(say("curves.not_recorded")))
        rates = [math.nan if epoch.learning_rate is None else epoch.learning_rate for epoch in epochs]
        peak = max((value for value in rates if math.isfinite(value)), default=None)
        if peak:
            rate.fill_between(number, rates, color=MUTED, alpha=0.22, linewidth=0)
            rate.plot(number, rates, color=MUTED, linewidth=1.2)
            rate.set_ylim(0, 1.25 * peak)
            rate.set_yticks([0, peak], ["0", f"{peak:.1e}"])
        else:
            rate.yaxis.set_major_locator(NullLocator())
        rate.set_xlabel(spelled(say("curves.axis")), color=MUTED)
        rate.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(number) == 1:
            rate.set_xlim(number[0] - 1, number[0] + 1)
        return as_svg(figure, about, spelled)


RUN_COLOURS = (FIRST, THIRD, SECOND, BAD)
RUN_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.4, 1.4)))
"""Runs that are drawn together are told apart by both: as many as there are pairs, then again from the first. Their keys
in the page are `.key` of style.css."""


def run_colour(place: int) -> str:
    """The colour of a run among those that are drawn together."""
    return RUN_COLOURS[place % len(RUN_COLOURS)]


def runs_figure(runs: Sequence[RunCurves], *, about: str) -> Markup:
    """One measure of several runs over the epochs: a thin line for each fit and, of several, a thick one for their mean.

    The mean goes as far as every fit of the run does.

    Args:
        runs: at least one of them with a value.
        about: as for `interval_figure`.
    """
    with style(about):
        figure = new_figure(width=3.9, height=2.3)
        figure.subplots_adjust(left=0.135, right=0.985, bottom=0.17, top=0.97)
        axes = figure.add_subplot()
        dress(axes, grid=True)
        for run in runs:
            how: dict[str, Any] = {
                "color": run_colour(run.place),
                "linestyle": RUN_DASHES[run.place // len(RUN_COLOURS) % len(RUN_DASHES)],
            }
            several = len(run.fits) > 1
            for fit in run.fits:
                thin = {"linewidth": 0.9, "alpha": 0.4} if several else {"linewidth": 2}
                _over_epochs(axes, fit, **how, **thin)
            if several:
                _over_epochs(axes, _mean_of(run.fits), **how, linewidth=2)
        axes.set_xlabel("epoch", color=MUTED)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        return as_svg(figure, about)


def _over_epochs(axes: Axes, points: Sequence[tuple[int, float | None]], **how: Any) -> None:
    heights = [math.nan if value is None else value for _, value in points]
    marker = "o" if len(points) == 1 else ""  # a line of one point is none
    axes.plot([number for number, _ in points], heights, marker=marker, markersize=3.5, **how)


def _mean_of(fits: Sequence[Sequence[tuple[int, float | None]]]) -> list[tuple[int, float | None]]:
    """Over the epochs of which every fit has a value."""
    known = [{number: value for number, value in fit if value is not None} for fit in fits]
    shared = set.intersection(*(set(fit) for fit in known))
    return [(number, sum(fit[number] for fit in known) / len(known)) for number in sorted(shared)]


def scatter_figure(
    truth: npt.NDArray[Any], predicted: npt.NDArray[Any], *, about: str, say: Speaker
) -> Markup:
    """Predicted against true values, with the line on which they are equal.

    Args:
        truth, predicted: (n,); of more than `MOST_POINTS` evenly many along the truth are drawn.
        about, say: as for `interval_figure`.
    """
    order = np.lexsort((predicted, truth))
    if len(order) > MOST_POINTS:
        order = order[np.linspace(0, len(order) - 1, MOST_POINTS).round().astype(int)]
    with style(about):
        figure = new_figure(width=3.9, height=3.5)
        figure.subplots_adjust(left=0.15, right=0.97, bottom=0.15, top=0.97)
        axes = figure.add_subplot()
        dress(axes, grid=True)
        ends = [float(min(truth.min(), predicted.min())), float(max(truth.max(), predicted.max()))]
        axes.plot(ends, ends, color=MUTED, linewidth=1.2, linestyle=(0, (3, 2)))
        axes.plot(
            truth[order],
            predicted[order],
            marker="o",
            markersize=4,
            markeredgewidth=0,
            alpha=0.45,
            color=FIRST,
            linestyle="none",
        )
        along = say("oof_numbers.true")
        if len(truth) > MOST_POINTS:
            along = say("oof_numbers.true_some", shown=f"{MOST_POINTS:,}", all=f"{len(truth):,}")
        spelled = Spelled()
        axes.set_xlabel(spelled(along), color=MUTED)
        axes.set_ylabel(spelled(say("oof_numbers.predicted")), color=MUTED)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_major_locator(MaxNLocator(6))
        return as_svg(figure, about, spelled)


def _line(axes: Axes, epochs: Sequence[int], values: Sequence[float | None], colour: str, label: str) -> None:
    """One curve; null is a gap, and a curve of nulls is not drawn nor named."""
    heights = [math.nan if value is None else value for value in values]
    if not any(math.isfinite(height) for height in heights):
        return
    marker = "o" if len(epochs) <= 12 else ""
    axes.plot(epochs, heights, color=colour, linewidth=1.8, marker=marker, markersize=2.6, label=label)


def _legend(axes: Axes, without: str) -> None:
    """The names of the curves, or what to say where there are none."""
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        axes.text(0.5, 0.5, without, transform=axes.transAxes, color=MUTED, ha="center", va="center")
        axes.yaxis.set_major_locator(NullLocator())
        return
    axes.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(-0.01, 0.98),
        ncols=len(handles),
        frameon=False,
        fontsize=8,
        labelcolor=INK,
        handlelength=1.3,
        handletextpad=0.5,
        columnspacing=1.2,
        borderpad=0.1,
        borderaxespad=0.1,
    )
