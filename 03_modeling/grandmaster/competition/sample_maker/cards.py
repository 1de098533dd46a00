"""Things laid on a table: bank book, driving licence, identity card, passport, till receipt."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from cv2.typing import MatLike

from grandmaster.competition.sample_maker import words
from grandmaster.competition.sample_maker.certificates import page_size
from grandmaster.competition.sample_maker.page import (
    Colour,
    Dice,
    Page,
    Pixels,
    bar_code,
    portrait,
    seal,
    signature,
    snap,
)

_SIDE = 760  # pixels: larger than any picture


def _clouds(dice: Dice, spots: int) -> MatLike:
    """Soft noise of about `spots` blobs a side, -0.5 to 0.5, shape (760, 760)."""
    coarse = dice.uniform(spots, spots).astype(np.float32) - 0.5
    return cv2.resize(coarse, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)


@functools.lru_cache(maxsize=16)
def _surface(variant: int) -> Pixels:
    """The top of a table, shape (760, 760, 3): wood, cloth, stone or plain."""
    dice = Dice(11, variant)
    colour = dice.pick(
        (
            (60, 95, 140),
            (90, 130, 175),
            (45, 60, 85),
            (120, 125, 130),
            (170, 175, 180),
            (75, 70, 65),
            (150, 120, 90),
        )
    )
    grain = dice.uniform(_SIDE, _SIDE).astype(np.float32) - 0.5
    material = variant % 4
    if material == 0:
        grain = 5 * cv2.blur(grain, (151, 3)) + 0.35 * cv2.blur(grain, (41, 1))
        planks = (np.arange(_SIDE) % dice.whole(110, 190) < 3)[:, None]
        grain = np.where(planks, grain - 0.5, grain)
    elif material == 1:
        grain = 0.25 * cv2.blur(grain, (2, 2)) + 0.08 * np.sin(np.arange(_SIDE) * 1.9)[None, :]
    elif material == 2:
        grain = 0.5 * _clouds(dice, 40) + 0.25 * grain
    else:
        grain = 0.35 * _clouds(dice, 8) + 0.04 * grain
    level = np.maximum(0, 1 + 0.55 * grain).astype(np.float32)
    return cv2.merge([cv2.convertScaleAbs(level, alpha=channel) for channel in colour])


def table(dice: Dice, width: int, height: int) -> Pixels:
    """A piece of a table's top, shape (height, width, 3)."""
    surface = _surface(dice.whole(0, 11))
    x, y = dice.whole(0, _SIDE - width), dice.whole(0, _SIDE - height)
    piece = surface[y : y + height, x : x + width]
    return cv2.convertScaleAbs(piece, alpha=dice.between(0.75, 1.25))


@functools.lru_cache(maxsize=16)
def guilloche(variant: int) -> Pixels:
    """The fine waves of security printing, shape (700, 760, 3), 255 where nothing is printed."""
    dice = Dice(13, variant)
    y, x = np.mgrid[0:700, 0:_SIDE].astype(np.float32)
    tint = dice.pick(((40, 10, 30), (10, 30, 45), (45, 30, 5), (12, 38, 12), (30, 12, 45)))
    total = np.zeros_like(x)
    for _ in range(3):
        bend = dice.between(8, 26) * np.sin(x / dice.between(22, 70) + dice.between(0, 6))
        total += np.maximum(
            0, np.sin((y + bend) / dice.between(1.6, 3.0) + x * dice.between(-0.2, 0.2)) - 0.55
        )
    return cv2.merge([cv2.convertScaleAbs(total, alpha=-channel, beta=255) for channel in tint])


def _laid(dice: Dice, low: float, high: float) -> Page:
    page = Page(*page_size(dice, low, high), (128, 128, 128))
    page.put(table(dice, page.width, page.height), 0, 0)
    return page


