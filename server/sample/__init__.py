"""Generates sample data: lines for `sentlog import`, of any size, reproducible.

    demo_lines  what `sentlog demo` loads: the two below, one after the other
      manual    every row that the screens of the tool's manual show
      year      a year of traffic of the same district
    generate    any number of messages of any size, for trials and benchmarks

All of them give lines of NDJSON and do not depend on where these go: nothing here uses a database, a clock, or a file other
than the vocabularies beside the code. All people, addresses and phone numbers are made up.
"""

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
