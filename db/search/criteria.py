"""What a search asks for: its parts, as predicates that are the same for all searches of one shape, and as values.

To build a predicate takes longer than to find a page by it, so that it is kept and asked again with other values. What is
found out of the database beforehand is in `db.search.search`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, Column, ColumnElement, Integer, Text, and_, bindparam, false, or_

from db.log.text_match import can_stand_in, contains_parameter, has_short_parameter, is_storable
from db.log.visibility import Visibility, seen, visible_by_parameters
from db.search.index_choice import DAYS, Lead
from db.sql.key_lists import any_of_parameter
from db.tables.log import MESSAGE
from domain.status import MessageStatus

MINE: Final = "mine"
"""The part of a search that asks for what the viewer sent."""

FROM: Final = "created_from"
UNTIL: Final = "created_until"

MOST_SHAPES: Final = 500
"""Shapes whose predicates are kept; each part has two or three kinds, and few searches have more than three parts."""

_VISIBILITY: Final = "visibility"


class Criteria(NamedTuple):
    """A search: every part that is not None must hold. Instants are UTC, schools our ids, texts folded.

    `recipient` is as it was typed: an address keeps the accents that a name loses.
    """

    created_from: datetime
    created_until: datetime
    """Excluded."""
    statuses: Sequence[MessageStatus] | None = None
    types: Sequence[str] | None = None
    schools: Sequence[int] | None = None
    district_wide: bool | None = None
    subject: str | None = None
    sender: str | None = None
    created_text: str | None = None
    scheduled_text: str | None = None
    schedule_id: str | None = None
    sender_id: str | None = None
    recipient: str | None = None


class Kind(Enum):
    """How a part of a search is asked for."""

    ALL = auto()
    ONE = auto()
    """One value."""
    SOME = auto()
    """Any of a list of values."""
    WHOLE = auto()
    """What was sent for the whole district."""
    SOME_OR_WHOLE = auto()
    NOT_WHOLE = auto()
    CONTAINED = auto()
    """A text stands in a column."""
    NEVER = auto()
    """A text that can stand nowhere."""
    SHORT = auto()
    """Short texts stand in a message at all."""


Shape = tuple[tuple[str, Kind], ...]
"""The parts of a search, each with its kind: searches of one shape differ in values alone."""


WHOLE_LOG: Final[Shape] = ((_VISIBILITY, Kind.ALL),)
"""The shape of a search for whatever a district sent on some days."""


class Predicates(NamedTuple):
    """What holds of a message that is found, by part; and the indexes that lead to some of the parts."""

    parts: Mapping[str, ColumnElement[bool]]
    leads: Mapping[str, Lead]


_COLUMNS: Final[Mapping[str, Column[Any]]] = {
    "status": MESSAGE.c.status,
    "type": MESSAGE.c.type_code,
    "school": MESSAGE.c.school_id,
    MINE: MESSAGE.c.sender_id,
    "found": MESSAGE.c.id,
    "own": MESSAGE.c.id,
}
"""The columns of parts that ask for values."""

_LEADS: Final[Mapping[str, str]] = {
    "status": "message_of_status",
    "type": "message_of_type",
    "school": "message_of_school",
    MINE: "message_of_sender",
}
"""The index that leads to a part."""


def asked(criteria: Criteria, *, visibility: Visibility) -> tuple[Shape, Mapping[str, Any]]:
    """The shape of a search among what `visibility` sees, and its values. Recipients are no part of it."""
    parts = {_VISIBILITY: _visibility(visibility), **_chosen(criteria)}
    for name, needle in needles(criteria).items():
        can = can_stand_in(MESSAGE.c[name], needle)
        parts[name] = (Kind.CONTAINED if can else Kind.NEVER, needle)
    ranks = [list(MessageStatus).index(status) for status in criteria.statuses or ()]
    values = {
        **{part: value for part, (_, value) in parts.items()},
        **seen(visibility),
        FROM: criteria.created_from,
        UNTIL: criteria.created_until,
        "status_from": min(ranks, default=1),
        "status_until": max(ranks, default=0),
    }
    return tuple((part, kind) for part, (kind, _) in parts.items()), values


def needles(criteria: Criteria) -> Mapping[str, str]:
    """The texts that are looked for, by column."""
    texts = {
        "subject_key": criteria.subject,
        "sender_key": criteria.sender,
        "created_text": criteria.created_text,
        "scheduled_text": criteria.scheduled_text,
        "schedule_key": criteria.schedule_id,
    }
    return {name: needle for name, needle in texts.items() if needle}


def _visibility(visibility: Visibility) -> tuple[Kind, object]:
    if visibility.school_ids is None:
        return Kind.ALL, None
    return Kind.ONE if len(visibility.school_ids) == 1 else Kind.SOME, None


def _chosen(criteria: Criteria) -> dict[str, tuple[Kind, Any]]:
    """What the drop-downs choose."""
    chosen: dict[str, tuple[Kind, Any]] = {}
    if criteria.statuses is not None:
        chosen["status"] = _one_or_some([status.value for status in criteria.statuses])
    if criteria.types is not None:
        chosen["type"] = _one_or_some([code for code in criteria.types if is_storable(code)])
    if criteria.schools is not None:
        kind, value = _one_or_some(criteria.schools)
        whole = (Kind.SOME_OR_WHOLE, criteria.schools)
        chosen["school"] = whole if criteria.district_wide else (kind, value)
    elif criteria.district_wide is not None:
        chosen["school"] = (Kind.WHOLE if criteria.district_wide else Kind.NOT_WHOLE, None)
    if criteria.sender_id is not None:
        senders = [criteria.sender_id] if is_storable(criteria.sender_id) else []
        chosen[MINE] = _one_or_some(senders)
    return chosen


def _one_or_some(values: Sequence[Any]) -> tuple[Kind, Any]:
    return (Kind.ONE, values[0]) if len(values) == 1 else (Kind.SOME, values)


@lru_cache(MOST_SHAPES)
def predicates(shape: Shape) -> Predicates:
    """The predicates of all searches of a shape, to be asked with the values of one."""
    kinds = dict(shape)
    days = and_(MESSAGE.c.created_at >= bindparam(FROM), MESSAGE.c.created_at < bindparam(UNTIL))
    parts = {
        _VISIBILITY: visible_by_parameters(limited=kinds[_VISIBILITY] is not Kind.ALL),
        DAYS: days,
        **{part: predicate(part, kind) for part, kind in shape if part != _VISIBILITY},
    }
    within = and_(MESSAGE.c.district_id == bindparam("district"), days)
    leads = {DAYS: Lead("message_by_created", within, in_order=True)} | {
        part: Lead(_LEADS[part], and_(within, parts[part]), kind in (Kind.ONE, Kind.WHOLE))
        for part, kind in shape
        if part in _LEADS
    }
    if kinds[_VISIBILITY] is not Kind.ALL:
        seen = and_(within, any_of_parameter(MESSAGE.c.school_id, "schools"))
        leads[_VISIBILITY] = Lead(_LEADS["school"], seen, kinds[_VISIBILITY] is Kind.ONE)
    return Predicates(parts, leads)


def predicate(part: str, kind: Kind) -> ColumnElement[bool]:
    """The predicate of one part, whose value has its name."""
    if kind is Kind.NEVER:
        return false()
    if kind is Kind.CONTAINED:
        return contains_parameter(MESSAGE.c[part], part)
    if kind is Kind.SHORT:
        return has_short_parameter(part)
    chosen = _value(part, kind)
    if part != "status":
        return chosen
    # By their places too, for a log that is read in the order of status.
    places = MESSAGE.c.status_rank.between(bindparam("status_from"), bindparam("status_until"))
    return and_(chosen, places)


def _value(part: str, kind: Kind) -> ColumnElement[bool]:
    column = _COLUMNS[part]
    if kind is Kind.ONE:
        return column == bindparam(part)
    if kind is Kind.WHOLE:
        return column.is_(None)
    if kind is Kind.NOT_WHOLE:
        return column.is_not(None)
    numbers = isinstance(column.type, Integer)
    some = any_of_parameter(column, part, kind=BigInteger if numbers else Text)
    return or_(some, column.is_(None)) if kind is Kind.SOME_OR_WHOLE else some
