"""Connections to SQLite whose threads end before the event loop is closed.

aiosqlite runs each connection in a thread of its own, which reports each result to the event loop. If opening fails or is
canceled, or SQLAlchemy gives a connection up, aiosqlite only orders the thread to end. A thread that ends later than the
loop fails with "Event loop is closed".
"""

import asyncio
import sqlite3
from typing import Any, Final
from weakref import WeakSet

from aiosqlite import Connection

_ENDS: Final[WeakSet[asyncio.Future[Any]]] = WeakSet()
"""The ordered ends of threads, of all event loops of this process. A thread that has ended drops its own."""


class _Connection(Connection):
    """A connection that remembers that its thread was ordered to end."""

    def stop(self) -> asyncio.Future[Any] | None:
        """Order the thread to close the connection and to end. Return a future for the end; None without an event loop."""
        end: asyncio.Future[Any] | None = super().stop()
        if end is not None:
            _ENDS.add(end)
        return end


async def open_connection(*arguments: Any, **options: Any) -> Connection:
    """Open a connection; the arguments are those of `sqlite3.connect`, with `check_same_thread=False`.

    If that fails or is canceled, the connection is closed and its thread has ended when this raises.
    """
    opened: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        opened.append(sqlite3.connect(*arguments, **options))
        return opened[-1]

    connection = _Connection(connect, iter_chunk_size=64)
    # As SQLAlchemy does it: a connection that was not closed does not keep the process from ending.
    connection._thread.daemon = True
    try:
        return await connection
    except BaseException:
        await threads_ended()
        # After a cancellation nobody else has it.
        for one in opened:
            one.close()
        raise


async def threads_ended() -> None:
    """Wait for the threads that were ordered to end and report to the running event loop."""
    loop = asyncio.get_running_loop()
    if ends := [end for end in _ENDS if end.get_loop() is loop]:
        await asyncio.wait(ends)
