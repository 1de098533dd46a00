"""Figures as SVG inside the page.

Drawn with matplotlib's object-oriented interface (no pyplot: no global state, no display). Colours are written as
CSS variables, and text stays text in the page's own font, so that one figure is right in light, dark and print.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from grandmaster.report.artefacts import Epoch
from grandmaster.report.values import score as score_text

# Stand-ins that matplotlib accepts, each replaced by a variable of style.css in the finished SVG.
INK, MUTED, GRID = "#010101", "#010102", "#010103"
FIRST, SECOND, THIRD, GOOD = "#010104", "#010105", "#010106", "#010107"
CARD = "#010108"
MOST_POINTS = 1500
"""Pictures drawn in a scatter: each is a mark in the page."""
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--line",
    FIRST: "--first",
    SECOND: "--second",
    THIRD: "--third",
    GOOD: "--good",
    CARD: "--card",
}


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


def interval_figure(
    rows: Sequence[IntervalRow], *, baseline: float | None, baseline_name: str, axis: str, about: str
) -> Markup:
    """Scores with their intervals one under the other, against the baseline.

    Args:
        rows: from top to bottom.
        baseline: score of the trivial answer, drawn as a line.
        baseline_name: what that answer is.
        axis: title of the score and which direction is better.
        about: the figure in words, for those who cannot see it; also what makes its inner names unique.
    """
    with _style(about):
        height = 0.5 + 0.44 * len(rows)
        figure = _figure(width=3.9, height=height)
        # margins in inches, as fractions: letting matplotlib measure its text takes most of the time
        figure.subplots_adjust(left=0.02, right=0.98, bottom=0.44 / height, top=1.0 - 0.02 / height)
        axes = figure.add_subplot()
        _dress(axes, grid=False)
        along = axes.get_yaxis_transform()
        behind = {"facecolor": CARD, "edgecolor": "none", "pad": 1.5}  # no line through the words
        for place, row in enumerate(rows):
            bounds = [row.value if bound is None else bound for bound in (row.low, row.high)]
            axes.plot(
                bounds, [place, place], color=row.colour, linewidth=3, alpha=0.45, solid_capstyle="round"
            )
            axes.plot([row.value], [place], marker="o", markersize=7, color=row.colour, linestyle="none")
            axes.text(0, place - 0.28, _plain(row.label), transform=along, color=INK, bbox=behind)
            numbers = score_text(row.value)
            if row.low is not None and row.high is not None:
                numbers += f"  [{score_text(row.low)}, {score_text(row.high)}]"
            axes.text(1, place - 0.28, numbers, transform=along, color=INK, ha="right", bbox=behind)
        if baseline is not None:
            axes.axvline(baseline, color=MUTED, linestyle=(0, (3, 2)), linewidth=1.2)
        axes.set_ylim(len(rows) - 0.6, -0.75)
        axes.yaxis.set_major_locator(NullLocator())
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.margins(x=0.06)
        label = axis
        if baseline is not None:
            label += f"  ·  dashed: {baseline_name} {score_text(baseline)}"
        axes.set_xlabel(_plain(label), color=MUTED)
        return _svg(figure, about)


def balance_figure(counts: Sequence[int], *, about: str) -> Markup:
    """Pictures of each class, the largest first, against the mean.

    Args:
        counts: at least one.
        about: as for `interval_figure`.
    """
    with _style(about):
        figure = _figure(width=3.9, height=1.7)
        figure.subplots_adjust(left=0.135, right=0.985, bottom=0.23, top=0.96)
        axes = figure.add_subplot()
        _dress(axes, grid=True)
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
        axes.set_xlabel(f"classes, the largest first  ·  dashed: mean {mean:,.1f}", color=MUTED)
        return _svg(figure, about)


def ranges_figure(rows: Sequence[RangeRow], *, axis: str, about: str) -> Markup:
    """Where train and test lie on one axis: 5 to 95 % as a line, 25 to 75 % as a bar, the median as a mark.

    Args:
        rows: from top to bottom.
        axis: what is measured, and its unit.
        about: as for `interval_figure`.
    """
    with _style(about):
        height = 0.42 + 0.5 * len(rows)
        figure = _figure(width=3.9, height=height)
        figure.subplots_adjust(left=0.135, right=0.97, bottom=0.4 / height, top=1.0 - 0.02 / height)
        axes = figure.add_subplot()
        _dress(axes, grid=False)
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
        axes.set_yticks(range(len(rows)), [_plain(row.label) for row in rows])
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.margins(x=0.06)
        axes.set_xlabel(_plain(axis), color=MUTED)
        return _svg(figure, about)


def curves_figure(
    epochs: Sequence[Epoch], *, best_epoch: int | None, metric_title: str, about: str
) -> Markup:
    """Losses, validation score and learning rate of one fit, one under the other over the epochs.

    Args:
        epochs: in order; their numbers may be null.
        best_epoch: marked where it is known.
        metric_title: name of the score.
        about: as for `interval_figure`.
    """
    with _style(about):
        figure = _figure(width=3.9, height=3.4)
        figure.subplots_adjust(left=0.135, right=0.985, bottom=0.12, top=0.935, hspace=0.34)
        loss, score, rate = figure.subplots(3, 1, sharex=True, height_ratios=[1.0, 1.0, 0.42])
        number = [epoch.epoch for epoch in epochs]
        for axes in (loss, score, rate):
            _dress(axes, grid=True)
            if best_epoch is not None:
                axes.axvline(best_epoch, color=GOOD, linewidth=1, linestyle=(0, (3, 2)), alpha=0.8)

        _line(loss, number, [epoch.train_loss for epoch in epochs], FIRST, "train loss")
        _line(loss, number, [epoch.val_loss for epoch in epochs], SECOND, "validation loss")
        _line(score, number, [epoch.val_score for epoch in epochs], SECOND, metric_title)
        _line(
            score, number, [epoch.val_score_corrupted for epoch in epochs], THIRD, "corrupted as the test is"
        )
        best = next((epoch for epoch in epochs if epoch.epoch == best_epoch), None)
        if best is not None and best.val_score is not None:
            score.plot(
                [best.epoch],
                [best.val_score],
                marker="o",
                markersize=5.5,
                color=GOOD,
                linestyle="none",
                label="best",
            )
        for axes in (loss, score):
            _legend(axes)
        rates = [math.nan if epoch.learning_rate is None else epoch.learning_rate for epoch in epochs]
        peak = max((value for value in rates if math.isfinite(value)), default=None)
        if peak:
            rate.fill_between(number, rates, color=MUTED, alpha=0.22, linewidth=0)
            rate.plot(number, rates, color=MUTED, linewidth=1.2)
            rate.set_ylim(0, 1.25 * peak)
            rate.set_yticks([0, peak], ["0", f"{peak:.1e}"])
        else:
            rate.yaxis.set_major_locator(NullLocator())
        rate.set_xlabel("epoch  ·  bottom: learning rate", color=MUTED)
        rate.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(number) == 1:
            rate.set_xlim(number[0] - 1, number[0] + 1)
        return _svg(figure, about)


def scatter_figure(truth: npt.NDArray[Any], predicted: npt.NDArray[Any], *, about: str) -> Markup:
    """Predicted against true values, with the line on which they are equal.

    Args:
        truth, predicted: (n,); of more than `MOST_POINTS` evenly many along the truth are drawn.
        about: as for `interval_figure`.
    """
    order = np.lexsort((predicted, truth))
    if len(order) > MOST_POINTS:
        order = order[np.linspace(0, len(order) - 1, MOST_POINTS).round().astype(int)]
    with _style(about):
        figure = _figure(width=3.9, height=3.5)
        figure.subplots_adjust(left=0.15, right=0.97, bottom=0.15, top=0.97)
        axes = figure.add_subplot()
        _dress(axes, grid=True)
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
        shown = f" ({MOST_POINTS:,} of {len(truth):,})" if len(truth) > MOST_POINTS else ""
        axes.set_xlabel(f"true{shown}", color=MUTED)
        axes.set_ylabel("predicted", color=MUTED)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_major_locator(MaxNLocator(6))
        return _svg(figure, about)


def _line(axes: Axes, epochs: Sequence[int], values: Sequence[float | None], colour: str, label: str) -> None:
    """One curve; null is a gap, and a curve of nulls is not drawn nor named."""
    heights = [math.nan if value is None else value for value in values]
    if not any(math.isfinite(height) for height in heights):
        return
    marker = "o" if len(epochs) <= 12 else ""
    axes.plot(
        epochs, heights, color=colour, linewidth=1.8, marker=marker, markersize=2.6, label=_plain(label)
    )


def _legend(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, color=MUTED, ha="center", va="center")
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


def _figure(*, width: float, height: float) -> Figure:
    """An empty figure, inches: about as wide as a phone, so that its text is readable there and never huge."""
    figure = Figure(figsize=(width, height))
    figure.patch.set_visible(False)
    return figure


def _dress(axes: Axes, *, grid: bool) -> None:
    axes.patch.set_visible(False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    if grid:
        axes.grid(axis="y", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=MUTED, labelsize=8)


def _plain(text: str) -> str:
    """What is printed of ASCII, and the few signs that matplotlib's own font has: it warns of every other that it measures."""
    return "".join(sign if " " <= sign <= "~" or sign in "·–→×" else "?" for sign in text)


