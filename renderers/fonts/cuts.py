"""The font files: the source of each, and the characters that it keeps. Data for `make.py`.

The order matters: the first file that has a character prints it.
"""

from typing import Final, NamedTuple


class Cut(NamedTuple):
    """One font file to make: its name, its source, and how to subset it."""

    name: str
    source: str
    characters: frozenset[int] = frozenset()
    """Empty: all characters of the source."""
    is_shaped: bool = True
    """Keep the tables that HarfBuzz needs to shape text."""


def _block(*edges: tuple[int, int]) -> frozenset[int]:
    return frozenset(code for first, last in edges for code in range(first, last + 1))


def _of_encoding(name: str, first: range, second: range) -> frozenset[int]:
    """Return the characters whose two bytes in an encoding are in these ranges."""
    pairs = (bytes((lead, trail)) for lead in first for trail in second)
    return frozenset(ord(text) for pair in pairs if len(text := pair.decode(name, "ignore")) == 1)


# Without Noto Sans's Devanagari, which would be wrong without shaping: that script has its own file.
LATIN_AND_SIGNS: Final = _block(
    (0, 0x08FF),
    (0x1AB0, 0x1AFF),
    (0x1C80, 0x1C8F),
    (0x1D00, 0x2E7F),
    (0xA640, 0xA82F),
    (0xAB30, 0xAB6F),
    (0xFB00, 0xFB06),
    (0xFE00, 0xFFFF),
    (0x10780, 0x107BF),
    (0x1DF00, 0x1E08F),
)
KANA: Final = _block((0x3000, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0xFF00, 0xFFEF))
EAST_ASIAN_SIGNS: Final = _block(
    (0x2E80, 0x2FFF),
    (0x3190, 0x319F),
    (0x31C0, 0x31EF),
    (0x3200, 0x33FF),
    (0xFE10, 0xFE1F),
    (0xFE30, 0xFE4F),
    (0x1F200, 0x1F2FF),
)
IDEOGRAPHS: Final = _block((0x4E00, 0x9FFF), (0xF900, 0xFAFF))
MORE_IDEOGRAPHS: Final = _block((0x3400, 0x4DBF), (0x20000, 0x323AF))
JAMO: Final = _block((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xD7B0, 0xD7FF))
SYLLABLES: Final = _block((0xAC00, 0xD7A3))
COMMON_HAN: Final = IDEOGRAPHS & (
    _of_encoding("gb2312", range(0xB0, 0xF8), range(0xA1, 0xFF))
    | _of_encoding("big5", range(0xA4, 0xC7), range(0x40, 0xFF))  # its first level
    | _of_encoding("euc_jp", range(0xB0, 0xD0), range(0xA1, 0xFF))  # JIS X 0208, first level
)
BOXES: Final = _block((0x23BA, 0x23BD), (0x2500, 0x259F))
COMMON_HANGUL: Final = SYLLABLES & _of_encoding("euc_kr", range(0xB0, 0xC9), range(0xA1, 0xFF))
# Blocks of signs. Punctuation is not among them: it stands between letters, and the fonts of scripts print it.
SIGN_BLOCKS: Final = _block(
    (0x20A0, 0x2BFF), (0x4DC0, 0x4DFF), (0x1D000, 0x1DFFF), (0x1EC70, 0x1FBFF)
)

SIMPLIFIED: Final = "noto-sans-sc/400Regular/NotoSansSC_400Regular.ttf"
TRADITIONAL: Final = "noto-sans-tc/400Regular/NotoSansTC_400Regular.ttf"
JAPANESE: Final = "noto-sans-jp/400Regular/NotoSansJP_400Regular.ttf"
KOREAN: Final = "noto-sans-kr/400Regular/NotoSansKR_400Regular.ttf"

BASE: Final = (
    Cut("NotoSans-Regular.ttf", "noto-sans/400Regular/NotoSans_400Regular.ttf", LATIN_AND_SIGNS),
    Cut("NotoSans-SemiBold.ttf", "noto-sans/600SemiBold/NotoSans_600SemiBold.ttf", LATIN_AND_SIGNS),
)
"""The two fonts that every report opens: Latin, Greek, Cyrillic, punctuation."""

