"""Staging tables: messages are loaded into them during ingest until they are complete.

The tables are temporary. They belong to one connection, take no locks that others wait for, and disappear with it. A
process that is killed during an import leaves nothing behind.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    delete,
    select,
)

from db.sql.column_types import BigInt, Instant, KeyText
from db.sql.connections import ReadConnection
from db.sql.key_lists import any_of


class StagedMessage(NamedTuple):
    """A staged message; `ref` numbers it within its upload. Texts that are searched have a folded form beside them."""

    ref: int
    district_id: int
    external_id: str
    school_id: int | None
    visible_from: datetime
    status: str
    type_code: str
    type_label: str
    type_key: str
    category: str | None
    subject: str
    subject_key: str
    sender_id: str
    sender_name: str
    sender_key: str
    created_at: datetime
    created_text: str
    scheduled_at: datetime
    scheduled_text: str
    schedule_id: str | None
    schedule_key: str | None
    source: str
    modes: str
    is_recorded: bool
    has_open: bool
    body: str
    body_format: str
    text_body: str | None
    voice_script: str | None
    reply_to: str | None
    filter_criteria: str
    words: str
    digest: bytes
    canceled_at: datetime | None
    canceled_by_id: str | None
    canceled_by_name: str | None
    cancel_reason: str | None


class StagedRecipient(NamedTuple):
    """A staged recipient."""

    ref: int
    number: int
    person: str
    name: str
    name_key: str
    student: str | None
    student_name: str | None
    student_key: str | None
    devices: int
    """The number of its deliveries."""


class StagedDelivery(NamedTuple):
    """A staged delivery; booleans are 1 or 0, which both drivers load faster."""

    ref: int
    recipient_number: int
    number: int
    chunk: int
    mode: str
    kind: str
    address: str
    address_key: str
    status: str
    call_status: int | None
    confirmed: int
    reached: int
    at: datetime | None
    attempts: int


class StagedFailure(NamedTuple):
    """A staged delivery that failed before sending, because its address cannot be read. Few messages have any."""

    ref: int
    recipient_number: int
    number: int
    at: datetime
    call_status: int | None
    reason: str


METADATA: Final = MetaData()


def _table(name: str, *columns: Column[Any]) -> Table:
    # Without rowids, because SQLite would store the key twice.
    return Table(name, METADATA, *columns, prefixes=["TEMPORARY"], sqlite_with_rowid=False)


def _table_of(name: str, row_class: type[NamedTuple], keys: int, types: dict[str, Any]) -> Table:
    """Return the table of a row class, whose first `keys` fields are the primary key."""
    fields: tuple[str, ...] = row_class._fields
    columns = [
        Column(field, types.get(field, Text()), primary_key=place < keys, autoincrement=False)
        for place, field in enumerate(fields)
    ]
    return _table(name, *columns)


MESSAGES: Final = _table_of(
    "staged_message",
    StagedMessage,
    1,
    {
        "ref": Integer(),
        "district_id": Integer(),
        "school_id": Integer(),
        "is_recorded": Boolean(),
        "has_open": Boolean(),
        "digest": LargeBinary(),
    }
    | dict.fromkeys(("visible_from", "created_at", "scheduled_at", "canceled_at"), Instant())
    | dict.fromkeys(("type_key", "subject_key", "sender_key", "schedule_key"), KeyText),
)
MESSAGES.append_column(Column("message_id", BigInt))

RECIPIENTS: Final = _table_of(
    "staged_recipient",
    StagedRecipient,
    2,
    {
        "ref": Integer(),
        "number": Integer(),
        "name_key": KeyText,
        "student_key": KeyText,
        "devices": SmallInteger(),
    },
)
DELIVERIES: Final = _table_of(
    "staged_delivery",
    StagedDelivery,
    3,
    {
        "ref": Integer(),
        "recipient_number": Integer(),
        "number": SmallInteger(),
        "chunk": Integer(),
        "mode": KeyText,
        "kind": String(24),
        "address_key": KeyText,
        "status": String(24),
        "call_status": SmallInteger(),
        "confirmed": Boolean(),
        "reached": Boolean(),
        "at": Instant(),
        "attempts": SmallInteger(),
    },
)


FAILURES: Final = _table_of(
    "staged_failure",
    StagedFailure,
    3,
    {
        "ref": Integer(),
        "recipient_number": Integer(),
        "number": SmallInteger(),
        "at": Instant(),
        "call_status": SmallInteger(),
    },
)


def _key(name: str, kind: Any) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


CONTACTED: Final = _table("staged_contacted", _key("ref", Integer()), _key("person", Text()))
"""The people with a number that was reached."""

REPEATS: Final = _table("staged_repeat", _key("ref", Integer()), _key("number", Integer()))
"""The recipients whose person is earlier in the list."""

DUPLICATES: Final = _table(
    "staged_duplicate",
    _key("ref", Integer()),
    _key("recipient_number", Integer()),
    _key("number", SmallInteger()),
)
"""The deliveries whose mode and address are earlier in the message."""

FOUND_PEOPLE: Final = Table(
    "found_person",
    METADATA,
    Column("id", BigInt),
    Column("district_id", Integer()),
    Column("role", KeyText),
    Column("external_id", KeyText),
    Column("name", Text()),
    Column("key", KeyText),
    Column("is_new", Boolean()),
    prefixes=["TEMPORARY"],
)
"""PostgreSQL: the people of complete messages, each once, with the last name, and the existing or new id."""

FOUND_ADDRESSES: Final = Table(
    "found_address",
    METADATA,
    Column("id", BigInt),
    Column("district_id", Integer()),
    Column("kind", KeyText),
    Column("key", KeyText),
    Column("is_new", Boolean()),
    prefixes=["TEMPORARY"],
)
"""PostgreSQL: the addresses of complete messages, each once, with the existing or new id."""

STAGES: Final = (MESSAGES, RECIPIENTS, DELIVERIES, FAILURES, CONTACTED, REPEATS, DUPLICATES)
FOUND: Final = (FOUND_PEOPLE, FOUND_ADDRESSES)


async def create(connection: ReadConnection) -> None:
    """Create the staging tables of this connection; they disappear when it is closed."""
    await connection.run_sync(lambda sync: METADATA.create_all(sync, checkfirst=False))


async def clear(connection: ReadConnection) -> None:
    """Delete every complete message from the staging tables; rows of incomplete ones stay."""
    complete = select(MESSAGES.c.ref)
    for table in reversed(STAGES):
        await connection.execute(delete(table).where(table.c.ref.in_(complete)))
    if connection.dialect.name == "postgresql":
        await _truncate(connection, FOUND)


async def empty(connection: ReadConnection) -> None:
    """Delete everything from the staging tables: much faster than `clear`, if no message is incomplete."""
    if connection.dialect.name == "sqlite":
        # It has no TRUNCATE, but DELETE without a condition is as fast.
        for table in STAGES:
            await connection.execute(delete(table))
    else:
        await _truncate(connection, (*STAGES, *FOUND))


async def _truncate(connection: ReadConnection, tables: Sequence[Table]) -> None:
    names = ", ".join(table.name for table in tables)
    await connection.exec_driver_sql(f"TRUNCATE {names}")


async def forget(connection: ReadConnection, refs: Sequence[int]) -> None:
    """Delete these messages from the staging tables, complete or not."""
    if not refs:
        return
    for table in (MESSAGES, RECIPIENTS, DELIVERIES, FAILURES):
        await connection.execute(delete(table).where(any_of(table.c.ref, refs)))


async def load(connection: ReadConnection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Load rows into a staging table, each a tuple in the order of its row class; instants are in UTC."""
    if not rows:
        return
    names = ", ".join(column.name for column in table.columns if column.name != "message_id")
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(rows[0]))
        await connection.exec_driver_sql(
            f"INSERT INTO {table.name} ({names}) VALUES ({marks})", _for_sqlite(table, rows)
        )
        return
    # COPY, because single inserts cost ten times as much.
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None
    async with (
        raw.cursor() as cursor,
        cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy,
    ):
        for row in rows:
            await copy.write_row(row)


def _for_sqlite(table: Table, rows: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
    """Return the rows with instants as the type `Instant` writes them: SQLite compares instants as text."""
    texts: dict[datetime | None, str | None] = {None: None}  # many rows have the same instant

    def text_of(instant: datetime | None) -> str | None:
        if instant not in texts:
            assert instant is not None
            texts[instant] = instant.replace(tzinfo=None).isoformat(" ", "microseconds")
        return texts[instant]

    for place, column in enumerate(table.columns):
        if isinstance(column.type, Instant):
            rows = [(*row[:place], text_of(row[place]), *row[place + 1 :]) for row in rows]
    return rows
