"""The two kinds of open connections, so that a write on a connection that only reads does not type-check."""

from typing import NewType

from sqlalchemy.ext.asyncio import AsyncConnection

ReadConnection = NewType("ReadConnection", AsyncConnection)
"""A connection of `Database.reading` or `Database.snapshot`: a function that takes one only reads."""

WriteConnection = NewType("WriteConnection", ReadConnection)
"""A connection in a transaction of `Database.writing`: for functions that write, lock or notify. It can read too."""
