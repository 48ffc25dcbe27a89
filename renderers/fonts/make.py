"""Make the font files of this folder from the releases that they are cut from. Run by hand, when a release is better.

    python -m renderers.fonts.make NODE_MODULES DEBIAN

NODE_MODULES is where npm put the packages of `NPM` (`npm install --ignore-scripts @expo-google-fonts/noto-sans …`), DEBIAN
where Debian's package fonts-noto-core was unpacked (`dpkg-deb -x`). What is cut away is what a page of a report does not
need: hints for coarse screens, features that nobody switches on, and of the East Asian faces the characters outside the
blocks that names are written in. Nothing here is imported by the renderers.
"""

import sys
from pathlib import Path
from typing import Final, NamedTuple

from fontTools import subset
from fontTools.ttLib import TTFont

HERE: Final = Path(__file__).parent


def _block(*edges: tuple[int, int]) -> frozenset[int]:
    return frozenset(code for first, last in edges for code in range(first, last + 1))


def _of_encoding(name: str, first: range, second: range) -> frozenset[int]:
    """The characters whose two bytes in an encoding lie within these."""
    pairs = (bytes((lead, trail)) for lead in first for trail in second)
    return frozenset(ord(text) for pair in pairs if len(text := pair.decode(name, "ignore")) == 1)


# Noto Sans has Devanagari too, which without its joining would be wrong: that script has a file of its own.
LATIN_AND_SIGNS: Final = _block(
    (0, 0x08FF),
    (0x1D00, 0x2E7F),
    (0xA640, 0xA82F),
    (0xAB30, 0xAB6F),
    (0xFB00, 0xFB06),
    (0xFE00, 0xFFFF),
)
KANA_AND_SIGNS: Final = _block((0x3000, 0x30FF), (0x31F0, 0x31FF), (0xFF00, 0xFFEF))
IDEOGRAPHS: Final = _block((0x4E00, 0x9FFF), (0xF900, 0xFAFF))
JAMO: Final = _block((0x1100, 0x11FF), (0x3130, 0x318F))
SYLLABLES: Final = _block((0xAC00, 0xD7A3))
COMMON_HAN: Final = IDEOGRAPHS & (
    _of_encoding("gb2312", range(0xB0, 0xF8), range(0xA1, 0xFF))
    | _of_encoding("big5", range(0xA4, 0xC7), range(0x40, 0xFF))  # its first level
    | _of_encoding("euc_jp", range(0xB0, 0xD0), range(0xA1, 0xFF))  # JIS X 0208, first level
)
COMMON_HANGUL: Final = SYLLABLES & _of_encoding("euc_kr", range(0xB0, 0xC9), range(0xA1, 0xFF))

HAN: Final = "noto-sans-sc/400Regular/NotoSansSC_400Regular.ttf"
HANGUL: Final = "noto-sans-kr/400Regular/NotoSansKR_400Regular.ttf"


class Cut(NamedTuple):
    """One file to make: its name here, where it is cut from, and how."""

    name: str
    source: str
    characters: frozenset[int] = frozenset()
    """Empty: every character that the source has."""
    is_shaped: bool = True
    """Keep the tables by which HarfBuzz joins and places glyphs."""


NPM: Final = (
    Cut("NotoSans-Regular.ttf", "noto-sans/400Regular/NotoSans_400Regular.ttf", LATIN_AND_SIGNS),
    Cut("NotoSans-SemiBold.ttf", "noto-sans/600SemiBold/NotoSans_600SemiBold.ttf", LATIN_AND_SIGNS),
    Cut("NotoSansArabic-Regular.ttf", "noto-sans-arabic/400Regular/NotoSansArabic_400Regular.ttf"),
    Cut("NotoSansHebrew-Regular.ttf", "noto-sans-hebrew/400Regular/NotoSansHebrew_400Regular.ttf"),
    Cut(
        "NotoSansDevanagari-Regular.ttf",
        "noto-sans-devanagari/400Regular/NotoSansDevanagari_400Regular.ttf",
    ),
    Cut("NotoSansThai-Regular.ttf", "noto-sans-thai/400Regular/NotoSansThai_400Regular.ttf"),
    Cut("NotoSansKhmer-Regular.ttf", "noto-sans-khmer/400Regular/NotoSansKhmer_400Regular.ttf"),
    Cut("NotoSansLao-Regular.ttf", "noto-sans-lao/400Regular/NotoSansLao_400Regular.ttf"),
    # WOFF is the same font, deflated. To open a big one costs time and memory, so what names are mostly written in is apart.
    Cut("NotoSansSC-Common.woff", HAN, is_shaped=False, characters=COMMON_HAN | KANA_AND_SIGNS),
    Cut("NotoSansSC-Rare.woff", HAN, is_shaped=False, characters=IDEOGRAPHS - COMMON_HAN),
    Cut("NotoSansKR-Common.woff", HANGUL, is_shaped=False, characters=COMMON_HANGUL | JAMO),
    Cut("NotoSansKR-Rare.woff", HANGUL, is_shaped=False, characters=SYLLABLES - COMMON_HANGUL),
    Cut(
        "NotoEmoji-Regular.woff",
        "noto-emoji/400Regular/NotoEmoji_400Regular.ttf",
        is_shaped=False,
    ),
)
DEBIAN: Final = tuple(
    Cut(f"NotoSans{script}-Regular.ttf", f"NotoSans{script}-Regular.ttf")
    for script in (
        "Armenian",
        "Bengali",
        "Ethiopic",
        "Georgian",
        "Gujarati",
        "Gurmukhi",
        "Myanmar",
        "Tamil",
        "Telugu",
    )
)
UNUSED: Final = ["BASE", "DSIG", "MATH", "STAT", "VORG", "meta", "vhea", "vmtx"]


def cut(source: Path, target: Path, cut: Cut) -> int:
    """Write `target`; answers its size in bytes."""
    options = subset.Options()
    options.hinting = False
    options.notdef_outline = True
    options.name_IDs = ["*"]  # the licence and the copyright stay in the file
    options.drop_tables += UNUSED if cut.is_shaped else [*UNUSED, "GDEF", "GPOS", "GSUB"]
    options.flavor = "woff" if target.suffix == ".woff" else None
    with TTFont(source) as whole:
        has = set(whole.getBestCmap())
    with subset.load_font(source, options) as font:
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=has & cut.characters if cut.characters else has)
        subsetter.subset(font)
        subset.save_font(font, target, options)
    return target.stat().st_size


def main(node_modules: Path, debian: Path) -> None:
    """Make every file, and say how large each became."""
    places = (
        (NPM, node_modules / "@expo-google-fonts"),
        (DEBIAN, debian / "usr/share/fonts/truetype/noto"),
    )
    for cuts, folder in places:
        for each in cuts:
            size = cut(folder / each.source, HERE / each.name, each)
            print(f"{size / 1000:8.0f} kB  {each.name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
