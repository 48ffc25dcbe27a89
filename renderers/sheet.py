"""Draw on the pages of a PDF: text, fills and rules, from top to bottom.

Measures are points; `y` counts from the upper edge of the page. `pdf` decides the contents.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from fpdf.bidi import auto_detect_base_direction
from fpdf.enums import TextDirection

from renderers.body import Paragraph, ParagraphKind, link_suffix
from renderers.faces import Faces, Style
from renderers.lines import SOFT_HYPHEN, SURELY_LONGER, on_one_line, wrapped
from renderers.pdf_file import Link, PagedFile
from renderers.typesetter import Run, Typesetter

WIDTH: Final = 612.0
HEIGHT: Final = 792.0
LEFT: Final = 42.0
RIGHT: Final = WIDTH - LEFT
ROOM: Final = RIGHT - LEFT
TOP: Final = 62.0
BOTTOM: Final = HEIGHT - 54.0
LEADING: Final = 1.42
"""The distance between lines, relative to the font size."""


class Color(NamedTuple):
    """A color: red, green and blue from 0 to 1."""

    red: float
    green: float
    blue: float

    @property
    def fill(self) -> str:
        return f"{self.red} {self.green} {self.blue} rg"


INK: Final = Color(0.13, 0.16, 0.21)
MUTED: Final = Color(0.36, 0.41, 0.48)
ACCENT: Final = Color(0.10, 0.23, 0.40)
LINK: Final = Color(0.07, 0.33, 0.64)
RULE: Final = Color(0.80, 0.83, 0.87)
BAND: Final = Color(0.955, 0.965, 0.978)
WHITE: Final = Color(1, 1, 1)


class Look(NamedTuple):
    """Size, weight and color of text."""

    size: float
    style: Style = Style.REGULAR
    color: Color = INK

    @property
    def leading(self) -> float:
        return self.size * LEADING


class Sheet:
    """The current page, and the vertical position on it."""

    def __init__(self, pdf: PagedFile, running_head: tuple[str, str]) -> None:
        """Start a sheet. `running_head` has the left and right header of every page but the first."""
        self.pdf = pdf
        self.setter = Typesetter(Faces(pdf))
        self._running_head = running_head
        self.y = TOP
        self.numbered_pages: set[int] = set()
        """The pages with `[U+…]` for a character that no font has."""

    def next_page(self) -> None:
        self.pdf.next_page()
        self.y = TOP
        if self.pdf.page > 1:
            left, right = self._running_head
            look = Look(7.5, color=MUTED)
            wide = self.width(right, look)
            self.text(LEFT, 40, self.fitting(left, look, ROOM - wide - 20), look)
            self.text(RIGHT - wide, 40, right, look)
            self.rule(LEFT, RIGHT, 46)

    def need(self, height: float) -> None:
        """Start the next page unless `height` is left on this one."""
        if self.y + height > BOTTOM:
            self.next_page()

    def bookmark(self, title: str) -> None:
        self.pdf.y = self.y - 6
        self.pdf.start_section(title)

    def draw(self, operators: str) -> None:
        """Append operators to the page."""
        contents = self.pdf.pages[self.pdf.page].contents
        assert isinstance(contents, bytearray)
        contents += operators.encode("latin-1") + b"\n"

    def width(self, text: str, look: Look) -> float:
        return self.setter.width(text, look.style) * look.size / 1000

    def lines(self, text: str, look: Look, room: float) -> list[str]:
        return wrapped(text, room, lambda piece: self.width(piece, look))

    def indented_lines(self, text: str, look: Look, room: float) -> Iterator[tuple[float, str]]:
        """Yield the lines of `text`, each with its indent: the width of its leading spaces, at most half the room."""
        for source_line in text.split("\n"):
            bare = source_line.lstrip(" ")
            indent = min(self.width(source_line[: len(source_line) - len(bare)], look), room / 2)
            for line in self.lines(bare, look, room - indent):
                yield indent, line

    def fitting(self, text: str, look: Look, room: float) -> str:
        """Return `text` on one line, cut with an ellipsis if it is wider than `room`."""
        text = on_one_line(text)
        if self.width(text, look) <= room:
            return text
        room -= self.width("…", look)
        return self.lines(text[:SURELY_LONGER], look, room)[0].rstrip(SOFT_HYPHEN) + "…"

    def text(self, x: float, y: float, text: str, look: Look) -> float:
        """Draw one line with its baseline at `y`, and return its width."""
        runs = self.setter.runs(text, look.style, look.size)
        operators = self.shown(runs, look.size)
        self.draw(f"{look.color.fill} BT {x:.2f} {HEIGHT - y:.2f} Td {operators} ET")
        return sum(run.width for run in runs) * look.size / 1000

    def shown(self, runs: tuple[Run, ...], size: float) -> str:
        """Return the operators that show `runs` on the current page, inside a text object."""
        if runs and runs[0].has_numbers:
            self.numbered_pages.add(self.pdf.page)
        return shown(runs, size)

    def right_text(self, x: float, y: float, text: str, look: Look) -> None:
        """Draw one line that ends at `x`."""
        self.text(x - self.width(text, look), y, text, look)

    def block(self, x: float, text: str, look: Look, room: float) -> None:
        """Draw lines from the current position on, over as many pages as they need."""
        for indent, line in self.indented_lines(text, look, room):
            self.need(look.leading)
            self.y += look.leading
            self.text(x + indent, self.y - look.leading * 0.28, line, look)

    def line(self, x: float, text: str, look: Look) -> None:
        """Draw one line at the current position, or on the next page if there is no room."""
        self.need(look.leading)
        self.y += look.leading
        self.text(x, self.y - look.leading * 0.28, text, look)

    def fill(self, x: float, y: float, width: float, height: float, color: Color) -> None:
        self.draw(f"{color.fill} {x:.2f} {HEIGHT - y - height:.2f} {width:.2f} {height:.2f} re f")

    def rule(self, left: float, right: float, y: float, color: Color = RULE) -> None:
        self.fill(left, y - 0.25, right - left, 0.5, color)

    def paragraph(self, x: float, paragraph: Paragraph, look: Look, room: float) -> None:
        """Draw a paragraph of a body: list items indented after their marker, links in color and clickable."""
        if paragraph.kind is ParagraphKind.HEADING:
            look = look._replace(style=Style.BOLD)
        inset = 14.0 * paragraph.depth
        spans = [(span.text + link_suffix(span), span.link) for span in paragraph.spans]
        text = "".join(piece for piece, _ in spans)
        goes_left = auto_detect_base_direction(text) is TextDirection.RTL
        at = 0
        lines = self.indented_lines(text, look, room - inset)
        for number, (indent, line) in enumerate(lines):
            self.need(look.leading)
            self.y += look.leading
            baseline = self.y - look.leading * 0.28
            if number == 0 and paragraph.marker:
                self.right_text(x + inset - 5, baseline, paragraph.marker, look)
            at = text.index(line, at)
            width = self.width(line, look)
            start = x + room - indent - width if goes_left else x + inset + indent
            self._line(start, baseline, _cut(spans, at, at + len(line)), look, goes_left)
            at += len(line)

    def _line(
        self, x: float, y: float, pieces: list[tuple[str, str | None]], look: Look, goes_left: bool
    ) -> None:
        if goes_left:  # visual and logical order of the pieces differ: one piece with one link
            link = next((link for _, link in pieces if link), None)
            pieces = [("".join(piece for piece, _ in pieces), link)]
        for number, (piece, link) in enumerate(pieces, start=1):
            if number < len(pieces):
                piece = piece.rstrip(SOFT_HYPHEN)  # visible only at the end of the line
            wide = self.text(x, y, piece, look._replace(color=LINK) if link else look)
            if link:
                bottom = HEIGHT - y - look.size * 0.28
                self.pdf.add_link_to(Link((x, bottom, x + wide, bottom + look.size * 1.3), link))
            x += wide


def shown(runs: tuple[Run, ...], size: float) -> str:
    """Return the operators that show `runs` inside a text object."""
    return " ".join(f"/F{run.font} {size} Tf {run.operators}" for run in runs)


def _cut(spans: list[tuple[str, str | None]], start: int, end: int) -> list[tuple[str, str | None]]:
    """Return the parts of `spans` from `start` to `end` of their joined text."""
    pieces, at = [], 0
    for text, link in spans:
        piece = text[max(0, start - at) : max(0, end - at)]
        if piece:
            pieces.append((piece, link))
        at += len(text)
    return pieces
