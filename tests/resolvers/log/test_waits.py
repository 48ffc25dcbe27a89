"""`Message.waitsFor`: why something waits, from what the dispatcher knows."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from db.connect.database import Database
from db.dispatch import provider_rate
from db.tables.installation import WORKER
from db.upkeep import installation
from delivery.gateways.base import NotAccepted
from domain.status import DeliveryStatus, MessageStatus
from domain.viewer import Right
from tests.log import NOON, district, email, inbox, load, message, recipient, text, viewer, voice
from tests.operations import EVER
from tests.resolvers.world import World
from tests.statements import recorded

WAITS = "query($id: ID!) { message(id: $id) { waitsFor { mode reason deliveries until message } } }"
LATER = NOON + timedelta(hours=1)
PEOPLE = [
    recipient("p1", email(), voice()),
    recipient("p2", email("tad@nomail.example"), voice(), name="Parent, Tad"),  # the same number
]


@pytest.fixture
async def world(database: Database) -> World:
    async with database.writing() as connection:
        await installation.beat(connection, "w-1")
    return World(database)


async def reasons(world: World, **who: Any) -> Sequence[Mapping[str, Any]]:
    answer = await world.do(WAITS, id="message.1", viewer=viewer(**who))
    found: Sequence[Mapping[str, Any]] = answer["waitsFor"]
    return found


def brief(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, int]]:
    """Without the times and words."""
    return [(one["mode"], one["reason"], one["deliveries"]) for one in found]


async def hold(world: World, **pause: float) -> None:
    async with world.database.writing() as connection:
        await provider_rate.hold(connection, "provider", pause=timedelta(**pause))


def seconds_until(world: World, reason: Mapping[str, Any]) -> float:
    """The database has a clock of its own, which goes on."""
    return (datetime.fromisoformat(reason["until"]) - world.now).total_seconds()


async def test_before_its_time_a_message_waits_for_it_whoever_looks(world: World) -> None:
    await world.take(message("M-1", PEOPLE, status=None, scheduled_at=LATER))

    expected = [
        {
            "mode": mode,
            "reason": "SCHEDULED",
            "deliveries": count,
            "until": LATER.isoformat(),
            "message": "Scheduled for 01/31/2020 1:00 PM.",
        }
        # Two people share a number, which is called once.
        for mode, count in (("EMAIL", 2), ("VOICE", 1))
    ]
    assert await reasons(world) == expected
    assert await reasons(world, rights=[Right.VIEW_LOG]) == expected


async def test_at_its_time_it_is_about_to_be_sent_and_then_waits_for_nothing(world: World) -> None:
    await world.take(message("M-1", PEOPLE, status=None, scheduled_at=LATER))
    world.advance(hours=1)
    assert await reasons(world) == []

    await world.work()

    assert await reasons(world) == []


async def test_without_a_gateway_a_mode_waits_for_the_administrator(world: World) -> None:
    await world.send(message("M-1", [recipient("p1", inbox(), email())], status=None))

    assert await reasons(world) == [
        {
            "mode": "INBOX",
            "reason": "NO_GATEWAY",
            "deliveries": 1,
            "until": None,
            "message": "No provider is set up for Inbox, so these do not leave. Ask your administrator to set one up.",
        }
    ]


async def test_calls_wait_for_the_hours_of_the_district_and_texts_do_not(world: World) -> None:
    await load(world.database, district(call_window=("13:00", "20:00")))
    people = [recipient("p1", voice(), text("+16125550102"))]
    await load(world.database, message("M-1", people, status=None))
    await world.work()

    (reason,) = await reasons(world)

    assert brief([reason]) == [("VOICE", "CALL_WINDOW", 1)]
    assert reason["until"] == (NOON + timedelta(hours=1)).isoformat()


async def test_a_provider_on_hold_is_down_until_it_is_tried_again(world: World) -> None:
    await world.take(message("M-1", PEOPLE, status=None))
    await hold(world, minutes=5)
    await world.work()

    found = await reasons(world)

    assert brief(found) == [("EMAIL", "PROVIDER_DOWN", 2), ("VOICE", "PROVIDER_DOWN", 1)]
    assert {240 < seconds_until(world, reason) <= 300 for reason in found} == {True}


@pytest.mark.parametrize(("seconds", "cause"), [(20, "RATE_LIMIT"), (300, "PROVIDER_DOWN")])
async def test_a_provider_with_a_rate_is_at_its_limit_until_the_wait_is_too_long_for_that(
    world: World, seconds: float, cause: str
) -> None:
    world.provider.per_second = 10.0
    await world.take(message("M-1", PEOPLE, status=None))
    await hold(world, seconds=seconds)

    found = await reasons(world)

    assert brief(found) == [("EMAIL", cause, 2), ("VOICE", cause, 1)]
    assert {0 < seconds_until(world, reason) <= seconds for reason in found} == {True}


async def test_what_the_provider_did_not_accept_is_tried_again_from_its_next_time_on(
    world: World,
) -> None:
    world.provider.outcomes["tad@nomail.example"] = NotAccepted("busy", timedelta(minutes=2))
    await world.send(message("M-1", PEOPLE, status=None))

    assert await reasons(world) == [
        {
            "mode": "EMAIL",
            "reason": "RETRY",
            "deliveries": 1,
            "until": (NOON + timedelta(minutes=2)).isoformat(),
            "message": "The provider did not accept these yet. They are tried again, the first at 01/31/2020 12:02 PM.",
        }
    ]

    world.advance(minutes=2)
    assert await reasons(world) == []


async def test_without_a_worker_all_that_is_due_waits_for_one(world: World) -> None:
    async with world.database.writing() as connection:
        await connection.execute(WORKER.delete())
    await world.take(message("M-1", PEOPLE, status=None))

    assert brief(await reasons(world)) == [("EMAIL", "NO_WORKER", 2), ("VOICE", "NO_WORKER", 1)]


async def test_what_is_canceled_waits_for_nothing(world: World) -> None:
    await world.take(message("M-1", PEOPLE, status=None, scheduled_at=LATER))
    await world.do('mutation { cancelMessage(input: {messageId: "message.1"}) { __typename } }')

    assert set(await world.statuses()) == {"PENDING"}
    assert await reasons(world) == []


@pytest.mark.parametrize("status", MessageStatus)
async def test_history_waits_for_nothing(world: World, status: MessageStatus) -> None:
    waiting = email(status=DeliveryStatus.PENDING, at=NOON)
    await world.take(message("M-1", [recipient("p1", waiting)], status=status))

    assert await reasons(world) == []


async def test_the_reasons_of_fifty_messages_take_as_many_statements_as_those_of_one(
    world: World,
) -> None:
    world.provider.outcomes["heather@nomail.example"] = NotAccepted("busy", timedelta(minutes=2))
    for number in range(50):
        await world.take(message(f"M-{number}", PEOPLE, status=None))
    await world.work()
    document = f"""query($size: Int!) {{ messages(createdBetween: {EVER}, first: $size) {{
        nodes {{ waitsFor {{ reason deliveries message }} }} }} }}"""

    taken = []
    for size in (1, 50):
        await world.open()
        with recorded(world.database) as statements:
            answer = await world.do(document, size=size)
        assert [len(node["waitsFor"]) for node in answer["nodes"]] == [1] * size
        taken.append(sum(not statement.text.startswith("BEGIN") for statement in statements))

    # the page, the counters, the retries, the providers, the workers
    assert taken == [5, 5]
