"""The bytes of an upload as numbered lines, a block of them at a time.

What a line says is not looked at here.
"""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

LONGEST_LINE: Final = 4 * 1024 * 1024
"""Bytes: a body of some megabytes is a mistake, and a file without line ends must not fill the memory."""

BLOCK: Final = 256 * 1024
"""Bytes of lines that are read before they are looked at: what the log has of them is asked for once a block."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Numbered(NamedTuple):
    """A line, without its line feed, and its place in the stream, from 1."""

    number: int
    text: bytes


async def blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[Numbered]]:
    """The lines of a stream that say something, in order; `chunks` are its bytes, cut anywhere.

    Of a line that is longer than `LONGEST_LINE` only so much comes that it is seen to be too long. A byte order mark
    before the first line is dropped: some editors write one.
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
    """Cuts bytes at line feeds, and keeps what is after the last."""

    def __init__(self) -> None:
        self._number = 0
        self._begun = bytearray()  # grown in place: joining bytes anew for each chunk is quadratic

    def split(self, chunk: bytes) -> list[Numbered]:
        *whole, rest = chunk.split(b"\n")
        lines = list[Numbered]()
        for piece in whole:
            if self._begun:
                self._keep(piece)
                piece = bytes(self._begun)
                self._begun.clear()
            self._number += 1
            lines += self._saying(piece)
        self._keep(rest)
        return lines

    def rest(self) -> list[Numbered]:
        self._number += 1
        return self._saying(bytes(self._begun))

    def _keep(self, piece: bytes) -> None:
        self._begun += piece[: LONGEST_LINE + 1 - len(self._begun)]

    def _saying(self, text: bytes) -> list[Numbered]:
        if self._number == 1:
            text = text.removeprefix(_BYTE_ORDER_MARK)
        return [Numbered(self._number, text)] if text and not text.isspace() else []
