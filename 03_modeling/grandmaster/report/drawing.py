"""What every figure of a page is drawn with: colours that the page's style decides, text in the page's font, SVG inside.

Drawn with matplotlib's object-oriented interface (no pyplot: no global state, no display). Colours are written as
CSS variables, and text stays text in the page's own font, so that one figure is right in light, dark and print.
"""

from __future__ import annotations

import contextlib
import io
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Stand-ins that matplotlib accepts, each replaced by a variable of style.css in the finished SVG.
INK, MUTED, GRID = "#010101", "#010102", "#010103"
FIRST, SECOND, THIRD, GOOD = "#010104", "#010105", "#010106", "#010107"
CARD, BAD = "#010108", "#010109"
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--line",
    FIRST: "--first",
    SECOND: "--second",
    THIRD: "--third",
    GOOD: "--good",
    CARD: "--card",
    BAD: "--bad",
}


def new_figure(*, width: float, height: float) -> Figure:
    """An empty figure, inches: about as wide as a phone, so that its text is readable there and never huge."""
    figure = Figure(figsize=(width, height))
    figure.patch.set_visible(False)
    return figure


def dress(axes: Axes, *, grid: bool) -> None:
    """Take off what a page has no use for, and colour the rest."""
    axes.patch.set_visible(False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    if grid:
        axes.grid(axis="y", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=MUTED, labelsize=8)


def plain(text: str) -> str:
    """What is printed of ASCII, and the few signs that matplotlib's own font has: it warns of every other that it measures."""
    return "".join(sign if " " <= sign <= "~" or sign in "·–→×" else "?" for sign in text)


# Widths, em: of signs of East Asia and of others in a page's font, and of the bar in matplotlib's, which stands in for them.
_WIDE, _NARROW, _BAR = 1.0, 0.55, 0.337


class Spelled:
    """Names of any script: matplotlib draws stand-ins of their width, which `as_svg` replaces by the names."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        """What to draw for a name."""
        if plain(name) == name:
            return name
        width = sum(_WIDE if unicodedata.east_asian_width(sign) in "WF" else _NARROW for sign in name)
        stand_in = f"||{len(self._names)}|".ljust(round(width / _BAR), "|")
        self._names[stand_in] = name
        return stand_in

    def put_into(self, svg: str) -> str:
        """The drawing with the names, escaped."""
        for stand_in, name in self._names.items():
            svg = svg.replace(f">{stand_in}<", f">{escape(name)}<")
        return svg


@contextlib.contextmanager
def style(about: str) -> Iterator[None]:
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


def as_svg(figure: Figure, about: str, spelled: Spelled | None = None) -> Markup:
    """The figure as an `<svg>` element that takes the width of its place.

    Args:
        about: the figure in words, for those who cannot see it.
        spelled: by whom its names were drawn.
    """
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
    svg = re.sub(r">\s+<", "><", svg).strip()
    return Markup(svg if spelled is None else spelled.put_into(svg))
