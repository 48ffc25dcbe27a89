"""Typeset text for a page of a PDF: measure, order and shape it.

Plain Latin, which is nearly everything, is measured and written character by character. Other text is put into visual order
(Unicode Standard Annex 9, by fpdf2) and cut into runs of one font. HarfBuzz shapes runs of scripts that join letters.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple

from fpdf.bidi import BidiParagraph, auto_detect_base_direction
from fpdf.enums import TextDirection
from fpdf.fonts import TTFFont

from renderers.coverage import EMOJI
from renderers.faces import HUGE, Face, Faces, Style
from renderers.stand_ins import is_joiner, printable

RIGHT_TO_LEFT: Final = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
"""The Unicode blocks of right-to-left scripts (Unicode Standard Annex 9, table 4)."""
SOFT_HYPHEN: Final = "\xad"
EMOJI_STYLE: Final = "\N{VARIATION SELECTOR-16}"
JOINER: Final = "\N{ZERO WIDTH JOINER}"
KEYCAP: Final = "\N{COMBINING ENCLOSING KEYCAP}"


class Run(NamedTuple):
    """A sequence of glyphs of one font."""

    font: int
    operators: str
    """The operators that show the glyphs at the requested size."""
    width: float
    """In thousandths of the font size."""
    has_numbers: bool = False
    """Whether the line has `[U+…]` for a character that no font has."""


class Typesetter:
    """Typesets text in the faces of one file."""

    def __init__(self, faces: Faces) -> None:
        self.faces = faces
        # Names repeat on several rows, one for each device. The limit keeps memory flat.
        self.runs = lru_cache(maxsize=2048)(self._runs)
        self._advance = lru_cache(maxsize=8192)(self._measured)
        self._glyph_widths: dict[tuple[int, int], int] = {}

    def width(self, text: str, style: Style) -> float:
        """Return the width of one line in thousandths of the font size."""
        plain = self.faces.of_style(style).width(text)
        return plain if plain < HUGE else self._advance(text, style)

    def _measured(self, text: str, style: Style) -> float:
        return sum(run.width for run in self.runs(text, style, 10.0))

    def _runs(self, text: str, style: Style, size: float) -> tuple[Run, ...]:
        """Return the runs of one line, from left to right, with stand-ins for characters that no font has.

        A line that ends in a soft hyphen was broken there, and shows a hyphen.
        """
        face = self.faces.of_style(style)
        plain = face.width(text)
        if plain < HUGE:
            return (Run(face.number, f"{face.literal(text)}Tj", plain),)
        if text.endswith(SOFT_HYPHEN):
            text = text.rstrip(SOFT_HYPHEN) + "-"
        visible, has_numbers = printable(text, self.faces.prints)
        runs = (
            self._run(face, piece, direction, size)
            for part, direction in in_visual_order(visible)
            for face, piece in self._by_face(part, direction, style)
        )
        return tuple(run._replace(has_numbers=True) for run in runs) if has_numbers else tuple(runs)

    def _by_face(
        self, text: str, direction: TextDirection, style: Style
    ) -> Iterator[tuple[Face, str]]:
        """Yield `text` in pieces of one face, from left to right."""
        faces = self._faces_of(text, style)
        base = self.faces.of_style(style)
        around: Face | None = next(
            (face for face in faces if face is not base and face is not None), None
        )
        placed: list[tuple[Face, str]] = []
        before = around if direction is TextDirection.RTL and around is not None else base
        for character, face in zip(text, faces, strict=True):
            if self._stays(character, face, before, direction, style):
                face = before
            elif face is None or is_joiner(character):  # the font does not have it
                continue
            elif unicodedata.category(character)[0] == "M":
                _use_face_of_mark(placed, face)
            placed.append((face, character))
            before = face
        pieces = [
            (face, "".join(character for _, character in group))
            for face, group in groupby(placed, key=lambda pair: pair[0])
        ]
        return reversed(pieces) if direction is TextDirection.RTL else iter(pieces)

    def _faces_of(self, text: str, style: Style) -> list[Face | None]:
        """Return the face of each character: the emoji face for a sign that is, or is part of, an emoji."""
        faces = [self._face_of(character, style) for character in text]
        for at, character in enumerate(text):
            if character == EMOJI_STYLE:
                neighbours = {at - 1}
            elif character == JOINER:
                neighbours = {at - 2 if text[at - 1] == EMOJI_STYLE else at - 1, at + 1}
            else:
                continue
            for near in neighbours & set(range(len(text))):
                if unicodedata.category(text[near])[0] == "S" and not text[near].isascii():
                    emoji = self.faces.open(EMOJI)
                    faces[near] = emoji if emoji.has(ord(text[near])) else faces[near]
        return faces

    def _stays(
        self,
        character: str,
        face: Face | None,
        before: Face,
        direction: TextDirection,
        style: Style,
    ) -> bool:
        """Return whether the face of the character before prints `character`, instead of its own `face`.

        Marks and joiners belong to the letter before them, and the signs of a script match its letters. In right-to-left text
        this holds for all signs, since HarfBuzz mirrors them.
        """
        if character == EMOJI_STYLE or not before.has(ord(character)):
            return False
        if unicodedata.category(character)[0] == "M" or is_joiner(character):
            return True
        if character.isalnum():
            return False
        return direction is TextDirection.RTL or face not in (self.faces.of_style(style), before)

    def _face_of(self, character: str, style: Style) -> Face | None:
        base = self.faces.of_style(style)
        code = ord(character)
        if character == KEYCAP:  # one picture with the digit before it
            return self.faces.open(EMOJI)
        return base if base.has(code) else self.faces.for_character(code)

    def _run(self, face: Face, text: str, direction: TextDirection, size: float) -> Run:
        has_marks = any(unicodedata.category(character)[0] == "M" for character in text)
        if face.is_shaped or has_marks or direction is TextDirection.RTL:
            return self._shaped(face, text, direction, size)
        return Run(face.number, f"{face.literal(text)}Tj", face.width(text))

    def _shaped(self, face: Face, text: str, direction: TextDirection, size: float) -> Run:
        """Return a run shaped by HarfBuzz. Positions that differ from the widths in the file are adjustments.

        The run contains its text, for copying and reading aloud: the glyphs alone do not give it, since several may come from
        one letter, in another order (ISO 32000-1, 14.9.4).
        """
        font = face.font
        glyphs = font.shape_text(text, size, {"features": {}, "fragment_direction": direction})
        operators: list[str] = []
        array: list[str] = []
        rise = width = behind = 0.0

        def end_array() -> None:
            if array:
                operators.append(f"[{''.join(array)}]TJ")
                array.clear()

        for glyph in glyphs:
            code = glyph["mapped_char"]
            offset, advance = glyph["x_offset"] * font.scale, glyph["x_advance"] * font.scale
            if glyph["y_offset"] != rise:
                end_array()
                rise = glyph["y_offset"]
                operators.append(f"{rise * font.scale * size / 1000:.2f} Ts")
            if abs(behind + offset) >= 0.5:
                array.append(f"{-(behind + offset):.0f}")
            array.append(f"({font.escape_text(chr(code))})")
            behind = advance - offset - self._glyph_width(face, code)
            width += advance
        if abs(behind) >= 0.5:
            array.append(f"{-behind:.0f}")
        end_array()
        if rise:
            operators.append("0 Ts")
        actual_text = f"/Span <</ActualText <FEFF{text.encode('utf-16-be').hex()}>>> BDC"
        return Run(face.number, f"{actual_text} {' '.join(operators)} EMC", width)

    def _glyph_width(self, face: Face, code: int) -> int:
        """Return the width of a glyph in the file."""
        width = self._glyph_widths.get((face.number, code))
        if width is None:
            self._glyph_widths |= _widths(face.font, face.number)
            width = self._glyph_widths[face.number, code]
        return width


def _use_face_of_mark(placed: list[tuple[Face, str]], face: Face) -> None:
    """Change the last letter and its marks to the next mark's `face`, if that has them all."""
    start = len(placed) - 1
    while start > 0 and unicodedata.category(placed[start][1])[0] == "M":
        start -= 1
    cluster = placed[max(start, 0) :]
    if all(face.has(ord(character)) for _, character in cluster):
        placed[max(start, 0) :] = [(face, character) for _, character in cluster]


