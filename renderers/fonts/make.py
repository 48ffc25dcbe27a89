"""Make the font files of this folder, the table of which file prints what, and the head of the licence.

    python -m renderers.fonts.make NODE_MODULES DEBIAN

NODE_MODULES is where npm put the packages that `cuts.NPM` names (`npm install --ignore-scripts @expo-google-fonts/noto-sans …`),
DEBIAN where Debian's package fonts-noto-core was unpacked (`dpkg-deb -x`). Run by hand, when a release is
better. What is cut away is what a page of a report does not need: hints for coarse screens, features that nobody switches on, and
of the East Asian faces what another file has. Nothing here is imported by the renderers.
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
    """Write `target`; answers its size in bytes. `without`: characters that another file has."""
    options = subset.Options()
    options.hinting = False
    options.notdef_outline = True
    options.name_IDs = ["*"]  # the licence and the copyright stay in the file
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
    """The code points that a font file has a glyph for."""
    with TTFont(font) as opened:
        return frozenset(opened.getBestCmap())


def in_order(code: int) -> tuple[Cut, ...]:
    """All files but the base's, the one first that is to print `code` if it can.

    Signs come from the fonts of signs, so that they look alike; wide ones are those that Unicode wants shown as emoji
    (Unicode Standard Annex 11).
    """
    scripts = [cut for cut in (*NPM, *DEBIAN) if cut not in (*BASE, *SIGNS, EMOJI)]
    if code not in SIGN_BLOCKS:
        return (*scripts, *SIGNS, EMOJI)
    is_wide = unicodedata.east_asian_width(chr(code)) == "W"
    return (EMOJI, *SIGNS, *scripts) if is_wide else (*SIGNS, EMOJI, *scripts)


def coverage(has: dict[str, frozenset[int]]) -> dict[str, list[int]]:
    """File → the code points that it prints, none of them twice. `has`: file → what it has a glyph for."""
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
    """`0041-005A 00AA`: what `codes`, which ascend, come to."""
    first = last = -1
    for code in (*codes, sys.maxunicode + 9):
        if code == last + 1:
            last = code
            continue
        if first >= 0:
            yield f"{first:04X}" if first == last else f"{first:04X}-{last:04X}"
        first = last = code


def write_coverage() -> None:
    """Write the table from the files that stand here."""
    has = {cut.name: characters_of(HERE / cut.name) for cut in (*NPM, *DEBIAN)}
    lines = ["# Made by make.py: each file, and the code points that it prints.\n"]
    lines += [f"{name} {' '.join(ranges(codes))}\n" for name, codes in coverage(has).items()]
    COVERAGE.write_text("".join(lines), encoding="ascii")


def write_copyrights() -> None:
    """Write at the head of the licence whose each file is, as the files themselves say (the licence asks for that)."""
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
    """Make every file, and say how large each became."""
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
