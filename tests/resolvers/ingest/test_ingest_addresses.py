"""The promise: an address is parsed once, at ingest; an unreadable one fails alone, and the result warns of it."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from db.connect.database import Database
from db.tables.log import ADDRESS, DELIVERY, DELIVERY_EVENT, MESSAGE, SPAN
from domain.status import DeliveryMode, DeliveryStatus, EventSource, MessageStatus
from resolvers.audit.recount import check
from resolvers.ingest.outcome import MOST_PROBLEMS, LineWarning, Outcome
from tests.log import NOON, district, email, inbox, message, recipient, text, voice
from tests.resolvers.uploads import send, story, wipe

PENDING, FAILED = DeliveryStatus.PENDING, DeliveryStatus.FAILED
NO_DOMAIN = "There must be something after the @-sign."
NO_AREA = "It has no area code."


async def rows(database: Database) -> list[tuple[Any, ...]]:
    """Each delivery in the order of its list: as shown, key, readable, duplicate, status, code, attempts."""
    statement = (
        select(
            DELIVERY.c.address,
            ADDRESS.c.key,
            ADDRESS.c.is_readable,
            DELIVERY.c.is_duplicate,
            DELIVERY.c.status,
            DELIVERY.c.call_status,
            DELIVERY.c.attempts,
        )
        .join(ADDRESS, ADDRESS.c.id == DELIVERY.c.address_id)
        .order_by(DELIVERY.c.message_id, DELIVERY.c.recipient_number, DELIVERY.c.number)
    )
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.execute(statement)]


async def events(database: Database) -> list[tuple[Any, ...]]:
    """Each event: of which delivery, when, what it says, and why."""
    columns = DELIVERY_EVENT.c
    statement = select(
        columns.recipient_number,
        columns.delivery_number,
        columns.at,
        columns.status,
        columns.call_status,
        columns.source,
        columns.detail,
    ).order_by(columns.recipient_number, columns.delivery_number)
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.execute(statement)]


async def message_row(database: Database) -> Any:
    async with database.reading() as connection:
        return (await connection.execute(select(MESSAGE))).one()


async def assert_counted(database: Database) -> None:
    finding = await check(database)
    assert (finding.faults, finding.differences) == ([], [])


async def test_what_cannot_be_read_fails_alone_and_the_rest_of_the_message_goes(
    database: Database,
) -> None:
    lines = message(
        "M-1",
        [
            recipient("p1", email("heather@"), voice("555-0101"), inbox()),
            recipient("p2", email("root,calvin@nomail.example"), text("see file"), email()),
            recipient("p3", inbox("  "), email("Heather@\u200b ")),
        ],
        status=None,
    )

    outcome = await send(database, district(), lines)

    assert (outcome.is_clean, outcome.accepted, outcome.deliveries) == (True, 1, 8)
    assert await rows(database) == [
        ("heather@", " heather@", False, False, FAILED, None, 0),
        ("555-0101", " 555-0101", False, False, FAILED, -2, 0),
        ("hparent", "hparent", True, False, PENDING, None, 0),
        (
            "root,calvin@nomail.example",
            " root,calvin@nomail.example",
            False,
            False,
            FAILED,
            None,
            0,
        ),
        ("see file", " see file", False, False, FAILED, -2, 0),
        ("heather@nomail.example", "heather@nomail.example", True, False, PENDING, None, 0),
        ("", " ", False, False, FAILED, None, 0),
        ("Heather@", " heather@", False, True, FAILED, None, 0),
    ]
    comma = "The email address contains invalid characters before the @-sign: ','."
    a_mail, a_phone = "This is not an email address. ", "This is not a phone number. "
    length = "an address has 1 to 320 characters, this one has 0"
    assert await events(database) == [
        (0, 0, NOON, FAILED, None, EventSource.IMPORT, a_mail + NO_DOMAIN),
        (0, 1, NOON, FAILED, -2, EventSource.IMPORT, a_phone + NO_AREA),
        (1, 0, NOON, FAILED, None, EventSource.IMPORT, a_mail + comma),
        (1, 1, NOON, FAILED, -2, EventSource.IMPORT, a_phone + "It does not look like a number."),
        (2, 0, NOON, FAILED, None, EventSource.IMPORT, length),
        (2, 1, NOON, FAILED, None, EventSource.IMPORT, a_mail + NO_DOMAIN),
    ]
    assert [(w.line, w.message, w.field) for w in outcome.warnings] == [
        (3, "M-1", "devices[0].address"),
        (3, "M-1", "devices[1].address"),
        (4, "M-1", "devices[0].address"),
        (4, "M-1", "devices[1].address"),
        (5, "M-1", "devices[0].address"),
        (5, "M-1", "devices[1].address"),
    ]
    assert outcome.warnings[0] == LineWarning(
        3,
        "M-1",
        "devices[0].address",
        f"'heather@' is not an email address. {NO_DOMAIN} Write it like heather@school.example.",
    )
    row = await message_row(database)
    assert (row.status, row.has_open, row.overdue_at) == (MessageStatus.IN_PROGRESS, True, None)
    await assert_counted(database)


async def test_spellings_of_one_address_are_one_address(database: Database) -> None:
    spellings = [
        "Heather <heather@nomail.example>",
        "heather@nomail.example;",
        "mailto:heather@nomail.example",
        "heather@nomail.example\u200b",
        "\ufeffheather@nomail.example",
    ]
    numbers = ["+44 (0)20 7946 0018", "\u202a+442079460018\u202c", "+44 20 7946 0018"]
    listed = [recipient(f"p{n}", email(one)) for n, one in enumerate(spellings)]
    listed += [recipient(f"q{n}", voice(one)) for n, one in enumerate(numbers)]

    await send(database, district(), message("M-1", listed, status=None))

    assert [(row[1], row[3]) for row in await rows(database)] == [
        *[("heather@nomail.example", n > 0) for n in range(len(spellings))],
        *[("+442079460018", n > 0) for n in range(len(numbers))],
    ]
    await assert_counted(database)


@pytest.mark.parametrize(
    ("scheduled_at", "status"),
    [(NOON, MessageStatus.SENT), (NOON.replace(hour=19), MessageStatus.WAITING)],
)
async def test_a_message_of_which_nothing_can_be_read_is_sent_at_its_time(
    database: Database, scheduled_at: Any, status: MessageStatus
) -> None:
    listed = [recipient("p1", email("heather@"), text("555-0101"))]

    await send(database, district(), message("M-1", listed, status=None, scheduled_at=scheduled_at))

    row = await message_row(database)
    assert (row.status, row.has_open, row.overdue_at) == (status, False, None)
    async with database.reading() as connection:
        assert (await connection.execute(select(SPAN))).all() == []
    await assert_counted(database)


async def test_history_keeps_the_status_that_it_came_with_and_is_warned_of(
    database: Database,
) -> None:
    listed = [
        recipient(
            "p1",
            email("heather@", status=DeliveryStatus.DELIVERED, at=NOON),
            voice("555-0101", status=DeliveryStatus.DELIVERED, call_status=5, at=NOON),
            voice("555-0102"),
        )
    ]

    outcome = await send(database, district(), message("M-1", listed))

    assert outcome.warning_count == 3
    assert [(row[2], row[4], row[5], row[6]) for row in await rows(database)] == [
        (False, DeliveryStatus.DELIVERED, None, 1),
        (False, DeliveryStatus.DELIVERED, 5, 1),
        (False, DeliveryStatus.SENT, None, 1),
    ]
    assert await events(database) == []
    assert (await message_row(database)).people_contacted == 1
    await assert_counted(database)


async def test_the_same_message_again_does_nothing_and_warns_of_nothing(
    database: Database,
) -> None:
    lines = message("M-1", [recipient("p1", email("heather@"))], status=None)
    await send(database, district(), lines)
    before = await story(database)

    outcome = await send(database, lines)

    assert (outcome.unchanged, outcome.is_clean, outcome.warning_count) == (1, True, 0)
    assert await story(database) == before


async def test_warnings_are_counted_all_and_listed_up_to_a_limit() -> None:
    outcome = Outcome()
    for line in range(MOST_PROBLEMS + 2):
        outcome.warn(LineWarning(line, "M-1", "devices[0].address", "…"))

    assert (outcome.warning_count, len(outcome.warnings)) == (MOST_PROBLEMS + 2, MOST_PROBLEMS)
    assert outcome.is_clean


async def test_numbers_are_read_for_the_country_of_the_district(database: Database) -> None:
    london = voice("020 7946 0018")

    first = await send(
        database,
        district(country="GB"),
        message("M-1", [recipient("p1", london)], status=None),
        district(),
        message("M-2", [recipient("p1", london)], status=None),
    )
    again = await send(
        database, district(country="GB"), message("M-2", [recipient("p1", london)], status=None)
    )

    assert (first.accepted, first.warning_count) == (2, 1)
    assert [(row[1], row[4]) for row in await rows(database)] == [
        ("+442079460018", PENDING),
        (" 020 7946 0018", FAILED),
    ]
    assert (again.unchanged, again.is_clean) == (1, True), "a change of country changes no digest"


async def test_a_district_that_says_its_country_or_leaves_it_out_says_the_same(
    database: Database,
) -> None:
    await send(database, district())
    before = await story(database)

    outcome = await send(database, district(country="US"))

    assert outcome.is_clean
    assert await story(database) == before


DEVICE = st.builds(
    lambda mode, address: {"mode": mode, "address": address},
    st.sampled_from(DeliveryMode),
    st.sampled_from(
        [
            "",
            "heather@",
            "Heather@ ",
            "heather@nomail.example",
            "<heather@nomail.example>",
            "555-0101",
        ]
    )
    | st.sampled_from(["+16125550101", "612 555 0101", "+1 612 555 0101 x1", "x" * 400, "x" * 401])
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.lists(DEVICE, max_size=4), max_size=5),
    st.sampled_from([None, MessageStatus.SENT]),
)
async def test_whatever_the_addresses_are_the_message_is_in_the_log_and_counted_right(
    database: Database, listed: list[list[dict[str, Any]]], status: MessageStatus | None
) -> None:
    await wipe(database)
    people = [recipient(f"p{n}", *devices) for n, devices in enumerate(listed)]

    outcome = await send(database, district(), message("M-1", people, status=status))

    assert (outcome.accepted, outcome.problems) == (1, [])
    assert outcome.deliveries == sum(map(len, listed))
    found = await rows(database)
    assert sum(not row[2] for row in found) == outcome.warning_count
    if status is None:
        assert all(row[4] is (PENDING if row[2] else FAILED) for row in found)
    await assert_counted(database)
