"""Documents with a layout of their own: application, bill, payment, prescription, resume, registration."""

from __future__ import annotations

from grandmaster.competition.sample_maker import words
from grandmaster.competition.sample_maker.cards import guilloche
from grandmaster.competition.sample_maker.certificates import (
    Look,
    cell,
    label,
    new_document,
    paragraph,
    value,
)
from grandmaster.competition.sample_maker.page import (
    Dice,
    Page,
    bar_code,
    portrait,
    seal,
    signature,
    square_code,
)


def _title(page: Page, dice: Dice, look: Look, kind: int, y: float, left: float, right: float) -> float:
    """The title across the page; returns the y below it."""
    height = page.height * dice.between(0.06, 0.095)
    box = round(left), round(y), round(right), round(y + height)
    page.heading(box, dice.pick(words.TITLES[kind]), look.bold, dice.whole(22, 31))
    if dice.chance(0.3):
        page.rule(left, y + height, right, y + height, thick=2)
    return y + height + page.height * dice.between(0.01, 0.025)


def _figures(
    page: Page,
    dice: Dice,
    look: Look,
    x: float,
    y: float,
    widths: list[float],
    row: float,
    rows: int,
    filled: float,
) -> float:
    """A block of table rows: the first column a fee, the others sums; returns the y below it."""
    right = x + sum(widths)
    for line in range(rows + 1):
        page.rule(x, y + line * row, right, y + line * row, strength=170)
    edge = x
    for column, width in enumerate(widths):
        page.rule(edge, y, edge, y + rows * row, strength=170)
        for line in range(rows):
            top = y + line * row + (row - look.size * 1.3) / 2
            if column == 0:
                page.text(edge + 4, top, dice.pick(words.FEES), look.face, look.size, width=width - 5)
            elif dice.chance(filled):
                page.text(
                    edge + width - 4,
                    top,
                    dice.pick(words.SUMS),
                    look.face,
                    look.size,
                    width=width - 5,
                    align="right",
                )
        edge += width
    page.rule(right, y, right, y + rows * row, strength=170)
    return y + rows * row


def _close(page: Page, look: Look) -> Page:
    page.pixels = page.finished(look.ink)
    return page


def application(dice: Dice) -> Page:
    """Class 1: a form in sections with a dark band each, check boxes, two signatures."""
    page, look = new_document(dice, 0.7, 0.86)
    margin = page.width * dice.between(0.04, 0.08)
    left, right, width = margin, page.width - margin, page.width - 2 * margin
    y = page.height * dice.between(0.02, 0.045)
    page.text(left, y, f"Form {dice.pick(words.SMALL)}", look.face, 9)
    page.text(right, y, "(front)", look.face, 9, align="right")
    y = _title(page, dice, look, 1, y + 14, left, right)
    row = look.size * dice.between(1.75, 2.15)
    band = width * dice.between(0.1, 0.15)
    dark = dice.shade(dice.pick(((150, 120, 90), (120, 140, 90), (110, 110, 160), (130, 130, 130))), 15)
    for _ in range(dice.whole(3, 4)):
        rows = dice.whole(2, 4)
        page.fill(left, y, left + band, y + rows * row, dark)
        page.frame(left, y, right, y + rows * row, thick=2)
        page.text(
            left + band / 2,
            y + rows * row / 2 - look.size * 0.7,
            dice.pick(words.LABELS),
            look.bold,
            look.size,
            colour=(255, 255, 255),
            width=band - 4,
            align="centre",
        )
        for line in range(rows):
            top = y + line * row
            half = (width - band) / 2
            label(page, look, left + band, top, half * 0.4, row, dice.pick(words.LABELS))
            if dice.chance(0.35):  # a line of choices
                page.frame(left + band + half * 0.4, top, right, top + row, strength=200)
                x = left + band + half * 0.4 + 8
                for choice in range(dice.whole(3, 4)):
                    page.frame(x, top + row / 2 - 5, x + 9, top + row / 2 + 4)
                    if choice == 0 or dice.chance(0.2):
                        page.rule(x + 1, top + row / 2, x + 4, top + row / 2 + 4, thick=2)
                        page.rule(x + 4, top + row / 2 + 4, x + 11, top + row / 2 - 7, thick=2)
                    text = dice.pick(words.LABELS)
                    x += 18 + page.text(x + 13, top + row / 2 - look.size * 0.65, text, look.face, look.size)
            else:
                cell(page, look, left + band + half * 0.4, top, half * 0.6, row, value(dice))
                label(page, look, left + band + half, top, half * 0.4, row, dice.pick(words.LABELS))
                cell(page, look, left + band + half * 1.4, top, half * 0.6, row, value(dice))
        y += rows * row + dice.whole(0, 5)
    lines = max(1, min(dice.whole(3, 6), int((page.height - y - look.size * 9) / look.leading)))
    y = paragraph(page, dice, look, left + 4, y + 6, width - 8, lines, words.LEGAL) + 4
    page.text(page.width / 2, y, dice.pick(words.DATES), look.face, look.size, align="centre")
    for role in ("Applicant", "Spouse"):
        y += look.leading * dice.between(1.25, 1.6)
        page.text(page.width * 0.45, y, f"{role}: {dice.pick(words.NAMES)}", look.face, look.size)
        page.rule(page.width * 0.45, y + look.leading, right, y + look.leading, strength=150)
        signature(page, dice, page.width * 0.78, y + 6, 50, 15)
    return _close(page, look)


