"""A lock file that one process of a machine holds until it releases it or ends, kill -9 included.

It is SQLite's own lock on an empty file: portable, and as reliable as that of the database beside it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def try_lock(file: Path) -> Iterator[bool]:
    """Try to take the lock for the block; yields whether this process holds it. Does not wait."""
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as lock:
        try:
            # Nothing is written; without MEMORY a journal file would appear beside this one.
            lock.execute("PRAGMA journal_mode = MEMORY")
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            yield False
            return
        yield True
