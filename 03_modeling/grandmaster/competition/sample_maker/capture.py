"""How a page becomes a picture: laid down a little crooked, lit unevenly, seen by a sensor."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from grandmaster.competition.sample_maker.cards import table
from grandmaster.competition.sample_maker.page import Dice, Pixels

_NOISE_SIDE = 1100
_NOISE_SIGMA = 32.0  # grey levels of the stored field


@functools.cache
def _noise_field() -> Pixels:
    field = np.random.default_rng(3).normal(128, _NOISE_SIGMA, (_NOISE_SIDE, _NOISE_SIDE, 3))
    return np.clip(np.rint(field), 0, 255).astype(np.uint8)


def add_noise(picture: Pixels, dice: Dice, sigma: float) -> Pixels:
    """Gaussian noise of `sigma` grey levels: a random window of one stored field, which costs no drawing."""
    height, width = picture.shape[:2]
    y, x = dice.whole(0, _NOISE_SIDE - height), dice.whole(0, _NOISE_SIDE - width)
    weight = sigma / _NOISE_SIGMA
    field = _noise_field()[y : y + height, x : x + width]
    return cv2.addWeighted(picture, 1.0, field, weight, -128 * weight)


def lay_on_table(page: Pixels, dice: Dice) -> Pixels:
    """The sheet a little smaller than the picture, turned and tilted by a degree or two, a table around it."""
    height, width = page.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    inset = dice.between(0.01, 0.06)
    moved = corners * (1 - 2 * inset) + inset * np.array([width, height])
    moved = moved + (dice.uniform(4, 2) - 0.5) * 0.035 * np.array([width, height])
    view = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    ground = table(dice, width, height)
    return cv2.warpPerspective(page, view, (width, height), dst=ground, borderMode=cv2.BORDER_TRANSPARENT)


def light(picture: Pixels, dice: Dice) -> Pixels:
    """Uneven light: a 3 x 3 map of brightness and one tint of the lamp, stretched over the picture."""
    height, width = picture.shape[:2]
    level, slope = dice.between(0.74, 0.97), dice.between(0.0, 0.2)
    warmth = dice.between(-0.06, 0.06)  # of the lamp: reddish or bluish
    lamp = np.array([1 - max(0.0, warmth), 1 - abs(warmth) / 3, 1 + min(0.0, warmth)])
    field = 255 * (level + slope * (dice.uniform(3, 3, 1) - 0.6)) * lamp
    small = np.clip(field, 0, 255).astype(np.uint8)
    return cv2.multiply(picture, cv2.resize(small, (width, height)), scale=1 / 255)


def photograph(page: Pixels, dice: Dice, *, is_sheet: bool) -> Pixels:
    """A training picture of a page (height, width, 3): upright and clean, but not twice the same.

    Args:
        is_sheet: a flat sheet of paper, which may lie on a table; other pages bring their surroundings.
    """
    picture = lay_on_table(page, dice) if is_sheet and dice.chance(0.4) else page
    if dice.chance(0.35):  # another distance
        factor = dice.between(0.92, 1.05)
        picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    picture = light(picture, dice)
    if dice.chance(0.5):  # not quite in focus
        picture = cv2.GaussianBlur(picture, (3, 3), dice.between(0.4, 0.8))
    return add_noise(picture, dice, dice.between(0.5, 2.5))