def bill(dice: Dice) -> Page:
    """Class 6: a dense table of fees and sums, with a column of totals at its right."""
    page, look = new_document(dice, 0.78, 1.3)
    margin = page.width * dice.between(0.03, 0.07)
    left, right, width = margin, page.width - margin, page.width - 2 * margin
    y = _title(page, dice, look, 6, page.height * dice.between(0.02, 0.05), left, right)
    row = look.size * dice.between(1.35, 1.6)
    for _ in range(2):
        quarter = width / 4
        for column in range(4):
            draw_in = label if column % 2 == 0 else cell
            text = dice.pick(words.LABELS) if column % 2 == 0 else value(dice)
            draw_in(page, look, left + column * quarter, y, quarter, row * 1.25, text)
        y += row * 1.25
    y += 3
    total = width * dice.between(0.24, 0.3)
    shares = 0.7 + dice.uniform(dice.whole(4, 5))
    widths = [float(share) for share in shares / shares.sum() * (width - total - 4)]
    edge = left
    for each in widths:
        label(page, look, edge, y, each, row * 1.3, dice.pick(words.LABELS))
        edge += each
    rows = max(5, int((page.height * dice.between(0.84, 0.9) - y) / row) - 1)
    start = y
    y = _figures(page, dice, look, left, y + row * 1.3, widths, row, rows, dice.between(0.35, 0.6))
    boxes = dice.whole(5, 7)
    for number in range(boxes):
        top = start + (y - start) * number / boxes
        height = (y - start) / boxes
        label(page, look, right - total, top, total * 0.5, height, dice.pick(words.LABELS))
        page.frame(right - total * 0.5, top, right, top + height, strength=200)
        page.text(
            right - 5,
            top + height / 2 - look.size * 0.7,
            dice.pick(words.SUMS),
            look.bold,
            look.size,
            align="right",
        )
    page.frame(left, start, right, y, thick=2)
    page.text(left, y + 8, dice.pick(words.DATES), look.face, look.size)
    page.text(page.width / 2, y + 8, dice.pick(words.HOSPITALS), look.bold, look.size + 3, align="centre")
    seal(
        page,
        dice,
        page.width * dice.between(0.72, 0.85),
        y + 8,
        dice.between(36, 56),
        square=dice.chance(0.5),
    )
    return _close(page, look)


def payment(dice: Dice) -> Page:
    """Class 10: few fields, one table by date, a heavy total, the payer's seal in the middle below."""
    page, look = new_document(dice, 0.74, 0.95)
    margin = page.width * dice.between(0.07, 0.13)
    left, right, width = margin, page.width - margin, page.width - 2 * margin
    y = _title(page, dice, look, 10, page.height * dice.between(0.05, 0.1), left, right)
    for _ in range(dice.whole(2, 4)):
        text = f"{dice.pick(words.LABELS)} :  {value(dice)}"
        page.text(left, y, text, look.face, look.size + 1)
        y += look.leading * 1.25
    y += 6
    row = look.size * dice.between(1.7, 2.2)
    columns = dice.whole(4, 5)
    widths = [width / columns] * columns
    page.fill(left, y, right, y + row, look.tint)
    for column in range(columns):
        x = left + (column + 0.5) * width / columns
        page.text(x, y + row * 0.2, dice.pick(words.LABELS), look.bold, look.size, align="centre")
    rows = min(dice.whole(5, 12), int((page.height * 0.66 - y) / row) - 1)
    y = _figures(page, dice, look, left, y + row, widths, row, rows, 1.0)
    page.fill(left, y, right, y + row * 1.3, look.tint)
    page.frame(left, y, right, y + row * 1.3, thick=2)
    page.text(left + 10, y + row * 0.25, "TOTAL", look.bold, look.size + 3)
    page.text(right - 8, y + row * 0.25, dice.pick(words.SUMS), look.bold, look.size + 3, align="right")
    y += row * 2
    y = paragraph(page, dice, look, left, y, width, dice.whole(1, 2), words.LEGAL) + look.leading
    page.text(page.width / 2, y, dice.pick(words.DATES), look.face, look.size + 1, align="centre")
    y += look.leading * 2
    page.text(page.width / 2, y, dice.pick(words.HOSPITALS), look.bold, look.size + 5, align="centre")
    seal(page, dice, page.width / 2 + dice.between(50, 100), y + 5, dice.between(60, 88))
    return _close(page, look)


