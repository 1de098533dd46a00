"""What the contest did to its test pictures: mixing, turning, blur, noise, over-exposure, patches."""

from __future__ import annotations

import cv2
import numpy as np

from grandmaster.competition.sample_maker.capture import add_noise
from grandmaster.competition.sample_maker.cards import table
from grandmaster.competition.sample_maker.page import Dice, Pixels

MIX_UP_CHANCE, CUT_MIX_CHANCE = 0.28, 0.06
LARGEST_WEIGHT = 0.4  # of the picture mixed in: the label stays that of the other, which dominates


def mix_up(picture: Pixels, partner: Pixels, dice: Dice) -> Pixels:
    """Both pictures through one another, the partner with a weight of at most `LARGEST_WEIGHT`."""
    weight = dice.between(0.15, LARGEST_WEIGHT)
    other = cv2.resize(partner, (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_LINEAR)
    return cv2.addWeighted(picture, 1 - weight, other, weight, 0)


def cut_mix(picture: Pixels, partner: Pixels, dice: Dice) -> Pixels:
    """A rectangle of the partner over at most `LARGEST_WEIGHT` of the picture."""
    height, width = picture.shape[:2]
    other = cv2.resize(partner, (width, height), interpolation=cv2.INTER_LINEAR)
    share, stretch = dice.between(0.1, LARGEST_WEIGHT), dice.between(0.75, 1.33)
    across = min(width, round(width * np.sqrt(share * stretch)))
    down = min(height, round(height * np.sqrt(share / stretch)))
    x, y = dice.whole(0, width - across), dice.whole(0, height - down)
    mixed = picture.copy()
    mixed[y : y + down, x : x + across] = other[y : y + down, x : x + across]
    return mixed


def turn(picture: Pixels, dice: Dice) -> Pixels:
    """Rotation by any angle, the corners filled white.

    The frame is either kept, which cuts corners of the page off, or expanded and the whole scaled back, so that
    a test picture has the area of a training picture, as in the original.
    """
    height, width = picture.shape[:2]
    angle = dice.between(0, 360)
    radians = np.deg2rad(angle)
    scale, new_width, new_height = 1.0, width, height
    if dice.chance(0.6):
        cosine, sine = abs(np.cos(radians)), abs(np.sin(radians))
        new_width, new_height = width * cosine + height * sine, width * sine + height * cosine
        scale = float(np.sqrt(width * height / (new_width * new_height)))
        new_width, new_height = round(new_width * scale), round(new_height * scale)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    matrix[:, 2] += (new_width - width) / 2, (new_height - height) / 2
    return cv2.warpAffine(picture, matrix, (new_width, new_height), borderValue=(255, 255, 255))


def flip(picture: Pixels, dice: Dice) -> Pixels:
    """One of: mirrored left to right, top to bottom, both, or transposed."""
    how = dice.pick((1, 0, -1, None))
    return cv2.transpose(picture) if how is None else cv2.flip(picture, how)


def overexpose(picture: Pixels, dice: Dice) -> Pixels:
    """More light than the sensor holds: gain and offset, cut off at white."""
    return cv2.convertScaleAbs(picture, alpha=dice.between(1.05, 1.35), beta=dice.between(0, 30))


def blur(picture: Pixels, dice: Dice) -> Pixels:
    """Out of focus, or moved along one axis."""
    if dice.chance(0.7):
        return cv2.GaussianBlur(picture, (0, 0), dice.between(0.7, 2.0))
    length = dice.whole(3, 7)
    return cv2.blur(picture, (length, 1) if dice.chance(0.5) else (1, length))


def texture_patches(picture: Pixels, dice: Dice) -> Pixels:
    """One to four rectangles of a foreign texture laid over the picture."""
    spoiled = picture.copy()
    height, width = picture.shape[:2]
    for _ in range(dice.whole(1, 4)):
        across, down = round(width * dice.between(0.08, 0.3)), round(height * dice.between(0.08, 0.3))
        x, y = dice.whole(0, width - across), dice.whole(0, height - down)
        patch = table(dice, across, down)
        area = spoiled[y : y + down, x : x + across]
        opacity = dice.between(0.5, 1.0)
        area[:] = cv2.addWeighted(patch, opacity, area, 1 - opacity, 0)
    return spoiled


def corrupt(picture: Pixels, dice: Dice) -> Pixels:
    """All that follows mixing, each by its own chance; shape (height, width, 3), neither of which is kept."""
    if dice.chance(0.15):
        picture = texture_patches(picture, dice)
    if dice.chance(0.55):
        picture = flip(picture, dice)
    if dice.chance(0.7):
        picture = turn(picture, dice)
    if dice.chance(0.25):
        picture = overexpose(picture, dice)
    if dice.chance(0.35):
        picture = add_noise(picture, dice, dice.between(4, 22))
    if dice.chance(0.55):
        picture = blur(picture, dice)
    return picture
