"""The senders that the log offers to choose from, and the filters by mode and by failure."""

from datetime import timedelta
from typing import Any

import pytest

from db.connect.database import Database
from domain.status import DeliveryMode, DeliveryStatus
from tests.log import NOON, district, email, load, message, recipient, school, viewer, voice
from tests.operations import EVER, ask, refusals
from tests.statements import recorded

SENDERS = f"""query($filter: MessageFilter, $first: Int = 20) {{
    messages(createdBetween: {EVER}, filter: $filter) {{
        totalCount nodes {{ externalId }}
        facets {{ senders(first: $first) {{ sender {{ id name }} count }} }} }} }}"""
FAILED = recipient("p1", email(status=DeliveryStatus.FAILED), email("b@nomail.example"))
FINE = recipient("p1", email(status=DeliveryStatus.SENT))


@pytest.fixture
async def log(database: Database) -> Database:
    """Three of Zoe, who has a new name, two of Adam, two of Bea, and one of Carl in another school."""
    sent = [
        ("z", "Adams, Zoe"),
        ("a", "Adam"),
        ("b", "Bea"),
        ("b", "Bea"),
        ("a", "Adam"),
        ("z", "New, Zoe"),
    ]
    await load(
        database,
        district(),
        school("east"),
        school("west"),
        *(
            message(
                f"M-{number}",
                [FAILED if number == 4 else FINE],
                sender=sender,
                school="east",
                subject=f"Bus {number}",
                created_at=NOON + timedelta(hours=number),
                modes=[DeliveryMode.EMAIL],
            )
            for number, sender in enumerate([*sent, ("z", "Adams, Zoe")])
        ),
        message(
            "M-7",
            [recipient("p1", voice(status=DeliveryStatus.DELIVERED, call_status=5))],
            sender=("c", "Carl"),
            school="west",
            modes=[DeliveryMode.VOICE, DeliveryMode.INBOX],
            created_at=NOON - timedelta(hours=1),
        ),
    )
    return database


async def senders(log: Database, /, first: int | None = 20, **asked: Any) -> list[tuple[str, int]]:
    who = asked.pop("viewer", None)
    data = await ask(log, SENDERS, {"filter": asked, "first": first}, viewer=who)
    found = data["messages"]["facets"]["senders"]
    return [(one["sender"]["name"], one["count"]) for one in found]


async def found(log: Database, **asked: Any) -> list[str]:
    data = await ask(log, SENDERS, {"filter": asked})
    ids = sorted(one["externalId"] for one in data["messages"]["nodes"])
    assert len(ids) == data["messages"]["totalCount"]
    return ids


ALL = [("Adams, Zoe", 3), ("Adam", 2), ("Bea", 2), ("Carl", 1)]


async def test_senders_come_with_most_messages_first_then_by_name(log: Database) -> None:
    assert await senders(log) == ALL
    assert await senders(log, first=None) == ALL
    assert await senders(log, first=2) == ALL[:2]
    assert await senders(log, first=0) == []


async def test_a_sender_has_the_name_of_its_newest_message(log: Database) -> None:
    await load(
        log, message("M-8", sender=("a", "Adam, the new"), created_at=NOON + timedelta(days=1))
    )

    assert ("Adam, the new", 3) in await senders(log)


async def test_the_other_filters_hold_and_those_for_senders_do_not(log: Database) -> None:
    assert await senders(log, subject="bus 4") == [("Adam", 1)]
    assert await senders(log, hasFailures=True) == [("Adam", 1)]
    assert await senders(log, deliveryModes=["INBOX"]) == [("Carl", 1)]
    assert await senders(log, sender="zoe") == ALL
    assert await senders(log, sender="zoe", subject="bus 4") == [("Adam", 1)]
    assert await senders(log, mine=True) == ALL


async def test_only_senders_of_visible_messages_are_offered(log: Database) -> None:
    assert await senders(log, viewer=viewer(schools=["west"])) == [("Carl", 1)]
    assert await senders(log, viewer=viewer(schools=["east"])) == ALL[:3]


@pytest.mark.parametrize("first", [-1, 101, 2_147_483_647])
async def test_a_number_of_senders_out_of_range_is_refused(log: Database, first: int) -> None:
    assert await refusals(log, SENDERS, {"first": first}) == [
        ("BAD_USER_INPUT", f"first: {first} is out of range. Ask for 0 to 100 senders.")
    ]


async def test_the_number_of_statements_is_the_same_for_one_sender_and_for_many(
    log: Database,
) -> None:
    counts: list[int] = []
    narrow: dict[str, Any] = {"subject": "bus 4"}
    for asked in (narrow, {}):
        await senders(log, **asked)
        with recorded(log) as statements:
            await senders(log, **asked)
        counts.append(len([one for one in statements if "sender_key" in one.text]))

    assert counts[0] == counts[1]


async def test_messages_are_found_by_one_of_the_ways_in_which_they_were_sent(log: Database) -> None:
    emails = [f"M-{number}" for number in range(7)]

    assert await found(log, deliveryModes=["EMAIL"]) == emails
    assert await found(log, deliveryModes=["VOICE"]) == ["M-7"]
    assert await found(log, deliveryModes=["INBOX", "EMAIL"]) == [*emails, "M-7"]
    assert await found(log, deliveryModes=["TEXT"]) == []
    assert await found(log, deliveryModes=[]) == []
    assert len(await found(log, deliveryModes=None)) == 8


async def test_messages_are_found_by_a_failure(log: Database) -> None:
    assert await found(log, hasFailures=True) == ["M-4"]
    assert len(await found(log, hasFailures=False)) == 7
    assert len(await found(log, hasFailures=None)) == 8


async def test_a_failure_of_a_duplicate_does_not_count(log: Database) -> None:
    twice = [
        recipient("p1", email(status=DeliveryStatus.SENT)),
        recipient("p2", email(status=DeliveryStatus.FAILED), name="Other"),
    ]
    await load(log, message("M-8", twice))

    assert await found(log, hasFailures=True) == ["M-4"]


async def test_an_address_that_cannot_be_read_is_a_failure(log: Database) -> None:
    await load(log, message("M-8", [recipient("p1", email("nowhere"))], status=None))

    assert await found(log, hasFailures=True) == ["M-4", "M-8"]


async def test_more_modes_than_a_filter_takes_are_refused(log: Database) -> None:
    assert await refusals(log, SENDERS, {"filter": {"deliveryModes": ["EMAIL"] * 1_001}}) == [
        ("BAD_USER_INPUT", "filter.deliveryModes has 1001 values. Give at most 1000.")
    ]
