"""`GET /reports/{id}`: access, the states before and after the file, and ranges."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from sqlalchemy import select, update
from starlette.applications import Starlette

from db.connect.database import Database
from db.derived.addresses.problems import ProblemCriteria
from db.reports.secrets import secrets
from db.reports.subjects import ProblemsSubject, encode
from db.tables.log import MESSAGE
from db.tables.operations import AUDIT, REPORT
from delivery.reports.failures import FailureKind, viewer_message
from delivery.reports.jobs import ReportRuntime
from delivery.reports.store import open_store
from domain.report import KEPT, ReportFormat, ReportStatus
from domain.ticket import SECRET, Ticket, sign
from server.auth.authenticator import Authenticator
from server.auth.key_sources import connect_keys
from server.routes.downloads import route
from tests.delivery.reports.printing import made, make_reports, printing, requested_report
from tests.log import NOON, district, email, load, message, recipient, school, school_ids
from tests.server.auth.signing import Clock, claims, no_client, settings, signed

NAME = "Sent Message Report - Nguyễn & Söhne - 2020-01-31.csv"
ALL_RIGHTS = ["VIEW_LOG", "VIEW_RECIPIENTS"]


@dataclass(frozen=True, slots=True)
class Desk:
    """A server on a log with one report, and somebody who holds a ticket to it."""

    report_runtime: ReportRuntime
    client: httpx2.AsyncClient
    clock: Clock
    key: bytes
    ticket: Ticket

    async def get(
        self,
        *,
        id: str = "report.1",
        ticket: Ticket | str | None = None,
        method: str = "GET",
        **headers: str,
    ) -> httpx2.Response:
        """What the link comes to; underscores stand for hyphens in headers."""
        text = ticket if isinstance(ticket, str) else sign(ticket or self.ticket, self.key)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(
            method, f"/reports/{id}", params={"ticket": text}, headers=named
        )

    async def make(self) -> bytes:
        """Make the report; its file."""
        assert await make_reports(self.report_runtime) == 1
        return await made(self.report_runtime)

    async def downloads(self) -> list[tuple[str, str, str, str | None]]:
        """The downloads that are written down."""
        columns = AUDIT.c
        statement = (
            select(columns.viewer_id, columns.action, columns.subject, columns.origin)
            .where(columns.action == "DOWNLOAD_REPORT")
            .order_by(columns.id)
        )
        async with self.report_runtime.database.reading() as connection:
            return [tuple(one) for one in await connection.execute(statement)]


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    people = [recipient(f"p{n}", email(f"p{n}@nomail.example")) for n in range(20)]
    east = message("M-1", people, school="east")
    await load(database, district(), school("east"), school("west"), east)
    report_runtime = printing(database, tmp_path / "store")
    await requested_report(report_runtime)
    clock = Clock(NOON)
    config = settings()
    keys = connect_keys(config, no_client(), clock=clock)
    app = Starlette(
        routes=[
            route(
                database=database,
                store=open_store(report_runtime.place),
                authenticator=Authenticator(config, keys, clock=clock),
                clock=clock,
            )
        ]
    )
    async with database.writing() as connection:
        await connection.execute(update(REPORT).values(file_name=NAME))
        key = (await secrets(connection, [SECRET]))[SECRET]
    transport = httpx2.ASGITransport(app=app, client=("192.0.2.1", 5000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://log.example") as client:
        yield Desk(report_runtime, client, clock, key, Ticket(1, "u1", 1, None, True, NOON + KEPT))


def message_of(response: httpx2.Response) -> str:
    (error,) = response.json()["errors"]
    return str(error["message"])


# What there is


async def test_until_it_is_ready_it_says_how_far_it_is_and_when_to_ask_again(desk: Desk) -> None:
    response = await desk.get()
    assert (response.status_code, response.headers["retry-after"]) == (202, "2")
    assert response.json() == {"status": "QUEUED", "progressPercent": 0}
    assert await desk.downloads() == []


async def test_the_file_comes_whole_under_its_name_and_the_audit_has_it(desk: Desk) -> None:
    file = await desk.make()
    response = await desk.get()
    assert response.status_code == 200
    assert response.content == file
    headers = response.headers
    assert headers["content-type"] == "text/csv; charset=utf-8"
    assert headers["content-length"] == str(len(file))
    assert headers["etag"] == f'"{hashlib.sha256(file).hexdigest()}"'
    assert headers["content-disposition"] == (
        'attachment; filename="Sent Message Report - Nguy_n & S_hne - 2020-01-31.csv"; '
        f"filename*=UTF-8''{quote(NAME, safe='')}"
    )
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert await desk.downloads() == [("u1", "DOWNLOAD_REPORT", "report.1", "192.0.2.1")]


async def download_names(desk: Desk) -> list[str | None]:
    """The names in the audit of who downloaded."""
    statement = select(AUDIT.c.viewer_name).where(AUDIT.c.action == "DOWNLOAD_REPORT")
    async with desk.report_runtime.database.reading() as connection:
        return list(await connection.scalars(statement.order_by(AUDIT.c.id)))


async def test_the_audit_has_the_name_of_who_downloads_where_it_is_known(desk: Desk) -> None:
    await desk.make()
    signed_in = signed(claims(name="Zoë", schools=[], rights=ALL_RIGHTS))

    await desk.get()  # by the link alone, and the viewer of the link requested the report
    await desk.get(ticket=desk.ticket._replace(viewer_id="u2"))
    await desk.get(authorization=f"Bearer {signed_in}")

    assert await download_names(desk) == ["Administrator, System", None, "Zoë"]


async def test_a_head_says_the_same_and_is_no_download(desk: Desk) -> None:
    file = await desk.make()
    response = await desk.get(method="HEAD")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == str(len(file))
    assert await desk.downloads() == []


async def test_who_has_it_already_does_not_get_it_again(desk: Desk) -> None:
    await desk.make()
    tag = (await desk.get(method="HEAD")).headers["etag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        response = await desk.get(if_none_match=given)
        assert (response.status_code, response.content) == (304, b"")
    assert (await desk.get(if_none_match='"other"')).status_code == 200
    assert len(await desk.downloads()) == 1


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=5-9", (5, 10)),
        ("bytes=100-", (100, None)),
        ("bytes=-7", (-7, None)),
        ("Bytes = 5 - 9", (5, 10)),
    ],
)
async def test_a_part_comes_alone(
    desk: Desk, wanted: str, part: tuple[int, int | None]
) -> None:  # fmt: skip
    file = await desk.make()
    response = await desk.get(range=wanted)
    expected = file[part[0] : part[1]]
    assert (response.status_code, response.content) == (206, expected)
    start = part[0] % len(file)
    span = f"bytes {start}-{start + len(expected) - 1}/{len(file)}"
    assert response.headers["content-range"] == span
    assert response.headers["content-length"] == str(len(expected))


async def test_a_part_that_is_not_there_is_refused(desk: Desk) -> None:
    file = await desk.make()
    response = await desk.get(range=f"bytes={len(file)}-")
    assert (response.status_code, response.content) == (416, b"")
    assert response.headers["content-range"] == f"bytes */{len(file)}"
    assert await desk.downloads() == []


async def test_a_part_of_another_version_is_not_joined_to_this_one(desk: Desk) -> None:
    file = await desk.make()
    tag = (await desk.get(method="HEAD")).headers["etag"]
    assert (await desk.get(range="bytes=0-4", if_range=tag)).content == file[:5]
    assert (await desk.get(range="bytes=0-4", if_range='"other"')).content == file


@pytest.mark.parametrize("format", ReportFormat)
async def test_every_format_has_its_type(desk: Desk, format: ReportFormat) -> None:
    async with desk.report_runtime.database.writing() as connection:
        await connection.execute(update(REPORT).values(format=format))
    await desk.make()
    kind = (await desk.get()).headers["content-type"]
    assert kind.startswith({"PDF": "application/pdf", "CSV": "text/csv"}.get(format, "application/vnd.openxml"))  # fmt: skip


# What there is no more


async def test_what_could_not_be_made_says_why(desk: Desk) -> None:
    failure = viewer_message(FailureKind.STORE_FULL)
    async with desk.report_runtime.database.writing() as connection:
        await connection.execute(update(REPORT).values(status=ReportStatus.FAILED, failure=failure))
    response = await desk.get()
    assert (response.status_code, message_of(response)) == (409, failure)


async def test_after_a_day_it_is_gone_whether_or_not_the_file_is(desk: Desk) -> None:
    await desk.make()
    desk.clock.advance(seconds=KEPT.total_seconds() - 1)
    assert (await desk.get()).status_code == 200
    desk.clock.advance(seconds=1)
    response = await desk.get()
    assert response.status_code == 410
    assert "no longer kept" in message_of(response)


async def test_a_file_that_is_lost_is_said_to_be(desk: Desk) -> None:
    await desk.make()
    await open_store(desk.report_runtime.place).remove("1.")
    response = await desk.get()
    assert response.status_code == 404
    assert "lost" in message_of(response)
    assert await desk.downloads() == []


# Who is let in

REFUSED = "This link is not good for this report, or not for you. Take a fresh one: `downloadUrl` of the report."


@pytest.mark.parametrize("id", ["report.1", "report.2", "message.1", "nonsense"])
@pytest.mark.parametrize(
    "change",
    ["other report", "other viewer", "other time", "other key", "no signature", "nothing"],
)
async def test_a_link_that_is_not_ours_is_refused_in_one_way(
    desk: Desk, id: str, change: str
) -> None:
    """Whether or not there is such a report: the answers are alike to the byte."""
    await desk.make()
    good = sign(desk.ticket, desk.key)
    seal = good.partition(".")[2]
    later = NOON + 2 * KEPT
    forged = {
        "other report": sign(desk.ticket._replace(report_id=9), desk.key),
        "other viewer": sign(desk.ticket._replace(viewer_id="u2"), b"x").split(".")[0] + "." + seal,
        "other time": sign(desk.ticket._replace(until=later), b"x").split(".")[0] + "." + seal,
        "other key": sign(desk.ticket, b"x" * 32),
        "no signature": good.partition(".")[0],
        "nothing": "",
    }[change]
    response = await desk.get(id=id, ticket=forged)
    assert (response.status_code, message_of(response)) == (403, REFUSED)
    assert await desk.downloads() == []


@pytest.mark.parametrize("is_signed_in", [False, True])
async def test_a_link_that_has_run_out_is_refused_though_the_report_is_kept(
    desk: Desk, is_signed_in: bool
) -> None:
    await desk.make()
    short = desk.ticket._replace(until=NOON + timedelta(minutes=10))
    token = signed(claims(exp=int((NOON + KEPT).timestamp()), schools=[], rights=ALL_RIGHTS))
    headers = {"authorization": f"Bearer {token}"} if is_signed_in else {}
    desk.clock.advance(minutes=10, seconds=-1)
    assert (await desk.get(ticket=short, **headers)).status_code == 200
    desk.clock.advance(seconds=1)
    response = await desk.get(ticket=short, **headers)
    assert (response.status_code, message_of(response)) == (403, REFUSED)
    assert (await desk.get(**headers)).status_code == 200
    assert len(await desk.downloads()) == 2


async def test_no_ticket_at_all_is_refused_in_the_same_way(desk: Desk) -> None:
    response = await desk.client.get("/reports/report.1")
    assert (response.status_code, message_of(response)) == (403, REFUSED)
    assert response.headers["cache-control"] == "no-store"


async def test_a_good_ticket_to_another_report_opens_this_one_no_more(desk: Desk) -> None:
    assert (await desk.get(id="report.2")).status_code == 403


async def test_the_sight_that_was_signed_is_held_to_at_download(desk: Desk) -> None:
    schools = await school_ids(desk.report_runtime.database)
    east, west = (desk.ticket._replace(school_id=schools[name]) for name in ("east", "west"))
    assert (await desk.get(ticket=east)).status_code == 202
    assert (await desk.get(ticket=west)).status_code == 404
    other = desk.ticket._replace(district_id=2)
    assert (await desk.get(ticket=other)).status_code == 404


async def test_a_message_that_went_out_of_sight_takes_its_reports_along(desk: Desk) -> None:
    await desk.make()
    async with desk.report_runtime.database.writing() as connection:
        later = NOON + timedelta(hours=1)
        await connection.execute(update(MESSAGE).values(visible_from=later))
    assert (await desk.get()).status_code == 404


async def test_names_are_for_those_alone_whose_ticket_says_so(desk: Desk) -> None:
    blind = desk.ticket._replace(sees_recipients=False)
    assert (await desk.get(ticket=blind)).status_code == 404
    async with desk.report_runtime.database.writing() as connection:
        await connection.execute(update(REPORT).values(is_masked=True))
    assert (await desk.get(ticket=blind)).status_code == 202


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"rights": ALL_RIGHTS, "schools": []}, 202),
        ({"rights": ALL_RIGHTS, "schools": ["east"]}, 202),
        ({"rights": ALL_RIGHTS, "schools": ["west"]}, 404),
        ({"rights": ["VIEW_LOG"], "schools": []}, 404),
        ({"rights": ["VIEW_RECIPIENTS"], "schools": []}, 404),
        ({"rights": ALL_RIGHTS, "schools": [], "district": "elsewhere"}, 404),
        ({"rights": ALL_RIGHTS, "schools": [], "sub": "u2"}, 403),
        ({"rights": ALL_RIGHTS, "schools": [], "exp": 1}, 401),
    ],
)
async def test_who_is_signed_in_beside_the_link_is_held_to_the_sign_in(
    desk: Desk, said: dict[str, object], status: int
) -> None:
    exp = {"exp": int(NOON.timestamp()) + 60}
    token = signed(claims(**(exp | said)))
    assert (await desk.get(authorization=f"Bearer {token}")).status_code == status


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"rights": ALL_RIGHTS, "schools": []}, 202),
        ({"rights": ALL_RIGHTS, "schools": ["east", "west"]}, 202),
        ({"rights": ALL_RIGHTS, "schools": ["west"]}, 404),
        ({"rights": ["VIEW_LOG"], "schools": []}, 404),
        ({"rights": ALL_RIGHTS, "schools": [], "district": "elsewhere"}, 404),
        ({"rights": ALL_RIGHTS, "schools": [], "sub": "u2"}, 403),
    ],
)
async def test_a_report_on_people_is_for_who_sees_the_schools_of_its_requester(
    desk: Desk, said: dict[str, object], status: int
) -> None:
    schools = await school_ids(desk.report_runtime.database)
    subject = ProblemsSubject(criteria=ProblemCriteria(), school_ids=(schools["east"],))
    async with desk.report_runtime.database.writing() as connection:
        changed = update(REPORT).values(message_id=None, subject=encode(subject))
        await connection.execute(changed)
    exp = {"exp": int(NOON.timestamp()) + 60}
    token = signed(claims(**(exp | said)))

    assert (await desk.get(authorization=f"Bearer {token}")).status_code == status
    # A browser that follows the link alone has the rights of its ticket.
    assert (await desk.get()).status_code == 202
    assert (await desk.get(ticket=desk.ticket._replace(sees_recipients=False))).status_code == 404
    assert (await desk.get(ticket=desk.ticket._replace(district_id=2))).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_the_route_is_for_reading_alone(desk: Desk, method: str) -> None:
    assert (await desk.get(method=method)).status_code == 405