def _card(page: Page, dice: Dice, ratio: float, colour: Colour, share: float) -> tuple[int, int, int, int]:
    """A plastic card of width / height `ratio` with its shadow and security print; returns its corners."""
    width = round(min(page.width * share, page.height * 0.92 * ratio))
    height = round(width / ratio)
    x = round((page.width - width) * dice.between(0.3, 0.7))
    y = round((page.height - height) * dice.between(0.25, 0.75))
    radius = max(4, width // 28)
    shadow = dice.whole(2, 7)
    page.fill_round(x + shadow, y + shadow, x + width + shadow, y + height + shadow, radius, (35, 35, 38))
    page.fill_round(x, y, x + width, y + height, radius, colour)
    inset = radius // 2
    page.multiply(x + inset, y + inset, x + width - inset, y + height - inset, guilloche(dice.whole(0, 9)))
    return x, y, x + width, y + height


def licence(dice: Dice) -> Page:
    """Class 5: a card with a coloured band, photo at the left, the long number on top, a small ghost photo."""
    page = _laid(dice, 0.85, 1.3)
    colour = dice.shade(dice.pick(((225, 240, 225), (240, 235, 222), (228, 238, 240), (236, 228, 238))), 8)
    x0, y0, x1, y1 = _card(page, dice, 1.586, colour, dice.between(0.8, 0.95))
    width, height = x1 - x0, y1 - y0
    band = dice.shade(dice.pick(((70, 130, 50), (160, 90, 40), (110, 120, 40), (90, 60, 130))), 18)
    page.fill(x0 + 8, y0 + 8, x1 - 8, y0 + height * 0.17, band)
    unit = width / 430
    title = dice.pick(("Driver's License", "DRIVER'S LICENCE", "Driver License (Republic)"))
    box = x0 + 14, y0 + 8, x1 - 14, round(y0 + height * 0.17)
    size = 26 * unit * dice.between(0.85, 1.1)
    page.heading(box, title, "sans bold", size, colour=(250, 250, 250), align=dice.pick(("left", "centre")))
    photo = round(width * dice.between(0.24, 0.28)), round(height * dice.between(0.5, 0.58))
    px, py = x0 + round(width * 0.05), y0 + round(height * dice.between(0.24, 0.28))
    face_seed = dice.whole(0, 10**6)
    page.put(portrait(Dice(17, face_seed), *photo), px, py)
    tx = px + photo[0] + 14 * unit
    ty = y0 + height * 0.22
    code = f"{dice.whole(11, 28)}-{dice.pick(words.SMALL)}-{dice.pick(words.NUMBERS)}"
    page.text(tx, ty, code, "sans bold", 17 * unit, width=x1 - tx - 8)
    ty += 27 * unit
    page.text(tx, ty, dice.pick(words.NAMES), "sans bold", 16 * unit)
    for _ in range(dice.whole(3, 5)):
        ty += 20 * unit
        page.text(tx, ty, dice.pick((*words.NUMBERS, *words.ADDRESSES, *words.DATES)), "sans", 12 * unit)
    small = round(photo[0] * 0.42), round(photo[1] * 0.42)
    ghost = portrait(Dice(17, face_seed), *small)
    page.put(
        cv2.addWeighted(ghost, 0.55, np.full_like(ghost, 210), 0.45, 0),
        x1 - small[0] - 14,
        y1 - small[1] - 12,
    )
    page.text(tx, y1 - 40 * unit, dice.pick(words.DATES), "sans", 12 * unit)
    page.text(px, y1 - 24 * unit, f"Commissioner, {dice.pick(words.PLACES)}", "sans bold", 12 * unit)
    seal(page, dice, x0 + width * 0.62, y1 - 24 * unit, 34 * unit, square=True)
    page.pixels = page.finished((45, 35, 30))
    return page


def identity_card(dice: Dice) -> Page:
    """Class 8: a pale card with few large lines at the left, the photo at the right, a seal below."""
    page = _laid(dice, 0.85, 1.3)
    colour = dice.shade(dice.pick(((240, 232, 225), (228, 232, 245), (235, 242, 232), (244, 240, 222))), 8)
    x0, y0, x1, y1 = _card(page, dice, 1.586, colour, dice.between(0.8, 0.95))
    width, height = x1 - x0, y1 - y0
    unit = width / 430
    title = dice.pick(("Resident Card", "RESIDENT REGISTRATION CARD", "National Identity Card"))
    top = round(y0 + height * dice.between(0.06, 0.1))
    box = x0 + round(20 * unit), top, x0 + round(width * 0.66), top + round(38 * unit)
    page.heading(box, title, "serif bold", 25 * unit, align=dice.pick(("left", "centre")))
    photo = round(width * dice.between(0.24, 0.28)), round(height * dice.between(0.52, 0.6))
    page.put(
        portrait(dice, *photo), x1 - photo[0] - round(22 * unit), y0 + round(height * dice.between(0.12, 0.2))
    )
    tx, ty = x0 + 28 * unit, top + 58 * unit
    page.text(tx, ty, dice.pick(words.NAMES), "serif bold", 24 * unit)
    ty += 38 * unit
    page.text(tx, ty, dice.pick(words.NUMBERS), "sans bold", 18 * unit)
    for _ in range(2):
        ty += 27 * unit
        page.text(tx, ty, dice.pick(words.ADDRESSES), "serif", 14 * unit, width=width * 0.55)
    page.text((x0 + x1) / 2, y1 - 66 * unit, dice.pick(words.DATES), "serif", 13 * unit, align="centre")
    office = f"Mayor of {dice.pick(words.PLACES)}"
    page.text((x0 + x1) / 2, y1 - 42 * unit, office, "serif bold", 19 * unit, align="centre")
    seal(page, dice, x0 + width * dice.between(0.74, 0.8), y1 - 30 * unit, 44 * unit, square=True)
    page.pixels = page.finished((40, 35, 35))
    return page


def passport(dice: Dice) -> Page:
    """Class 9: the data page with photo, fields in two columns and the two lines for machines."""
    page = _laid(dice, 0.85, 1.3)
    open_book = page.height > page.width * 0.95
    ratio = 0.72 if open_book else 1.42
    colour = dice.shade(dice.pick(((235, 228, 215), (222, 235, 235), (228, 225, 240), (215, 232, 222))), 8)
    x0, y0, x1, y1 = _card(page, dice, ratio, colour, dice.between(0.86, 0.97))
    width = x1 - x0
    unit = width / 460
    if open_book:  # the page above carries an emblem and a notice
        middle = (y0 + y1) // 2
        page.fill(x0, middle - 2, x1, middle + 1, (120, 120, 120))
        centre = round(x0 + width * dice.between(0.35, 0.65)), round(y0 + (middle - y0) * 0.42)
        gold = dice.shade((120, 170, 200), 15)
        cv2.circle(page.pixels, centre, round(48 * unit), gold, 3, cv2.LINE_AA)
        for step in range(5):
            angle = 2 * np.pi * step / 5
            petal = round(centre[0] + 24 * unit * np.cos(angle)), round(centre[1] + 24 * unit * np.sin(angle))
            cv2.circle(page.pixels, petal, round(15 * unit), gold, 2, cv2.LINE_AA)
        for line in range(dice.whole(3, 5)):
            top = middle - (74 - 14 * line) * unit
            page.text(
                x0 + 30 * unit,
                top,
                dice.pick(words.LEGAL),
                "serif",
                round(10 * unit),
                width=width - 60 * unit,
            )
        y0 = middle
    height = y1 - y0
    box = round(x0 + 20 * unit), round(y0 + 8 * unit), round(x1 - 130 * unit), round(y0 + 38 * unit)
    title = dice.pick(("PASSPORT", "REPUBLIC - PASSPORT", "PASSPORT  PASSEPORT"))
    page.heading(box, title, "sans bold", 22 * unit, align="left")
    code = f"M{dice.pick(words.CODES)[:8]}"
    page.text(x1 - 20 * unit, y0 + 12 * unit, code, "mono bold", 18 * unit, align="right")
    photo = round(width * dice.between(0.24, 0.28)), round(height * dice.between(0.46, 0.52))
    page.put(portrait(dice, *photo), round(x0 + 20 * unit), round(y0 + height * 0.2))
    tx, ty = x0 + photo[0] + 38 * unit, y0 + height * 0.19
    apart = height * 0.115
    for line in range(5):
        for column in range(2 if line else 1):
            x = tx + column * width * 0.33
            page.text(x, ty + line * apart, dice.pick(words.LABELS), "sans", 9 * unit)
            text = dice.pick(words.NAMES if line == 0 else (*words.DATES, *words.FAMILY, *words.GIVEN))
            page.text(x, ty + line * apart + 10 * unit, text, "mono bold", 13 * unit, width=x1 - x - 6)
    name = dice.pick(words.NAMES).replace(" ", "<<")
    mrz = (
        f"PMKOR{name}".ljust(44, "<"),
        f"{code}4KOR{dice.pick(words.CODES)}M{dice.pick(words.CODES)}".ljust(42, "<") + "02",
    )
    size = (width - 24 * unit) / 44 / 0.603
    for line, text in enumerate(mrz):
        top = y1 - (52 - 24 * line) * unit
        page.text(x0 + 12 * unit, top, text, "mono", size, width=width - 18 * unit)
    page.pixels = page.finished((45, 35, 30))
    return page


def bank_book(dice: Dice) -> Page:
    """Class 0: the first page of an account book, a bank's colour, logo, account number and rows of dots."""
    page = _laid(dice, 0.9, 1.4)
    brand = dice.shade(
        dice.pick(
            ((150, 90, 20), (60, 140, 40), (30, 150, 230), (130, 60, 60), (150, 140, 20), (60, 40, 190))
        ),
        22,
    )
    paper = dice.shade(dice.pick(((240, 240, 238), (235, 242, 232), (242, 235, 225), (225, 238, 244))), 8)
    x0, y0, x1, y1 = _card(page, dice, dice.between(1.25, 1.55), paper, dice.between(0.86, 0.98))
    width, height = x1 - x0, y1 - y0
    unit = width / 460
    if dice.chance(0.6):
        page.fill(x0 + 6, y0 + 6, x1 - 6, y0 + height * dice.between(0.16, 0.28), brand)
        ink: Colour = (255, 255, 255)
    else:
        page.fill(x0 + 6, y0 + 6, x0 + width * dice.between(0.06, 0.14), y1 - 6, brand)
        page.fill(x0 + 6, y1 - 24 * unit, x1 - 6, y1 - 6, brand)
        ink = brand
    cv2.circle(
        page.pixels,
        (round(x0 + 74 * unit), round(y0 + 32 * unit)),
        round(15 * unit),
        ink,
        round(5 * unit),
        cv2.LINE_AA,
    )
    bank = f"{dice.pick(words.PLACES)} Bank"
    page.text(x0 + 100 * unit, y0 + 18 * unit, bank, "sans bold", 24 * unit, colour=ink)
    tx, ty = x0 + width * dice.between(0.16, 0.22), y0 + height * dice.between(0.34, 0.4)
    page.text(tx, ty, "Account number", "sans", 12 * unit)
    ty += 20 * unit
    account = f"{dice.whole(100, 999)}-{dice.pick(words.NUMBERS)}"
    page.text(tx, ty, account, dice.pick(("sans bold", "mono bold")), 23 * unit, width=x1 - tx - 10)
    ty += 44 * unit
    page.text(tx, ty, f"{dice.pick(words.NAMES)}", "sans bold", 19 * unit)
    ty += 34 * unit
    while ty < y1 - 34 * unit:
        page.text(tx, ty, dice.pick(words.LABELS), "sans", 11 * unit)
        page.rule(tx + 85 * unit, ty + 13 * unit, x1 - 40 * unit, ty + 13 * unit, strength=120)
        page.text(
            tx + 90 * unit,
            ty,
            dice.pick((*words.DATES, *words.SUMS, *words.PLACES)),
            "sans",
            round(11 * unit),
        )
        ty += 21 * unit
    if dice.chance(0.75):
        seal(page, dice, x1 - 62 * unit, y0 + height * dice.between(0.5, 0.72), dice.between(44, 70) * unit)
    if dice.chance(0.4):
        bar_code(page, dice, x1 - 130 * unit, y1 - 48 * unit, 100 * unit, 18 * unit)
    page.pixels = page.finished((60, 45, 40))
    return page


def till_receipt(dice: Dice) -> Page:
    """Class 11: a narrow strip of thermal paper on a table: items, prices, dashes, a bar code."""
    page = _laid(dice, 0.72, 1.0)
    width = page.width * dice.between(0.46, 0.68)
    x0 = (page.width - width) * dice.between(0.3, 0.7)
    x1 = x0 + width
    y0, y1 = page.height * dice.between(0.0, 0.05), page.height * dice.between(0.93, 1.0)
    page.fill(x0 + 5, y0 + 6, x1 + 5, y1 + 6, (40, 40, 42))
    page.fill(x0, y0, x1, y1, dice.shade((240, 243, 244), 8))
    face, bold = dice.pick((("mono", "mono bold"), ("sans", "sans bold")))
    size = snap(width / 28 * dice.between(0.85, 1.0))
    y = y0 + 12
    box = round(x0 + 8), round(y), round(x1 - 8), round(y + 36)
    page.heading(box, dice.pick(words.TITLES[11]), bold, width / 13)
    y += 40
    for pool in (words.HOSPITALS, words.ADDRESSES, words.NUMBERS):
        page.text((x0 + x1) / 2, y, dice.pick(pool), face, size - 1, width=width - 12, align="centre")
        y += size * 1.4
    dashes = "- " * 60

    def dashed(top: float) -> float:
        page.text(x0 + 8, top, dashes, face, size, width=width - 16)
        return top + size * 1.4

    y = dashed(y)
    for _ in range(dice.whole(4, 11)):
        if y > y1 - 150:
            break
        page.text(x0 + 10, y, dice.pick(words.MEDICINES), face, size, width=width * 0.55)
        page.text(x0 + width * 0.64, y, dice.pick(words.SMALL), face, size, align="right")
        page.text(x1 - 10, y, dice.pick(words.SUMS), face, size, align="right")
        y += size * dice.between(1.45, 1.6)
    y = dashed(y)
    for text in ("Insurance", "Patient share"):
        page.text(x0 + 10, y, text, face, size)
        page.text(x1 - 10, y, dice.pick(words.SUMS), face, size, align="right")
        y += size * 1.5
    page.text(x0 + 10, y, "TOTAL", bold, size + 5)
    page.text(x1 - 10, y, dice.pick(words.SUMS), bold, size + 5, align="right")
    y = dashed(y + size * 2)
    page.text((x0 + x1) / 2, y, dice.pick(words.DATES), face, size, align="centre")
    if y < y1 - 60:
        bar_code(page, dice, x0 + width * 0.15, y1 - 48, width * 0.7, 34)
    if dice.chance(0.35):
        seal(page, dice, x0 + width * 0.75, y - 10, 50, square=dice.chance(0.5))
    if dice.chance(0.25):
        signature(page, dice, x0 + width * 0.2, y - 8, 60, 20)
    page.pixels = page.finished(dice.shade((55, 48, 45), 15))
    return page
