"""Searches of one shape share their predicates and nothing else, in particular not their visibility."""

from typing import Any, Final

import pytest

from db.connect.database import Database
from db.log.visibility import Visibility
from db.search import facets, log_page
from db.search.criteria import Criteria, predicates, shape_and_values
from db.search.log_page import OrderField
from db.search.search import prepare
from domain.paging import Page
from domain.status import MessageStatus
from tests import log
from tests.statements import recorded

EVER: Final = (log.NOON.replace(year=2000), log.NOON.replace(year=2100))
NEWEST: Final = log_page.order([(OrderField.CREATED_AT, True)], scope="")


async def found(
    database: Database, visibility: Visibility, **parts: Any
) -> tuple[list[str], int, str]:
    """Return the ids of the messages that a search finds, its count, and the statement that read them."""
    async with database.reading() as connection:
        search = await prepare(connection, Criteria(*EVER, **parts), visibility=visibility)
        with recorded(database) as statements:
            rows = await log_page.page_of(
                connection, search, order=NEWEST, page=Page(50, None, None, backward=False)
            )
        count = await facets.count(connection, search)
    return sorted(row.external_id for row in rows.rows), count, statements[-1].text


async def test_viewers_of_several_districts_and_schools_share_a_statement_and_see_only_their_own(
    database: Database,
) -> None:
    for name in ("north", "south"):
        await log.load(
            database,
            log.district(name),
            log.school("east", district=name),
            log.school("west", district=name),
            *(
                log.message(f"{name} {school}", district=name, school=school)
                for school in ("east", "west")
            ),
        )
    visibility_cache = {
        (name, schools): await log.visibility(database, district=name, schools=schools)
        for name in ("north", "south")
        for schools in ((), ("east",), ("west",))
    }

    seen = {
        asks: await found(database, visibility) for asks, visibility in visibility_cache.items()
    }

    assert {asks: ids for asks, (ids, _, _) in seen.items()} == {
        ("north", ()): ["north east", "north west"],
        ("north", ("east",)): ["north east"],
        ("north", ("west",)): ["north west"],
        ("south", ()): ["south east", "south west"],
        ("south", ("east",)): ["south east"],
        ("south", ("west",)): ["south west"],
    }
    assert all(count == len(ids) for ids, count, _ in seen.values())
    assert len({text for _, _, text in seen.values()}) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"subject": "bus"}, {"subject": "zoo"}),
        ({"statuses": (MessageStatus.SENT,)}, {"statuses": (MessageStatus.ERROR,)}),
        (
            {"statuses": (MessageStatus.SENT, MessageStatus.ERROR)},
            {"statuses": (MessageStatus.CANCELED, MessageStatus.ERROR, MessageStatus.WAITING)},
        ),
        ({"types": ("BUS",)}, {"types": ("ZOO",)}),
        ({"sender_id": "u1"}, {"sender_id": "u2"}),
    ],
)
async def test_predicates_are_made_once_for_searches_that_differ_in_values(
    database: Database, one: dict[str, Any], other: dict[str, Any]
) -> None:
    await log.load(database, log.district())
    visibility = await log.visibility(database)

    (shape, values), (same, others) = (
        shape_and_values(Criteria(*EVER, **parts), visibility=visibility) for parts in (one, other)
    )

    assert shape == same
    assert predicates(shape) is predicates(same)
    assert values != others


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"subject": "bus"}),
        ({"subject": "bus"}, {"sender": "bus"}),
        ({"created_text": "01/31"}, {"created_text": "no date"}),
        ({"statuses": (MessageStatus.SENT,)}, {"statuses": ()}),
        ({"schools": (1,)}, {"schools": (1,), "district_wide": True}),
        ({"district_wide": True}, {"district_wide": False}),
        ({"types": ("BUS",)}, {"types": ("BUS", "ZOO")}),
    ],
)
async def test_different_criteria_have_different_shapes(
    database: Database, one: dict[str, Any], other: dict[str, Any]
) -> None:
    await log.load(database, log.district())
    visibility = await log.visibility(database)

    shapes = {
        shape_and_values(Criteria(*EVER, **parts), visibility=visibility)[0]
        for parts in (one, other)
    }

    assert len(shapes) == 2
