"""The promise: the whole log is recounted, whatever its size, and concurrent changes are not reported as differences."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncEngine

import resolvers.audit.recount
from db.connect.engine import writing
from db.upkeep.check import Difference
from domain.receipts import Receipt
from domain.status import DeliveryStatus
from resolvers.audit.recount import RecountResult, check
from tests.log import district, load, message, recipient, text, voice
from tests.resolvers.ingest.test_ingest_figures import messages
from tests.resolvers.world import World

TEN = b"".join(message(f"M-{n}", [recipient("p1", voice())]) for n in range(10))


async def test_an_empty_log_is_clean(engine: AsyncEngine) -> None:
    assert await check(engine) == RecountResult(total=0, messages=0)


@pytest.mark.parametrize("chunk", [1, 3, 10, 500])
async def test_every_message_is_looked_at_a_chunk_at_a_time(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(resolvers.audit.recount, "CHUNK", chunk)
    await load(engine, district(), TEN)
    async with writing(engine) as connection:
        await connection.execute(sql("UPDATE message SET people = 2 WHERE external_id <> 'M-4'"))
    shown: list[int] = []

    finding = await check(engine, watch=lambda finding: shown.append(finding.messages))

    assert not finding.is_clean
    assert (finding.total, finding.messages, finding.difference_count) == (10, 10, 9)
    assert finding.differences == [
        Difference(f"M-{n}", "people", "2", "1") for n in range(10) if n != 4
    ]
    assert shown == [*range(0, 10, chunk), 10]


async def test_only_the_first_differences_are_listed_and_all_are_counted(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolvers.audit.recount, "CHUNK", 4)
    monkeypatch.setattr(resolvers.audit.recount, "MOST_LISTED", 6)
    await load(engine, district(), TEN)
    async with writing(engine) as connection:
        await connection.execute(sql("UPDATE message SET people = 2"))

    finding = await check(engine)

    assert finding.difference_count == 10
    assert [difference.message for difference in finding.differences] == [
        f"M-{n}" for n in range(6)
    ]


@given(messages())
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_comes_in_is_counted_right(engine: AsyncEngine, lines: bytes) -> None:
    async with writing(engine) as connection:
        for table in ("tally", "span", "delivery", "recipient", "content", "message"):
            await connection.execute(sql(f"DELETE FROM {table}"))
    await load(engine, district(), lines)

    finding = await check(engine)

    assert finding == RecountResult(total=1, messages=1)


async def test_a_message_that_is_delivered_from_here_stays_clean(engine: AsyncEngine) -> None:
    world = World(engine)
    listed = [
        recipient("p1", voice(), text()),
        recipient("p2", voice(), text("+16125550102"), student=("s1", "Student, Calvin")),
        recipient("p2", text("+16125550102"), student=("s2", "Student, Susie")),
    ]
    await world.send(message("M-1", listed, status=None))
    assert (await check(engine)).differences == []

    for handover in world.provider.handed:
        later = world.now + timedelta(minutes=1)
        world.provider.says(handover.key, Receipt(later, DeliveryStatus.DELIVERED, 5))
    world.advance(minutes=2)
    await world.do('mutation { refreshMessage(input: {messageId: "message.1"}) { __typename } }')

    assert await world.status() == "SENT"
    assert await check(engine) == RecountResult(total=1, messages=1)
