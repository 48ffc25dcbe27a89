"""A report that is requested again shows the changes of the message, even within a minute."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import reading, writing
from db.tables.operations import REPORT
from delivery.gateways.base import Accepted
from delivery.receipts.receipts import take_in
from delivery.reports.jobs import PrintJob
from delivery.upkeep.purge import carry_out
from domain.receipts import Receipt
from domain.status import DeliveryStatus, EventSource
from tests.delivery.reports.printing import made, print_all, printing
from tests.delivery.upkeep.purges import load_old, purge_of
from tests.log import message, recipient, voice
from tests.resolvers.house import House

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


async def requested(house: House, **choice: Any) -> str:
    """The id of the report that `createReport` answers."""
    answer = await house.do(CREATE, **choice)
    return str(answer["report"]["id"])


async def report_count(engine: AsyncEngine) -> int:
    async with reading(engine) as connection:
        return len((await connection.scalars(select(REPORT.c.id))).all())


# Each function prepares a message and returns the change that comes within the minute.


Change = Callable[[], Awaitable[Any]]


async def _begin(house: House, folder: Path) -> Change:
    await house.take(ONE_CALL)
    return house.work


async def _cancel(house: House, folder: Path) -> Change:
    await house.take(ONE_CALL)
    return lambda: house.do(CANCEL)


async def _receipt(house: House, folder: Path) -> Change:
    await house.send(ONE_CALL)
    receipt = Receipt(house.now, DeliveryStatus.DELIVERED, 5, key="1.0.0")
    return lambda: take_in(
        house.engine, "provider", [receipt], source=EventSource.CALLBACK, now=house.now
    )


async def _refresh(house: House, folder: Path) -> Change:
    await house.send(ONE_CALL)
    house.provider.says("1.0.0", Receipt(house.now, DeliveryStatus.DELIVERED, 5))
    return lambda: house.do(REFRESH)


async def _resend(house: House, folder: Path) -> Change:
    house.provider.outcomes[PHONE] = BUSY
    await house.send(ONE_CALL)
    return lambda: house.do(RESEND)


async def _overdue(house: House, folder: Path) -> Change:
    await house.send(ONE_CALL)
    house.advance(minutes=59, seconds=30)
    return house.work


async def _purge(house: House, folder: Path) -> Change:
    await load_old(house.engine)
    return lambda: carry_out(purge_of(house.engine, folder))


CHANGES: Final = [_begin, _cancel, _receipt, _refresh, _resend, _overdue, _purge]


@pytest.mark.parametrize("prepare", CHANGES, ids=lambda one: one.__name__.strip("_"))
async def test_a_report_of_an_earlier_state_answers_no_later_request(
    engine: AsyncEngine, tmp_path: Path, prepare: Callable[[House, Path], Awaitable[Change]]
) -> None:
    house = House(engine)
    change = await prepare(house, tmp_path)
    first = await requested(house)
    assert await requested(house) == first
    before = await house.revision()
    house.advance(seconds=0 if prepare is _purge else 30)

    await change()

    assert await house.revision() > before
    second = await requested(house)
    assert second != first
    assert await requested(house) == second
    assert house.announced_reports == [PrintJob(1), PrintJob(2)]
    assert [entry[1] for entry in await house.audit()].count("CREATE_REPORT") == 2


async def test_the_file_shows_the_cancellation_that_came_before_the_request(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    house = House(engine)
    press = printing(engine, tmp_path, clock=lambda: house.now)
    await house.take(ONE_CALL)
    await requested(house)
    await print_all(press)
    assert b"Canceled" not in await made(press, 1)

    await house.do(CANCEL)

    assert await requested(house) == "report.2"
    await print_all(press)
    assert b"Canceled" in await made(press, 2)


async def test_a_message_that_did_not_change_keeps_its_report_while_another_one_changes(
    engine: AsyncEngine,
) -> None:
    house = House(engine)
    await house.take(ONE_CALL, message("M-2", [recipient("p2", voice("+16125550102"))]))
    first = await requested(house)

    await house.do(CANCEL.replace("message.1", "message.2"))

    assert await requested(house) == first
    assert await report_count(engine) == 1


async def test_requests_that_come_together_after_a_change_get_one_report(
    engine: AsyncEngine,
) -> None:
    house = House(engine)
    await house.take(ONE_CALL)
    first = await requested(house)
    await house.do(CANCEL)

    ids = await asyncio.gather(*(requested(house) for _ in range(5)))

    assert set(ids) == {"report.2"}
    assert first == "report.1"
    assert await report_count(engine) == 2


async def test_a_report_from_before_the_migration_answers_no_later_request(
    engine: AsyncEngine,
) -> None:
    house = House(engine)
    await house.take(ONE_CALL)
    first = await requested(house)
    async with writing(engine) as connection:
        await connection.execute(update(REPORT).values(message_revision=None))

    assert await requested(house) != first
