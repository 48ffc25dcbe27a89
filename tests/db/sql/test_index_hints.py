from sqlalchemy import select

from db.connect.database import Database
from db.sql.index_hints import BY_ROWID, by_index
from db.tables.log import MESSAGE


def test_a_hint_is_written_for_sqlite_alone(database: Database) -> None:
    is_sqlite = not database.is_postgresql
    for hint in (BY_ROWID, by_index("message_by_created")):
        statement = select(MESSAGE.c.id).with_hint(MESSAGE, hint, "sqlite")
        written = str(statement.compile(dialect=database.engine.dialect)).split()
        expected = "SELECT message.id FROM message"
        assert " ".join(written) == (f"{expected} {hint}" if is_sqlite else expected)