def prescription(dice: Dice) -> Page:
    """Class 12: patient beside hospital, codes, a medicine table mostly empty and struck through."""
    page, look = new_document(dice, 0.72, 0.9)
    margin = page.width * dice.between(0.04, 0.08)
    left, right, width = margin, page.width - margin, page.width - 2 * margin
    y = page.height * dice.between(0.025, 0.05)
    code = dice.between(48, 64)
    square_code(page, dice, right - code, y, code)
    y = max(_title(page, dice, look, 12, y, left, right - code - 6), y + code + 4)
    row = look.size * dice.between(1.7, 2.1)
    middle = left + width * dice.between(0.45, 0.55)
    rows = dice.whole(3, 5)
    for x0, x1 in ((left, middle), (middle, right)):
        side = row * 0.95
        page.fill(x0, y, x0 + side, y + rows * row, look.tint)
        page.frame(x0, y, x0 + side, y + rows * row)
        for line in range(rows):
            label(page, look, x0 + side, y + line * row, (x1 - x0) * 0.3, row, dice.pick(words.LABELS))
            start = x0 + side + (x1 - x0) * 0.3
            cell(page, look, start, y + line * row, x1 - start, row, value(dice))
    y += rows * row
    box = width * 0.08
    for number in range(6):  # the disease code, a box a character
        page.frame(left + number * box, y, left + (number + 1) * box, y + row * 1.2)
        page.text(
            left + number * box + box / 2, y + 4, dice.pick(words.SMALL), look.bold, look.size, align="centre"
        )
    signature(page, dice, right - 110, y + row * 0.6, 60, 16)
    page.frame(left, y, right, y + row * 1.2)
    y += row * 1.2
    shares = (0.5, 0.125, 0.125, 0.125, 0.125)
    edge = left
    for share in shares:
        label(page, look, edge, y, width * share, row * 1.3, dice.pick(words.LABELS))
        edge += width * share
    y += row * 1.3
    bottom = page.height * dice.between(0.8, 0.88)
    edge = left
    for share in shares:
        page.frame(edge, y, edge + width * share, bottom, strength=200)
        edge += width * share
    used = dice.whole(3, 7)
    for line in range(used):
        top = y + line * row + 3
        if top + row > bottom:
            break
        page.text(
            left + 5, top, f"{dice.pick(words.CODES)} {dice.pick(words.MEDICINES)}", look.face, look.size
        )
        for column in range(4):
            x = left + width * (0.5 + 0.125 * (column + 0.5))
            page.text(x, top, dice.pick(words.SMALL), look.face, look.size, align="centre")
    start = min(y + used * row, bottom - row)
    if dice.chance(0.75):
        page.rule(left, bottom, right, start + row, strength=190)
        page.text((left + right) / 2, (start + bottom) / 2, "- end -", look.face, look.size, align="centre")
    half = (page.height * 0.97 - bottom) / 2
    for line in range(2):
        label(page, look, left, bottom + line * half, width * 0.2, half, dice.pick(words.LABELS))
        cell(page, look, left + width * 0.2, bottom + line * half, width * 0.8, half, dice.pick(words.LEGAL))
    seal(
        page, dice, right - dice.between(40, 90), bottom + half, dice.between(36, 50), square=dice.chance(0.6)
    )
    return _close(page, look)


