"""A real terminal for `make_screenshots.py`: commands are typed into bash, and what stands on its screen becomes HTML.

Needs pexpect (a pseudo-terminal) and pyte (what a terminal makes of the bytes that it gets).
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable
from html import escape
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pexpect
import pyte

COLUMNS, ROWS = 120, 240  # so high that nothing scrolls away: pictures are cut out of it
PROMPT = "$ "
# Of the sixteen named colours; others are written by their number.
COLOURS = {
    "black": "#3b4252",
    "red": "#ff7b72",
    "green": "#4fca83",
    "brown": "#e3b341",
    "blue": "#6da2ff",
    "magenta": "#c792ea",
    "cyan": "#4fd1d9",
    "white": "#e7eaf0",
    "brightblack": "#8b95a7",
}
INK, PAPER = "#d8dee9", "#151a21"
STYLE = f"""
body {{ margin: 0; padding: 22px; background: #e9ecf1; display: inline-block; }}
.window {{ background: {PAPER}; border-radius: 10px; padding: 12px 18px 16px; box-shadow: 0 2px 8px #0003; }}
.dots {{ display: flex; gap: 7px; margin-bottom: 12px; }} .dots i {{ width: 11px; height: 11px; border-radius: 50%; background: #3a424f; }}
pre {{ margin: 0; color: {INK}; font: 14px/16px "DejaVu Sans Mono", "Noto Sans Mono CJK KR", monospace; }}
.wide, .cell {{ display: inline-block; width: 2ch; }} .cell {{ width: 1ch; }} /* signs that another font lends */
"""


class Terminal:
    """Bash in the repository's root, with a prompt of two signs and the `python` that runs this script."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        # Questions about the cursor's place are not answered here.
        own = {
            "PS1": PROMPT,
            "TERM": "xterm-256color",
            "PATH": path,
            "PROMPT_TOOLKIT_NO_CPR": "1",
            "DISPLAY": "",
        }
        self._bash = pexpect.spawn(
            "bash",
            ["--norc", "--noprofile"],
            cwd=str(folder),
            env=os.environ | own | {"GRANDMASTER_LANG": "en"} | environment,
            dimensions=(ROWS, COLUMNS),
        )
        self.wait_for(re.escape(PROMPT.strip()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bash.close(force=True)

    def type(self, text: str) -> None:
        """As a person would."""
        self._bash.send(text)

    def command(self, line: str, *, seconds: float = 900) -> None:
        """Type a command and wait for its end."""
        self.type(f"{line}\r")
        self.wait_for(r"\n\$", seconds=seconds, behind=line)

    def wait_for(self, pattern: str, *, seconds: float = 900, behind: str = "") -> None:
        """Until something stands on the screen.

        Args:
            pattern: a regular expression.
            behind: only what comes after this text counts.

        Raises:
            TimeoutError: it does not come; says what stands there instead.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._read()
            text = "\n".join(self.text())
            # A line that is wider than the screen stands there in pieces: then all counts.
            place = text.rfind(behind) + len(behind) if behind in text and behind else 0
            if re.search(pattern, text[place:]):
                return
        raise TimeoutError(f"{pattern!r} did not come: {self.text()[-30:]}")

    def settle(self, seconds: float) -> None:
        """Let it go on for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._read()

    def _read(self) -> None:
        try:
            raw = self._bash.read_nonblocking(100_000, timeout=0.2)
        except pexpect.TIMEOUT:
            return
        self._stream.feed(re.sub(rb"\x1b\[([\d;]*)m", _without_faint, raw))

    def text(self) -> list[str]:
        """The lines of the screen, without what is empty at the end."""
        lines = [line.rstrip() for line in self._screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def html(self, *, first: str = "", last: str = "", rows: int = ROWS) -> str:
        """A page that shows lines of the screen as they are.

        Args:
            first, last: texts of the first and of the last line (where it stands last); empty: from the top, to the end.
            rows: at most so many, the last ones.
        """
        lines = self.text()
        begin = next((place for place, line in enumerate(lines) if first and first in line), 0)
        ends = [place + 1 for place, line in enumerate(lines) if last and last in line]
        end = ends[-1] if ends else len(lines)
        begin = max(begin, end - rows)
        shown = "\n".join(_line(self._screen.buffer[place], len(lines[place])) for place in range(begin, end))
        dots = '<div class="dots"><i></i><i></i><i></i></div>'
        return (
            f'<meta charset="utf-8"><style>{STYLE}</style><div class="window">{dots}<pre>{shown}</pre></div>'
        )


def _without_faint(found: re.Match[bytes]) -> bytes:
    """pyte knows no faint text: it is shown in grey instead."""
    words = found[1].split(b";")
    if b"2" not in words or b"38" in words or b"48" in words:  # there a 2 belongs to a colour
        return found[0]
    return b"\x1b[" + b";".join(b"90" if word == b"2" else word for word in words) + b"m"


def _line(cells: Any, width: int) -> str:
    """One line as spans of one look each. A sign that is two cells wide is followed by an empty one."""
    known = [cells[column] for column in range(min(COLUMNS, width + width))]
    while known and known[-1].data in (" ", "") and not known[-1].reverse and known[-1].bg == "default":
        known.pop()
    return "".join(_span(look, signs) for look, signs in groupby(known, key=_look))


def _look(cell: Any) -> tuple[str, str, bool, bool, bool]:
    ink, paper = _colour(cell.fg, INK), _colour(cell.bg, "")
    if cell.reverse:
        ink, paper = paper or PAPER, ink
    return ink, paper, cell.bold, cell.italics, cell.underscore


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    return COLOURS.get(name) or COLOURS.get(name.removeprefix("bright")) or f"#{name}"


def _is_in_font(sign: str) -> bool:
    """Whether the terminal's own font has it: Latin letters, arrows, lines of boxes, simple shapes."""
    return sign < "\u0400" or "\u2010" <= sign <= "\u27ff"


def _span(look: tuple[str, str, bool, bool, bool], cells: Iterable[Any]) -> str:
    ink, paper, bold, italics, underscore = look
    parts, found = [], list(cells)
    for place, cell in enumerate(found):
        wide = place + 1 < len(found) and found[place + 1].data == ""
        sign = escape(cell.data)
        if wide or (cell.data and not _is_in_font(cell.data)):
            sign = f'<span class="{"wide" if wide else "cell"}">{sign}</span>'
        parts.append(sign)
    style = f"color:{ink}" + (f";background:{paper}" if paper else "") + (";font-weight:bold" if bold else "")
    style += (";font-style:italic" if italics else "") + (";text-decoration:underline" if underscore else "")
    return f'<span style="{style}">{"".join(parts)}</span>'