SCRIPTS_NPM: Final = tuple(
    Cut(
        f"NotoSans{script}-Regular.ttf",
        f"noto-sans-{package}/400Regular/NotoSans{script}_400Regular.ttf",
    )
    for script, package in (
        *((name, name.lower()) for name in ("Arabic", "Hebrew", "Devanagari", "Thai", "Khmer")),
        *((name, name.lower()) for name in ("Lao", "Ethiopic", "Kannada", "Oriya", "Telugu")),
        *((name, name.lower()) for name in ("Chakma", "Lisu")),
        ("CanadianAboriginal", "canadian-aboriginal"),
        ("HanifiRohingya", "hanifi-rohingya"),
    )
)
EAST_ASIA: Final = (
    # WOFF is a compressed font. A big font is slow to open, so the characters of most names are in a separate file.
    Cut("NotoSansSC-Common.woff", SIMPLIFIED, COMMON_HAN | KANA, is_shaped=False),
    Cut("NotoSansSC-Rare.woff", SIMPLIFIED, IDEOGRAPHS - COMMON_HAN, is_shaped=False),
    Cut("NotoSansKR-Common.woff", KOREAN, COMMON_HANGUL | JAMO, is_shaped=False),
    Cut("NotoSansKR-Rare.woff", KOREAN, SYLLABLES - COMMON_HANGUL, is_shaped=False),
    Cut("NotoSansSC-Signs.woff", SIMPLIFIED, EAST_ASIAN_SIGNS, is_shaped=False),
    Cut("NotoSansSC-Extended.woff", SIMPLIFIED, MORE_IDEOGRAPHS, is_shaped=False),
    Cut("NotoSansTC-Extended.woff", TRADITIONAL, MORE_IDEOGRAPHS | IDEOGRAPHS, is_shaped=False),
    Cut(
        "NotoSansJP-Extended.woff",
        JAPANESE,
        MORE_IDEOGRAPHS | IDEOGRAPHS | KANA | EAST_ASIAN_SIGNS,
        is_shaped=False,
    ),
    Cut("NotoSansKR-Extended.woff", KOREAN, MORE_IDEOGRAPHS | IDEOGRAPHS, is_shaped=False),
)
SIGNS: Final = (
    Cut(
        "NotoSansMono-Boxes.woff",
        "noto-sans-mono/400Regular/NotoSansMono_400Regular.ttf",
        BOXES,
        is_shaped=False,
    ),
    Cut(
        "NotoSansMath-Regular.woff",
        "noto-sans-math/400Regular/NotoSansMath_400Regular.ttf",
        is_shaped=False,
    ),
    Cut(
        "NotoSansSymbols-Regular.woff",
        "noto-sans-symbols/400Regular/NotoSansSymbols_400Regular.ttf",
        is_shaped=False,
    ),
    Cut(
        "NotoSansSymbols2-Regular.woff",
        "noto-sans-symbols-2/400Regular/NotoSansSymbols2_400Regular.ttf",
        is_shaped=False,
    ),
)
# Shaped, since flags, families and keycaps are one picture of several characters.
EMOJI: Final = Cut("NotoEmoji-Regular.ttf", "noto-emoji/400Regular/NotoEmoji_400Regular.ttf")

# Unicode Standard Annex 31, tables 5 (recommended) and 7 (limited use), without those above.
LIVING_SCRIPTS: Final = (
    *("Armenian", "Bengali", "Georgian", "Gujarati", "Gurmukhi", "Malayalam", "Myanmar"),
    *("Sinhala", "Tamil", "TamilSupplement", "Thaana"),
    *("Adlam", "Balinese", "Bamum", "Batak", "Cham", "Cherokee", "Javanese"),
    *("KayahLi", "Lepcha", "Limbu", "Mandaic", "MeeteiMayek", "Miao", "NKo", "NewTaiLue", "Newa"),
    *("OlChiki", "Osage", "Saurashtra", "Sundanese", "SylotiNagri", "Syriac", "TaiLe", "TaiTham"),
    *("TaiViet", "Tifinagh", "Vai", "Wancho", "Yi"),
)
# Scripts of living communities or churches that are not in those tables.
OTHER_SCRIPTS: Final = (
    *("BassaVah", "Buginese", "Buhid", "Coptic", "GunjalaGondi", "Hanunoo", "MasaramGondi"),
    *("MendeKikakui", "Mongolian", "Mro", "Osmanya", "PahawhHmong", "Rejang", "Samaritan"),
    *("SoraSompeng", "Tagalog", "Tagbanwa", "WarangCiti"),
)
SCRIPTS_DEBIAN: Final = (
    *(
        Cut(f"NotoSans{script}-Regular.ttf", f"NotoSans{script}-Regular.ttf")
        for script in (*LIVING_SCRIPTS, *OTHER_SCRIPTS)
    ),
    Cut("NotoSerifTibetan-Regular.ttf", "NotoSerifTibetan-Regular.ttf"),
    Cut("NotoSerifNyiakengPuachueHmong-Regular.ttf", "NotoSerifNyiakengPuachueHmong-Regular.ttf"),
    Cut("NotoMusic-Regular.ttf", "NotoMusic-Regular.ttf"),
)
NPM: Final = (*BASE, *SCRIPTS_NPM, *EAST_ASIA, *SIGNS, EMOJI)
DEBIAN: Final = SCRIPTS_DEBIAN
