"""The hospital certificates: four classes on one layout, told apart by their title and nothing else.

Confirmation of admission, diagnosis, outpatient certificate and statement of opinion (3, 4, 7, 14) are the
classes that the original contest's models, and its annotators, confused most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grandmaster.competition.sample_maker import words
from grandmaster.competition.sample_maker.page import (
    Colour,
    Dice,
    Page,
    bar_code,
    seal,
    signature,
    square_code,
)

AREA_SIDE = 512  # pixels: root of the mean area of the original's pictures
PAPERS: tuple[Colour, ...] = (
    (246, 248, 248),
    (238, 242, 244),
    (228, 238, 242),
    (215, 232, 240),
    (240, 240, 232),
    (236, 244, 234),
    (244, 236, 232),
    (226, 226, 228),
)
INKS: tuple[Colour, ...] = ((25, 22, 20), (40, 35, 32), (70, 55, 50), (90, 45, 30), (60, 60, 62))
TINTS: tuple[Colour, ...] = (
    (225, 225, 225),
    (235, 222, 205),
    (205, 228, 210),
    (208, 222, 240),
    (228, 212, 230),
    (200, 225, 235),
)


@dataclass(frozen=True, kw_only=True)
class Look:
    """The hand of one document: faces, body size (pixels), ink and the tint of shaded cells."""

    face: str
    bold: str
    size: int
    ink: Colour
    tint: Colour

    @property
    def leading(self) -> float:
        """Pixels from one line to the next."""
        return self.size * 1.45


def page_size(dice: Dice, low: float, high: float) -> tuple[int, int]:
    """Width and height of a picture whose width / height lies in [low, high)."""
    side = AREA_SIDE * dice.between(0.93, 1.07)
    ratio = dice.between(low, high)
    return round(side * np.sqrt(ratio)), round(side / np.sqrt(ratio))


def new_document(dice: Dice, low: float, high: float) -> tuple[Page, Look]:
    """An empty sheet and the hand that it will be written in."""
    width, height = page_size(dice, low, high)
    face, bold = dice.pick(
        (("sans", "sans bold"), ("serif", "serif bold"), ("book", "book bold"), ("sans", "serif bold"))
    )
    look = Look(
        face=face,
        bold=bold,
        size=dice.pick((11, 13) if face == "book" else (9, 10, 12)),
        ink=dice.shade(dice.pick(INKS), 8),
        tint=dice.shade(dice.pick(TINTS), 8),
    )
    return Page(width, height, dice.shade(dice.pick(PAPERS), 6)), look


def paragraph(
    page: Page, dice: Dice, look: Look, x: float, y: float, width: float, lines: int, pool: tuple[str, ...]
) -> float:
    """Running text, its last line short; returns the y below it."""
    for line in range(lines):
        room = width if line < lines - 1 else width * dice.between(0.25, 0.9)
        page.text(x, y, dice.pick(pool), look.face, look.size, width=room)
        y += look.leading
    return y


def label(page: Page, look: Look, x: float, y: float, width: float, height: float, text: str) -> None:
    """A shaded cell with its label in the middle."""
    page.fill(x, y, x + width, y + height, look.tint)
    page.frame(x, y, x + width, y + height, strength=200)
    top = y + (height - look.size * 1.3) / 2
    page.text(x + width / 2, top, text, look.face, look.size, width=width - 4, align="centre")


def cell(page: Page, look: Look, x: float, y: float, width: float, height: float, text: str) -> None:
    """An open cell with what is written in it."""
    page.frame(x, y, x + width, y + height, strength=200)
    page.text(x + 6, y + (height - look.size * 1.3) / 2, text, look.face, look.size, width=width - 8)


def value(dice: Dice) -> str:
    """Something that may stand in a field of a form."""
    return dice.pick(dice.pick((words.NAMES, words.DATES, words.NUMBERS, words.ADDRESSES, words.HOSPITALS)))


def draw(kind: int, dice: Dice) -> Page:
    """One certificate. The draws, and so every pixel outside `title_box`, are the same for each `kind`."""
    page, look = new_document(dice, 0.72, 1.0)
    margin = page.width * dice.between(0.05, 0.11)
    left, right = margin, page.width - margin
    y = page.height * dice.between(0.03, 0.07)
    if dice.chance(0.6):  # number and registration line above the title
        page.text(left, y, f"No. {dice.pick(words.CODES)}", look.face, look.size)
        page.text(right, y, dice.pick(words.DATES), look.face, look.size, align="right")
        y += look.leading * 1.3
    title_height = page.height * dice.between(0.075, 0.11)
    box = round(left), round(y), round(right), round(y + title_height)
    title = words.TITLES[kind][dice.whole(0, 2)]
    framed, underlined = dice.chance(0.2), dice.chance(0.3)
    page.heading(box, title, look.bold, dice.whole(25, 34))
    y += title_height + 3
    if framed:
        page.frame(box[0] - 3, box[1] - 3, box[2] + 3, box[3] + 3, thick=2)
    if underlined:
        page.rule(left, y, right, y, thick=2)
    y += page.height * dice.between(0.01, 0.03)

    top = y
    row = look.size * dice.between(1.9, 2.5)
    side = (right - left) * dice.between(0.15, 0.21)
    for _ in range(dice.whole(3, 5)):
        split = (right - left) * dice.between(0.45, 0.62)
        label(page, look, left, y, side, row, dice.pick(words.LABELS))
        if dice.chance(0.65):
            cell(page, look, left + side, y, split - side, row, value(dice))
            label(page, look, left + split, y, side * 0.8, row, dice.pick(words.LABELS))
            cell(
                page, look, left + split + side * 0.8, y, right - left - split - side * 0.8, row, value(dice)
            )
        else:
            cell(page, look, left + side, y, right - left - side, row, value(dice))
        y += row
    foot = min(page.height * dice.between(0.68, 0.78), page.height - 9.2 * look.leading)
    shares = 0.25 + dice.uniform(dice.whole(1, 3))
    heights = shares / shares.sum() * (foot - y)
    for height in heights:
        label(page, look, left, y, side, float(height), dice.pick(words.LABELS))
        page.frame(left + side, y, right, y + float(height), strength=200)
        lines = min(dice.whole(1, 9), max(1, int((float(height) - 8) / look.leading)))
        paragraph(page, dice, look, left + side + 7, y + 6, right - left - side - 14, lines, words.MEDICAL)
        y += float(height)
    page.frame(left, top, right, y, thick=2)

    y += page.height * dice.between(0.015, 0.03)
    paragraph(page, dice, look, left + 8, y, right - left - 16, dice.whole(1, 2), words.LEGAL)
    y += look.leading * 2.2
    centre = page.width * dice.between(0.45, 0.55)
    page.text(centre, y, dice.pick(words.DATES), look.face, look.size + 1, align="centre")
    y += look.leading * dice.between(1.3, 2.0)
    hospital = dice.pick(words.HOSPITALS)
    written = page.text(centre, y, hospital, look.bold, look.size + dice.whole(3, 7), align="centre")
    y += look.leading * 1.8
    page.text(centre - 70, y, f"Doctor  {dice.pick(words.NAMES)}", look.face, look.size)
    if dice.chance(0.7):
        signature(page, dice, centre + 45, y + 6, dice.between(35, 70), dice.between(10, 20))
    seal(
        page,
        dice,
        centre + written * dice.between(0.35, 0.6),
        y - dice.between(0, 20),
        dice.between(42, 78),
        square=dice.chance(0.4),
    )
    if dice.chance(0.3):
        square_code(page, dice, left, y - 25, dice.between(38, 56))
    elif dice.chance(0.4):
        bar_code(page, dice, left, y + 4, dice.between(80, 130), 16)
    page.pixels = page.finished(look.ink)
    return page
