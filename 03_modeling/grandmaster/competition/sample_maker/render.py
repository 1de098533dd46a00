"""From one line of the plan to the bytes of a JPEG file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2

from grandmaster.competition.sample_maker import cards, certificates, corruption, tables, vehicles
from grandmaster.competition.sample_maker.capture import photograph
from grandmaster.competition.sample_maker.page import Dice, Page, Pixels
from grandmaster.competition.sample_maker.plan import TEST, Picture

DRAW: dict[int, Callable[[Dice], Page]] = {
    0: cards.bank_book,
    1: tables.application,
    2: vehicles.dashboard,
    3: functools.partial(certificates.draw, 3),
    4: functools.partial(certificates.draw, 4),
    5: cards.licence,
    6: tables.bill,
    7: functools.partial(certificates.draw, 7),
    8: cards.identity_card,
    9: cards.passport,
    10: tables.payment,
    11: cards.till_receipt,
    12: tables.prescription,
    13: tables.resume,
    14: functools.partial(certificates.draw, 14),
    15: tables.registration,
    16: vehicles.plate,
}
SHEETS = frozenset({1, 3, 4, 6, 7, 10, 12, 13, 14, 15})  # flat paper; the others bring their surroundings
FOLDERS = ("train", "test")
# What a dice is for: the last number of its key, so that one picture's dice never repeat each other.
_PAGE, _CAMERA, _PARTNER, _CORRUPTION, _FILE = range(5)


def render(picture: Picture, seed: int) -> Pixels:
    """Draw one picture; uint8 (height, width, 3), blue green red. Depends on the arguments alone."""
    key = seed, picture.split
    page = DRAW[picture.kind](Dice(*key, picture.page, _PAGE)).pixels
    drawn = photograph(page, Dice(*key, picture.index, _CAMERA), is_sheet=picture.kind in SHEETS)
    if picture.split != TEST:
        return drawn
    dice = Dice(*key, picture.index, _CORRUPTION)
    draw = dice.between(0, 1)
    if draw < corruption.MIX_UP_CHANCE + corruption.CUT_MIX_CHANCE:
        partner_dice = Dice(*key, picture.index, _PARTNER)
        partner = DRAW[partner_dice.whole(0, len(DRAW) - 1)](partner_dice).pixels
        mix = corruption.mix_up if draw < corruption.MIX_UP_CHANCE else corruption.cut_mix
        drawn = mix(drawn, partner, dice)
    return corruption.corrupt(drawn, dice)


def write_pictures(pictures: Iterable[Picture], seed: int, folder: Path) -> int:
    """Write JPEG files into `folder/train` and `folder/test`; returns how many.

    OSError where one cannot be written. Takes and returns what a worker process can be sent.
    """
    count = 0
    for picture in pictures:
        quality = Dice(seed, picture.split, picture.index, _FILE).whole(82, 95)
        _, data = cv2.imencode(".jpg", render(picture, seed), [cv2.IMWRITE_JPEG_QUALITY, quality])
        (folder / FOLDERS[picture.split] / picture.file_name(seed)).write_bytes(data.tobytes())
        count += 1
    return count
