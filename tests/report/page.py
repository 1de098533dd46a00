"""Reads a page as a browser would, and remembers what a test asks about."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input", "hr", "path", "use", "wbr"}


class Page(HTMLParser):
    """Tags, attributes and visible text; fails on tags that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.pieces: list[tuple[str, str]] = []
        """(id of the section, text)"""
        self.cells: list[list[str]] = []
        """Rows of the confusion matrix, as text."""
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {[name for name, _ in self.open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))
        if tag == "tr" and self._inside("table", "confusion"):
            self.cells.append([])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1][0] == tag, f"</{tag}> closes <{self.open[-1][0]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        inside = [name for name, _ in self.open]
        if "style" in inside or "title" in inside:
            return
        section = next((attrs.get("id") for name, attrs in self.open if name == "section"), None)
        self.pieces.append((section or "", data))
        if "td" in inside and self._inside("table", "confusion"):
            self.cells[-1].append(data)

    def _inside(self, tag: str, css: str) -> bool:
        return any(name == tag and css in (attrs.get("class") or "") for name, attrs in self.open)

    def text(self, section: str | None = None) -> str:
        """Visible text with single spaces; no-break spaces count as spaces."""
        joined = " ".join(data for place, data in self.pieces if section in (None, place))
        return " ".join(joined.split())

    def having(self, tag: str, css: str = "") -> list[dict[str, str | None]]:
        """Attributes of all such tags, in order."""
        found = [attrs for name, attrs in self.tags if name == tag]
        return [attrs for attrs in found if not css or css in (attrs.get("class") or "").split()]
