"""A lock that one process of a machine has until it lets go or ends, kill -9 included.

It is SQLite's own lock on an empty file: the same on every system, and as good as the database's beside which it stands.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def held(file: Path) -> Iterator[bool]:
    """Try to take the lock, and keep it for the block; gives whether it is ours. Waits for nobody."""
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as lock:
        try:
            # Nothing is ever written; otherwise a second file would lie beside this one.
            lock.execute("PRAGMA journal_mode = MEMORY")
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            yield False
            return
        yield True
