"""The promise: the whole log is recounted, whatever its size, and concurrent changes are not reported as differences."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import text as sql

import resolvers.audit.recount
from db.connect.database import Database
from db.upkeep.check import Difference
from delivery.upkeep.figure_sums import sum_changed_days
from domain.receipts import Receipt
from domain.status import DeliveryStatus
from resolvers.audit.recount import RecountResult, check
from tests.log import NOON, district, load, message, recipient, text, voice
from tests.resolvers.ingest.test_ingest_figures import messages
from tests.resolvers.world import World

TEN = b"".join(message(f"M-{n}", [recipient("p1", voice())]) for n in range(10))


async def test_an_empty_log_is_clean(database: Database) -> None:
    assert await check(database) == RecountResult(total=0, messages=0)


@pytest.mark.parametrize("chunk", [1, 3, 10, 500])
async def test_every_message_is_looked_at_a_chunk_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(resolvers.audit.recount, "CHUNK", chunk)
    await load(database, district(), TEN)
    async with database.writing() as connection:
        await connection.execute(sql("UPDATE message SET people = 2 WHERE external_id <> 'M-4'"))
    shown: list[int] = []

    finding = await check(database, watch=lambda finding: shown.append(finding.messages))

    assert not finding.is_clean
    assert (finding.total, finding.messages, finding.difference_count) == (10, 10, 9)
    assert finding.differences == [
        Difference(f"M-{n}", "people", "2", "1") for n in range(10) if n != 4
    ]
    assert shown == [*range(0, 10, chunk), 10, 10]


async def test_sums_that_differ_from_their_messages_are_found(database: Database) -> None:
    await load(database, district(), TEN)
    await sum_changed_days(database, now=NOON)
    assert (await check(database)).is_clean

    async with database.writing() as connection:
        await connection.execute(sql("UPDATE figure_sum SET deliveries = 9 WHERE span = 'DAY'"))
    of_day = Difference("district plainview", "figures of the day 2020-01-31", "9", "10")
    of_month = Difference("district plainview", "figures of the month 2020-01-01", "10", "9")
    assert (await check(database)).differences == [of_day, of_month]

    async with database.writing() as connection:
        await connection.execute(sql("DELETE FROM figure_sum"))
    assert (await check(database)).differences == [of_day._replace(stored="0")]


async def test_a_day_that_has_changed_since_it_was_summed_is_no_difference(
    database: Database,
) -> None:
    await load(database, district(), TEN)
    await sum_changed_days(database, now=NOON)
    await load(database, message("M-10", [recipient("p1", voice())]))

    assert (await check(database)).is_clean


async def test_only_the_first_differences_are_listed_and_all_are_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolvers.audit.recount, "CHUNK", 4)
    monkeypatch.setattr(resolvers.audit.recount, "MOST_LISTED", 6)
    await load(database, district(), TEN)
    async with database.writing() as connection:
        await connection.execute(sql("UPDATE message SET people = 2"))

    finding = await check(database)

    assert finding.difference_count == 10
    assert [difference.message for difference in finding.differences] == [
        f"M-{n}" for n in range(6)
    ]


@given(messages())
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_comes_in_is_counted_right(database: Database, lines: bytes) -> None:
    async with database.writing() as connection:
        for table in (
            "address_failures",
            "figure",
            "figure_change",
            "tally",
            "span",
            "delivery",
            "recipient",
            "content",
            "message",
        ):
            await connection.execute(sql(f"DELETE FROM {table}"))
    await load(database, district(), lines)

    finding = await check(database)

    assert finding == RecountResult(total=1, messages=1)


async def test_a_message_that_is_delivered_from_here_stays_clean(database: Database) -> None:
    world = World(database)
    listed = [
        recipient("p1", voice(), text()),
        recipient("p2", voice(), text("+16125550102"), student=("s1", "Student, Calvin")),
        recipient("p2", text("+16125550102"), student=("s2", "Student, Susie")),
    ]
    await world.send(message("M-1", listed, status=None))
    assert (await check(database)).differences == []

    for handover in world.provider.handed:
        later = world.now + timedelta(minutes=1)
        world.provider.says(handover.key, Receipt(later, DeliveryStatus.DELIVERED, 5))
    world.advance(minutes=2)
    await world.do('mutation { refreshMessage(input: {messageId: "message.1"}) { __typename } }')

    assert await world.status() == "SENT"
    assert await check(database) == RecountResult(total=1, messages=1)


async def test_a_wrong_state_of_an_address_is_found(database: Database) -> None:
    failed = [recipient("p1", voice(call_status=3, at=NOON))]
    await load(database, district(), message("M-1", failed))
    assert (await check(database)).is_clean
    async with database.writing() as connection:
        await connection.execute(sql("UPDATE address_failures SET failures = 2"))

    assert (await check(database)).differences == [Difference("address 1", "failures", "2", "1")]

    async with database.writing() as connection:
        await connection.execute(sql("DELETE FROM address_failures"))

    missing = {one.what: one.counted for one in (await check(database)).differences}
    assert missing["kind"] == "INVALID"
