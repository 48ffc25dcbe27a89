"""The column types that both engines share: instants, enumerations by value, keys of text, wide integers.

What a column holds in which table is not said here.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar, cast

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, SmallInteger, String, Table, Text
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import SQLModel

from domain.message import Criterion
from domain.report import ReportDevice
from domain.status import DeliveryMode

E = TypeVar("E", bound=StrEnum)

BigInt: Final = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits; in SQLite only a column declared INTEGER numbers its rows by itself."""

SmallInt: Final = SmallInteger()

KeyText: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Text compared by its bytes on both engines, so that a page in one order is the same page everywhere."""


class Instant(TypeDecorator[datetime]):
    """An aware instant, kept and given in UTC. SQLite has no zone: without this its instants would come back naive."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} names no zone: instants are aware")
        instant = value.astimezone(UTC)
        return instant.replace(tzinfo=None) if dialect.name == "sqlite" else instant

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], datetime | None]:
        # One call for each of thousands of rows, where `process_result_value` is two.
        return _read_in_sqlite if dialect.name == "sqlite" else _in_utc


def _read_in_sqlite(kept: str | None) -> datetime | None:
    """The instant of a text without its zone, as we write it; or with one, as whoever else wrote into the file may have."""
    if kept is None:
        return None
    try:
        return datetime.fromisoformat(f"{kept}+00:00")
    except ValueError:
        return datetime.fromisoformat(kept).astimezone(UTC)


def _in_utc(instant: datetime | None) -> datetime | None:
    """The instant in UTC, as it comes already where `db.connect.engine` made the connection."""
    if instant is None or instant.tzinfo is UTC:
        return instant
    return instant.astimezone(UTC)


class ByValue(TypeDecorator[E]):
    """An enumeration kept as its value: readable in the database, and a member in Python."""

    impl = String(24)
    cache_ok = True

    def __init__(self, members: type[E]) -> None:
        super().__init__()
        self.members = members

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], E | None]:
        known: dict[str | None, E | None] = {member.value: member for member in self.members}
        known[None] = None
        return known.__getitem__  # a look-up for each row of a page of thousands: `members(value)` costs eight times as much


class _Modes(dict[str | None, tuple[DeliveryMode, ...] | None]):
    """The modes that a text stands for, by the text as it is kept; read once."""

    def __missing__(self, kept: str) -> tuple[DeliveryMode, ...]:
        self[kept] = read = tuple(DeliveryMode(mode) for mode in kept.split(",") if mode)
        return read


_modes: Final = _Modes({None: None})


class ModeList(TypeDecorator[Sequence[DeliveryMode]]):
    """The modes chosen for a message, in the order of the enumeration, kept as `INBOX,EMAIL`."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(
        self, value: Sequence[DeliveryMode] | None, dialect: Dialect
    ) -> str | None:
        return None if value is None else ",".join(mode for mode in DeliveryMode if mode in value)

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], tuple[DeliveryMode, ...] | None]:
        return _modes.__getitem__  # a look-up a row, as in `ByValue`: there are sixteen choices


class DeviceList(TypeDecorator[Sequence[ReportDevice]]):
    """The devices chosen for a report, in the order given, kept as `NO_DEVICE,EMAIL`."""

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


class Criteria(TypeDecorator[Sequence[Criterion]]):
    """What a sender chose the recipients by, in the order chosen, kept as a JSON list of pairs."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[Criterion] | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False)

    def process_result_value(
        self, value: str | None, dialect: Dialect
    ) -> tuple[Criterion, ...] | None:
        return None if value is None else tuple(Criterion(*pair) for pair in json.loads(value))


def by_value(members: type[E]) -> TypeEngine[E]:
    """The column type of one enumeration."""
    return ByValue(members)


def table_of(model: type[SQLModel]) -> Table:
    """The table of a model: what statements are written with, as a model's own attributes are typed as the values."""
    return cast(Table, model.__table__)  # type: ignore[attr-defined]  # set by SQLModel's metaclass
