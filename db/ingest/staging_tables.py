"""Where messages wait, while they come in, until they are whole.

The tables are temporary: they belong to one connection, lock nobody out, and are gone with it. A program that is killed
while it reads a file leaves nothing behind.
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
from sqlalchemy.ext.asyncio import AsyncConnection

from db.sql.column_types import BigInt, Instant, KeyText
from db.sql.key_lists import any_of


class MessageRow(NamedTuple):
    """A message as it waits; `ref` numbers it within its stream. Texts that are searched come folded beside the shown ones."""

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
    digest: bytes
    canceled_at: datetime | None
    canceled_by_id: str | None
    canceled_by_name: str | None
    cancel_reason: str | None


class RecipientRow(NamedTuple):
    """A recipient as it waits."""

    ref: int
    number: int
    person: str
    name: str
    name_key: str
    student: str | None
    student_name: str | None
    student_key: str | None
    devices: int
    """How many deliveries it has."""


class DeliveryRow(NamedTuple):
    """A delivery as it waits; what is yes or no is 1 or 0, which both drivers take in quicker than a bool."""

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


class FailureRow(NamedTuple):
    """A delivery that has failed before it is sent: its address cannot be read. Few messages have any."""

    ref: int
    recipient_number: int
    number: int
    at: datetime
    call_status: int | None
    reason: str


_metadata: Final = MetaData()


def _table(name: str, *columns: Column[Any]) -> Table:
    # Without row ids: SQLite would keep the key a second time.
    return Table(name, _metadata, *columns, prefixes=["TEMPORARY"], sqlite_with_rowid=False)


def _loaded(name: str, shape: type[NamedTuple], keys: int, types: dict[str, Any]) -> Table:
    """The table of a row class, the first `keys` of whose fields are its key."""
    fields: tuple[str, ...] = shape._fields
    columns = [
        Column(field, types.get(field, Text()), primary_key=place < keys, autoincrement=False)
        for place, field in enumerate(fields)
    ]
    return _table(name, *columns)


MESSAGES: Final = _loaded(
    "staged_message",
    MessageRow,
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

RECIPIENTS: Final = _loaded(
    "staged_recipient",
    RecipientRow,
    2,
    {
        "ref": Integer(),
        "number": Integer(),
        "name_key": KeyText,
        "student_key": KeyText,
        "devices": SmallInteger(),
    },
)
DELIVERIES: Final = _loaded(
    "staged_delivery",
    DeliveryRow,
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


FAILURES: Final = _loaded(
    "staged_failure",
    FailureRow,
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
"""The people of whom a number was reached."""

REPEATS: Final = _table("staged_repeat", _key("ref", Integer()), _key("number", Integer()))
"""The recipients whose person stands earlier in the list."""

DUPLICATES: Final = _table(
    "staged_duplicate",
    _key("ref", Integer()),
    _key("recipient_number", Integer()),
    _key("number", SmallInteger()),
)
"""The deliveries whose mode and address stand earlier in the message."""

FOUND_PEOPLE: Final = Table(
    "found_person",
    _metadata,
    Column("id", BigInt),
    Column("district_id", Integer()),
    Column("role", KeyText),
    Column("external_id", KeyText),
    Column("name", Text()),
    Column("key", KeyText),
    Column("is_new", Boolean()),
    prefixes=["TEMPORARY"],
)
"""PostgreSQL: the people of whole messages, each once, under the name that came last, with the id that they have or get."""

FOUND_ADDRESSES: Final = Table(
    "found_address",
    _metadata,
    Column("id", BigInt),
    Column("district_id", Integer()),
    Column("kind", KeyText),
    Column("key", KeyText),
    Column("is_new", Boolean()),
    prefixes=["TEMPORARY"],
)
"""PostgreSQL: their addresses, each once, with the id that it has or gets."""

STAGES: Final = (MESSAGES, RECIPIENTS, DELIVERIES, FAILURES, CONTACTED, REPEATS, DUPLICATES)
FOUND: Final = (FOUND_PEOPLE, FOUND_ADDRESSES)


async def create(connection: AsyncConnection) -> None:
    """Make the stage of this connection; it goes when the connection is closed."""
    await connection.run_sync(lambda sync: _metadata.create_all(sync, checkfirst=False))


async def clear(connection: AsyncConnection) -> None:
    """Take every whole message off the stage; what belongs to unfinished ones stays."""
    whole = select(MESSAGES.c.ref)
    for table in reversed(STAGES):
        await connection.execute(delete(table).where(table.c.ref.in_(whole)))
    if connection.dialect.name == "postgresql":
        await _truncate(connection, FOUND)


async def empty(connection: AsyncConnection) -> None:
    """Take everything off the stage: much quicker than `clear`, where nothing is unfinished."""
    if connection.dialect.name == "sqlite":
        # It has no TRUNCATE, and empties a table at once where no row is chosen.
        for table in STAGES:
            await connection.execute(delete(table))
    else:
        await _truncate(connection, (*STAGES, *FOUND))


async def _truncate(connection: AsyncConnection, tables: Sequence[Table]) -> None:
    names = ", ".join(table.name for table in tables)
    await connection.exec_driver_sql(f"TRUNCATE {names}")


async def forget(connection: AsyncConnection, refs: Sequence[int]) -> None:
    """Take these messages off the stage, whole or not."""
    if not refs:
        return
    for table in (MESSAGES, RECIPIENTS, DELIVERIES, FAILURES):
        await connection.execute(delete(table).where(any_of(table.c.ref, refs)))


async def load(connection: AsyncConnection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Put rows on the stage, each a tuple in the order of the table's row class; instants are in UTC."""
    if not rows:
        return
    names = ", ".join(column.name for column in table.columns if column.name != "message_id")
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(rows[0]))
        await connection.exec_driver_sql(
            f"INSERT INTO {table.name} ({names}) VALUES ({marks})", _for_sqlite(table, rows)
        )
        return
    # COPY: row by row over the extended protocol costs ten times as much.
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None
    async with (
        raw.cursor() as cursor,
        cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy,
    ):
        for row in rows:
            await copy.write_row(row)


def _for_sqlite(table: Table, rows: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
    """The rows as SQLAlchemy's own type would write them: SQLite has no instants, and compares them as text."""
    spelled: dict[datetime | None, str | None] = {None: None}  # many rows have the same instant

    def spell(instant: datetime | None) -> str | None:
        if instant not in spelled:
            assert instant is not None
            spelled[instant] = instant.replace(tzinfo=None).isoformat(" ", "microseconds")
        return spelled[instant]

    for place, column in enumerate(table.columns):
        if isinstance(column.type, Instant):
            rows = [(*row[:place], spell(row[place]), *row[place + 1 :]) for row in rows]
    return rows