def resume(dice: Dice) -> Page:
    """Class 13: a photo beside the person's fields, then years of school and work."""
    page, look = new_document(dice, 0.7, 0.9)
    margin = page.width * dice.between(0.06, 0.1)
    left, right, width = margin, page.width - margin, page.width - 2 * margin
    y = page.height * dice.between(0.03, 0.06)
    y = _title(page, dice, look, 13, y, left, right)
    photo = round(width * dice.between(0.2, 0.26)), round(width * dice.between(0.27, 0.33))
    photo_left = dice.chance(0.7)
    x = left if photo_left else right - photo[0]
    page.put(portrait(dice, *photo), round(x), round(y))
    page.frame(x, y, x + photo[0], y + photo[1])
    x0, x1 = (left + photo[0] + 6, right) if photo_left else (left, right - photo[0] - 6)
    rows = dice.whole(4, 5)
    row = photo[1] / rows
    for line in range(rows):
        label(page, look, x0, y + line * row, (x1 - x0) * 0.26, row, dice.pick(words.LABELS))
        cell(page, look, x0 + (x1 - x0) * 0.26, y + line * row, (x1 - x0) * 0.74, row, value(dice))
    y += photo[1] + dice.between(8, 18)
    lined = dice.chance(0.65)
    for _ in range(dice.whole(2, 3)):
        heading = dice.pick(
            ("Education", "Experience", "Awards", "Skills", "Military Service", "Certificates")
        )
        page.fill(left, y, right, y + look.leading * 1.3, look.tint)
        page.text(left + 6, y + 2, heading, look.bold, look.size + 1)
        y += look.leading * 1.45
        row = look.leading * dice.between(1.1, 1.5)
        for _ in range(dice.whole(3, 6)):
            if y + row > page.height * 0.93:
                break
            page.text(left + 4, y, dice.pick(words.DATES), look.face, look.size)
            page.text(
                left + width * 0.3, y, dice.pick(words.OFFICE), look.face, look.size, width=width * 0.66
            )
            if lined:
                page.rule(left, y + row - 3, right, y + row - 3, strength=130)
            y += row
        y += 5
    return _close(page, look)


def registration(dice: Dice) -> Page:
    """Class 15: tinted security paper in a double border, numbered fields in two columns, the plate's number."""
    page, look = new_document(dice, 0.74, 1.35)
    paper = dice.pick(((205, 235, 225), (190, 230, 240), (215, 240, 215), (200, 220, 240), (225, 235, 205)))
    page.fill(0, 0, page.width, page.height, dice.shade(paper, 8))
    page.multiply(0, 0, page.width, page.height, guilloche(dice.whole(0, 9)))
    gap = page.width * dice.between(0.03, 0.05)
    page.frame(gap, gap, page.width - gap, page.height - gap, thick=3)
    page.frame(gap + 6, gap + 6, page.width - gap - 6, page.height - gap - 6)
    left, right = gap + 14, page.width - gap - 14
    width = right - left
    y = _title(page, dice, look, 15, gap + 10, left, right)
    page.text(left, y, f"No. {dice.pick(words.CODES)}", look.face, look.size)
    page.text(right, y, f"First registered {dice.pick(words.DATES)}", look.face, look.size, align="right")
    y += look.leading * 1.3
    rows = dice.whole(6, 8)
    row = (page.height * dice.between(0.7, 0.76) - y) / rows
    middle = left + width * dice.between(0.46, 0.54)
    number = 1
    for line in range(rows):
        for x0, x1 in ((left, middle), (middle, right)):
            top = y + line * row
            page.frame(x0, top, x1, top + row, strength=190)
            page.text(x0 + 4, top + 2, f"{number}. {dice.pick(words.LABELS)}", look.face, 9)
            if line == 0 and x0 == left:
                text, face, size = dice.pick(words.PLATES), look.bold, look.size + 7
            else:
                pool = dice.pick((words.VEHICLES, words.NUMBERS, words.DATES, words.NAMES, words.CODES))
                text, face, size = dice.pick(pool), look.face, look.size
            page.text(
                x0 + (x1 - x0) * 0.38, top + row / 2 - size * 0.6, text, face, size, width=(x1 - x0) * 0.6
            )
            number += 1
    y += rows * row + 6
    y = paragraph(page, dice, look, left, y, width, dice.whole(1, 2), words.LEGAL) + 2
    page.text(page.width / 2, y, dice.pick(words.DATES), look.face, look.size, align="centre")
    y += look.leading * 1.3
    office = f"Mayor of {dice.pick(words.PLACES)}"
    page.text(page.width / 2, y, office, look.bold, look.size + 6, align="centre")
    seal(page, dice, page.width / 2 + dice.between(75, 105), y + 4, dice.between(46, 62), square=True)
    bar_code(page, dice, left, page.height - gap - 30, dice.between(90, 140), 18)
    return _close(page, look)
