"""A report that is requested again shows the changes of the message, even within a minute."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import select, update

from db.connect.database import Database
from db.tables.operations import REPORT
from delivery.gateways.base import Accepted
from delivery.receipts.receipts import apply_receipts
from delivery.reports.jobs import RenderJob
from delivery.upkeep.purge import run_purge
from domain.receipts import Receipt
from domain.status import DeliveryStatus, EventSource
from tests.delivery.reports.printing import made, make_reports, printing
from tests.delivery.upkeep.purges import load_old, purge_of
from tests.log import message, recipient, voice
from tests.resolvers.world import World

CREATE: Final = """
    mutation($devices: [ReportDevice!]! = [VOICE_TEXT], $detail: ReportDetail! = SUMMARY) {
      createReport(input: {messageId: "message.1", devices: $devices, detail: $detail, format: CSV}) {
        ... on CreateReportSuccess { report { id } }
      }
    }
"""
CANCEL: Final = """mutation { cancelMessage(input: {messageId: "message.1"}) { __typename } }"""
REFRESH: Final = """mutation { refreshMessage(input: {messageId: "message.1"}) { __typename } }"""
RESEND: Final = """mutation { resendFailed(input: {messageId: "message.1"}) { __typename } }"""
PHONE: Final = "+16125550101"
BUSY: Final = Accepted("r", DeliveryStatus.FAILED, 0, "busy")
ONE_CALL: Final = message("M-1", [recipient("p1", voice(PHONE))], status=None)


async def requested(world: World, **choice: Any) -> str:
    """The id of the report that `createReport` answers."""
    answer = await world.do(CREATE, **choice)
    return str(answer["report"]["id"])


async def report_count(database: Database) -> int:
    async with database.reading() as connection:
        return len((await connection.scalars(select(REPORT.c.id))).all())


# Each function prepares a message and returns the change that comes within the minute.


Change = Callable[[], Awaitable[Any]]


async def _begin(world: World, folder: Path) -> Change:
    await world.take(ONE_CALL)
    return world.work


async def _cancel(world: World, folder: Path) -> Change:
    await world.take(ONE_CALL)
    return lambda: world.do(CANCEL)


async def _receipt(world: World, folder: Path) -> Change:
    await world.send(ONE_CALL)
    receipt = Receipt(world.now, DeliveryStatus.DELIVERED, 5, key="1.0.0")
    return lambda: apply_receipts(
        world.database, "provider", [receipt], source=EventSource.CALLBACK, now=world.now
    )


async def _refresh(world: World, folder: Path) -> Change:
    await world.send(ONE_CALL)
    world.provider.says("1.0.0", Receipt(world.now, DeliveryStatus.DELIVERED, 5))
    return lambda: world.do(REFRESH)


async def _resend(world: World, folder: Path) -> Change:
    world.provider.outcomes[PHONE] = BUSY
    await world.send(ONE_CALL)
    return lambda: world.do(RESEND)


async def _overdue(world: World, folder: Path) -> Change:
    await world.send(ONE_CALL)
    world.advance(minutes=59, seconds=30)
    return world.work


async def _purge(world: World, folder: Path) -> Change:
    await load_old(world.database)
    return lambda: run_purge(purge_of(world.database, folder))


CHANGES: Final = [_begin, _cancel, _receipt, _refresh, _resend, _overdue, _purge]


@pytest.mark.parametrize("prepare", CHANGES, ids=lambda one: one.__name__.strip("_"))
async def test_a_report_of_an_earlier_state_answers_no_later_request(
    database: Database, tmp_path: Path, prepare: Callable[[World, Path], Awaitable[Change]]
) -> None:
    world = World(database)
    change = await prepare(world, tmp_path)
    first = await requested(world)
    assert await requested(world) == first
    before = await world.revision()
    world.advance(seconds=0 if prepare is _purge else 30)

    await change()

    assert await world.revision() > before
    second = await requested(world)
    assert second != first
    assert await requested(world) == second
    assert world.announced_reports == [RenderJob(1), RenderJob(2)]
    assert [entry[1] for entry in await world.audit()].count("CREATE_REPORT") == 2


async def test_the_file_shows_the_cancellation_that_came_before_the_request(
    database: Database, tmp_path: Path
) -> None:
    world = World(database)
    report_runtime = printing(database, tmp_path, clock=lambda: world.now)
    await world.take(ONE_CALL)
    await requested(world)
    await make_reports(report_runtime)
    assert b"Canceled" not in await made(report_runtime, 1)

    await world.do(CANCEL)

    assert await requested(world) == "report.2"
    await make_reports(report_runtime)
    assert b"Canceled" in await made(report_runtime, 2)


async def test_a_message_that_did_not_change_keeps_its_report_while_another_one_changes(
    database: Database,
) -> None:
    world = World(database)
    await world.take(ONE_CALL, message("M-2", [recipient("p2", voice("+16125550102"))]))
    first = await requested(world)

    await world.do(CANCEL.replace("message.1", "message.2"))

    assert await requested(world) == first
    assert await report_count(database) == 1


async def test_requests_that_come_together_after_a_change_get_one_report(
    database: Database,
) -> None:
    world = World(database)
    await world.take(ONE_CALL)
    first = await requested(world)
    await world.do(CANCEL)

    ids = await asyncio.gather(*(requested(world) for _ in range(5)))

    assert set(ids) == {"report.2"}
    assert first == "report.1"
    assert await report_count(database) == 2


async def test_a_report_from_before_the_migration_answers_no_later_request(
    database: Database,
) -> None:
    world = World(database)
    await world.take(ONE_CALL)
    first = await requested(world)
    async with database.writing() as connection:
        await connection.execute(update(REPORT).values(content_state=None))

    assert await requested(world) != first
