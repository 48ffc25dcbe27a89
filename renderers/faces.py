"""Which font prints a character.

A face is opened when the first character asks for it: a report in English opens two of the twenty. How glyphs are joined and
ordered is in `typesetter`.
"""

import bisect
import unicodedata
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from fpdf import FPDF
from fpdf.fonts import TTFFont

FOLDER: Final = Path(__file__).with_name("fonts")
HUGE: Final = 1_000_000.0
"""The width of a character that a font cannot print by itself: no line has that room, so the text is looked at closely."""


class Style(StrEnum):
    """The weight of Latin, Greek and Cyrillic; the other scripts have one."""

    REGULAR = "REGULAR"
    BOLD = "BOLD"


class Source(NamedTuple):
    """A font file, whether its script needs HarfBuzz to join and place glyphs, and a file with what it lacks."""

    file: str
    is_shaped: bool
    more: str | None = None


def _script(name: str) -> Source:
    return Source(f"NotoSans{name}-Regular.ttf", is_shaped=True)


REGULAR: Final = Source("NotoSans-Regular.ttf", is_shaped=False)
BOLD: Final = Source("NotoSans-SemiBold.ttf", is_shaped=False)
HAN: Final = Source("NotoSansSC-Common.woff", is_shaped=False, more="NotoSansSC-Rare.woff")
HANGUL: Final = Source("NotoSansKR-Common.woff", is_shaped=False, more="NotoSansKR-Rare.woff")
EMOJI: Final = Source("NotoEmoji-Regular.woff", is_shaped=False)

_BLOCKS: Final = (
    (0x0530, 0x058F, _script("Armenian")),
    (0x0590, 0x05FF, _script("Hebrew")),
    (0x0600, 0x06FF, _script("Arabic")),
    (0x0750, 0x077F, _script("Arabic")),
    (0x0870, 0x08FF, _script("Arabic")),
    (0x0900, 0x097F, _script("Devanagari")),
    (0x0980, 0x09FF, _script("Bengali")),
    (0x0A00, 0x0A7F, _script("Gurmukhi")),
    (0x0A80, 0x0AFF, _script("Gujarati")),
    (0x0B80, 0x0BFF, _script("Tamil")),
    (0x0C00, 0x0C7F, _script("Telugu")),
    (0x0E00, 0x0E7F, _script("Thai")),
    (0x0E80, 0x0EFF, _script("Lao")),
    (0x1000, 0x109F, _script("Myanmar")),
    (0x10A0, 0x10FF, _script("Georgian")),
    (0x1100, 0x11FF, HANGUL),
    (0x1200, 0x139F, _script("Ethiopic")),
    (0x1780, 0x17FF, _script("Khmer")),
    (0x19E0, 0x19FF, _script("Khmer")),
    (0x1C90, 0x1CBF, _script("Georgian")),
    (0x2190, 0x2BFF, EMOJI),
    (0x2D00, 0x2D2F, _script("Georgian")),
    (0x2D80, 0x2DDF, _script("Ethiopic")),
    (0x2E80, 0x312F, HAN),
    (0x3130, 0x318F, HANGUL),
    (0x3190, 0x9FFF, HAN),
    (0xA8E0, 0xA8FF, _script("Devanagari")),
    (0xAC00, 0xD7AF, HANGUL),
    (0xF900, 0xFAFF, HAN),
    (0xFB13, 0xFB17, _script("Armenian")),
    (0xFB1D, 0xFB4F, _script("Hebrew")),
    (0xFB50, 0xFDFF, _script("Arabic")),
    (0xFE30, 0xFE4F, HAN),
    (0xFE70, 0xFEFE, _script("Arabic")),
    (0xFF00, 0xFFEF, HAN),
    (0x1F000, 0x1FAFF, EMOJI),
)
_STARTS: Final = [first for first, _, _ in _BLOCKS]


def source_of(code: int) -> Source | None:
    """The font for the block in which `code` stands; null where it is Noto Sans, or none."""
    at = bisect.bisect_right(_STARTS, code) - 1
    if at >= 0:
        _, last, source = _BLOCKS[at]
        if code <= last:
            return source
    return None


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
        is_mark = (
            unicodedata.category(character)[0] == "M"
        )  # stands over a letter, where HarfBuzz says
        width = float(self._font.cw[code]) if code in self._font.cmap and not is_mark else HUGE
        self[character] = width
        return width


class Faces:
    """The faces of one file."""

    def __init__(self, pdf: FPDF) -> None:
        self._pdf = pdf
        self._open: dict[Source, Face] = {}
        self.regular = self.open(REGULAR)
        self.bold = self.open(BOLD)

    def open(self, source: Source) -> Face:
        face = self._open.get(source)
        if face is None:
            family = source.file.partition(".")[0].lower()
            self._pdf.add_font(family, fname=FOLDER / source.file)
            font = self._pdf.fonts[family]
            assert isinstance(font, TTFFont)
            face = Face(font, is_shaped=source.is_shaped)
            self._open[source] = face
        return face

    def of_style(self, style: Style) -> Face:
        return self.bold if style is Style.BOLD else self.regular

    def for_character(self, code: int) -> Face | None:
        """The face of the script of `code`; null where nothing prints it."""
        source = source_of(code)
        while source is not None:
            face = self.open(source)
            if face.has(code):
                return face
            source = None if source.more is None else Source(source.more, source.is_shaped)
        return None
