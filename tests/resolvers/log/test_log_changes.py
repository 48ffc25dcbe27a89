"""`logChanged`: what has changed in a list, at most one event in two seconds, to who may see it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from db.connect import log_watch
from db.connect.database import Database
from db.dispatch.changes import settle
from db.dispatch.in_flight import lock
from db.tables.log import MESSAGE
from db.upkeep import purge
from domain.message import Source
from domain.status import MessageStatus
from domain.viewer import Right
from resolvers.log.log_changes import EASE, PAUSE
from schema.contract import SCHEMA
from tests.log import NOON, district, email, load, message, recipient, school, viewer
from tests.resolvers.log.watching import (
    DAYS,
    LATER,
    PATIENCE,
    WATCH,
    Watcher,
    change,
    waiting,
    watch,
)
from tests.resolvers.world import World, limited
from tests.statements import recorded


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """A log that listens, of two schools."""
    world = World(database)
    await load(database, district(), school("east"), school("west"))
    notices = world.process_services.notices
    with notices.watch("nothing") as watch:
        async with asyncio.timeout(PATIENCE), notices.listening():
            await watch.changed()
            yield world
            world.naps.wake()


@pytest.fixture
async def elsewhere(database_url: str) -> AsyncIterator[Database]:
    """The database as another process opens it."""
    database = Database(database_url)
    yield database
    await database.dispose()


async def test_first_comes_an_empty_change_then_what_changed_as_it_is_then(world: World) -> None:
    await load(world.database, waiting("M-1"), waiting("M-2", None), waiting("M-3"))
    watcher = await watch(world)

    first = await watcher.change()
    await change(world.database, 2)
    second = await watcher.change()
    await change(world.database, 1, 3, 3)
    third = await watcher.brief()

    assert first == {"changed": [], "more": False, "totalCount": 3}
    assert second == {
        "changed": [
            {
                "id": "message.2",
                "status": "WAITING",
                "revision": 2,
                "originLabel": "Plainview Schools",
            }
        ],
        "more": False,
        "totalCount": 3,
    }
    assert third == (["message.1", "message.3"], False, 3)
    await watcher.close()


async def test_between_two_events_two_seconds_pass(world: World) -> None:
    await load(world.database, waiting("M-1"))
    watcher = await watch(world)
    await watcher.brief()
    world.naps.asked.clear()

    for _ in range(2):
        await change(world.database, 1)
        assert await watcher.brief() == (["message.1"], False, 1)

    assert PAUSE == 2.0
    assert world.naps.asked.count(PAUSE) >= 2
    await watcher.close()


async def test_a_list_that_takes_long_to_read_is_read_less_often(world: World) -> None:
    ticks = iter(range(0, 1000, 3))  # each look takes three seconds
    runtime = limited(world, monotonic=lambda: float(next(ticks)))
    world.process_services = replace(world.process_services, runtime=runtime)
    await load(world.database, waiting("M-1"))
    watcher = await watch(world)
    await watcher.brief()
    await change(world.database, 1)

    assert await watcher.brief() == (["message.1"], False, 1)

    assert PAUSE not in world.naps.asked
    assert 3.0 * EASE in world.naps.asked
    await watcher.close()


async def test_new_messages_are_more_and_unseen_ones_are_nothing(world: World) -> None:
    watcher = await watch(world, schools=["east"])
    assert await watcher.brief() == ([], False, 0)

    await load(world.database, waiting("M-1"))
    assert await watcher.brief() == ([], True, 1)

    await load(world.database, waiting("M-2", "west"), waiting("M-3", None))
    await change(world.database, 2, 3)
    assert await watcher.is_silent()

    await change(world.database, 1)
    assert await watcher.brief() == (["message.1"], False, 1)
    await watcher.close()


async def test_what_does_not_match_is_nothing(world: World) -> None:
    await load(world.database, waiting("M-1", subject="Snow"), waiting("M-2", subject="Lunch"))
    snow = await watch(world, {"subject": "snow"})
    winter = await watch(world, days={"from": "2020-02-01", "to": "2020-02-29"})
    assert await snow.brief() == ([], False, 1)
    assert await winter.brief() == ([], False, 0)

    await change(world.database, 2)
    await load(world.database, waiting("M-3", subject="Lunch again"))
    assert await snow.is_silent()
    assert await winter.is_silent()

    await change(world.database, 1, 2)
    assert await snow.brief() == (["message.1"], False, 1)
    await snow.close()
    await winter.close()


async def test_what_matches_no_more_and_what_matches_now_is_reported(world: World) -> None:
    await load(world.database, waiting("M-1"), waiting("M-2"))
    waits = await watch(world, {"status": ["WAITING"]})
    canceled = await watch(world, {"status": ["CANCELED"]})
    assert [await waits.brief(), await canceled.brief()] == [([], False, 2), ([], False, 0)]

    await world.do('mutation { cancelMessage(input: {messageId: "message.1"}) { __typename } }')

    assert await waits.brief() == ([], True, 1)
    assert await canceled.brief() == (["message.1"], True, 1)
    await waits.close()
    await canceled.close()


async def test_one_that_comes_while_another_goes_is_reported_though_the_number_is_the_same(
    world: World,
) -> None:
    await load(world.database, waiting("M-1"), waiting("M-2"))
    await world.do('mutation { cancelMessage(input: {messageId: "message.2"}) { __typename } }')
    watcher = await watch(world, {"status": ["WAITING"]})
    assert await watcher.brief() == ([], False, 1)

    async with world.database.writing() as connection:
        for id, status in ((1, MessageStatus.SENT), (2, MessageStatus.WAITING)):
            found = await lock(connection, id)
            assert found is not None
            await settle(connection, found, now=NOON)
            await connection.execute(
                update(MESSAGE).where(MESSAGE.c.id == id).values(status=status)
            )

    assert await watcher.brief() == (["message.2"], True, 1)
    await watcher.close()


async def test_a_message_of_a_scheduler_is_nothing_before_its_time_and_then_more(
    world: World,
) -> None:
    watcher = await watch(world)
    assert await watcher.brief() == ([], False, 0)
    await load(world.database, waiting("M-1", source=Source.SCHEDULER))
    await change(world.database, 1)
    assert await watcher.is_silent()

    world.advance(hours=1)
    world.naps.wake()

    assert await watcher.brief() == ([], True, 1)
    await watcher.close()


async def test_its_time_is_waited_for_by_who_may_see_it_alone(world: World) -> None:
    await load(world.database, waiting("M-1", source=Source.SCHEDULER))
    naps = {}
    for name in ("east", "west"):
        watcher = await watch(world, schools=[name])
        await watcher.brief()
        assert await watcher.is_silent()
        naps[name] = [length for length in world.naps.running if length == 3600.0]
        await watcher.close()

    assert naps == {"east": [3600.0], "west": []}


async def test_more_than_a_hundred_changes_are_a_hundred_and_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert log_watch.MOST == 100
    monkeypatch.setattr(log_watch, "MOST", 3)
    await load(world.database, *[waiting(f"M-{number}") for number in range(5)])
    watcher = await watch(world)
    await watcher.brief()

    await change(world.database, 5, 4, 3, 2)

    assert await watcher.brief() == (["message.3", "message.4", "message.5"], True, 5)
    await watcher.close()


async def test_changes_of_another_school_never_fill_the_hundred(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_watch, "MOST", 1)
    await load(world.database, waiting("M-1"), *[waiting(f"W-{n}", "west") for n in range(3)])
    watcher = await watch(world, schools=["east"])
    await watcher.brief()

    await change(world.database, 2, 3, 4, 1)

    assert await watcher.brief() == (["message.1"], False, 1)
    await watcher.close()


async def test_changes_by_another_process_are_reported(world: World, elsewhere: Database) -> None:
    await load(world.database, waiting("M-1"))
    watcher = await watch(world)
    assert await watcher.brief() == ([], False, 1)

    await change(elsewhere, 1)
    # On SQLite nothing tells which messages another process changed.
    named = (["message.1"], False, 1) if elsewhere.is_postgresql else ([], True, 1)
    assert await watcher.brief() == named

    await load(elsewhere, waiting("M-2"))
    assert await watcher.brief() == ([], True, 2)
    await watcher.close()


async def test_a_transaction_that_fails_is_not_reported(world: World) -> None:
    await load(world.database, waiting("M-1"))
    watcher = await watch(world)
    await watcher.brief()

    async def change_and_fail() -> None:
        async with world.database.writing() as connection:
            found = await lock(connection, 1)
            assert found is not None
            await settle(connection, found, now=NOON)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await change_and_fail()
    assert await watcher.is_silent()
    await watcher.close()


async def test_missed_notices_are_reported_only_if_something_changed(world: World) -> None:
    await load(world.database, waiting("M-1"))
    watcher = await watch(world)
    await watcher.brief()

    world.process_services.notices.ring_all()
    assert await watcher.is_silent()

    async with world.database.writing() as connection:
        await connection.execute(update(MESSAGE).values(revision=7))
    world.process_services.notices.ring_all()
    assert await watcher.brief() == ([], True, 1)
    await watcher.close()


async def test_a_purge_is_a_change(world: World) -> None:
    await load(world.database, message("M-1", [recipient("p1", email())], school="east"))
    watcher = await watch(world)
    await watcher.brief()

    async with world.database.writing() as connection:
        assert await purge.begin(connection, 1, before=LATER, now=NOON)

    assert await watcher.brief() == (["message.1"], False, 1)
    await watcher.close()


async def test_another_district_hears_nothing(world: World) -> None:
    south = district("south", name="South"), school("east", district="south")
    await load(world.database, *south, waiting("M-1", district="south"))
    await load(world.database, waiting("M-2"))
    watcher = await watch(world)
    assert await watcher.brief() == ([], False, 1)

    await change(world.database, 1)
    await load(world.database, waiting("M-3", district="south"))

    assert await watcher.is_silent()
    await watcher.close()


async def test_it_ends_with_the_sign_in(world: World) -> None:
    stream: Any = await SCHEMA.subscribe(
        WATCH,
        variable_values={"days": DAYS},
        context_value=await world.open(replace(viewer(), expires_at=LATER)),
    )
    watcher = Watcher(world, stream)
    await watcher.brief()
    world.advance(hours=1)
    world.naps.wake()

    async with asyncio.timeout(PATIENCE):
        task = asyncio.ensure_future(anext(stream))
        while not task.done():
            world.naps.wake()
            await asyncio.sleep(0)

    (error,) = task.result().errors
    assert error.extensions["code"] == "UNAUTHENTICATED"
    assert world.process_services.notices.watches == 1  # that of the fixture


@pytest.mark.parametrize(
    ("variables", "rights", "code", "problem"),
    [
        (
            {"days": {"from": "2020-02-01", "to": "2020-01-01"}},
            tuple(Right),
            "BAD_USER_INPUT",
            "The days end (2020-01-01) before they begin (2020-02-01). Exchange the two.",
        ),
        (
            {"days": DAYS, "filter": {"type": ["x"] * 1001}},
            tuple(Right),
            "BAD_USER_INPUT",
            "filter.type has 1001 values. Give at most 1000.",
        ),
        (
            {"days": DAYS, "filter": {"recipient": "Heather"}},
            (Right.VIEW_LOG,),
            "FORBIDDEN",
            "This needs the right VIEW_RECIPIENTS, which your sign-in does not have. Ask your administrator for it.",
        ),
        (
            {"days": DAYS},
            (Right.VIEW_RECIPIENTS,),
            "FORBIDDEN",
            "This needs the right VIEW_LOG, which your sign-in does not have. Ask your administrator for it.",
        ),
    ],
)
async def test_bad_arguments_and_missing_rights_are_refused(
    world: World, variables: Mapping[str, Any], rights: tuple[Right, ...], code: str, problem: str
) -> None:
    stream: Any = await SCHEMA.subscribe(
        WATCH,
        variable_values=dict(variables),
        context_value=await world.open(viewer(rights=rights)),
    )
    (result,) = [result async for result in stream]

    (error,) = result.errors
    assert (error.extensions["code"], error.message) == (code, problem)
    assert world.process_services.notices.watches == 1


@pytest.mark.parametrize("size", [1, 50])
async def test_an_event_takes_as_many_statements_for_fifty_messages_as_for_one(
    world: World, size: int
) -> None:
    await load(world.database, *[waiting(f"M-{number}") for number in range(50)])
    watcher = await watch(world)
    await watcher.brief()
    await change(world.database, *range(1, size + 1))

    with recorded(world.database) as statements:
        ids, more, total = await watcher.brief()

    assert (len(ids), more, total) == (size, False, 50)
    reads = [one.text for one in statements if "message.external_id" in one.text]
    schools = [one.text for one in statements if "school.external_id" in one.text]
    assert (len(reads), len(schools)) == (1, 1)
    await watcher.close()
