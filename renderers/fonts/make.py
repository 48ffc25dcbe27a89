"""Make the font files of this folder, the coverage table, and the head of the licence.

    python -m renderers.fonts.make NODE_MODULES DEBIAN

NODE_MODULES: the folder with the npm packages of `cuts.NPM` (`npm install --ignore-scripts @expo-google-fonts/noto-sans …`).
DEBIAN: the folder with Debian's unpacked package fonts-noto-core (`dpkg-deb -x`). Run this by hand for a new font release.

It removes what a report does not need: hints for coarse screens, unused features, and East Asian characters that another file
has. The renderers do not import this module.
"""

import sys
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import fill
from typing import Final

from fontTools import subset
from fontTools.ttLib import TTFont

from renderers.fonts.cuts import BASE, DEBIAN, EAST_ASIA, EMOJI, NPM, SIGN_BLOCKS, SIGNS, Cut

HERE: Final = Path(__file__).parent
COVERAGE: Final = HERE / "coverage.txt"
LICENCE: Final = HERE / "OFL.txt"
LICENCE_BEGINS: Final = "This Font Software is licensed"
UNUSED: Final = ["BASE", "DSIG", "MATH", "STAT", "VORG", "meta", "vhea", "vmtx"]


def cut(source: Path, target: Path, cut: Cut, *, without: frozenset[int] = frozenset()) -> int:
    """Write `target` and return its size in bytes. `without`: characters that another file has."""
    options = subset.Options()
    options.hinting = False
    options.notdef_outline = True
    options.name_IDs = ["*"]  # keep licence and copyright in the file
    options.drop_tables += UNUSED if cut.is_shaped else [*UNUSED, "GDEF", "GPOS", "GSUB"]
    options.flavor = "woff" if target.suffix == ".woff" else None
    has = characters_of(source)
    with subset.load_font(source, options) as font:
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=(has & cut.characters if cut.characters else has) - without)
        subsetter.subset(font)
        subset.save_font(font, target, options)
    return target.stat().st_size


def characters_of(font: Path) -> frozenset[int]:
    """Return the code points for which a font file has a glyph."""
    with TTFont(font) as opened:
        return frozenset(opened.getBestCmap())


def in_order(code: int) -> tuple[Cut, ...]:
    """Return all files except the base fonts, in their order of preference for `code`.

    Signs come from the fonts of signs, so that they look alike. Unicode recommends emoji for wide signs (Unicode Standard
    Annex 11).
    """
    scripts = [cut for cut in (*NPM, *DEBIAN) if cut not in (*BASE, *SIGNS, EMOJI)]
    if code not in SIGN_BLOCKS:
        return (*scripts, *SIGNS, EMOJI)
    is_wide = unicodedata.east_asian_width(chr(code)) == "W"
    return (EMOJI, *SIGNS, *scripts) if is_wide else (*SIGNS, EMOJI, *scripts)


def coverage(has: dict[str, frozenset[int]]) -> dict[str, list[int]]:
    """Return file → the code points that it prints; each code point once. `has`: file → its code points."""
    base = has[BASE[0].name] & has[BASE[1].name]
    prints: dict[str, list[int]] = {cut.name: [] for cut in (*NPM, *DEBIAN) if cut not in BASE}
    orders: dict[tuple[bool, bool], tuple[Cut, ...]] = {}
    for code in sorted(frozenset().union(*has.values()) - base):
        if unicodedata.category(chr(code)) in ("Cc", "Co", "Cs"):
            continue
        kind = (code in SIGN_BLOCKS, unicodedata.east_asian_width(chr(code)) == "W")
        order = orders.get(kind) or orders.setdefault(kind, in_order(code))
        name = next((cut.name for cut in order if code in has[cut.name]), None)
        if name is not None:
            prints[name].append(code)
    return prints


def ranges(codes: Iterable[int]) -> Iterator[str]:
    """Yield ascending `codes` as ranges, such as `0041-005A` and `00AA`."""
    first = last = -1
    for code in (*codes, sys.maxunicode + 9):
        if code == last + 1:
            last = code
            continue
        if first >= 0:
            yield f"{first:04X}" if first == last else f"{first:04X}-{last:04X}"
        first = last = code


def write_coverage() -> None:
    """Write the coverage table from the files in this folder."""
    has = {cut.name: characters_of(HERE / cut.name) for cut in (*NPM, *DEBIAN)}
    lines = ["# Made by make.py: each file, and the code points that it prints.\n"]
    lines += [f"{name} {' '.join(ranges(codes))}\n" for name, codes in coverage(has).items()]
    COVERAGE.write_text("".join(lines), encoding="ascii")


def write_copyrights() -> None:
    """Write the copyright of each file at the head of the licence, which demands that."""
    files: dict[str, list[str]] = {}
    for each in (*NPM, *DEBIAN):
        with TTFont(HERE / each.name) as font:
            files.setdefault(font["name"].getDebugName(0), []).append(Path(each.name).stem)
    owners = "".join(
        f"{fill(', '.join(names), 100, break_on_hyphens=False)}\n    {owner}\n"
        for owner, names in files.items()
    )
    _, begins, licence = LICENCE.read_text(encoding="utf-8").partition(LICENCE_BEGINS)
    head = "The fonts in this folder are parts of the Noto fonts, cut as make.py says, under the licence below."
    LICENCE.write_text(f"{head}\n\n{owners}\n{begins}{licence}", encoding="utf-8")


def main(node_modules: Path, debian: Path) -> None:
    """Make every file and print its size."""
    places = (
        (NPM, node_modules / "@expo-google-fonts"),
        (DEBIAN, debian / "usr/share/fonts/truetype/noto"),
    )
    east_asian: frozenset[int] = frozenset()
    for cuts, folder in places:
        for each in cuts:
            without = east_asian if each in EAST_ASIA else frozenset()
            size = cut(folder / each.source, HERE / each.name, each, without=without)
            if each in EAST_ASIA:
                east_asian |= characters_of(HERE / each.name)
            print(f"{size / 1000:8.0f} kB  {each.name}")
    write_coverage()
    write_copyrights()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
