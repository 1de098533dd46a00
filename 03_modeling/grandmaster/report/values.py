"""How values are written on the page. What is missing, null or not a number is always an en dash."""

from __future__ import annotations

import datetime
import math
from typing import Any

from grandmaster.language import Speaker

MISSING = "–"


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and not math.isfinite(value))


def text(value: Any, truth: tuple[str, str] = ("yes", "no")) -> str:
    """Anything, in words: lists with commas, yes and no (`truth`) for truth values."""
    if _is_missing(value):
        return MISSING
    if isinstance(value, bool):
        return truth[0] if value else truth[1]
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        return ", ".join(text(item, truth) for item in value) or MISSING
    if isinstance(value, dict):
        return ", ".join(f"{key}: {text(item, truth)}" for key, item in value.items()) or MISSING
    return str(value)


def score(value: float | None) -> str:
    """A score with four decimals, as leaderboards show it."""
    return MISSING if _is_missing(value) else f"{value:.4f}"


def signed_score(value: float | None) -> str:
    """A difference of two scores, with its sign."""
    return MISSING if value is None or _is_missing(value) else f"{value:+.4f}".replace("-", "−")


def signed_span(low: float, high: float, say: Speaker) -> str:
    """The interval of a difference of two scores, for the terminal and the page, with a word between its signs.

    Args:
        say: the texts of the reports.
    """
    return say("shared.from_to", low=f"{low:+.4f}", high=f"{high:+.4f}")


def count(value: float | None) -> str:
    """A whole number with thousands separated."""
    return MISSING if _is_missing(value) else f"{value:,.0f}"


def percent(value: float | None) -> str:
    """A share of 1 as a percentage with one decimal."""
    return MISSING if value is None or _is_missing(value) else f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def share(value: float | None) -> str:
    """A share of 1 that may be tiny or above 1, as a percentage with about four digits that mean something."""
    return MISSING if value is None or _is_missing(value) else f"{number(100 * value)}\N{NO-BREAK SPACE}%"


def level(value: float | None) -> str:
    """The coverage of an interval ("95 %"); nothing where it is unknown."""
    return "" if value is None or _is_missing(value) else f"{100 * value:g}\N{NO-BREAK SPACE}%"


def number(value: float | None) -> str:
    """A measured number with about four digits that mean something."""
    if value is None or _is_missing(value):
        return MISSING
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.1f}"
    if size >= 1 or size == 0:
        return f"{value:.2f}"
    return f"{value:.3g}"


def shift(value: float | None) -> str:
    """A standardised difference with its sign."""
    return MISSING if value is None or _is_missing(value) else f"{value:+.2f}".replace("-", "−")


def signed_number(value: float | None) -> str:
    """A measured number with its sign."""
    if value is None or _is_missing(value):
        return MISSING
    return f"{'−' if value < 0 else '+'}{number(abs(value))}"


def size(value: float | None) -> str:
    """Bytes, in the unit that fits."""
    if value is None or _is_missing(value):
        return MISSING
    for unit in ("B", "kB", "MB"):
        if abs(value) < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def duration(seconds: float | None) -> str:
    """Seconds, as a person says them."""
    if seconds is None or _is_missing(seconds):
        return MISSING
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 597:
        return f"{seconds / 60:.1f} min"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def minutes(value: float | None) -> str:
    """Minutes, as a person says them."""
    return MISSING if value is None or _is_missing(value) else duration(60 * value)


def gigabytes(value: float | None) -> str:
    """Memory."""
    return MISSING if _is_missing(value) else f"{value:.1f} GB"


def moment(value: str | None) -> str:
    """An ISO time to the minute, in the zone in which it was written; any other text as it is."""
    if value is None or value == "":
        return MISSING
    try:
        return datetime.datetime.fromisoformat(value).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return value


FILTERS = {
    "text": text,
    "score": score,
    "signed_score": signed_score,
    "count": count,
    "percent": percent,
    "share": share,
    "level": level,
    "number": number,
    "signed_number": signed_number,
    "shift": shift,
    "size": size,
    "duration": duration,
    "minutes": minutes,
    "gigabytes": gigabytes,
    "moment": moment,
}
