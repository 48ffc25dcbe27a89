"""The worklist: the problems of addresses that a viewer may see, and their resolution by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, true, update

from db.derived.addresses.records import has_visible
from db.log.deliveries import DeliveryKey
from db.log.text_match import contains, few_addresses, few_people, in_address
from db.log.visibility import Visibility, is_of_visible
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.cursors import Term
from db.sql.index_hints import by_index
from db.sql.key_lists import any_of, is_there
from db.sql.keyset_paging import Order, Slice
from db.sql.rows import RecordColumns
from db.tables.addresses import ADDRESS_FAILURES
from db.tables.log import ADDRESS, DELIVERY, MESSAGE, RECIPIENT
from domain.contact_problems import ADVICE, REASONS
from domain.delivery_failures import FailureMeaning, ProblemKind, failure_of
from domain.paging import Page
from domain.search import fold
from domain.status import DeliveryMode, DeliveryStatus


class ProblemCriteria(NamedTuple):
    """Which problems to return; None: all."""

    kinds: tuple[ProblemKind, ...] | None = None
    school_ids: tuple[int, ...] | None = None
    min_failures: int = 1
    search: str | None = None
    """A text in the address or in the name of a person behind it, as typed."""
    is_open: bool = True
    """Only those that nobody has resolved since the last failure."""


class ProblemRecord(NamedTuple):
    """The problem of an address, with the last delivery that failed."""

    address_id: int
    kind: ProblemKind
    since: datetime
    failures: int
    latest_at: datetime
    closed_at: datetime | None
    """When it was last resolved by hand; it may be open again."""
    closed_by_id: str | None
    closed_by_name: str | None
    note: str | None
    last_message_id: int | None
    last_recipient_number: int | None
    last_number: int | None
    mode: DeliveryMode | None
    provider: str | None
    status: DeliveryStatus | None
    call_status: int | None
    failure_code: str | None

    @property
    def last_key(self) -> DeliveryKey | None:
        if (
            self.last_message_id is None
            or self.last_recipient_number is None
            or self.last_number is None
        ):
            return None
        return DeliveryKey(self.last_message_id, self.last_recipient_number, self.last_number)

    @property
    def is_open(self) -> bool:
        return self.closed_at is None or self.latest_at > self.closed_at

    @property
    def failure(self) -> FailureMeaning | None:
        """Why the last delivery failed."""
        if self.mode is None or self.status is not DeliveryStatus.FAILED:
            return None
        return failure_of(
            self.mode, self.provider, call_status=self.call_status, code=self.failure_code
        )

    @property
    def reason(self) -> str:
        """The reason of the last failure, if the problem is one of failures."""
        failure = self.failure
        is_of_failures = self.kind not in (ProblemKind.COMPLAINED, ProblemKind.OPTED_OUT)
        if failure is not None and (is_of_failures or failure.kind is self.kind):
            return failure.reason
        return REASONS[self.kind]

    @property
    def advice(self) -> str:
        """What somebody in the office should do about it."""
        failure = self.failure
        return failure.advice if failure and failure.kind is self.kind else ADVICE[self.kind]


@dataclass(frozen=True, slots=True)
class ProblemCount:
    """The number of problems of one kind."""

    kind: ProblemKind
    count: int


MOST_LOOKED_UP: Final = 200
"""The most people whose addresses are looked up first; with more, a page is sooner full by looking at each problem."""

_LAST: Final = DELIVERY.alias("last_delivery")
_NAMES: Final = {
    "closed_at": "resolved_at",
    "closed_by_id": "resolved_by_id",
    "closed_by_name": "resolved_by_name",
}
_OF_LAST: Final = {
    "mode": "mode",
    "provider": "gateway",
    "status": "status",
    "call_status": "call_status",
    "failure_code": "failure",
}
READING: Final = RecordColumns(
    ProblemRecord,
    {
        field: (
            _LAST.c[_OF_LAST[field]]
            if field in _OF_LAST
            else ADDRESS_FAILURES.c[_NAMES.get(field, field)]
        )
        for field in ProblemRecord._fields
    },
)
_IS_OPEN: Final = or_(
    ADDRESS_FAILURES.c.resolved_at.is_(None),
    ADDRESS_FAILURES.c.latest_at > ADDRESS_FAILURES.c.resolved_at,
)


def most_failures_first(scope: object) -> Order:
    """Return the order of the worklist: most failures first, then the latest, then by id."""
    terms = (
        Term("FAILURES", ADDRESS_FAILURES.c.failures, descending=True),
        Term("LATEST", ADDRESS_FAILURES.c.latest_at, descending=True),
        Term("ADDRESS", ADDRESS_FAILURES.c.address_id, descending=True),
    )
    return Order(terms, scope=scope)


async def page_of_problems(
    connection: ReadConnection,
    criteria: ProblemCriteria,
    *,
    visibility: Visibility,
    order: Order,
    page: Page,
) -> Slice[ProblemRecord]:
    """Return a page of the worklist."""
    keys = order.cursors.page(page)
    matches = await _matches(connection, criteria, visibility)
    statement = order.apply(_with_last(READING.select()).where(matches), READING, keys)
    rows = (await connection.execute(statement, keys.values)).all()
    return order.cut(rows, keys, READING)


async def count_problems(
    connection: ReadConnection, criteria: ProblemCriteria, *, visibility: Visibility
) -> Sequence[ProblemCount]:
    """Return the number of problems of each kind that has any, in the order of the kinds."""
    matches = await _matches(connection, criteria, visibility)
    statement = (
        select(ADDRESS_FAILURES.c.kind, func.count())
        .select_from(ADDRESS_FAILURES.join(ADDRESS, ADDRESS.c.id == ADDRESS_FAILURES.c.address_id))
        .where(matches)
        .group_by(ADDRESS_FAILURES.c.kind)
    )
    found: dict[ProblemKind, int] = dict((await connection.execute(statement)).all())
    return [ProblemCount(kind, found[kind]) for kind in ProblemKind if kind in found]


async def problems_state(
    connection: ReadConnection, criteria: ProblemCriteria, *, visibility: Visibility
) -> str:
    """Return a text that differs after any change of what the worklist shows.

    A name changes only with a new message to its person, so the newest message of the district is part of the text.
    """
    failures = ADDRESS_FAILURES.c
    newest = select(func.max(MESSAGE.c.id)).where(MESSAGE.c.district_id == visibility.district.id)
    sums = (failures.address_id, failures.failures)
    times = (failures.since, failures.latest_at, failures.resolved_at)
    statement = (
        select(
            func.count(),
            *(func.coalesce(func.sum(column), 0) for column in sums),
            *(func.max(column, type_=column.type) for column in times),
            newest.scalar_subquery(),
        )
        .select_from(ADDRESS_FAILURES.join(ADDRESS, ADDRESS.c.id == failures.address_id))
        .where(await _matches(connection, criteria, visibility))
    )
    return " ".join(map(str, (await connection.execute(statement)).one()))


async def problems(
    connection: ReadConnection, address_ids: Sequence[int]
) -> Mapping[int, ProblemRecord]:
    """Return the problems of these addresses, which must be visible, by address."""
    statement = _with_last(READING.select()).where(
        any_of(ADDRESS_FAILURES.c.address_id, address_ids), ADDRESS_FAILURES.c.kind.is_not(None)
    )
    return {row.address_id: ProblemRecord(*row) for row in await connection.execute(statement)}


async def resolve(
    connection: WriteConnection,
    address_id: int,
    *,
    now: datetime,
    by_id: str,
    by_name: str,
    note: str | None,
) -> bool:
    """Close the problem of an address until its next failure; return whether it has one."""
    changed = await connection.execute(
        update(ADDRESS_FAILURES)
        .where(ADDRESS_FAILURES.c.address_id == address_id, ADDRESS_FAILURES.c.kind.is_not(None))
        .values(resolved_at=now, resolved_by_id=by_id, resolved_by_name=by_name, note=note)
    )
    return changed.rowcount > 0


def _with_last(statement: Select[Any]) -> Select[Any]:
    is_last = and_(
        _LAST.c.message_id == ADDRESS_FAILURES.c.last_message_id,
        _LAST.c.recipient_number == ADDRESS_FAILURES.c.last_recipient_number,
        _LAST.c.number == ADDRESS_FAILURES.c.last_number,
    )
    return statement.select_from(
        ADDRESS_FAILURES.join(ADDRESS, ADDRESS.c.id == ADDRESS_FAILURES.c.address_id).outerjoin(
            _LAST, is_last
        )
    )


async def _matches(
    connection: ReadConnection, criteria: ProblemCriteria, visibility: Visibility
) -> ColumnElement[bool]:
    failures = ADDRESS_FAILURES.c
    parts = [failures.district_id == visibility.district.id, failures.kind.is_not(None)]
    if criteria.kinds is not None:
        parts.append(failures.kind.in_(criteria.kinds))
    # A complaint or an opt-out is a problem without a failure.
    if criteria.min_failures > 1:
        parts.append(failures.failures >= criteria.min_failures)
    if criteria.is_open:
        parts.append(_IS_OPEN)
    of_schools: ColumnElement[bool] = true()
    if criteria.school_ids is not None:
        of_schools = any_of(MESSAGE.c.school_id, criteria.school_ids)
    parts.append(has_visible(failures.address_id, visibility, of_schools))
    if criteria.search:
        parts.append(await _contains(connection, criteria.search, visibility))
    return and_(*parts)


async def _contains(
    connection: ReadConnection, typed: str, visibility: Visibility
) -> ColumnElement[bool]:
    """Return the condition that an address, or the name of a person in a visible message to it, contains `typed`."""
    district_id = visibility.district.id
    ids = await few_addresses(connection, typed, district_id=district_id)
    addressed = in_address(typed) if ids is None else any_of(ADDRESS_FAILURES.c.address_id, ids)
    people = await few_people(connection, typed, district_id=district_id)
    named = contains(RECIPIENT.c.key, fold(typed))
    if people is not None and len(people) <= MOST_LOOKED_UP:
        found = await _addresses_of(connection, people, named, visibility)
        if ids is not None:
            # One list, so that it is found by the key: no index serves an OR with another condition.
            return any_of(ADDRESS_FAILURES.c.address_id, sorted({*ids, *found}))
        return or_(addressed, any_of(ADDRESS_FAILURES.c.address_id, found))
    if people is not None:
        is_one = or_(any_of(RECIPIENT.c.person_id, people), any_of(RECIPIENT.c.student_id, people))
        named = and_(named, is_one)
    has_person = is_there(
        _deliveries_to_named(visibility, named)
        .with_only_columns(literal(1))
        .with_hint(DELIVERY, by_index("delivery_to_address"), "sqlite")
        .where(DELIVERY.c.address_id == ADDRESS_FAILURES.c.address_id)
        .correlate(ADDRESS_FAILURES)
    )
    return or_(addressed, has_person)


async def _addresses_of(
    connection: ReadConnection,
    people: Sequence[int],
    named: ColumnElement[bool],
    visibility: Visibility,
) -> Sequence[int]:
    """Return the addresses of deliveries to these people, or about them, in visible messages with such a name."""
    of_role = {
        "recipient_of_person": RECIPIENT.c.person_id,
        "recipient_of_student": RECIPIENT.c.student_id,
    }
    found: set[int] = set()
    for index, column in of_role.items() if people else ():
        statement = (
            _deliveries_to_named(visibility, named)
            .distinct()
            .with_hint(RECIPIENT, by_index(index), "sqlite")
            .where(any_of(column, people))
        )
        found.update(await connection.scalars(statement))
    return sorted(found)


def _deliveries_to_named(visibility: Visibility, named: ColumnElement[bool]) -> Select[Any]:
    """Return the statement for the addresses of deliveries in visible messages to recipients with such a name."""
    is_of = and_(
        RECIPIENT.c.message_id == DELIVERY.c.message_id,
        RECIPIENT.c.number == DELIVERY.c.recipient_number,
    )
    # Not by a join with the message: PostgreSQL would read all deliveries of each message.
    is_visible = is_of_visible(DELIVERY.c.message_id, visibility)
    return (
        select(DELIVERY.c.address_id)
        .select_from(RECIPIENT.join(DELIVERY, is_of))
        .where(is_visible, named)
    )
