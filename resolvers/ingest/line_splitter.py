"""Splits the bytes of an upload into numbered lines, in blocks."""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

LONGEST_LINE: Final = 4 * 1024 * 1024
"""Bytes. A larger body is a mistake, and a file without line ends must not fill the memory."""

BLOCK: Final = 256 * 1024
"""Bytes of lines per block; the digests of a block's messages are read with one statement."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Numbered(NamedTuple):
    """A line without its line feed, and its number in the stream, from 1."""

    number: int
    text: bytes


async def blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[Numbered]]:
    """The non-blank lines of a stream in order; `chunks` are its bytes, cut anywhere.

    A line longer than `LONGEST_LINE` is cut just beyond that. A byte order mark before the first line, which some editors
    write, is dropped.
    """
    splitter, block, size = _Splitter(), list[Numbered](), 0
    async for chunk in chunks:
        for line in splitter.split(chunk):
            block.append(line)
            size += len(line.text)
            if size >= BLOCK:
                yield block
                block, size = [], 0
    block += splitter.rest()
    if block:
        yield block


class _Splitter:
    """Splits bytes at line feeds, and keeps the incomplete last line."""

    def __init__(self) -> None:
        self._number = 0
        self._partial = (
            bytearray()
        )  # extended in place: concatenation for each chunk would be quadratic

    def split(self, chunk: bytes) -> list[Numbered]:
        *whole, rest = chunk.split(b"\n")
        lines = list[Numbered]()
        for piece in whole:
            if self._partial:
                self._keep(piece)
                piece = bytes(self._partial)
                self._partial.clear()
            self._number += 1
            lines += self._nonblank(piece)
        self._keep(rest)
        return lines

    def rest(self) -> list[Numbered]:
        self._number += 1
        return self._nonblank(bytes(self._partial))

    def _keep(self, piece: bytes) -> None:
        self._partial += piece[: LONGEST_LINE + 1 - len(self._partial)]

    def _nonblank(self, text: bytes) -> list[Numbered]:
        if self._number == 1:
            text = text.removeprefix(_BYTE_ORDER_MARK)
        return [Numbered(self._number, text)] if text and not text.isspace() else []
