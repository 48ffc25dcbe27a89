"""The seals of the audit, and the rows that they cover. `domain.chain` computes them.

No statement of this module locks the audit or its rows, so requests that write entries never wait for it.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, select, text

from db.sql.connections import ReadConnection, WriteConnection
from db.sql.upsert import insert_into
from db.tables.operations import AUDIT, AUDIT_SEAL
from domain.chain import AuditRow, AuditSeal

_WRITERS = text(
    """
    SELECT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND relation = 'audit'::regclass
    """
)


async def newest_id(connection: ReadConnection) -> int:
    """Return the greatest committed id of the audit; 0 if it is empty."""
    return await connection.scalar(select(func.max(AUDIT.c.id))) or 0


async def writers(connection: ReadConnection) -> frozenset[str]:
    """Return the transactions that may have uncommitted rows in the audit; none on SQLite, which has one writer.

    PostgreSQL numbers rows at INSERT and shows them after COMMIT, in any order. An INSERT takes a RowExclusiveLock on the
    table, which conflicts with no other INSERT, before it takes a number, and holds it until its transaction ends. So if
    `newest_id` is read first and these transactions are gone later, no row up to that id is still missing. The oldest
    transaction id is not enough: a transaction may take a number before it has an id.
    """
    if connection.dialect.name == "sqlite":
        return frozenset()
    return frozenset((await connection.scalars(_WRITERS)).all())


async def last(connection: ReadConnection) -> AuditSeal | None:
    """Return the last seal of the chain; None if there is none."""
    statement = _seals().order_by(AUDIT_SEAL.c.number.desc()).limit(1)
    row = (await connection.execute(statement)).first()
    return row and AuditSeal(*row)


async def after(connection: ReadConnection, number: int, *, most: int) -> Sequence[AuditSeal]:
    """Return the next `most` seals after number `number`, in order."""
    statement = (
        _seals().where(AUDIT_SEAL.c.number > number).order_by(AUDIT_SEAL.c.number).limit(most)
    )
    return [AuditSeal(*row) for row in await connection.execute(statement)]


async def rows(
    connection: ReadConnection, before: AuditSeal | None, *, until: int, most: int
) -> Sequence[AuditRow]:
    """Return the next `most` rows after those of a seal, up to the id `until`, in the order of their ids.

    Before None, also rows with ids below 1: only somebody who wants to hide a row inserts such an id.
    """
    statement = (
        select(*AUDIT.c[AuditRow._fields])
        .where(AUDIT.c.id <= until)
        .order_by(AUDIT.c.id)
        .limit(most)
    )
    if before is not None:
        statement = statement.where(AUDIT.c.id > before.last_id)
    return [AuditRow(*row) for row in await connection.execute(statement)]


async def count_unsealed(connection: ReadConnection, end: AuditSeal | None) -> int:
    """Return how many rows follow the last seal."""
    statement = select(func.count()).select_from(AUDIT)
    if end is not None:
        statement = statement.where(AUDIT.c.id > end.last_id)
    return await connection.scalar(statement) or 0


async def add(connection: WriteConnection, sealed: AuditSeal) -> bool:
    """Insert a seal; return False if another process has inserted one with this number."""
    statement = (
        insert_into(connection, AUDIT_SEAL).values(sealed._asdict()).on_conflict_do_nothing()
    )
    return (await connection.execute(statement.returning(AUDIT_SEAL.c.number))).first() is not None


def _seals() -> Select[Any]:
    return select(*AUDIT_SEAL.c[AuditSeal._fields])
