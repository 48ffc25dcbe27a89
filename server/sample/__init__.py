"""Generates sample data: lines for `sentlog import`, of any size, reproducible.

    demo        what `sentlog demo` loads: the two below, one after the other
      manual    every row that the screens of the tool's manual show
      year      a year of traffic of the same district
    generate    any number of messages of any size, for trials and benchmarks

All of them give lines of NDJSON and know nothing of where these go: no database, no clock, no file but the vocabularies
beside the code belongs here. All people, addresses and phone numbers are made up.
"""

from server.sample.demo import demo_lines

__all__ = ["demo_lines"]
