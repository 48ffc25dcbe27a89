"""`createReport`, a message's reports, `reportChanged`, and the ticket in a link."""

import asyncio
import string
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from db.connect.database import Database
from db.reports.secrets import secrets
from db.tables.log import MESSAGE
from db.tables.operations import REPORT
from delivery.reports.jobs import RenderJob, expire
from domain.report import ReportDetail, ReportDevice, ReportFormat
from domain.status import DeliveryMode, MessageStatus
from domain.ticket import LONGEST, SECRET, Ticket, read, sign
from domain.viewer import Right
from schema.contract import SCHEMA
from tests.delivery.reports.printing import make_reports, printing
from tests.log import email, inbox, message, recipient, school, school_ids, viewer, voice
from tests.operations import ask
from tests.resolvers.world import World

CREATE = """
    mutation($id: ID!, $devices: [ReportDevice!]! = [EMAIL], $detail: ReportDetail! = ALL,
             $format: ReportFormat! = PDF) {
      createReport(input: {messageId: $id, devices: $devices, detail: $detail, format: $format}) {
        __typename
        ... on CreateReportSuccess { report {
            id message { id } devices detail format status progressPercent requestedBy { id name } requestedAt
            asOf fileName rowCount byteSize sha256 expiresAt failure
        } }
        ... on ReportOptionUnavailable { field available { devices details formats } }
        ... on UserError { message }
      }
    }
"""
LINK = """
    mutation($id: ID!) { createReport(input: {messageId: $id, devices: [EMAIL]}) {
        ... on CreateReportSuccess { report { id downloadUrl } } } }
"""
OF_MESSAGE = """
    query($id: ID!) { message(id: $id) { reports(first: 2) {
        totalCount nodes { id format } edges { cursor node { id } } pageInfo { hasNextPage endCursor } } } }
"""
CHANGED = "subscription($id: ID!) { reportChanged(id: $id) { id status progressPercent rowCount } }"
NOT_FOUND = {
    "__typename": "NotFound",
    "message": "There is no message with this id that you may see.",
}
PEOPLE = [recipient("p1", inbox(), email(), voice()), recipient("p2")]


@pytest.fixture
async def world(database: Database) -> World:
    """A log with one message of East, which went by every mode."""
    world = World(database)
    await world.take(school("east"), message("M-1", PEOPLE, school="east", subject="Bus 7: late"))
    return world


async def count(world: World) -> int:
    async with world.database.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(REPORT)) or 0


# Asking for one


async def test_a_report_is_asked_for_and_answered_before_it_is_made(world: World) -> None:
    answer = await world.do(CREATE, id="message.1", devices=["EMAIL", "NO_DEVICE", "EMAIL"])

    assert answer == {
        "__typename": "CreateReportSuccess",
        "report": {
            "id": "report.1",
            "message": {"id": "message.1"},
            "devices": ["NO_DEVICE", "EMAIL"],
            "detail": "ALL",
            "format": "PDF",
            "status": "QUEUED",
            "progressPercent": 0,
            "requestedBy": {"id": "u1", "name": "Administrator, System"},
            "requestedAt": "2020-01-31T18:00:00+00:00",
            "asOf": None,
            "fileName": "Sent Message Report - Bus 7 late - 2020-01-31.pdf",
            "rowCount": None,
            "byteSize": None,
            "sha256": None,
            "expiresAt": "2020-02-01T18:00:00+00:00",
            "failure": None,
        },
    }
    assert await world.audit() == [("u1", "CREATE_REPORT", "report.1", "192.0.2.1", "r-1")]
    assert world.announced_reports == [RenderJob(1)]


async def test_the_same_again_within_a_minute_is_the_same_and_written_down_once(
    world: World,
) -> None:
    first = await world.do(CREATE, id="message.1", devices=["INBOX", "EMAIL"])
    world.advance(seconds=59)
    assert await world.do(CREATE, id="message.1", devices=["EMAIL", "INBOX"]) == first
    world.advance(seconds=1)
    again = await world.do(CREATE, id="message.1", devices=["EMAIL", "INBOX"])
    assert again["report"]["id"] == "report.2"
    assert len(await world.audit()) == 2
    assert world.announced_reports == [RenderJob(1), RenderJob(2)]


async def test_without_the_right_nothing_is_made(world: World) -> None:
    rights = set(Right) - {Right.CREATE_REPORTS}
    code, text = await world.refusal(CREATE, id="message.1", viewer=viewer(rights=rights))
    assert code == "FORBIDDEN"
    assert "CREATE_REPORTS" in text
    assert await count(world) == 0


