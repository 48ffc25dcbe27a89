"""Text as it is written into a page of a PDF: measured, broken into lines, ordered and shaped.

Plain Latin, which is nearly everything, is measured and written character by character. Anything else is brought into the
order in which it is seen (Unicode Standard Annex 9, by fpdf2) and cut into runs of one font; where a script joins its letters
HarfBuzz shapes the run.
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
from renderers.stand_ins import is_joiner, shown

RIGHT_TO_LEFT: Final = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
"""The blocks that Unicode sets aside for scripts that run from right to left (Unicode Standard Annex 9, table 4)."""
SOFT_HYPHEN: Final = "\xad"
EMOJI_STYLE: Final = "\N{VARIATION SELECTOR-16}"
JOINER: Final = "\N{ZERO WIDTH JOINER}"
KEYCAP: Final = "\N{COMBINING ENCLOSING KEYCAP}"


class Run(NamedTuple):
    """Glyphs of one font that stand side by side."""

    font: int
    operators: str
    """What shows them, at the size that was asked for."""
    width: float
    """In thousandths of the size."""
    has_numbers: bool = False
    """Whether `[U+…]` stands in the line for a character that no font has."""


class Typesetter:
    """Sets text in the faces of one file."""

    def __init__(self, faces: Faces) -> None:
        self.faces = faces
        # Names come back on several rows, one for each device; a bound, so that memory stays flat.
        self.runs = lru_cache(maxsize=2048)(self._runs)
        self._advance = lru_cache(maxsize=8192)(self._measured)
        self._glyph_widths: dict[tuple[int, int], int] = {}

    def width(self, text: str, style: Style) -> float:
        """The width of one line in thousandths of the size."""
        plain = self.faces.of_style(style).width(text)
        return plain if plain < HUGE else self._advance(text, style)

    def _measured(self, text: str, style: Style) -> float:
        return sum(run.width for run in self.runs(text, style, 10.0))

    def _runs(self, text: str, style: Style, size: float) -> tuple[Run, ...]:
        """The runs of one line, from left to right. Every character is seen, or what stands in for it.

        A line that ends in a soft hyphen was broken there, and shows it.
        """
        face = self.faces.of_style(style)
        plain = face.width(text)
        if plain < HUGE:
            return (Run(face.number, f"{face.literal(text)}Tj", plain),)
        if text.endswith(SOFT_HYPHEN):
            text = text.rstrip(SOFT_HYPHEN) + "-"
        seen, has_numbers = shown(text, self.faces.prints)
        runs = (
            self._run(face, piece, direction, size)
            for part, direction in in_visual_order(seen)
            for face, piece in self._by_face(part, direction, style)
        )
        return tuple(run._replace(has_numbers=True) for run in runs) if has_numbers else tuple(runs)

    def _by_face(
        self, text: str, direction: TextDirection, style: Style
    ) -> Iterator[tuple[Face, str]]:
        """`text` in pieces of one face, from left to right."""
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
            elif face is None or is_joiner(character):  # which this font does not know
                continue
            elif unicodedata.category(character)[0] == "M":
                _pull(placed, face)
            placed.append((face, character))
            before = face
        pieces = [
            (face, "".join(character for _, character in group))
            for face, group in groupby(placed, key=lambda pair: pair[0])
        ]
        return reversed(pieces) if direction is TextDirection.RTL else iter(pieces)

    def _faces_of(self, text: str, style: Style) -> list[Face | None]:
        """The face of each character: of a sign that is asked for as emoji, or is part of one, that of emoji."""
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
        """Whether `character` is printed by the face of the one before it, rather than by its own `face`.

        Marks and joiners belong to the letter before them, and a script's signs look as its letters do. From right to left so do
        all signs, which HarfBuzz mirrors.
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
        if character == KEYCAP:  # one picture with the digit before it, which Noto Sans has too
            return self.faces.open(EMOJI)
        return base if base.has(code) else self.faces.for_character(code)

    def _run(self, face: Face, text: str, direction: TextDirection, size: float) -> Run:
        has_marks = any(unicodedata.category(character)[0] == "M" for character in text)
        if face.is_shaped or has_marks or direction is TextDirection.RTL:
            return self._shaped(face, text, direction, size)
        return Run(face.number, f"{face.literal(text)}Tj", face.width(text))

    def _shaped(self, face: Face, text: str, direction: TextDirection, size: float) -> Run:
        """Each glyph is shown where HarfBuzz says; what differs from the widths in the file is an adjustment.

        The text goes along for whoever copies or reads aloud: glyphs that came of one letter, or stand before the letter that
        is spoken first, do not tell it (ISO 32000-1, 14.9.4).
        """
        font = face.font
        glyphs = font.shape_text(text, size, {"features": {}, "fragment_direction": direction})
        operators: list[str] = []
        shown: list[str] = []
        rise = width = behind = 0.0

        def end_array() -> None:
            if shown:
                operators.append(f"[{''.join(shown)}]TJ")
                shown.clear()

        for glyph in glyphs:
            code = glyph["mapped_char"]
            offset, advance = glyph["x_offset"] * font.scale, glyph["x_advance"] * font.scale
            if glyph["y_offset"] != rise:
                end_array()
                rise = glyph["y_offset"]
                operators.append(f"{rise * font.scale * size / 1000:.2f} Ts")
            if abs(behind + offset) >= 0.5:
                shown.append(f"{-(behind + offset):.0f}")
            shown.append(f"({font.escape_text(chr(code))})")
            behind = advance - offset - self._glyph_width(face, code)
            width += advance
        if abs(behind) >= 0.5:
            shown.append(f"{-behind:.0f}")
        end_array()
        if rise:
            operators.append("0 Ts")
        spoken = f"/Span <</ActualText <FEFF{text.encode('utf-16-be').hex()}>>> BDC"
        return Run(face.number, f"{spoken} {' '.join(operators)} EMC", width)

    def _glyph_width(self, face: Face, code: int) -> int:
        """The width that the file states for a glyph."""
        known = self._glyph_widths.get((face.number, code))
        if known is None:
            self._glyph_widths |= _widths(face.font, face.number)
            known = self._glyph_widths[face.number, code]
        return known


def _pull(placed: list[tuple[Face, str]], face: Face) -> None:
    """Give the letter under a mark, with the marks that it has already, to the mark's `face`, if that has them all."""
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
    """The parts of one line that run one way, from left to right; within a part the characters stay as they are spoken.

    The line runs the way of its first letter: the mark behind an Arabic name stands at its left, where the name ends.
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
