"""What the demo's log is filled with, as an upload: the manual's messages and the year's."""

from collections.abc import Iterator
from itertools import chain

from server.sample import manual, year
from server.sample.line import encode
from server.sample.plainview import opening


def demo_lines() -> Iterator[bytes]:
    """Every line of the demo's district: its schools, the manual's messages, then a year of others. Always the same."""
    return map(encode, chain(opening(), manual.messages(), year.messages()))


def manual_lines() -> Iterator[bytes]:
    """The same district with the manual's messages alone: few lines, for trials and tests."""
    return map(encode, chain(opening(), manual.messages()))