@pytest.mark.parametrize("id", ["message.2", "report.1", "nonsense"])
async def test_a_message_that_is_not_there_is_not_found(world: World, id: str) -> None:
    assert await world.do(CREATE, id=id) == NOT_FOUND


async def test_a_message_of_another_school_is_not_there(world: World) -> None:
    await world.take(school("west"))
    west = viewer(schools=["west"])
    assert await world.do(CREATE, id="message.1", viewer=west) == NOT_FOUND
    assert await count(world) == 0


RUNNING = (MessageStatus.WAITING, MessageStatus.IN_PROGRESS)


@pytest.mark.parametrize("status", MessageStatus)
async def test_every_combination_is_taken_or_refused_by_the_rule(
    database: Database, status: MessageStatus
) -> None:
    """A message by inbox and email: with each set of devices, each detail and format, one operation each set."""
    world = World(database)
    modes = [DeliveryMode.INBOX, DeliveryMode.EMAIL]
    await world.take(message("M-1", [], modes=modes))
    async with database.writing() as connection:
        await connection.execute(update(MESSAGE).values(status=status))
    alike = list(product(ReportDetail, ReportFormat))
    fields = " ".join(
        f"c{n}: createReport(input: {{messageId: $id, devices: $devices, detail: {detail}, format: {format}}})"
        " { __typename ... on ReportOptionUnavailable { field available { details } } }"
        for n, (detail, format) in enumerate(alike)
    )
    document = f"mutation($id: ID!, $devices: [ReportDevice!]!) {{ {fields} }}"
    refused = 0
    for chosen in product((False, True), repeat=len(ReportDevice)):
        devices = [device for device, is_in in zip(ReportDevice, chosen, strict=True) if is_in]
        data = await ask(database, document, {"id": "message.1", "devices": devices})
        for n, (detail, _) in enumerate(alike):
            is_running = detail is ReportDetail.FAILED_DELIVERY and status in RUNNING
            blamed = "detail" if is_running else None
            if not devices or ReportDevice.VOICE_TEXT in devices:
                blamed = "devices"
            refused += blamed is not None
            details = [d for d in ReportDetail if status not in RUNNING or d != "FAILED_DELIVERY"]
            assert data[f"c{n}"] == (
                {"__typename": "CreateReportSuccess"}
                if blamed is None
                else {
                    "__typename": "ReportOptionUnavailable",
                    "field": blamed,
                    "available": {"details": details},
                }
            ), (devices, detail)
    assert await count(world) == 16 * len(alike) - refused


async def test_a_refusal_says_what_there_is_instead(world: World) -> None:
    assert await world.do(CREATE, id="message.1", devices=[]) == {
        "__typename": "ReportOptionUnavailable",
        "field": "devices",
        "available": {
            "devices": ["NO_DEVICE", "INBOX", "EMAIL", "VOICE_TEXT"],
            "details": ["ALL", "SUMMARY", "FAILED_DELIVERY"],
            "formats": ["PDF", "CSV", "DOCX", "XLSX"],
        },
        "message": "Choose at least one delivery device: NO_DEVICE, INBOX, EMAIL, VOICE_TEXT.",
    }
    assert await count(world) == 0
    assert await world.audit() == []
    assert world.announced_reports == []


# Finding them


async def test_a_message_shows_its_reports_newest_first_in_pages(world: World) -> None:
    for format in ("PDF", "CSV", "XLSX"):
        await world.do(CREATE, id="message.1", format=format)
        world.advance(seconds=1)
    found = (await world.do(OF_MESSAGE, id="message.1"))["reports"]
    assert found["totalCount"] == 3
    assert found["nodes"] == [
        {"id": "report.3", "format": "XLSX"},
        {"id": "report.2", "format": "CSV"},
    ]
    assert found["pageInfo"] == {"hasNextPage": True, "endCursor": found["edges"][1]["cursor"]}


async def test_a_report_is_a_node(world: World) -> None:
    await world.do(CREATE, id="message.1")
    query = "query($id: ID!) { node(id: $id) { __typename id ... on Report { status } } }"
    assert await world.do(query, id="report.1") == {
        "__typename": "Report",
        "id": "report.1",
        "status": "QUEUED",
    }


