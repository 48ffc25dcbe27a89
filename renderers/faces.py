"""The fonts of one file, opened when they are needed.

A face is opened when the first character asks for it: a report in English opens two of the ninety. Which file prints a character
is in `coverage`; how glyphs are joined and ordered is in `typesetter`.
"""

import unicodedata
from enum import StrEnum
from typing import Final

from fpdf import FPDF
from fpdf.fonts import TTFFont

from renderers.coverage import BOLD, FOLDER, REGULAR, file_of
from renderers.stand_ins import is_hidden

HUGE: Final = 1_000_000.0
"""The width of a character that a font cannot print by itself: no line has that room, so the text is looked at closely."""


class Style(StrEnum):
    """The weight of Latin, Greek and Cyrillic; the other scripts have one."""

    REGULAR = "REGULAR"
    BOLD = "BOLD"


class Face:
    """An opened font: its number in the file, and what each character costs."""

    def __init__(self, font: TTFFont, *, is_shaped: bool) -> None:
        self.font = font
        self.number = font.i
        self.is_shaped = is_shaped
        self.codes = _Codes(font)
        self.widths = _Widths(font)

    def has(self, code: int) -> bool:
        return code in self.font.cmap

    def literal(self, text: str) -> str:
        """`text` as an operand of the text operators, glyph by glyph; its characters must all be in the font."""
        return f"({text.translate(self.codes)})"

    def width(self, text: str) -> float:
        """In thousandths of the size; `HUGE` or more where a character is not in the font."""
        return sum(map(self.widths.__getitem__, text))


class _Codes(dict[int, str]):
    """Character code → the glyph's code in the file, escaped. A glyph is taken into the file when it is first asked for."""

    def __init__(self, font: TTFFont) -> None:
        super().__init__()
        self._font = font

    def __missing__(self, code: int) -> str:
        glyph = self._font.subset.pick(code)
        text = "" if glyph is None else self._font.escape_text(chr(glyph))
        self[code] = text
        return text


class _Widths(dict[str, float]):
    """Character → its width in thousandths of the size; `HUGE` where it cannot stand by itself."""

    def __init__(self, font: TTFFont) -> None:
        super().__init__()
        self._font = font

    def __missing__(self, character: str) -> float:
        code = ord(character)
        # A mark stands over a letter, where HarfBuzz says; what is hidden has a glyph in some fonts all the same.
        is_single = unicodedata.category(character)[0] != "M" and not is_hidden(character)
        width = float(self._font.cw[code]) if code in self._font.cmap and is_single else HUGE
        self[character] = width
        return width


class Faces:
    """The faces of one file."""

    def __init__(self, pdf: FPDF) -> None:
        self._pdf = pdf
        self._open: dict[str, Face] = {}
        self.regular = self.open(REGULAR)
        self.bold = self.open(BOLD)

    def open(self, file: str) -> Face:
        """The face of a file of `fonts/`."""
        face = self._open.get(file)
        if face is None:
            family = file.partition(".")[0].lower()
            self._pdf.add_font(family, fname=FOLDER / file)
            font = self._pdf.fonts[family]
            assert isinstance(font, TTFFont)
            # Latin is the exception: its letters stand side by side, and HarfBuzz would cost most of the time of a report.
            is_shaped = file not in (REGULAR, BOLD) and "GSUB" in font.ttfont
            face = Face(font, is_shaped=is_shaped)
            self._open[file] = face
        return face

    def of_style(self, style: Style) -> Face:
        return self.bold if style is Style.BOLD else self.regular

    def for_character(self, code: int) -> Face | None:
        """The face other than Noto Sans that prints `code`; null where nothing does."""
        file = file_of(code)
        return None if file is None else self.open(file)

    def prints(self, code: int) -> bool:
        """Whether some face prints `code`. Opens none."""
        return self.regular.has(code) or file_of(code) is not None
