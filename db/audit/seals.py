"""The seals of the audit, and the rows that they are for.

What a seal says is in `domain.chain`. Who looks or acts only inserts into the audit, and waits for nothing here: no
statement of this module locks the audit or its rows.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

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


async def newest_id(connection: AsyncConnection) -> int:
    """The greatest id in the audit that is committed; 0 where there is none."""
    return await connection.scalar(select(func.max(AUDIT.c.id))) or 0


async def writers(connection: AsyncConnection) -> frozenset[str]:
    """The transactions that may have taken an id of the audit and not committed yet; none on SQLite, which has one writer.

    PostgreSQL numbers rows when they are inserted and shows them when they are committed, in any order. An INSERT locks
    the table for writers, which keeps no other writer out, before it takes a number, and until its transaction ends. So
    if `newest_id` is read first and these are gone later, nothing up to that id is still to come. (The oldest running
    transaction id would not tell: a number may be taken before a transaction has one.)
    """
    if connection.dialect.name == "sqlite":
        return frozenset()
    return frozenset((await connection.scalars(_WRITERS)).all())


async def last(connection: AsyncConnection) -> AuditSeal | None:
    """The end of the chain."""
    statement = _seals().order_by(AUDIT_SEAL.c.number.desc()).limit(1)
    row = (await connection.execute(statement)).first()
    return row and AuditSeal(*row)


async def after(connection: AsyncConnection, number: int, *, most: int) -> Sequence[AuditSeal]:
    """The seals after one, in their order."""
    statement = (
        _seals().where(AUDIT_SEAL.c.number > number).order_by(AUDIT_SEAL.c.number).limit(most)
    )
    return [AuditSeal(*row) for row in await connection.execute(statement)]


async def rows(
    connection: AsyncConnection, before: AuditSeal | None, *, until: int, most: int
) -> Sequence[AuditRow]:
    """The rows after those of a seal, up to the id `until`, in the order of their ids, at most so many.

    After None also those whose ids are not positive: nobody numbers them so but who wants to hide one.
    """
    statement = (
        select(*(AUDIT.c[name] for name in AuditRow._fields))
        .where(AUDIT.c.id <= until)
        .order_by(AUDIT.c.id)
        .limit(most)
    )
    if before is not None:
        statement = statement.where(AUDIT.c.id > before.last_id)
    return [AuditRow(*row) for row in await connection.execute(statement)]


async def count_unsealed(connection: AsyncConnection, end: AuditSeal | None) -> int:
    """How many rows stand after the end of the chain."""
    statement = select(func.count()).select_from(AUDIT)
    if end is not None:
        statement = statement.where(AUDIT.c.id > end.last_id)
    return await connection.scalar(statement) or 0


async def add(connection: AsyncConnection, sealed: AuditSeal) -> bool:
    """Write a seal down; False where somebody else has written one of this number, whatever it says."""
    statement = (
        insert_into(connection, AUDIT_SEAL).values(sealed._asdict()).on_conflict_do_nothing()
    )
    return (await connection.execute(statement.returning(AUDIT_SEAL.c.number))).first() is not None


def _seals() -> Select[Any]:
    return select(*(AUDIT_SEAL.c[name] for name in AuditSeal._fields))
