"""The column types that both engines share: instants, enumerations by value, keys of text, wide integers.

`db.tables` says what each column holds.
"""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypedDict, TypeVar, cast

from sqlalchemy import (
    BigInteger,
    Computed,
    DateTime,
    Dialect,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    TextClause,
)
from sqlalchemy.orm import declared_attr
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import SQLModel

from domain.message import Criterion
from domain.report import ReportDevice
from domain.status import DeliveryMode

E = TypeVar("E", bound=StrEnum)

BigInt: Final = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits; in SQLite only a column declared INTEGER numbers its rows automatically."""

SmallInt: Final = SmallInteger()

KeyText: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Text compared by its bytes, so that both engines sort it alike."""


class Instant(TypeDecorator[datetime]):
    """An aware instant, stored and returned in UTC. SQLite stores no zone, so without this its instants would be naive."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone. Pass an aware datetime.")
        instant = value.astimezone(UTC)
        return instant.replace(tzinfo=None) if dialect.name == "sqlite" else instant

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], datetime | None]:
        # One call for each of thousands of rows; `process_result_value` takes two.
        return _read_in_sqlite if dialect.name == "sqlite" else _in_utc


def _read_in_sqlite(text: str | None) -> datetime | None:
    """Return the instant of a text without a zone, as we write it, or with one, as other programs may write it."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(f"{text}+00:00")
    except ValueError:
        return datetime.fromisoformat(text).astimezone(UTC)


def _in_utc(instant: datetime | None) -> datetime | None:
    """Return the instant in UTC; connections of `db.connect.engine` return it so already."""
    if instant is None or instant.tzinfo is UTC:
        return instant
    return instant.astimezone(UTC)


class ByValue(TypeDecorator[E]):
    """An enumeration: its value in the database, a member in Python."""

    impl = String(24)
    cache_ok = True

    def __init__(self, members: type[E]) -> None:
        super().__init__()
        self.members = members

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], E | None]:
        members: dict[str | None, E | None] = {member.value: member for member in self.members}
        members[None] = None
        return (
            members.__getitem__
        )  # called for each row: `members(value)` costs eight times as much


class _Modes(dict[str | None, tuple[DeliveryMode, ...] | None]):
    """The modes by the text that stands for them in the database; each text is parsed once."""

    def __missing__(self, text: str) -> tuple[DeliveryMode, ...]:
        self[text] = modes = tuple(DeliveryMode(mode) for mode in text.split(",") if mode)
        return modes


_modes: Final = _Modes({None: None})


class ModeList(TypeDecorator[Sequence[DeliveryMode]]):
    """The modes of a message, in the order of the enumeration, stored as `INBOX,EMAIL`."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(
        self, value: Sequence[DeliveryMode] | None, dialect: Dialect
    ) -> str | None:
        return None if value is None else ",".join(mode for mode in DeliveryMode if mode in value)

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], tuple[DeliveryMode, ...] | None]:
        return _modes.__getitem__  # a look-up per row, as in `ByValue`: there are sixteen values


class DeviceList(TypeDecorator[Sequence[ReportDevice]]):
    """The devices of a report, in the requested order, stored as `NO_DEVICE,EMAIL`."""

    impl = String(48)
    cache_ok = True

    def process_bind_param(
        self, value: Sequence[ReportDevice] | None, dialect: Dialect
    ) -> str | None:
        return None if value is None else ",".join(value)

    def process_result_value(
        self, value: str | None, dialect: Dialect
    ) -> tuple[ReportDevice, ...] | None:
        return (
            None
            if value is None
            else tuple(ReportDevice(device) for device in value.split(",") if device)
        )


class CriterionList(TypeDecorator[Sequence[Criterion]]):
    """The criteria by which a sender chose the recipients, in that order, stored as a JSON list of pairs."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[Criterion] | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False)

    def process_result_value(
        self, value: str | None, dialect: Dialect
    ) -> tuple[Criterion, ...] | None:
        return None if value is None else tuple(Criterion(*pair) for pair in json.loads(value))


def by_value(members: type[E]) -> TypeEngine[E]:
    """Return the column type of an enumeration."""
    return ByValue(members)


class TableModel(SQLModel):
    """The base of the models: `PersonNameTable` is the table `person_name`."""

    @declared_attr.directive
    def __tablename__(cls) -> str:
        return re.sub(r"\B(?=[A-Z])", "_", cls.__name__.removesuffix("Table")).lower()


def table_of(model: type[TableModel]) -> Table:
    """Return the table of a model. Statements use it, because a model's attributes are typed as values, not as columns."""
    return cast(Table, model.__table__)  # type: ignore[attr-defined]  # set by SQLModel's metaclass


def up(column: str) -> Computed:
    """Return a computed column that sorts `column` ascending, nulls last."""
    return Computed(f"coalesce('0' || {column}, '1')", persisted=True)


def down(column: str) -> Computed:
    """Return a computed column that sorts `column` descending, nulls last."""
    return Computed(f"coalesce('1' || {column}, '0')", persisted=True)


class _Where(TypedDict):
    sqlite_where: TextClause
    postgresql_where: TextClause


def where(condition: TextClause) -> _Where:
    """Return the arguments of a partial index for the rows that satisfy `condition`."""
    return {"sqlite_where": condition, "postgresql_where": condition}
