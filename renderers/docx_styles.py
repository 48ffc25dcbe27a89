"""The styles of the Word document, and elements that python-docx does not support."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

from docx.document import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Pt, RGBColor, Twips
from docx.styles.style import ParagraphStyle
from docx.table import Table, _Row
from docx.text.paragraph import Paragraph
from docx.text.run import Run

FONT: Final = "Calibri"
INK: Final = RGBColor(0x21, 0x29, 0x36)
MUTED: Final = RGBColor(0x5C, 0x68, 0x7A)
ACCENT: Final = RGBColor(0x1A, 0x3B, 0x66)
ACCENT_FILL: Final = "1A3B66"
BAND_FILL: Final = "F4F6FA"
RULE_COLOR: Final = "CCD3DE"
LINK_COLOR: Final = "1254A3"

EYEBROW_STYLE: Final = "Report Kind"
LABEL_STYLE: Final = "Label"
VALUE_STYLE: Final = "Figure"
BODY_STYLE: Final = "Said"
CELL_STYLE: Final = "Cell"
HEAD_STYLE: Final = "Running Head"
FOOT_STYLE: Final = "Running Foot"
FURNITURE_SIZE: Final = 8
"""The font size of headers and footers in points; each has one line."""
PANEL_STYLE: Final = "Summary Panel"
DETAIL_STYLE: Final = "Delivery Detail"

_MARGINS: Final = (
    '<w:tblCellMar><w:top w:w="{0}" w:type="dxa"/><w:left w:w="{1}" w:type="dxa"/>'
    '<w:bottom w:w="{0}" w:type="dxa"/><w:right w:w="{1}" w:type="dxa"/></w:tblCellMar>'
)


def element(xml: str) -> Any:
    """Parse `xml` into an element; the prefixes `w:` and `r:` are declared."""
    return parse_xml(re.sub(r"^<[\w:]+", lambda tag: f"{tag[0]} {nsdecls('w', 'r')}", xml))


def add_styles(document: Document) -> None:
    """Add the styles above to `document`, and style its headings and title."""
    normal = _paragraph_style(document, "Normal", 9.5, INK)
    normal.paragraph_format.space_after = Pt(0)
    title = _paragraph_style(document, "Title", 22, ACCENT, bold=True, after=6)
    _without_border(title)
    section = _paragraph_style(document, "Heading 1", 13, ACCENT, bold=True, before=16, after=5)
    section.paragraph_format.keep_with_next = True
    _ruled(section, "bottom")
    _paragraph_style(document, "Heading 2", 9.5, MUTED, before=7, after=2)
    _paragraph_style(document, EYEBROW_STYLE, 8.5, MUTED, bold=True, before=4)
    _paragraph_style(document, LABEL_STYLE, 8.5, MUTED)
    _paragraph_style(document, BODY_STYLE, 9.5, INK, after=3)
    figure = _paragraph_style(document, VALUE_STYLE, 9, INK, bold=True)
    figure.paragraph_format.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    _paragraph_style(document, CELL_STYLE, 8.5, None)
    _ruled(_paragraph_style(document, HEAD_STYLE, FURNITURE_SIZE, MUTED), "bottom")
    _ruled(_paragraph_style(document, FOOT_STYLE, FURNITURE_SIZE, MUTED), "top")
    _table_styles(document)


def _paragraph_style(
    document: Document,
    name: str,
    size: float,
    color: RGBColor | None,
    *,
    bold: bool = False,
    before: float = 0,
    after: float = 0,
) -> ParagraphStyle:
    """Return the style `name`; make it if it is missing. Complex scripts get the same size and weight."""
    styles = document.styles
    style = styles[name] if name in styles else styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
    assert isinstance(style, ParagraphStyle)
    font = style.font
    font.name, font.size, font.bold = FONT, Pt(size), bold
    if color is not None:
        font.color.rgb = color
    properties = style.element.get_or_add_rPr()
    for old in properties.findall(qn("w:szCs")) + properties.findall(qn("w:spacing")):
        properties.remove(old)
    fonts = properties.find(qn("w:rFonts"))
    for name_of in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
        fonts.attrib.pop(qn(f"w:{name_of}"), None)
    fonts.set(qn("w:cs"), FONT)
    properties.find(qn("w:sz")).addnext(element(f'<w:szCs w:val="{round(size * 2)}"/>'))
    style.paragraph_format.space_before, style.paragraph_format.space_after = Pt(before), Pt(after)
    style.paragraph_format.line_spacing = 1.0
    return style


def _without_border(style: ParagraphStyle) -> None:
    properties = style.element.get_or_add_pPr()
    for border in properties.findall(qn("w:pBdr")):
        properties.remove(border)


def _ruled(style: ParagraphStyle, edge: str) -> None:
    """Add a thin line at an edge of the paragraph."""
    properties = style.element.get_or_add_pPr()
    border = element(
        f'<w:pBdr><w:{edge} w:val="single" w:sz="4" w:space="3" w:color="{RULE_COLOR}"/></w:pBdr>'
    )
    spacing = properties.find(qn("w:spacing"))  # the schema demands the border before it
    spacing.addprevious(border)


def _table_styles(document: Document) -> None:
    styles = document.styles.element
    styles.append(
        element(
            f'<w:style w:type="table" w:customStyle="1" w:styleId="SummaryPanel">'
            f'<w:name w:val="{PANEL_STYLE}"/><w:basedOn w:val="TableNormal"/>'
            f'<w:tblPr><w:tblInd w:w="120" w:type="dxa"/>{_MARGINS.format(50, 120)}</w:tblPr>'
            f'<w:tcPr><w:shd w:val="clear" w:color="auto" w:fill="{BAND_FILL}"/></w:tcPr></w:style>'
        )
    )
    styles.append(
        element(
            f'<w:style w:type="table" w:customStyle="1" w:styleId="DeliveryDetail">'
            f'<w:name w:val="{DETAIL_STYLE}"/><w:basedOn w:val="TableNormal"/>'
            f'<w:tblPr><w:tblStyleRowBandSize w:val="1"/><w:tblInd w:w="90" w:type="dxa"/><w:tblBorders>'
            f'<w:bottom w:val="single" w:sz="4" w:space="0" w:color="{RULE_COLOR}"/></w:tblBorders>'
            f"{_MARGINS.format(30, 90)}</w:tblPr>"
            f'<w:tblStylePr w:type="firstRow"><w:rPr><w:b/><w:color w:val="FFFFFF"/></w:rPr></w:tblStylePr>'
            f'<w:tblStylePr w:type="band2Horz"><w:tcPr>'
            f'<w:shd w:val="clear" w:color="auto" w:fill="{BAND_FILL}"/></w:tcPr></w:tblStylePr></w:style>'
        )
    )


def set_columns(table: Table, widths: Sequence[int]) -> None:
    """Set fixed widths in twentieths of a point: to fit widths to the text, Word would have to read the whole table."""
    table.autofit = False
    for column, width in zip(table.columns, widths, strict=True):
        column.width = Twips(width)
        for cell in column.cells:
            cell.width = Twips(width)


def repeat_on_every_page(row: _Row) -> None:
    """Make `row` a header row, repeated on every page."""
    properties = row._tr.get_or_add_trPr()
    properties.append(element("<w:cantSplit/>"))
    properties.append(element("<w:tblHeader/>"))


def field(paragraph: Paragraph, instruction: str) -> None:
    """Add a field that Word fills in, such as PAGE."""
    for xml in (
        '<w:fldChar w:fldCharType="begin"/>',
        f'<w:instrText xml:space="preserve"> {instruction} </w:instrText>',
        '<w:fldChar w:fldCharType="separate"/>',
        "<w:t>1</w:t>",
        '<w:fldChar w:fldCharType="end"/>',
    ):
        paragraph.add_run()._r.append(element(xml))


def hyperlink(paragraph: Paragraph, text: str, address: str) -> Run:
    """Add a hyperlink at the end of `paragraph` and return its run."""
    relation = paragraph.part.relate_to(address, RELATIONSHIP_TYPE.HYPERLINK, is_external=True)
    link = element(f'<w:hyperlink r:id="{relation}"/>')
    run = paragraph.add_run(text)
    run.font.underline = True
    run.font.color.rgb = RGBColor.from_string(LINK_COLOR)
    link.append(run._r)
    paragraph._p.append(link)
    return run


def is_right_to_left(text: str) -> bool:
    """Return whether the first letter of `text` is right-to-left (Unicode Standard Annex 9, P2)."""
    for character in text:
        if (way := unicodedata.bidirectional(character)) in ("L", "R", "AL"):
            return way != "L"
    return False


def from_the_right(paragraph: Paragraph) -> None:
    """Make `paragraph` right-to-left."""
    properties: Any = paragraph._p.get_or_add_pPr()
    properties.find(qn("w:pStyle")).addnext(element("<w:bidi/>"))
