"""The criteria of a search, as predicates that all searches of one shape share, and as values.

Building the predicates takes longer than finding a page with them, so they are cached by shape. `db.search.search` adds
what it looks up in the database first.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from functools import lru_cache
from itertools import chain, combinations
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    Text,
    and_,
    bindparam,
    false,
    or_,
)

from db.log.text_match import can_contain, contains_parameter, has_short_parameter, is_storable
from db.log.visibility import Visibility, visibility_parameters, visible_by_parameters
from db.search.index_choice import DAYS, Lead
from db.sql.key_lists import Predicate, any_of_parameter
from db.tables.conditions import HAS_FAILURES
from db.tables.log import MESSAGE
from domain.status import DeliveryMode, MessageStatus
from domain.words import TextQuery


class _HasFailures(Predicate):
    inherit_cache = True
    sqlite = postgresql = HAS_FAILURES.text


class _HasNoFailures(Predicate):
    inherit_cache = True
    sqlite = postgresql = f"NOT {HAS_FAILURES.text}"


MINE: Final = "mine"
"""The part of a search for messages that the viewer sent."""

FROM: Final = "created_from"
UNTIL: Final = "created_until"

MOST_SHAPES: Final = 500
"""Size of the cache of predicates; each part has two or three kinds, and few searches have more than three parts."""

_VISIBILITY: Final = "visibility"


class Criteria(NamedTuple):
    """The criteria of a search: every one that is not None must hold. Instants are UTC, schools our ids, texts folded.

    `recipient` is as typed, because an address keeps the accents that folding removes. `db.search.search` adds the conditions
    of `recipient` and `text`.
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
    modes: Sequence[DeliveryMode] | None = None
    has_failures: bool | None = None
    text: TextQuery | None = None

    @property
    def can_be_left(self) -> bool:
        """Whether a message that matches may match no more after it changes."""
        return any(
            part is not None
            for part in (self.statuses, self.recipient, self.has_failures, self.text)
        )


class PartKind(Enum):
    """The form of the predicate of a part of a search."""

    ALL = auto()
    ONE = auto()
    """One value."""
    SOME = auto()
    """Any of a list of values."""
    WHOLE = auto()
    """Sent for the whole district."""
    SOME_OR_WHOLE = auto()
    NOT_WHOLE = auto()
    TRUE = auto()
    """A column is true."""
    FALSE = auto()
    CONTAINED = auto()
    """A column contains a text."""
    NEVER = auto()
    """No column can contain the text."""
    SHORT = auto()
    """A message contains short texts, in any column."""


Shape = tuple[tuple[str, PartKind], ...]
"""The parts of a search, each with its kind: searches of one shape differ only in their values."""


WHOLE_LOG: Final[Shape] = ((_VISIBILITY, PartKind.ALL),)
"""The shape of a search by days only, in a whole district."""


class Predicates(NamedTuple):
    """The predicates of a search by part, and the indexes for some of the parts."""

    parts: Mapping[str, ColumnElement[bool]]
    leads: Mapping[str, Lead]


_COLUMNS: Final[Mapping[str, Column[Any]]] = {
    "status": MESSAGE.c.status,
    "type": MESSAGE.c.type_code,
    "school": MESSAGE.c.school_id,
    MINE: MESSAGE.c.sender_id,
    "modes": MESSAGE.c.modes,
    "ids": MESSAGE.c.id,
    "own": MESSAGE.c.id,
}
"""The columns of the parts with values."""

_IN_ORDER: Final = frozenset({PartKind.ONE, PartKind.WHOLE, PartKind.TRUE})
"""The kinds of parts with one value."""

_LEADS: Final[Mapping[str, str]] = {
    "status": "message_of_status",
    "type": "message_of_type",
    "school": "message_of_school",
    MINE: "message_of_sender",
    "modes": "message_of_modes",
    "failures": "message_with_failures",
}
"""The index for a part."""


def shape_and_values(
    criteria: Criteria, *, visibility: Visibility
) -> tuple[Shape, Mapping[str, Any]]:
    """Return the shape of a search among the visible messages, and its values, without `recipient` and `text`."""
    parts = {_VISIBILITY: _visibility(visibility), **_chosen(criteria)}
    for name, needle in needles(criteria).items():
        is_possible = can_contain(MESSAGE.c[name], needle)
        parts[name] = (PartKind.CONTAINED if is_possible else PartKind.NEVER, needle)
    ranks = [list(MessageStatus).index(status) for status in criteria.statuses or ()]
    values = {
        **{part: value for part, (_, value) in parts.items()},
        **visibility_parameters(visibility),
        FROM: criteria.created_from,
        UNTIL: criteria.created_until,
        "status_from": min(ranks, default=1),
        "status_until": max(ranks, default=0),
    }
    return tuple((part, kind) for part, (kind, _) in parts.items()), values


