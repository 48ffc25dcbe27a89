"""The tables behind figures over many messages, and what each column means.

`figure` counts the deliveries of one message. `figure_sum` and `figure_delay` hold the sums of days and months. A message in
`figure_change` has changed since the sums of its day were made.
"""

from enum import StrEnum
from typing import Final

from sqlalchemy import Index
from sqlmodel import Field

from db.sql.column_types import BigInt, KeyText, TableModel, by_value, table_of
from domain.status import DeliveryMode, DeliveryStatus

DISTRICT_WIDE: Final = 0
"""Stands for "no school" in the key of a sum, because a key has no nulls."""

ALL_TYPES: Final = ""
"""Stands for "of whatever type" in the key of the delays of a month; the codes of types are not empty."""

NO_GATEWAY: Final = ""
"""Stands for "not handed over from here" in the key of a figure."""


_IN_KEY_ORDER: Final = {"sqlite_with_rowid": False}
"""SQLite stores the rows in the order of their key, not the key beside them."""


class Span(StrEnum):
    """The length of time of a sum."""

    DAY = "DAY"
    MONTH = "MONTH"


class FigureTable(TableModel, table=True):
    """The number of deliveries of a message with the same facts, without duplicates, updated with the rows. A purge keeps it."""

    __table_args__ = _IN_KEY_ORDER

    message_id: int = Field(primary_key=True, foreign_key="message.id", sa_type=BigInt)
    mode: DeliveryMode = Field(primary_key=True, sa_type=by_value(DeliveryMode))
    gateway: str = Field(primary_key=True, max_length=24)
    """`NO_GATEWAY` if there is none."""
    status: DeliveryStatus = Field(primary_key=True, sa_type=by_value(DeliveryStatus))
    delay: int = Field(primary_key=True)
    """Seconds from handover to outcome, as `domain.figures.delay_of` returns it."""
    deliveries: int


class FigureChangeTable(TableModel, table=True):
    """A message whose figures have changed since the sums of its day were made, or that is in no sum yet."""

    __table_args__ = (Index("figure_change_by_day", "district_id", "day"),)

    message_id: int = Field(primary_key=True, foreign_key="message.id", sa_type=BigInt)
    district_id: int
    day: str = Field(sa_type=KeyText)
    """The local day on which the message was created: `2020-01-31`."""


class FigureSumTable(TableModel, table=True):
    """The figures of one day or month. Those of a month are the sum of its days.

    A message counts once in `messages` of each row that has deliveries of it. In each of the other three it counts in one row
    only: per mode, per gateway, in all. So their sums are exact for figures that are not grouped by mode, gateway, or both.
    """

    __table_args__ = _IN_KEY_ORDER

    district_id: int = Field(primary_key=True)
    span: Span = Field(primary_key=True, sa_type=by_value(Span))
    first_day: str = Field(primary_key=True, sa_type=KeyText)
    school_id: int = Field(primary_key=True)
    """`DISTRICT_WIDE` if the messages were sent for the whole district."""
    type_code: str = Field(primary_key=True)
    mode: DeliveryMode = Field(primary_key=True, sa_type=by_value(DeliveryMode))
    gateway: str = Field(primary_key=True, max_length=24)
    deliveries: int
    delivered: int
    sent: int
    failed: int
    canceled: int
    opted_out: int
    messages: int
    messages_of_mode: int
    messages_of_gateway: int
    messages_of_all: int


class FigureDelayTable(TableModel, table=True):
    """The number of deliveries of one day or month by their delay, for medians; the key begins as that of `figure_sum`.

    Each month is stored twice: by type, and with `ALL_TYPES`, because a year by type has ten times as many rows.
    """

    __table_args__ = _IN_KEY_ORDER

    district_id: int = Field(primary_key=True)
    span: Span = Field(primary_key=True, sa_type=by_value(Span))
    first_day: str = Field(primary_key=True, sa_type=KeyText)
    school_id: int = Field(primary_key=True)
    type_code: str = Field(primary_key=True)
    mode: DeliveryMode = Field(primary_key=True, sa_type=by_value(DeliveryMode))
    gateway: str = Field(primary_key=True, max_length=24)
    delay: int = Field(primary_key=True)
    deliveries: int


FIGURE: Final = table_of(FigureTable)
FIGURE_CHANGE: Final = table_of(FigureChangeTable)
FIGURE_SUM: Final = table_of(FigureSumTable)
FIGURE_DELAY: Final = table_of(FigureDelayTable)
