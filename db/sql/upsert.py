"""INSERT with ON CONFLICT: both engines spell it alike, but SQLAlchemy has one construct per dialect."""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from db.sql.connections import ReadConnection


def insert_into(connection: ReadConnection, table: Table) -> Any:
    """Return the INSERT of the connection's dialect, with `on_conflict_do_nothing` and `on_conflict_do_update`."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