def _widths(font: TTFFont, number: int) -> dict[tuple[int, int], int]:
    return {
        (number, code): glyph.glyph_width
        for glyph, code in font.subset.items()
        if glyph is not None
    }


def in_visual_order(text: str) -> list[tuple[str, TextDirection]]:
    """Return the parts of one line, each with one direction, from left to right. Within a part the logical order stays.

    The first letter sets the direction of the line: the mark after an Arabic name is at its left, where the name ends.
    """
    if not RIGHT_TO_LEFT.search(text):
        return [(text, TextDirection.LTR)]
    base = auto_detect_base_direction(text)
    paragraph = BidiParagraph(text=text, base_direction=base, preserve_bn_chars=True)
    characters = paragraph.get_characters_with_embedding_level()
    parts = [
        (level, "".join(character.character for character in group))
        for level, group in groupby(characters, key=lambda character: character.embedding_level)
    ]
    for level in range(max(level for level, _ in parts), 0, -1):  # rule L2
        at = 0
        while at < len(parts):
            end = at
            while end < len(parts) and parts[end][0] >= level:
                end += 1
            parts[at:end] = reversed(parts[at:end])
            at = max(end, at + 1)
    ways = (TextDirection.LTR, TextDirection.RTL)
    return [(part, ways[level % 2]) for level, part in parts]
