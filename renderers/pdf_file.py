"""A PDF file whose finished pages do not stay in memory.

fpdf2 keeps every page until the end and then makes the file in memory. This module compresses a page and writes it to a spool
file when the next one begins. At the end fpdf2 writes everything else (fonts, bookmarks, catalog, cross-references) around
the spooled pages, directly into the file. `sheet` draws the pages.
"""

import zlib
from array import array
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, NamedTuple
from urllib.parse import quote

from fpdf import FPDF
from fpdf.fonts import TTFFont
from fpdf.output import (
    ContentWithoutID,
    OutputProducer,
    PDFPage,
    PDFPagesRoot,
    PDFResources,
)
from fpdf.syntax import PDFString, iobj_ref

DEFLATE_LEVEL: Final = 4
"""Half the time of the default 6; the file is a twentieth larger."""
OBJECTS_A_PAGE: Final = 3
"""The page, its content, and its footer, which has the number of pages and so is written last."""

Foot = Callable[[int, int], str]


class Link(NamedTuple):
    """A link: a rectangle of a page, in points from the lower left corner, and its URL."""

    box: tuple[float, float, float, float]
    address: str


class PagedFile(FPDF):
    """Letter pages, counted from 1, measured in points."""

    def __init__(self, spool: BinaryIO) -> None:
        """Start a file. `spool` is a temporary file for this object only."""
        super().__init__(unit="pt", format="letter")
        self.set_auto_page_break(False)
        self.single_resources_object = True
        self.spool = spool
        self.lengths = array("L")
        self.page_links: dict[int, list[Link]] = {}
        self.identifier: str | None = None

    @property
    def pages_count(self) -> int:
        return self.page

    def file_id(self) -> str | None:
        """Return the file's id. Without it fpdf2 would hash the whole file, which is not in memory."""
        return self.identifier

    def add_link_to(self, link: Link) -> None:
        """Add a link to the current page."""
        self.page_links.setdefault(self.page, []).append(link)

    def next_page(self) -> None:
        """Start a new page, and spool the page before it."""
        before = self.page
        self.add_page()
        if before:
            self._spool(before)

    def close_fonts(self) -> None:
        """Close the fonts' files, if rendering fails before `finish` does it."""
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                font.close()

    def finish(self, file: BinaryIO, *, foot: Foot) -> None:
        """Write everything into `file`. `foot(page, pages)` returns the operators of a page's footer."""
        self._spool(self.page)
        # fpdf2 subsets the fonts to the glyphs used so far. Use all digits now, since the footers are drawn later.
        foot(1234567890, 1234567890)
        _Producer(self, file, foot).bufferize()

    def _spool(self, number: int) -> None:
        contents = self.pages.pop(number).contents
        assert isinstance(contents, bytearray)
        deflated = zlib.compress(contents, DEFLATE_LEVEL)
        self.lengths.append(len(deflated))
        self.spool.write(deflated)


class _Producer(OutputProducer):
    """Writes the objects of fpdf2 and the spooled pages into a file instead of into memory."""

    def __init__(self, pdf: PagedFile, file: BinaryIO, foot: Foot) -> None:
        super().__init__(pdf)
        self.pdf = pdf
        self.foot = foot
        self.output = _FileBuffer(file)
        self.buffer = self.output
        self.first_page_id = 0
        self.parent: PDFPagesRoot | None = None
        self.resources: PDFResources | None = None

    def _add_pages_root(self) -> PDFPagesRoot:
        self.parent = super()._add_pages_root()
        return self.parent

    def _add_pages(self, _slice: slice = slice(0, None)) -> list[PDFPage]:
        self.first_page_id = self.obj_id + 1
        self.obj_id += OBJECTS_A_PAGE * self.pdf.page
        self.offsets = _Offsets(self.first_page_id)
        self.pdf_objs.append(_SpooledPages())
        return [_PageReference(id) for id in self._page_ids()]

    def _iter_pages_in_order(self) -> Iterator[PDFPage]:
        return iter(())  # fpdf2 reads the label of each page here; our pages have none

    def _page_ids(self) -> range:
        return range(self.first_page_id, self.obj_id + 1, OBJECTS_A_PAGE)[: self.pdf.page]

    def _add_resources_dict(self, *arguments: Any, **named: Any) -> PDFResources:
        self.resources = super()._add_resources_dict(*arguments, **named)
        return self.resources

    def _out(self, data: bytes | bytearray | str) -> None:
        if data == _SpooledPages.PLACE:
            self._write_pages()
        else:
            self.output.write(data.encode("latin-1") if isinstance(data, str) else data)
            self.output.write(b"\n")

    def _write_pages(self) -> None:
        assert isinstance(self.offsets, _Offsets)
        self.pdf.spool.seek(0)
        for page in range(1, self.pdf.page + 1):
            for piece in self._objects_of(page):
                self.offsets.of_pages.append(len(self.output))
                self.output.write(piece)

    def _objects_of(self, page: int) -> Iterator[bytes]:
        """Yield the three objects of a page in the order of their ids."""
        id = self.first_page_id + OBJECTS_A_PAGE * (page - 1)
        assert self.parent is not None
        assert self.resources is not None
        yield (
            f"{id} 0 obj\n<</Type /Page /Parent {self.parent.ref} /Resources {self.resources.ref} "
            f"/Contents [{iobj_ref(id + 1)} {iobj_ref(id + 2)}]{self._annotations(page)}>>\nendobj\n"
        ).encode("ascii")
        content = self.pdf.spool.read(self.pdf.lengths[page - 1])
        yield _stream(id + 1, content, " /Filter /FlateDecode")
        yield _stream(id + 2, self.foot(page, self.pdf.page).encode("latin-1"), "")

    def _annotations(self, page: int) -> str:
        links = self.pdf.page_links.get(page, ())
        if not links:
            return ""
        return f" /Annots [{' '.join(map(_annotation, links))}]"


class _FileBuffer(bytearray):
    """Replaces the buffer of fpdf2: writes into the file and keeps only the size."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def write(self, data: bytes | bytearray) -> None:
        self._file.write(data)
        self._size += len(data)


class _Offsets(dict[int, int]):
    """Object id → its offset in the file; the offsets of pages take eight bytes each."""

    def __init__(self, first_page_id: int) -> None:
        super().__init__()
        self._first = first_page_id
        self.of_pages = array("Q")

    def __missing__(self, id: int) -> int:
        return self.of_pages[id - self._first]


class _SpooledPages(ContentWithoutID):
    """The placeholder of the spooled pages among the objects of fpdf2."""

    PLACE = "the spooled pages"

    def serialize(self, _security_handler: Any = None) -> str:
        return self.PLACE


class _PageReference(PDFPage):
    """A page for references of fpdf2: it has only an id."""

    def __init__(self, id: int) -> None:
        super().__init__(duration=None, transition=None, contents=bytearray(), index=0)
        self.id = id


def _stream(id: int, content: bytes, filter: str) -> bytes:
    head = f"{id} 0 obj\n<</Length {len(content)}{filter}>>\nstream\n".encode("ascii")
    return head + content + b"\nendstream\nendobj\n"


def _annotation(link: Link) -> str:
    # ASCII characters that a URL may contain stay; all others are percent-encoded (RFC 3986, 2.1).
    address = PDFString(quote(link.address, safe="%/:=&?~#+!$,;'@()*[]")).serialize()
    box = " ".join(f"{edge:.2f}" for edge in link.box)
    return f"<</Type /Annot /Subtype /Link /Rect [{box}] /Border [0 0 0] /A <</S /URI /URI {address}>>>>"
