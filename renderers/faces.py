"""The fonts of one PDF file, opened on demand.

A face is opened at the first character that needs it: a report in English opens two of ninety. `coverage` maps characters to
font files; `typesetter` shapes and orders glyphs.
"""

import unicodedata
from enum import StrEnum
from typing import Final

from fpdf import FPDF
from fpdf.fonts import TTFFont

from renderers.coverage import BOLD, FOLDER, REGULAR, file_of
from renderers.stand_ins import is_hidden

HUGE: Final = 1_000_000.0
"""The width of a character that a font cannot print alone: wider than any line, so the text takes the slow path."""


class Style(StrEnum):
    """The weight of Latin, Greek and Cyrillic text; other scripts have one weight."""

    REGULAR = "REGULAR"
    BOLD = "BOLD"


class Face:
    """An open font: its number in the file, and the codes and widths of its characters."""

    def __init__(self, font: TTFFont, *, is_shaped: bool) -> None:
        self.font = font
        self.number = font.i
        self.is_shaped = is_shaped
        self.codes = _Codes(font)
        self.widths = _Widths(font)

    def has(self, code: int) -> bool:
        return code in self.font.cmap

    def literal(self, text: str) -> str:
        """Return `text` as an operand of the text operators; the font must have all its characters."""
        return f"({text.translate(self.codes)})"

    def width(self, text: str) -> float:
        """Return the width in thousandths of the font size; `HUGE` or more if the font lacks a character."""
        return sum(map(self.widths.__getitem__, text))


class _Codes(dict[int, str]):
    """Character code → the glyph's escaped code in the file. The first lookup adds the glyph to the file."""

    def __init__(self, font: TTFFont) -> None:
        super().__init__()
        self._font = font

    def __missing__(self, code: int) -> str:
        glyph = self._font.subset.pick(code)
        text = "" if glyph is None else self._font.escape_text(chr(glyph))
        self[code] = text
        return text


class _Widths(dict[str, float]):
    """Character → its width in thousandths of the font size; `HUGE` if it cannot be printed alone."""

    def __init__(self, font: TTFFont) -> None:
        super().__init__()
        self._font = font

    def __missing__(self, character: str) -> float:
        code = ord(character)
        # HarfBuzz places marks over their letters. Hidden characters have a glyph in some fonts.
        is_single = unicodedata.category(character)[0] != "M" and not is_hidden(character)
        width = float(self._font.cw[code]) if code in self._font.cmap and is_single else HUGE
        self[character] = width
        return width


class Faces:
    """The faces of one PDF file."""

    def __init__(self, pdf: FPDF) -> None:
        self._pdf = pdf
        self._open: dict[str, Face] = {}
        self.regular = self.open(REGULAR)
        self.bold = self.open(BOLD)

    def open(self, file: str) -> Face:
        """Return the face of a file in `fonts/`; open it if necessary."""
        face = self._open.get(file)
        if face is None:
            family = file.partition(".")[0].lower()
            self._pdf.add_font(family, fname=FOLDER / file)
            font = self._pdf.fonts[family]
            assert isinstance(font, TTFFont)
            # Latin needs no shaping, and HarfBuzz would take most of the time of a report.
            is_shaped = file not in (REGULAR, BOLD) and "GSUB" in font.ttfont
            face = Face(font, is_shaped=is_shaped)
            self._open[file] = face
        return face

    def of_style(self, style: Style) -> Face:
        return self.bold if style is Style.BOLD else self.regular

    def for_character(self, code: int) -> Face | None:
        """Return the face, other than Noto Sans, that prints `code`; None if there is none."""
        file = file_of(code)
        return None if file is None else self.open(file)

    def prints(self, code: int) -> bool:
        """Return whether any face prints `code`, without opening one."""
        return self.regular.has(code) or file_of(code) is not None
