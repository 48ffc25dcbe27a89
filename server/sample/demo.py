"""The lines of the demo's log: the messages of the manual, then those of the year."""

from collections.abc import Iterator
from itertools import chain

from server.sample import manual, year
from server.sample.district.plainview import opening
from server.sample.line import encode


def demo_lines() -> Iterator[bytes]:
    """All lines of the demo: the district, its schools, the manual's messages, and a year of others."""
    return map(encode, chain(opening(), manual.messages(), year.messages()))


def manual_lines() -> Iterator[bytes]:
    """The district with the manual's messages only, for tests."""
    return map(encode, chain(opening(), manual.messages()))
