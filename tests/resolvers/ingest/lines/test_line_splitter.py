"""The promise: the lines of a stream do not depend on how its bytes are cut, and memory is bounded."""

from collections.abc import AsyncIterator, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.ingest.line_splitter import BLOCK, LONGEST_LINE, Numbered, blocks


async def _stream(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def lines_of(*pieces: bytes) -> list[Numbered]:
    return [line async for block in blocks(_stream(pieces)) for line in block]


@pytest.mark.parametrize(
    ("stream", "lines"),
    [
        (b"", []),
        (b"\n", []),
        (b"a", [(1, b"a")]),
        (b"a\n", [(1, b"a")]),
        (b"a\nb", [(1, b"a"), (2, b"b")]),
        (b"a\n\n  \t\r\nb\n", [(1, b"a"), (4, b"b")]),
        (b"a\r\nb\r\n", [(1, b"a\r"), (2, b"b\r")]),
        (b"\xef\xbb\xbfa\nb", [(1, b"a"), (2, b"b")]),
        (b"\xef\xbb\xbf\nb", [(2, b"b")]),
        (b"a\n\xef\xbb\xbfb", [(1, b"a"), (2, b"\xef\xbb\xbfb")]),
    ],
)
async def test_lines_that_say_something_come_with_their_place_in_the_stream(
    stream: bytes, lines: list[tuple[int, bytes]]
) -> None:
    assert await lines_of(stream) == lines


@given(st.binary(max_size=60).map(lambda b: b.replace(b"a", b"\n")), st.data())
async def test_the_lines_are_the_same_however_the_bytes_are_cut(
    stream: bytes, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    places = [0, *cuts, len(stream)]
    pieces = [stream[begin:end] for begin, end in pairwise(places)]

    assert await lines_of(*pieces) == await lines_of(stream)


async def test_a_stream_without_line_ends_is_kept_to_what_shows_that_it_is_too_long() -> None:
    pieces = [b"x" * 1_000_000] * 6 + [b"\nshort"]

    assert [(line.number, len(line.text)) for line in await lines_of(*pieces)] == [
        (1, LONGEST_LINE + 1),
        (2, 5),
    ]


async def test_a_block_ends_with_the_line_that_fills_it() -> None:
    line = b"x" * 999 + b"\n"
    stream = line * 1_000

    sizes = [
        sum(len(numbered.text) for numbered in block) async for block in blocks(_stream([stream]))
    ]

    assert all(BLOCK <= size < BLOCK + 1_000 for size in sizes[:-1])
    assert sum(sizes) == 999 * 1_000