async def test_names_stay_with_those_who_may_see_them(world: World) -> None:
    masked = viewer(rights=set(Right) - {Right.VIEW_RECIPIENTS}, id="u2")
    await world.do(CREATE, id="message.1")
    own = await world.do(CREATE, id="message.1", viewer=masked)
    assert own["report"]["id"] == "report.2"
    seen = [
        (await world.do(OF_MESSAGE, id="message.1", viewer=who))["reports"]
        for who in (viewer(), masked)
    ]
    assert [[node["id"] for node in found["nodes"]] for found in seen] == [
        ["report.2", "report.1"],
        ["report.2"],
    ]
    assert [found["totalCount"] for found in seen] == [2, 1]


async def test_subscribers_see_the_progress_of_a_report(world: World, tmp_path: Path) -> None:
    report_runtime = printing(world.database, tmp_path, clock=lambda: world.now)
    await world.do(CREATE, id="message.1", format="CSV")
    states = cast(
        AsyncGenerator[Any, None],
        await SCHEMA.subscribe(
            CHANGED, variable_values={"id": "report.1"}, context_value=await world.open()
        ),
    )

    async def shown() -> Any:
        return (await anext(states)).data["reportChanged"]

    first = {"id": "report.1", "status": "QUEUED", "progressPercent": 0, "rowCount": None}
    assert await shown() == first
    assert await make_reports(report_runtime) == 1
    world.process_services.notices.ring("report.1")
    waiting = await _after_pause(world, shown())
    assert waiting == first | {"status": "READY", "progressPercent": 100, "rowCount": 1}
    world.advance(days=1)
    assert await expire(report_runtime) == 1
    world.process_services.notices.ring("report.1")
    assert (await _after_pause(world, shown()))["status"] == "EXPIRED"
    await states.aclose()


async def _after_pause(world: World, next_state: Any) -> Any:
    task = asyncio.ensure_future(next_state)
    while not task.done():
        world.naps.wake(1.0)
        await asyncio.sleep(0)
    return await task


async def test_nobody_watches_a_report_that_is_not_there(world: World) -> None:
    result: Any = await SCHEMA.subscribe(
        CHANGED, variable_values={"id": "report.9"}, context_value=await world.open()
    )
    error = (result.errors if hasattr(result, "errors") else (await anext(result)).errors)[0]
    assert error.message == "There is no report with this id that you may see."


# Links


async def ticket_of(world: World, **request: Any) -> Ticket | None:
    answer = await world.do(LINK, id="message.1", **request)
    address = urlsplit(answer["report"]["downloadUrl"])
    assert (address.scheme, address.netloc, address.path) == ("", "", "/reports/report.1")
    async with world.database.reading() as connection:
        key = (await secrets(connection, [SECRET]))[SECRET]
    return read(parse_qs(address.query)["ticket"][0], key)


UNTIL = datetime(2020, 2, 1, 18, tzinfo=UTC)


async def test_a_link_is_for_one_viewer_one_report_and_as_long_as_it_is_kept(world: World) -> None:
    assert await ticket_of(world) == Ticket(1, "u1", 1, None, True, UNTIL)


async def test_a_link_carries_no_more_sight_than_its_viewer_has(world: World) -> None:
    east = viewer(schools=["east"], rights=set(Right) - {Right.VIEW_RECIPIENTS})
    school_id = (await school_ids(world.database))["east"]
    assert await ticket_of(world, viewer=east) == Ticket(1, "u1", 1, school_id, False, UNTIL)


TICKET = Ticket(7, "ü1", 1, 3, True, UNTIL)
KEY = b"k" * 32


def test_a_ticket_reads_as_it_was_signed() -> None:
    assert read(sign(TICKET, KEY), KEY) == TICKET


def test_another_key_reads_nothing() -> None:
    assert read(sign(TICKET, KEY), b"x" * 32) is None


@given(place=st.integers(0, len(sign(TICKET, KEY)) - 1), other=st.sampled_from(string.printable))
def test_a_ticket_with_one_character_changed_reads_as_nothing(place: int, other: str) -> None:
    good = sign(TICKET, KEY)
    changed = good[:place] + other + good[place + 1 :]
    assert (read(changed, KEY) is None) == (changed != good)


@given(text=st.text(max_size=200))
def test_no_text_that_was_not_signed_is_a_ticket(text: str) -> None:
    assert read(text, KEY) is None


@pytest.mark.parametrize(
    "text", ["", ".", "e30.", sign(TICKET, KEY) + "=", sign(TICKET, KEY) + " ", "a" * (LONGEST + 1)]
)
def test_what_only_looks_like_a_ticket_is_none(text: str) -> None:
    assert read(text, KEY) is None