@contextlib.contextmanager
def _style(about: str) -> Iterator[None]:
    """Settings of one figure. Names inside the SVG are hashed with `about`: figures of one page do not share them,
    and the same figure always gives the same bytes."""
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": about,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 8.5,
        "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    }
    with matplotlib.rc_context(settings):
        yield


def _shorter(attribute: re.Match[str]) -> str:
    """Coordinates to a hundredth of a point: nobody sees more, and the figure shrinks by a third."""
    return re.sub(r"(\d\.\d\d)\d+", r"\1", attribute.group())


def _svg(figure: Figure, about: str) -> Markup:
    """The figure as an `<svg>` element that takes the width of its place."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r"<style.*?</style>", "", svg, flags=re.DOTALL
    )  # would hold for the whole page; see style.css
    used = set(re.findall(r'(?:url\(|href=")#([^)"]*)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda found: found.group() if found[1] in used else "", svg)
    svg = re.sub(r' (?:d|x|y|transform)="[^"]*"', _shorter, svg)
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box is not None, "matplotlib writes a viewBox"
    head = f'<svg class="figure" role="img" aria-label="{escape(about)}" {box.group()}>'
    svg = (head + svg[svg.index(">") + 1 :]).replace("xlink:href", "href")
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(stand_in, f"var({variable})")
    return Markup(re.sub(r">\s+<", "><", svg).strip())
