"""`messageChanged`: the present state, then each change, at most one a second, to who may see it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from sqlalchemy import update

from db.connect import notices
from db.connect.database import Database
from db.dispatch.changes import settle
from db.dispatch.in_flight import lock
from db.tables.log import MESSAGE
from domain.message import Source
from domain.viewer import Right
from resolvers.log.progress import PAUSE
from schema.contract import SCHEMA
from tests.log import NOON, email, message, recipient, school, viewer, voice
from tests.resolvers.world import World

WATCH = """
    subscription($id: ID!) { messageChanged(id: $id) {
        revision status cancellation { stopped } deliverySummary { tallies { status count } }
        recipients(first: 5) { nodes { deliveries { status } } }
    } }
"""
CANCEL = 'mutation { cancelMessage(input: {messageId: "message.1"}) { __typename } }'
LATER = NOON + timedelta(hours=1)
PEOPLE = [recipient("p1", email()), recipient("p2", voice())]

T = TypeVar("T")
Stream = AsyncGenerator[Any, None]


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    world = World(database)
    async with world.process_services.notices.listening():
        yield world
        world.naps.wake()


async def watch(world: World, id: str = "message.1", **who: Any) -> Stream:
    """The answers to somebody who watches a message."""
    context = await world.open(viewer(**who))
    return await SCHEMA.subscribe(WATCH, variable_values={"id": id}, context_value=context)


async def shown(stream: Stream) -> Any:
    """The next state that a stream shows."""
    result = await anext(stream)
    assert result.errors is None, result.errors
    return result.data["messageChanged"]


async def refused(stream: Stream) -> tuple[str, str]:
    """The error with which a stream ends."""
    (result,) = [result async for result in stream]
    (error,) = result.errors
    assert result.data is None
    return error.extensions["code"], error.message


async def until(happened: Callable[[], object]) -> None:
    """Let everything go on until this has happened."""
    while not happened():  # noqa: ASYNC110  # a turn of the loop, not time
        await asyncio.sleep(0)


async def after_naps(world: World, wanted: Awaitable[T]) -> T:
    """What comes while every pause is cut short."""
    task = asyncio.ensure_future(wanted)
    while not task.done():
        world.naps.wake(PAUSE)
        await asyncio.sleep(0)
    return task.result()


async def until_it_waits(world: World) -> None:
    """Cut pauses short until the stream waits for news. Notices pause as long, so that one pause cut may be theirs."""
    while not any(nap > PAUSE for nap in world.naps.running):  # a turn of the loop
        world.naps.wake(PAUSE)
        await asyncio.sleep(0)


async def change(world: World, times: int = 1) -> None:
    """Change the message so that a client can see it."""
    for _ in range(times):
        async with world.database.writing() as connection:
            found = await lock(connection, 1)
            assert found is not None
            await settle(connection, found, now=world.now)


async def test_first_comes_the_present_state_then_each_change_with_all_fields_as_they_are_then(
    world: World,
) -> None:
    await world.take(message("M-1", PEOPLE, status=None, scheduled_at=LATER))
    stream = await watch(world)

    first = await shown(stream)
    following = asyncio.ensure_future(shown(stream))
    await world.do(CANCEL)
    second = await after_naps(world, following)

    assert first == {
        "revision": 1,
        "status": "WAITING",
        "cancellation": None,
        "deliverySummary": {"tallies": [{"status": "PENDING", "count": 1}] * 2},
        "recipients": {"nodes": [{"deliveries": [{"status": "PENDING"}]}] * 2},
    }
    assert second == {**first, "revision": 2, "status": "CANCELED", "cancellation": {"stopped": 2}}
    await stream.aclose()


async def test_a_message_that_is_delivered_is_seen_to_its_end(world: World) -> None:
    await world.take(message("M-1", PEOPLE, status=None))
    stream = await watch(world)
    states = [await shown(stream)]

    working = asyncio.ensure_future(world.work())
    while not working.done() or states[-1]["revision"] < await world.revision():
        states.append(await after_naps(world, shown(stream)))

    revisions = [state["revision"] for state in states]
    assert revisions == sorted(set(revisions))
    assert states[0]["status"] == "IN_PROGRESS"
    nodes = states[-1]["recipients"]["nodes"]
    assert [node["deliveries"][0]["status"] for node in nodes] == ["IN_PROGRESS"] * 2
    await stream.aclose()


async def test_changes_within_a_second_are_one_event_and_revision_shows_the_step(
    world: World,
) -> None:
    await world.take(message("M-1", PEOPLE, status=None, scheduled_at=LATER))
    stream = await watch(world)
    first = await shown(stream)
    following = asyncio.ensure_future(shown(stream))
    await until(lambda: PAUSE in world.naps.running)

    await change(world, times=5)
    for _ in range(100):
        await asyncio.sleep(0)

    assert not following.done()
    second = await after_naps(world, following)
    assert (first["revision"], second["revision"]) == (1, 6)
    await stream.aclose()


async def test_after_a_quiet_second_a_change_is_shown_at_once(world: World) -> None:
    await world.take(message("M-1", PEOPLE, status=None, scheduled_at=LATER))
    stream = await watch(world)
    await shown(stream)
    following = asyncio.ensure_future(shown(stream))
    await until_it_waits(world)

    await change(world)

    assert (await following)["revision"] == 2
    await stream.aclose()


async def test_a_notice_without_news_shows_nothing(world: World) -> None:
    await world.take(message("M-1", PEOPLE, status=None, scheduled_at=LATER))
    stream = await watch(world)
    await shown(stream)
    following = asyncio.ensure_future(shown(stream))
    await until_it_waits(world)

    for _ in range(3):
        waits = len(world.naps.asked)
        world.process_services.notices.ring_all()
        await until(lambda: len(world.naps.asked) > waits)  # noqa: B023  # it looked, and waits anew

    assert not following.done()
    await change(world)
    assert (await following)["revision"] == 2
    await stream.aclose()


async def test_what_another_process_does_is_seen(world: World, database_url: str) -> None:
    await world.take(message("M-1", PEOPLE, status=None, scheduled_at=LATER))
    stream = await watch(world)
    await shown(stream)
    other = World(Database(database_url))

    await other.do(CANCEL)

    assert (await after_naps(world, shown(stream)))["status"] == "CANCELED"
    await stream.aclose()
    await other.database.dispose()


async def test_every_subscriber_gets_the_change(world: World) -> None:
    await world.take(message("M-1", PEOPLE, status=None, scheduled_at=LATER))
    streams = [await watch(world) for _ in range(20)]
    for stream in streams:
        await shown(stream)

    await change(world)

    states = [await after_naps(world, shown(stream)) for stream in streams]
    assert [state["revision"] for state in states] == [2] * 20
    for stream in streams:
        await stream.aclose()


async def test_who_goes_away_leaves_no_watch_and_no_task(world: World) -> None:
    await world.take(message("M-1", PEOPLE, status=None, scheduled_at=LATER))
    before = asyncio.all_tasks()
    shows, waits, naps = [await watch(world) for _ in range(3)]
    await shown(shows)
    await shown(naps)
    await shown(waits)
    napping = asyncio.ensure_future(anext(naps))
    waiting = asyncio.ensure_future(anext(waits))
    await until_it_waits(world)
    assert world.process_services.notices.watches == 3

    for task in (napping, waiting):
        task.cancel()
    await asyncio.gather(napping, waiting, return_exceptions=True)
    for stream in (shows, waits, naps):
        await stream.aclose()
    await until(lambda: asyncio.all_tasks() <= before)

    assert world.process_services.notices.watches == 0


async def test_a_message_that_goes_out_of_sight_ends_the_stream(world: World) -> None:
    await world.take(message("M-1", PEOPLE, status=None, scheduled_at=LATER))
    stream = await watch(world)
    await shown(stream)

    async with world.database.writing() as connection:
        await connection.execute(update(MESSAGE).values(visible_from=LATER))
    world.process_services.notices.ring_all()  # on PostgreSQL such a change says nothing by itself

    assert await after_naps(world, _rest(stream)) == []
    assert world.process_services.notices.watches == 0


async def _rest(stream: Stream) -> list[Any]:
    return [result async for result in stream]


@pytest.mark.parametrize("id", ["message.1", "message.2", "message.999", "school.1", "nonsense"])
async def test_what_may_not_be_seen_is_refused_like_what_is_not_there(
    world: World, id: str
) -> None:
    hidden = message("M-2", PEOPLE, status=None, scheduled_at=LATER, source=Source.SCHEDULER)
    await world.take(school("east"), message("M-1", PEOPLE, school="east"), hidden)

    problem = await refused(await watch(world, id, schools=["harrison-high"]))

    assert problem == ("BAD_USER_INPUT", "There is no message with this id that you may see.")
    assert world.process_services.notices.watches == 0


async def test_who_may_not_see_the_log_may_not_watch_it(world: World) -> None:
    await world.take(message("M-1", PEOPLE))

    code, _ = await refused(await watch(world, rights=set(Right) - {Right.VIEW_LOG}))

    assert code == "FORBIDDEN"


async def test_a_stream_ends_when_the_sign_in_expires_even_if_nothing_happens(world: World) -> None:
    await world.take(message("M-1", PEOPLE))
    stream = await watch(world)
    await shown(stream)
    ending = asyncio.ensure_future(refused(stream))
    await until_it_waits(world)
    (left,) = [nap for nap in world.naps.running if nap > PAUSE]

    world.advance(seconds=left)
    world.naps.wake(left)

    assert await ending == (
        "UNAUTHENTICATED",
        "Your sign-in has expired. Sign in again to go on watching.",
    )
    assert world.now == viewer().expires_at


assert notices.PAUSE == PAUSE, (
    "naps are distinguished by their length, and these two may be woken together"
)
