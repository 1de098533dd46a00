"""Pen and paper: text from real fonts, ink, rules, seals, signatures, bar codes, portraits.

Colours are (blue, green, red), 0 to 255, as OpenCV keeps them. Text is rendered once for each (words, face,
size) and pasted from then on; that is what makes a page cost milliseconds.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from cv2.typing import MatLike
from PIL import Image, ImageDraw, ImageFont

from grandmaster.errors import UserError

Pixels = MatLike
Colour = tuple[int, int, int]
Item = TypeVar("Item")

FACES = {
    "sans": "DejaVuSans.ttf",
    "sans bold": "DejaVuSans-Bold.ttf",
    "serif": "DejaVuSerif.ttf",
    "serif bold": "DejaVuSerif-Bold.ttf",
    "mono": "DejaVuSansMono.ttf",
    "mono bold": "DejaVuSansMono-Bold.ttf",
    "book": "STIXGeneral.ttf",
    "book bold": "STIXGeneralBol.ttf",
    "book italic": "STIXGeneralItalic.ttf",
}
WHITE: Colour = (255, 255, 255)


class Dice:
    """All chance of one picture, from a key of whole numbers; nothing else is random."""

    def __init__(self, *key: int) -> None:
        self._generator = np.random.default_rng(key)

    def between(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * self._generator.random()

    def whole(self, low: int, high: int) -> int:
        """Uniform whole number, both ends included."""
        return low + int((high - low + 1) * self._generator.random())

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[int(len(items) * self._generator.random())]

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._generator.random() < probability

    def uniform(self, *shape: int) -> npt.NDArray[np.float64]:
        """Array of numbers in [0, 1)."""
        return self._generator.random(shape)

    def shade(self, colour: Colour, spread: int) -> Colour:
        """A neighbour of the colour: lighter or darker by up to `spread`, its hue moved by a quarter of that."""
        level, hue = self.whole(-spread, spread), spread // 4
        moved = [min(255, max(0, channel + level + self.whole(-hue, hue))) for channel in colour]
        return moved[0], moved[1], moved[2]


@dataclass(frozen=True, kw_only=True)
class Sprite:
    """Rendered text: coverage 0 to 255, shape (height, width), and the x at which each word ends."""

    alpha: Pixels
    word_ends: tuple[int, ...]


@functools.cache
def _font_folder() -> Path:
    spec = importlib.util.find_spec("matplotlib")  # finds the package without importing it, which is slow
    if spec is None or spec.origin is None:
        raise UserError(
            "the sample competition is written in matplotlib's fonts, and matplotlib is missing",
            fix="Install requirements.txt.",
        )
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"


@functools.cache
def _font(face: str, size: int) -> ImageFont.FreeTypeFont:
    # BASIC: the layout engine that every Pillow has, so that machines agree on the pixels.
    return ImageFont.truetype(str(_font_folder() / FACES[face]), size, layout_engine=ImageFont.Layout.BASIC)


def snap(size: float) -> int:
    """The nearest size below that is used: all up to 13, then every second, then every fourth.

    Fewer sizes are fewer texts to render, which is the dearest thing about a page.
    """
    whole = max(8, int(size))
    step = 1 if whole < 14 else 2 if whole < 28 else 4
    return whole - whole % step


@functools.cache
def _glyph(character: str, face: str, size: int) -> tuple[Pixels, int]:
    """Coverage of one character, a strip of a line's full height with `size // 2` columns to spare at its
    left, and its advance in pixels."""
    font, spare = _font(face, size), size // 2
    advance = round(font.getlength(character))
    image = Image.new("L", (advance + 2 * spare, round(size * 1.3)))
    ImageDraw.Draw(image).text((spare, round(size * 1.02)), character, font=font, fill=255, anchor="ls")
    return np.asarray(image), advance


@functools.lru_cache(maxsize=8_000)
def sprite(text: str, face: str, size: int) -> Sprite:
    """Set text once, glyph beside glyph; `size` is the font's em in pixels."""
    glyphs = [_glyph(character, face, size) for character in text]
    spare = size // 2
    line = np.zeros((round(size * 1.3), sum(advance for _, advance in glyphs) + 2 * spare), np.uint8)
    x, ends = 0, []
    for character, (strip, advance) in zip(text, glyphs, strict=True):
        if character == " ":
            ends.append(x + 1)
        else:
            area = line[:, x : x + strip.shape[1]]
            np.maximum(area, strip, out=area)
        x += advance
    cut = line[:, max(0, spare - 1) : spare + x + 1]  # a column is left for what overhangs the first advance
    return Sprite(alpha=np.ascontiguousarray(cut), word_ends=(*ends, x + 1))


