"""Drawing on the pages of a PDF: text, fills and rules, from the top down.

Measures are points; `y` counts from the upper edge of the page. What the pages say is not decided here.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from fpdf.bidi import auto_detect_base_direction
from fpdf.enums import TextDirection

from renderers.body import Kind, Paragraph, told_link
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
"""Line to line, in sizes."""


class Color(NamedTuple):
    """As a page shows it: red, green and blue from 0 to 1."""

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
    """How text looks."""

    size: float
    style: Style = Style.REGULAR
    color: Color = INK

    @property
    def leading(self) -> float:
        return self.size * LEADING


class Sheet:
    """The page that is being drawn, and where on it the next thing goes."""

    def __init__(self, pdf: PagedFile, running_head: tuple[str, str]) -> None:
        """`running_head` stands at the left and right of every page but the first."""
        self.pdf = pdf
        self.setter = Typesetter(Faces(pdf))
        self._running_head = running_head
        self.y = TOP
        self.numbered_pages: set[int] = set()
        """The pages on which `[U+…]` stands for a character that no font has."""

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
        """Go to the next page unless `height` is left on this one."""
        if self.y + height > BOTTOM:
            self.next_page()

    def bookmark(self, title: str) -> None:
        self.pdf.y = self.y - 6
        self.pdf.start_section(title)

    def draw(self, operators: str) -> None:
        """Put operators into the page as they are."""
        contents = self.pdf.pages[self.pdf.page].contents
        assert isinstance(contents, bytearray)
        contents += operators.encode("latin-1") + b"\n"

    def width(self, text: str, look: Look) -> float:
        return self.setter.width(text, look.style) * look.size / 1000

    def lines(self, text: str, look: Look, room: float) -> list[str]:
        return wrapped(text, room, lambda piece: self.width(piece, look))

    def indented_lines(self, text: str, look: Look, room: float) -> Iterator[tuple[float, str]]:
        """The lines of `text`, and how far each is set in: by the spaces with which its writer began it, at most half the room."""
        for written in text.split("\n"):
            bare = written.lstrip(" ")
            indent = min(self.width(written[: len(written) - len(bare)], look), room / 2)
            for line in self.lines(bare, look, room - indent):
                yield indent, line

    def fitting(self, text: str, look: Look, room: float) -> str:
        """`text` in one line, with an ellipsis where it had to be cut."""
        text = on_one_line(text)
        if self.width(text, look) <= room:
            return text
        room -= self.width("…", look)
        return self.lines(text[:SURELY_LONGER], look, room)[0].rstrip(SOFT_HYPHEN) + "…"

    def text(self, x: float, y: float, text: str, look: Look) -> float:
        """One line with its baseline at `y`; answers its width."""
        runs = self.setter.runs(text, look.style, look.size)
        operators = self.shown(runs, look.size)
        self.draw(f"{look.color.fill} BT {x:.2f} {HEIGHT - y:.2f} Td {operators} ET")
        return sum(run.width for run in runs) * look.size / 1000

    def shown(self, runs: tuple[Run, ...], size: float) -> str:
        """The operators that show `runs` on the present page, within a text object."""
        if runs and runs[0].has_numbers:
            self.numbered_pages.add(self.pdf.page)
        return shown(runs, size)

    def right_text(self, x: float, y: float, text: str, look: Look) -> None:
        """One line that ends at `x`."""
        self.text(x - self.width(text, look), y, text, look)

    def block(self, x: float, text: str, look: Look, room: float) -> None:
        """Lines from the present place on, over as many pages as they need."""
        for indent, line in self.indented_lines(text, look, room):
            self.need(look.leading)
            self.y += look.leading
            self.text(x + indent, self.y - look.leading * 0.28, line, look)

    def line(self, x: float, text: str, look: Look) -> None:
        """One line at the present place, or on the next page if there is no room."""
        self.need(look.leading)
        self.y += look.leading
        self.text(x, self.y - look.leading * 0.28, text, look)

    def fill(self, x: float, y: float, width: float, height: float, color: Color) -> None:
        self.draw(f"{color.fill} {x:.2f} {HEIGHT - y - height:.2f} {width:.2f} {height:.2f} re f")

    def rule(self, left: float, right: float, y: float, color: Color = RULE) -> None:
        self.fill(left, y - 0.25, right - left, 0.5, color)

    def paragraph(self, x: float, paragraph: Paragraph, look: Look, room: float) -> None:
        """A paragraph of a body: items set in behind their marker, links marked and leading where they say."""
        if paragraph.kind is Kind.HEADING:
            look = look._replace(style=Style.BOLD)
        inset = 14.0 * paragraph.depth
        spans = [(span.text + told_link(span), span.link) for span in paragraph.spans]
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
        if (
            goes_left
        ):  # the pieces do not stand in the order in which they are spoken: one line, one address
            link = next((link for _, link in pieces if link), None)
            pieces = [("".join(piece for piece, _ in pieces), link)]
        for number, (piece, link) in enumerate(pieces, start=1):
            if number < len(pieces):
                piece = piece.rstrip(SOFT_HYPHEN)  # seen at the end of the line only
            wide = self.text(x, y, piece, look._replace(color=LINK) if link else look)
            if link:
                bottom = HEIGHT - y - look.size * 0.28
                self.pdf.add_link_to(Link((x, bottom, x + wide, bottom + look.size * 1.3), link))
            x += wide


def shown(runs: tuple[Run, ...], size: float) -> str:
    """The operators that show `runs` within a text object."""
    return " ".join(f"/F{run.font} {size} Tf {run.operators}" for run in runs)


def _cut(spans: list[tuple[str, str | None]], start: int, end: int) -> list[tuple[str, str | None]]:
    """What of `spans` stands from `start` to `end` in their joined text."""
    pieces, at = [], 0
    for text, link in spans:
        piece = text[max(0, start - at) : max(0, end - at)]
        if piece:
            pieces.append((piece, link))
        at += len(text)
    return pieces
