"""The font files: all there, all used, all under their licence."""

from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from renderers.coverage import BOLD, FOLDER, REGULAR, coverage

FILES = sorted(path for path in FOLDER.iterdir() if path.suffix in (".ttf", ".woff"))


def test_every_file_is_used_and_every_face_has_its_file() -> None:
    assert {REGULAR, BOLD, *coverage().files} == {path.name for path in FILES}


def test_what_is_shaped_is_not_compressed() -> None:
    """HarfBuzz cannot read WOFF: fpdf2 would rewrite the whole font for each report, which takes seconds."""
    for path in FILES:
        with TTFont(path) as font:
            assert not (path.suffix == ".woff" and "GSUB" in font), path.name


def test_the_fonts_weigh_what_the_decision_says() -> None:
    assert 14_000_000 < sum(path.stat().st_size for path in FILES) < 16_000_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_font_is_named_beside_its_copyright(path: Path) -> None:
    licence = (FOLDER / "OFL.txt").read_text(encoding="utf-8")
    with TTFont(path) as font:
        assert font["name"].getDebugName(0) in licence
        assert "SIL Open Font Licen" in font["name"].getDebugName(13)
    assert path.stem in licence.replace(",", " ").split()


@pytest.mark.parametrize(
    ("name", "characters"),
    [
        ("NotoSansSC-Common.woff", "王小明张伟李娜山田花子たなかタナカ陳黃。，"),  # noqa: RUF001
        ("NotoSansSC-Rare.woff", "喆堃龑龘"),
        ("NotoSansKR-Common.woff", "김민준ㄱ"),
        ("NotoSansKR-Rare.woff", "믜"),
        ("NotoSans-Regular.ttf", "ễơưŁżßøÐþΓΏЖїŞğİ–—“”…*†•·�"),
    ],
)
def test_a_face_has_the_characters_that_it_is_there_for(name: str, characters: str) -> None:
    with TTFont(FOLDER / name) as font:
        has = font.getBestCmap()
    assert [character for character in characters if ord(character) not in has] == []


def test_the_two_halves_of_a_large_face_share_nothing_and_are_the_whole_block() -> None:
    def characters(name: str) -> set[int]:
        with TTFont(FOLDER / name) as font:
            return {code for code in font.getBestCmap() if code > 0x2FFF}

    for first, second, block in (
        ("NotoSansSC-Common.woff", "NotoSansSC-Rare.woff", range(0x4E00, 0x9FA6)),
        ("NotoSansKR-Common.woff", "NotoSansKR-Rare.woff", range(0xAC00, 0xD7A4)),
    ):
        common, rare = characters(first), characters(second)
        assert not common & rare
        assert set(block) <= common | rare