class Page:
    """A picture in the making.

    `pixels` (height, width, 3) holds colour; `ink` (height, width) collects everything that is written in the
    page's one ink, and is put onto the paper at the end in one multiplication.
    """

    def __init__(self, width: int, height: int, colour: Colour) -> None:
        self.width, self.height = width, height
        self.pixels: Pixels = np.empty((height, width, 3), np.uint8)
        cv2.rectangle(self.pixels, (0, 0), (width, height), colour, -1)
        self.ink: Pixels = np.zeros((height, width), np.uint8)
        self.title_box = (0, 0, 0, 0)

    def paste(self, alpha: Pixels, x: int, y: int, colour: Colour | None = None) -> None:
        """Lay coverage (h, w) with its corner at (x, y), cut off at the edges; no colour: into the ink."""
        left, top = max(0, -x), max(0, -y)
        right = min(alpha.shape[1], self.width - x)
        bottom = min(alpha.shape[0], self.height - y)
        if right <= left or bottom <= top:
            return
        cut = alpha[top:bottom, left:right]
        area = slice(y + top, y + bottom), slice(x + left, x + right)
        if colour is None:
            np.maximum(self.ink[area], cut, out=self.ink[area])
            return
        cover = cv2.merge([cut, cut, cut]).astype(np.int16) >> 1  # 0 to 127: the product fits 16 bits
        under = self.pixels[area].astype(np.int16)
        under += ((np.array(colour, np.int16) - under) * cover) >> 7
        self.pixels[area] = under

    def text(
        self,
        x: float,
        y: float,
        text: str,
        face: str,
        size: float,
        *,
        colour: Colour | None = None,
        width: float | None = None,
        align: str = "left",
    ) -> int:
        """Write one line with its top at y; words that do not fit `width` are left out.

        Args:
            align: what x is: "left" end, "centre" or "right" end.

        Returns:
            The width written, pixels.
        """
        drawn = sprite(text, face, snap(size))
        alpha = drawn.alpha
        if width is not None and alpha.shape[1] > width:
            fitting = [end for end in drawn.word_ends if end <= width]
            alpha = alpha[:, : fitting[-1] if fitting else max(1, int(width))]
        shift = {"left": 0.0, "centre": alpha.shape[1] / 2, "right": float(alpha.shape[1])}[align]
        self.paste(alpha, round(x - shift), round(y), colour)
        return alpha.shape[1]

    def heading(
        self,
        box: tuple[int, int, int, int],
        text: str,
        face: str,
        size: float,
        *,
        colour: Colour | None = None,
        align: str = "centre",
    ) -> None:
        """Write the title inside box (left, top, right, bottom), made smaller until it fits, and note the box."""
        left, top, right, bottom = box
        self.title_box = box
        fitted = snap(size)
        while fitted > 8 and sprite(text, face, fitted).alpha.shape[1] > right - left:
            fitted = snap(fitted - 1)
        x = left if align == "left" else (left + right) / 2
        height = round(fitted * 1.3)
        alpha = sprite(text, face, fitted).alpha[:, : right - left]
        x = x - (alpha.shape[1] / 2 if align == "centre" else 0)
        self.paste(alpha[: bottom - top], round(x), max(top, (top + bottom - height) // 2), colour)

    def rule(
        self, x0: float, y0: float, x1: float, y1: float, *, strength: int = 255, thick: int = 1
    ) -> None:
        """A straight line in ink."""
        cv2.line(self.ink, (round(x0), round(y0)), (round(x1), round(y1)), strength, thick)

    def frame(
        self, x0: float, y0: float, x1: float, y1: float, *, strength: int = 255, thick: int = 1
    ) -> None:
        """An empty rectangle in ink."""
        cv2.rectangle(self.ink, (round(x0), round(y0)), (round(x1), round(y1)), strength, thick)

    def fill(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A rectangle of colour under the ink."""
        cv2.rectangle(self.pixels, (round(x0), round(y0)), (round(x1), round(y1)), colour, -1)

    def fill_round(self, x0: int, y0: int, x1: int, y1: int, radius: int, colour: Colour) -> None:
        """A rectangle of colour with round corners."""
        cv2.rectangle(self.pixels, (x0 + radius, y0), (x1 - radius, y1), colour, -1)
        cv2.rectangle(self.pixels, (x0, y0 + radius), (x1, y1 - radius), colour, -1)
        for x in (x0 + radius, x1 - radius):
            for y in (y0 + radius, y1 - radius):
                cv2.circle(self.pixels, (x, y), radius, colour, -1, cv2.LINE_AA)

    def multiply(self, x0: int, y0: int, x1: int, y1: int, pattern: Pixels) -> None:
        """Darken an area by a pattern (at least as large; 255 leaves the colour alone)."""
        area = self.pixels[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
        if area.size:
            cut = pattern[: area.shape[0], : area.shape[1]]
            area[:] = cv2.multiply(area, cut, scale=1 / 255)

    def put(self, picture: Pixels, x: int, y: int) -> None:
        """Lay an opaque picture (h, w, 3) with its corner at (x, y), cut off at the edges."""
        left, top = max(0, -x), max(0, -y)
        right, bottom = min(picture.shape[1], self.width - x), min(picture.shape[0], self.height - y)
        if right > left and bottom > top:
            self.pixels[y + top : y + bottom, x + left : x + right] = picture[top:bottom, left:right]

    def finished(self, ink: Colour) -> Pixels:
        """The picture with its ink, which darkens the paper as real ink does; shape (height, width, 3)."""
        steps = np.arange(256)[:, None] / 255
        table = np.rint(255 - steps * (255 - np.array(ink))).astype(np.uint8)[:, None, :]
        return cv2.multiply(self.pixels, cv2.applyColorMap(self.ink, table), scale=1 / 255)


@functools.lru_cache(maxsize=64)
def _seal(variant: int, square: bool) -> Pixels:
    """Coverage of a stamp, 120 x 120: rings or a frame, letters inside, worn in places."""
    dice = Dice(7, variant, int(square))
    side = 240
    image = Image.new("L", (side, side))
    pen = ImageDraw.Draw(image)
    if square:
        pen.rectangle((14, 14, side - 14, side - 14), outline=255, width=12)
        for row in range(2):
            letters = "".join(dice.pick("ABDEGHKMNPRSTWZ") for _ in range(2))
            pen.text((120, 76 + 90 * row), letters, font=_font("serif bold", 88), fill=255, anchor="mm")
    else:
        pen.ellipse((10, 10, side - 10, side - 10), outline=255, width=9)
        if dice.chance(0.7):
            pen.ellipse((50, 50, side - 50, side - 50), outline=255, width=5)
        count = dice.whole(14, 20)
        for step in range(count):
            angle = 2 * np.pi * step / count
            spot = 120 + 86 * np.cos(angle), 120 + 86 * np.sin(angle)
            pen.text(
                spot, dice.pick("HOSPITALMEDICOFSEUL"), font=_font("sans bold", 26), fill=255, anchor="mm"
            )
        word = dice.pick(("SEAL", "PAID", "CLINIC", "M.D.", "OFFICE", "DIRECTOR"))
        pen.text(
            (120, 120), word, font=_font("serif bold", 118 // max(2, len(word) - 1)), fill=255, anchor="mm"
        )
    wear = cv2.resize((dice.uniform(12, 12) * 170 + 95).clip(0, 255).astype(np.uint8), (side, side))
    worn = cv2.multiply(np.asarray(image), wear, scale=1 / 255)
    turn = cv2.getRotationMatrix2D((120, 120), dice.between(-25, 25), 0.98)
    return cv2.resize(cv2.warpAffine(worn, turn, (side, side)), (120, 120), interpolation=cv2.INTER_AREA)


def seal(page: Page, dice: Dice, x: float, y: float, diameter: float, *, square: bool = False) -> None:
    """A red stamp centred at (x, y)."""
    alpha = _seal(dice.whole(0, 15), square)
    size = max(16, round(diameter))
    page.paste(
        cv2.resize(alpha, (size, size), interpolation=cv2.INTER_AREA),
        round(x - size / 2),
        round(y - size / 2),
        dice.shade((50, 40, 205), 28),
    )


def signature(page: Page, dice: Dice, x: float, y: float, width: float, height: float) -> None:
    """A scribble that runs from (x, y) to the right, in ink."""
    time = np.linspace(0, 1, 48)
    waves = dice.uniform(3, 2)
    across = x + width * time + width * 0.09 * np.sin(2 * np.pi * (4 * time + waves[0, 0]))
    fade = 1.1 - 0.8 * time
    up = np.sin(2 * np.pi * ((3 + 3 * waves[1, 0]) * time + waves[1, 1])) * fade
    up += 0.6 * np.sin(2 * np.pi * ((7 + 4 * waves[2, 0]) * time + waves[2, 1]))
    points = np.stack([across, y - height * 0.4 * up], axis=1)
    cv2.polylines(page.ink, [np.rint(points * 8).astype(np.int32)], False, 235, 1, cv2.LINE_AA, 3)


def bar_code(page: Page, dice: Dice, x: float, y: float, width: float, height: float) -> None:
    """Black bars of four widths."""
    bars = np.repeat(np.arange(60) % 2 == 0, 1 + (dice.uniform(60) * 3.2).astype(int))
    strip = np.where(bars, 255, 0).astype(np.uint8)[None, :]
    size = max(8, round(width)), max(4, round(height))
    page.paste(cv2.resize(strip, size, interpolation=cv2.INTER_AREA), round(x), round(y))


def square_code(page: Page, dice: Dice, x: float, y: float, side: float) -> None:
    """A two-dimensional code with its three finder squares."""
    cells = np.where(dice.uniform(21, 21) < 0.5, 255, 0).astype(np.uint8)
    for row, column in ((0, 0), (0, 14), (14, 0)):
        cells[row : row + 7, column : column + 7] = 255
        cells[row + 1 : row + 6, column + 1 : column + 6] = 0
        cells[row + 2 : row + 5, column + 2 : column + 5] = 255
    size = max(21, round(side))
    page.paste(cv2.resize(cells, (size, size), interpolation=cv2.INTER_NEAREST), round(x), round(y))


def portrait(dice: Dice, width: int, height: int) -> Pixels:
    """A drawn passport photo, shape (height, width, 3)."""
    ground = dice.pick(((235, 225, 215), (240, 240, 240), (225, 200, 170), (210, 225, 225), (200, 190, 185)))
    skin = dice.shade((150, 185, 225), 22)
    hair = dice.pick(((25, 25, 30), (35, 40, 55), (45, 60, 85), (90, 90, 95)))
    clothes = dice.pick(
        ((60, 45, 35), (40, 40, 45), (120, 80, 50), (95, 95, 150), (70, 100, 70), (190, 190, 195))
    )
    photo = np.empty((height, width, 3), np.uint8)
    photo[:] = ground
    wide = width * dice.between(0.2, 0.25)
    centre = round(width * dice.between(0.47, 0.53)), round(height * dice.between(0.4, 0.45))
    face = round(wide), round(wide * dice.between(1.25, 1.4))

    def ellipse(x: float, y: float, half_width: float, half_height: float, colour: Colour) -> None:
        axes = max(1, round(half_width)), max(1, round(half_height))
        cv2.ellipse(photo, (round(x), round(y)), axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    long_hair = dice.chance(0.5)
    ellipse(centre[0], centre[1] - face[1] * 0.1, face[0] * 1.25, face[1] * 1.2, hair)
    if long_hair:
        cv2.rectangle(
            photo,
            (centre[0] - round(face[0] * 1.25), centre[1]),
            (centre[0] + round(face[0] * 1.25), centre[1] + round(face[1] * 1.3)),
            hair,
            -1,
        )
    ellipse(centre[0], height * 1.06, width * 0.46, height * 0.32, clothes)
    ellipse(centre[0], centre[1] + face[1] * 1.05, face[0] * 0.42, face[1] * 0.5, skin)
    ellipse(centre[0], centre[1] + face[1] * 0.08, face[0], face[1], skin)
    fringe = dice.between(0.5, 0.75)
    cv2.ellipse(
        photo,
        (centre[0], centre[1] - round(face[1] * fringe)),
        (round(face[0] * 0.98), round(face[1] * 0.45)),
        0,
        170,
        370,
        hair,
        -1,
        cv2.LINE_AA,
    )
    for side in (-1, 1):
        eye = centre[0] + side * face[0] * 0.4
        ellipse(eye, centre[1] + face[1] * 0.05, face[0] * 0.13, face[1] * 0.06, (40, 35, 35))
        ellipse(eye, centre[1] - face[1] * 0.14, face[0] * 0.22, face[1] * 0.035, hair)
    ellipse(centre[0], centre[1] + face[1] * 0.6, face[0] * 0.25, face[1] * 0.05, (110, 110, 190))
    return photo
