"""A search for people equals a slow search through all recipients, page by page, for every viewer."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from db.connect.database import Database
from db.search import people
from db.search.people import (
    BEGINS,
    EXACT,
    HOLDS,
    PeopleSearch,
    best_first,
    count_people,
    find_people,
)
from db.tables.log import PERSON
from domain.addresses import InvalidAddress, normalise
from domain.message import Source
from domain.paging import Page
from domain.people import Role
from domain.search import fold
from domain.status import DeliveryMode, MessageStatus
from tests import log

_numbers = itertools.count()

NAMES: Final = ("Ann", "Änn", "Joann", "ann b", "Bo", "nn")
IDS: Final = ("1", "2", "ann", "NN")
ADDRESSES: Final = ("ann", "bo", "nn")
TEXTS: Final = ("an", "ann", "nn", "bo", "ANN ", "Ann b", "12")


class Row(NamedTuple):
    """A recipient of a message: its school, contact, student and inbox."""

    school: str
    later: bool
    contact: str
    name: str
    student: tuple[str, str] | None
    inbox: str | None


Found = tuple[int, str, Role, str]
"""Rank, key, role and external id."""


def slowly(
    rows: Sequence[Row], text: str, role: Role | None, schools: Sequence[str]
) -> list[Found]:
    """The people that match, by a look at every recipient."""
    seen = [row for row in rows if not row.later and (not schools or row.school in schools)]
    names: dict[tuple[Role, str], set[str]] = {}
    at: dict[tuple[Role, str], set[str]] = {}
    for row in seen:
        names.setdefault((Role.CONTACT, row.contact), set()).add(fold(row.name))
        if row.inbox is not None:
            at.setdefault((Role.CONTACT, row.contact), set()).add(row.inbox)
        if row.student is not None:
            names.setdefault((Role.STUDENT, row.student[0]), set()).add(fold(row.student[1]))
    needle, found = fold(text), []
    for (of, id), keys in names.items():
        matches = [(EXACT, min(keys))] if _is_exact(id, at.get((of, id), ()), text) else []
        matches += [(BEGINS, key) for key in keys if key.startswith(needle)]
        matches += [(HOLDS, key) for key in keys if needle in key]
        if matches and role in (None, of):
            found.append((*min(matches), of, id))
    return sorted(found)


def _is_exact(id: str, addresses: Any, text: str) -> bool:
    if fold(id) == fold(text):
        return True
    try:
        return normalise(DeliveryMode.INBOX, text).key in addresses
    except InvalidAddress:
        return False


rows = st.lists(
    st.builds(
        Row,
        school=st.sampled_from(["e", "w"]),
        later=st.booleans(),
        contact=st.sampled_from(IDS),
        name=st.sampled_from(NAMES),
        student=st.none() | st.tuples(st.sampled_from(IDS), st.sampled_from(NAMES)),
        inbox=st.none() | st.sampled_from(ADDRESSES),
    ),
    max_size=8,
)


async def load(database: Database, given_rows: Sequence[Row]) -> str:
    """Load each row as a message of its own into a new district, and return its id."""
    district = f"d{next(_numbers)}"
    hour = timedelta(hours=1)
    await log.load(
        database,
        log.district(district),
        log.school("e", district=district),
        log.school("w", district=district),
        *[
            log.message(
                f"M-{n}",
                [
                    log.recipient(
                        row.contact,
                        *([log.inbox(row.inbox)] if row.inbox else []),
                        name=row.name,
                        student=row.student,
                    )
                ],
                district=district,
                school=row.school,
                source=Source.SCHEDULER if row.later else Source.TEMPLATE,
                scheduled_at=log.NOON + hour if row.later else None,
                status=None if row.later else MessageStatus.SENT,
            )
            for n, row in enumerate(given_rows)
        ],
    )
    return district


@pytest.mark.parametrize("are_few", [True, False], ids=["looked up", "in order of the index"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    given_rows=rows,
    text=st.sampled_from(TEXTS),
    role=st.none() | st.sampled_from(Role),
    schools=st.sampled_from([(), ("e",), ("w",)]),
    size=st.integers(1, 4),
)
async def test_pages_equal_a_look_at_every_recipient(
    database: Database,
    are_few: bool,
    given_rows: Sequence[Row],
    text: str,
    role: Role | None,
    schools: tuple[str, ...],
    size: int,
) -> None:
    district = await load(database, given_rows)
    visibility = await log.visibility(database, district=district, schools=schools)
    wanted = PeopleSearch(text, role, visibility)
    order = best_first(wanted)
    found: list[Found] = []
    cursor, expected = None, slowly(given_rows, text, role, schools)
    with pytest.MonkeyPatch.context() as patch:
        if not are_few:
            patch.setattr(people, "few_people", _many)
        async with database.reading() as connection:
            ids = {
                row.id: row.external_id
                for row in await connection.execute(select(PERSON.c.id, PERSON.c.external_id))
            }
            assert await count_people(connection, wanted) == len(expected)
            while True:
                page = Page(size, cursor, None, backward=False)
                slice_ = await find_people(connection, wanted, order=order, page=page)
                found += [(one.rank, one.key, one.role, ids[one.person_id]) for one in slice_.rows]
                assert slice_.has_next == (len(found) < len(expected))
                if not slice_.has_next:
                    break
                assert len(slice_.rows) == size
                cursor = order.cursors.encode(slice_.keys[-1])

    # Ties end by our id, which is that of the first message to name the person.
    assert sorted(found) == expected
    assert [one[:2] for one in found] == [one[:2] for one in expected]


async def _many(*_: Any, **__: Any) -> None:
    """What the look-up returns if many names match."""
