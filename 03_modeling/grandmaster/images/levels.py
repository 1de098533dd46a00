"""Arguments of transforms: ranges of strengths, checked and drawn from."""

from __future__ import annotations

from random import Random
from typing import Any

Levels = tuple[tuple[float, float, float], ...]
"""(low, high, weight) each: a range of strengths and how often it is drawn from."""


def checked_levels(levels: Any, low: float, high: float) -> Levels:
    """As a tuple.

    Raises:
        ValueError: a level is no (low, high, weight) within `low` to `high`, or all weights are 0.
    """
    checked = tuple(tuple(float(value) for value in level) for level in levels)
    if not checked or any(
        len(level) != 3 or not low <= level[0] <= level[1] <= high or level[2] < 0 for level in checked
    ):
        raise ValueError(f"levels is {levels}, must be (low, high, weight) each, within {low} to {high}")
    if sum(level[2] for level in checked) <= 0:
        raise ValueError("all levels have weight 0")
    return checked  # type: ignore[return-value]


def draw_level(levels: Levels, random: Random) -> float:
    """A strength: a level by its weight, and any value of its range."""
    low, high, _ = random.choices(levels, weights=[level[2] for level in levels])[0]
    return random.uniform(low, high)


def check_range(name: str, values: tuple[float, float], low: float, high: float) -> None:
    """Raises ValueError where `values` is no (low, high) within `low` to `high`."""
    if len(values) != 2 or not low <= values[0] <= values[1] <= high:
        raise ValueError(f"{name} is {values}, must be (low, high) within {low} to {high}")
