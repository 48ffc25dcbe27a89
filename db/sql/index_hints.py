"""Index hints for SQLite; statements for PostgreSQL are compiled without them.

SQLite has no statistics of a table without ANALYZE, and none that distinguish a day from a year. Where that matters, we
count rows first and name the index. A hint changes how rows are found, never which.
"""

from typing import Final

from sqlalchemy import FromClause
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

BY_ROWID: Final = "NOT INDEXED"
"""Reads rows by rowid, without an index. Use: `statement.with_hint(TABLE, BY_ROWID, "sqlite")`."""


def by_index(name: str) -> str:
    """Return the hint for an index; SQLite fails if it cannot use it for the statement."""
    return f"INDEXED BY {name}"


class HintingCompiler(SQLiteCompiler):
    """Writes hints after the table; SQLAlchemy's compiler for SQLite omits them."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        return text