def needles(criteria: Criteria) -> Mapping[str, str]:
    """Return the texts to find, by column."""
    texts = {
        "subject_key": criteria.subject,
        "sender_key": criteria.sender,
        "created_text": criteria.created_text,
        "scheduled_text": criteria.scheduled_text,
        "schedule_key": criteria.schedule_id,
    }
    return {name: needle for name, needle in texts.items() if needle}


def _visibility(visibility: Visibility) -> tuple[PartKind, object]:
    if visibility.school_ids is None:
        return PartKind.ALL, None
    return PartKind.ONE if len(visibility.school_ids) == 1 else PartKind.SOME, None


def _chosen(criteria: Criteria) -> dict[str, tuple[PartKind, Any]]:
    """Return the parts from the drop-downs, with their kinds and values."""
    chosen: dict[str, tuple[PartKind, Any]] = {}
    if criteria.statuses is not None:
        chosen["status"] = _one_or_some([status.value for status in criteria.statuses])
    if criteria.types is not None:
        chosen["type"] = _one_or_some([code for code in criteria.types if is_storable(code)])
    if criteria.schools is not None:
        kind, value = _one_or_some(criteria.schools)
        whole = (PartKind.SOME_OR_WHOLE, criteria.schools)
        chosen["school"] = whole if criteria.district_wide else (kind, value)
    elif criteria.district_wide is not None:
        chosen["school"] = (PartKind.WHOLE if criteria.district_wide else PartKind.NOT_WHOLE, None)
    if criteria.modes is not None:
        chosen["modes"] = (PartKind.SOME, _mode_lists(frozenset(criteria.modes)))
    if criteria.has_failures is not None:
        chosen["failures"] = (PartKind.TRUE if criteria.has_failures else PartKind.FALSE, None)
    if criteria.sender_id is not None:
        senders = [criteria.sender_id] if is_storable(criteria.sender_id) else []
        chosen[MINE] = _one_or_some(senders)
    return chosen


def _one_or_some(values: Sequence[Any]) -> tuple[PartKind, Any]:
    return (PartKind.ONE, values[0]) if len(values) == 1 else (PartKind.SOME, values)


@lru_cache
def _mode_lists(modes: frozenset[DeliveryMode]) -> Sequence[str]:
    """Return the stored values of `MESSAGE.c.modes` that contain one of these modes: of sixteen values, so an index finds them."""
    subsets = chain.from_iterable(
        combinations(DeliveryMode, size) for size in range(len(DeliveryMode) + 1)
    )
    return [",".join(subset) for subset in subsets if not modes.isdisjoint(subset)]


@lru_cache(MOST_SHAPES)
def predicates(shape: Shape) -> Predicates:
    """Return the predicates of all searches of a shape; execute them with the values of one."""
    kinds = dict(shape)
    days = and_(MESSAGE.c.created_at >= bindparam(FROM), MESSAGE.c.created_at < bindparam(UNTIL))
    parts = {
        _VISIBILITY: visible_by_parameters(limited=kinds[_VISIBILITY] is not PartKind.ALL),
        DAYS: days,
        **{part: predicate(part, kind) for part, kind in shape if part != _VISIBILITY},
    }
    within = and_(MESSAGE.c.district_id == bindparam("district"), days)
    leads = {DAYS: Lead("message_by_created", within, in_order=True)} | {
        part: Lead(_LEADS[part], and_(within, parts[part]), kind in _IN_ORDER)
        for part, kind in shape
        if part in _LEADS and kind is not PartKind.FALSE
    }
    if kinds[_VISIBILITY] is not PartKind.ALL:
        of_schools = and_(within, any_of_parameter(MESSAGE.c.school_id, "schools"))
        leads[_VISIBILITY] = Lead(_LEADS["school"], of_schools, kinds[_VISIBILITY] is PartKind.ONE)
    return Predicates(parts, leads)


def predicate(part: str, kind: PartKind) -> ColumnElement[bool]:
    """Return the predicate of one part, whose parameter has the name of the part."""
    if kind is PartKind.NEVER:
        return false()
    if kind in (PartKind.TRUE, PartKind.FALSE):
        return _HasFailures() if kind is PartKind.TRUE else _HasNoFailures()
    if kind is PartKind.CONTAINED:
        return contains_parameter(MESSAGE.c[part], part)
    if kind is PartKind.SHORT:
        return has_short_parameter(part)
    chosen = _value(part, kind)
    if part != "status":
        return chosen
    # By a range of ranks too, for a log that is read in the order of status.
    ranks = MESSAGE.c.status_rank.between(bindparam("status_from"), bindparam("status_until"))
    return and_(chosen, ranks)


def _value(part: str, kind: PartKind) -> ColumnElement[bool]:
    column = _COLUMNS[part]
    if kind is PartKind.ONE:
        return column == bindparam(part)
    if kind is PartKind.WHOLE:
        return column.is_(None)
    if kind is PartKind.NOT_WHOLE:
        return column.is_not(None)
    numbers = isinstance(column.type, Integer)
    some = any_of_parameter(column, part, kind=BigInteger if numbers else Text)
    return or_(some, column.is_(None)) if kind is PartKind.SOME_OR_WHOLE else some
