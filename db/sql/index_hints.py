"""What a statement says to SQLite of the index it is to be read by; PostgreSQL never hears of it.

SQLite keeps no figures of a table unless it is told to analyse it, and none that tell a day from a year: so where that
matters, we count and say it. A hint changes how rows are found, never which.
"""

from typing import Final

from sqlalchemy import FromClause
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

BY_ROWID: Final = "NOT INDEXED"
"""By the numbers of the rows, and by no index. Given as `statement.with_hint(TABLE, BY_ROWID, "sqlite")`."""


def by_index(name: str) -> str:
    """By this index; SQLite fails where it cannot be used for the statement."""
    return f"INDEXED BY {name}"


class HintingCompiler(SQLiteCompiler):
    """Writes a hint behind the table; SQLAlchemy's own leaves them out."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        return text
