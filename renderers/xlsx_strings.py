"""Escape texts of a workbook that contain `_xHHHH_`, which Excel reads as the character with that number.

Each of these underscores is written as `_x005F_` (ECMA-376 Part 1, 22.9.2.19, ST_Xstring). Such texts go into the workbook's
shared strings, which openpyxl does not write itself: it writes inline strings, in which it reads no escapes.
"""

import re
import zipfile
from typing import Any, BinaryIO, Final
from xml.sax.saxutils import escape as escape_xml

from openpyxl import Workbook
from openpyxl.packaging.relationship import Relationship, RelationshipList
from openpyxl.writer.excel import ExcelWriter
from openpyxl.xml.constants import (
    ARC_SHARED_STRINGS,
    ARC_WORKBOOK_RELS,
    REL_NS,
    SHARED_STRINGS,
    SHEET_MAIN_NS,
)
from openpyxl.xml.functions import fromstring, tostring

MOST_SHARED: Final = 10_000
"""Most shared strings, which are kept in memory. More are escaped inline, which Excel and LibreOffice also read."""

# Each underscore, also one that ends an earlier escape: `_x0041_x0042_` has two.
_ESCAPE: Final = re.compile("_(?=x[0-9A-Fa-f]{4}_)")


def escaped(text: str) -> str:
    """Return `text` as ST_Xstring: the underscore before each `xHHHH_` as `_x005F_`."""
    return _ESCAPE.sub("_x005F_", text) if "_x" in text else text


class _SharedType(str):
    """The cell type `s`, equal to no other text: openpyxl writes cells whose type equals `s` as inline strings."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return super().__hash__()


_SHARED: Final = _SharedType("s")


class SharedStrings:
    """The shared strings of one workbook. openpyxl's manifest reads `path` and `mime_type`."""

    path: Final = f"/{ARC_SHARED_STRINGS}"
    mime_type: Final = SHARED_STRINGS

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def write(self, cell: Any, text: str) -> None:
        """Write `text` into `cell` as text."""
        if (xstring := escaped(text)) is text:
            cell.value = text
            cell.data_type = "s"
        elif xstring in self._numbers or len(self._numbers) < MOST_SHARED:
            cell._value = self._numbers.setdefault(xstring, len(self._numbers))
            cell.data_type = _SHARED
        else:
            cell._value = xstring  # not `value`, which would cut the longer text
            cell.data_type = "s"

    def save(self, book: Workbook, file: BinaryIO) -> None:
        """Write `book` to `file` with its shared strings."""
        if not self._numbers:
            book.save(file)
            return
        archive = _Archive(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True)
        writer = ExcelWriter(book, archive)
        writer.manifest.append(self)
        archive.writestr(ARC_SHARED_STRINGS, self._xml())
        writer.save()

    def _xml(self) -> str:
        items = "".join(
            f'<si><t xml:space="preserve">{escape_xml(text)}</t></si>' for text in self._numbers
        )
        return f'<sst xmlns="{SHEET_MAIN_NS}" uniqueCount="{len(self._numbers)}">{items}</sst>'


class _Archive(zipfile.ZipFile):
    """A workbook whose relationships contain the shared strings; otherwise Excel and LibreOffice do not read them."""

    def writestr(self, zinfo_or_arcname: Any, data: Any, *rest: Any, **more: Any) -> None:
        if zinfo_or_arcname == ARC_WORKBOOK_RELS:
            relations = RelationshipList.from_tree(fromstring(data))
            kind = f"{REL_NS}/sharedStrings"
            relations.append(Relationship(Id="", Type=kind, Target="sharedStrings.xml"))
            data = tostring(relations.to_tree())
        super().writestr(zinfo_or_arcname, data, *rest, **more)
