"""The two kinds of photo among the documents: a car's dashboard and its number plate."""

from __future__ import annotations

import cv2
import numpy as np

from grandmaster.competition.sample_maker import words
from grandmaster.competition.sample_maker.cards import table
from grandmaster.competition.sample_maker.certificates import page_size
from grandmaster.competition.sample_maker.page import Colour, Dice, Page, Pixels, snap


def _gradient(top: Colour, bottom: Colour, width: int, height: int) -> Pixels:
    """Shape (height, width, 3), from one colour down to the other."""
    ends = np.array([[top], [bottom]], np.uint8)
    return cv2.resize(ends, (width, height), interpolation=cv2.INTER_LINEAR)


def _gauge(page: Page, dice: Dice, centre: tuple[int, int], radius: int, glow: Colour, last: int) -> None:
    """A round instrument with ticks, numbers and a needle."""
    pixels = page.pixels
    cv2.circle(pixels, centre, radius, (14, 12, 12), -1, cv2.LINE_AA)
    cv2.circle(pixels, centre, radius, dice.shade((120, 118, 115), 35), max(2, radius // 22), cv2.LINE_AA)
    cv2.circle(pixels, centre, round(radius * 0.9), glow, 1, cv2.LINE_AA)
    start, sweep = np.deg2rad(135), np.deg2rad(270)
    ticks = last * 2
    for tick in range(ticks + 1):
        angle = start + sweep * tick / ticks
        direction = np.array([np.cos(angle), np.sin(angle)])
        outer = centre + direction * radius * 0.86
        inner = centre + direction * radius * (0.74 if tick % 2 == 0 else 0.8)
        colour = (60, 60, 235) if tick > ticks * 0.8 else (235, 235, 230)
        cv2.line(
            pixels,
            (round(inner[0]), round(inner[1])),
            (round(outer[0]), round(outer[1])),
            colour,
            2 if tick % 2 == 0 else 1,
            cv2.LINE_AA,
        )
        if tick % 2 == 0 and radius > 55:
            spot = centre + direction * radius * 0.6
            size = max(8, radius // 8)
            number = str(tick // 2 * (20 if last > 9 else 1))
            page.text(
                spot[0], spot[1] - size * 0.65, number, "sans", size, colour=(230, 230, 225), align="centre"
            )
    angle = start + sweep * dice.between(0.02, 0.85)
    tip = centre + np.array([np.cos(angle), np.sin(angle)]) * radius * 0.76
    needle = dice.pick(((40, 60, 240), (50, 140, 250), (240, 240, 240)))
    cv2.line(pixels, centre, (round(tip[0]), round(tip[1])), needle, max(2, radius // 28), cv2.LINE_AA)
    cv2.circle(pixels, centre, max(4, radius // 8), (45, 45, 48), -1, cv2.LINE_AA)


def dashboard(dice: Dice) -> Page:
    """Class 2: two gauges and a display in a dark cockpit, warning lamps, part of the wheel."""
    page = Page(*page_size(dice, 0.8, 1.3), (20, 20, 20))
    width, height = page.width, page.height
    dark = dice.shade(dice.pick(((28, 26, 25), (45, 42, 40), (60, 58, 55), (40, 50, 65))), 10)
    page.put(_gradient(dice.shade((95, 92, 88), 40), dark, width, height), 0, 0)
    horizon = round(height * dice.between(0.08, 0.24))
    if dice.chance(0.5):
        page.put(
            _gradient(dice.shade((215, 205, 190), 30), dice.shade((150, 150, 150), 25), width, horizon), 0, 0
        )
    middle = round(height * dice.between(0.42, 0.54))
    hood = round(width * dice.between(0.46, 0.52)), round(height * dice.between(0.28, 0.34))
    cv2.ellipse(page.pixels, (width // 2, middle), hood, 0, 0, 360, (9, 9, 9), -1, cv2.LINE_AA)
    glow = dice.pick(((230, 160, 60), (90, 90, 220), (200, 200, 200), (120, 200, 90), (220, 120, 160)))
    radius = round(min(width * 0.215, height * 0.25) * dice.between(0.85, 1.0))
    apart = round(width * dice.between(0.235, 0.26))
    for side, last in ((-1, dice.whole(6, 8)), (1, dice.whole(10, 13))):
        _gauge(page, dice, (width // 2 + side * apart, middle), radius, glow, last)
    box = round(width * 0.055), round(radius * dice.between(0.5, 0.9))
    page.fill(
        width // 2 - box[0],
        middle - box[1],
        width // 2 + box[0],
        middle + box[1],
        dice.shade((50, 35, 25), 15),
    )
    size = max(8, round(width / 46))
    for line in range(-1, 2):
        top = middle + line * box[1] * 0.55 - size * 0.6
        page.text(width / 2, top, dice.pick(words.SMALL), "mono bold", size, colour=glow, align="centre")
    odometer = f"{dice.whole(100, 299999)} km"
    page.text(
        width / 2,
        middle + radius * 0.95,
        odometer,
        "mono bold",
        size + 4,
        colour=(225, 225, 220),
        align="centre",
    )
    for _ in range(dice.whole(2, 6)):
        spot = round(width * dice.between(0.3, 0.7)), round(middle + radius * dice.between(-1.15, -0.95))
        lamp = dice.pick(((40, 200, 60), (50, 60, 240), (40, 180, 250), (240, 150, 60)))
        cv2.circle(page.pixels, spot, max(3, width // 90), lamp, -1, cv2.LINE_AA)
    if dice.chance(0.75):
        hub = width // 2, round(height * dice.between(1.12, 1.25))
        cv2.circle(
            page.pixels,
            hub,
            round(width * 0.5),
            dice.shade((30, 30, 32), 10),
            round(width * 0.06),
            cv2.LINE_AA,
        )
        cv2.circle(page.pixels, hub, round(width * 0.2), dice.shade((48, 46, 46), 10), -1, cv2.LINE_AA)
    page.pixels = page.finished((20, 20, 20))
    return page


def plate(dice: Dice) -> Page:
    """Class 16: the back of a car, near or far, with its number plate."""
    page = Page(*page_size(dice, 0.9, 1.35), (128, 128, 128))
    width, height = page.width, page.height
    page.put(table(dice, width, height), 0, 0)
    if dice.chance(0.6):
        sky = round(height * dice.between(0.15, 0.4))
        page.put(
            _gradient(dice.shade((215, 200, 185), 30), dice.shade((170, 175, 175), 25), width, sky), 0, 0
        )
    body = dice.shade(
        dice.pick(
            ((235, 235, 235), (60, 60, 62), (150, 150, 152), (120, 60, 30), (40, 40, 150), (90, 100, 110))
        ),
        18,
    )
    zoom = dice.between(0.95, 1.9)
    centre_x, centre_y = width * dice.between(0.44, 0.56), height * dice.between(0.48, 0.66)

    def spot(x: float, y: float) -> tuple[int, int]:
        """Pixel of a point given in half widths of the car from the plate."""
        return round(centre_x + x * zoom * width * 0.42), round(centre_y + y * zoom * width * 0.42)

    def shape(colour: Colour, *points: tuple[float, float]) -> None:
        cv2.fillPoly(page.pixels, [np.array([spot(*point) for point in points])], colour, cv2.LINE_AA)

    dark = tuple(channel * 6 // 10 for channel in body)
    shape((30, 30, 32), (-1.0, 0.5), (1.0, 0.5), (0.92, 0.74), (-0.92, 0.74))  # shadow under the car
    shape(body, (-1.0, -0.45), (-0.78, -1.02), (0.78, -1.02), (1.0, -0.45), (1.04, 0.55), (-1.04, 0.55))
    glass = dice.shade((90, 80, 70), 20)
    shape(glass, (-0.8, -0.48), (-0.66, -0.95), (0.66, -0.95), (0.8, -0.48))
    shape(
        (glass[0] + 40, glass[1] + 40, glass[2] + 40),
        (-0.5, -0.5),
        (-0.3, -0.93),
        (-0.05, -0.93),
        (-0.2, -0.5),
    )
    light = dice.shade((45, 40, 190), 25)
    tall = dice.between(0.12, 0.3)
    for side in (-1, 1):
        shape(
            light,
            (side * 0.98, -0.36),
            (side * 0.62, -0.33),
            (side * 0.6, -0.36 + tall),
            (side * 1.0, -0.33 + tall),
        )
    shape((dark[0], dark[1], dark[2]), (-1.02, 0.24), (1.02, 0.24), (0.98, 0.52), (-0.98, 0.52))
    recess = dice.between(0.44, 0.52)
    shape(
        (dark[0], dark[1], dark[2]),
        (-recess, -0.18),
        (recess, -0.18),
        (recess - 0.05, 0.2),
        (0.05 - recess, 0.2),
    )
    logo = spot(0, -0.3)
    cv2.ellipse(
        page.pixels,
        logo,
        (round(0.09 * zoom * width * 0.42), round(0.05 * zoom * width * 0.42)),
        0,
        0,
        360,
        (200, 200, 200),
        3,
        cv2.LINE_AA,
    )

    ground, ink = dice.pick(
        (
            ((240, 240, 240), (25, 25, 25)),
            ((240, 240, 238), (60, 30, 20)),
            ((70, 200, 245), (20, 20, 20)),
            ((75, 125, 45), (240, 240, 240)),
        )
    )
    half = dice.between(0.34, 0.4), dice.between(0.085, 0.15)
    (left, top), (right, bottom) = spot(-half[0], -half[1]), spot(half[0], half[1])
    page.fill_round(left, top, right, bottom, max(3, (bottom - top) // 10), ground)
    cv2.rectangle(page.pixels, (left + 3, top + 3), (right - 3, bottom - 3), ink, 1)
    number = dice.pick(words.PLATES)
    size = snap(min((bottom - top) * 0.78, (right - left) * 0.92 / (len(number) * 0.66)))
    page.text(
        (left + right) / 2,
        (top + bottom) / 2 - size * 0.66,
        number,
        "sans bold",
        size,
        colour=ink,
        align="centre",
    )
    page.pixels = page.finished((20, 20, 20))
    return page
