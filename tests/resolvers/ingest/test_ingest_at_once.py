"""The promise: concurrent uploads do not see each other's unfinished messages, but each other's committed changes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

import resolvers.ingest.districts
import resolvers.ingest.line_splitter
import resolvers.ingest.upload
from db.connect.database import Database
from resolvers.ingest.ingest import Outcome, ingest
from tests.log import NOON, district, email, end, inbox, message, recipient, school
from tests.resolvers.uploads import rows, send, story

PLACE = district() + school()
LISTED = [recipient(f"p{n}", inbox(f"account{n}")) for n in range(20)]
BEGUN = message("M-1", LISTED, school="harrison-high", status=None, ends=False)


@pytest.fixture(autouse=True)
def each_line_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits to be looked at until more has come."""
    monkeypatch.setattr(resolvers.ingest.line_splitter, "BLOCK", 1)


class Paused:
    """An upload that stops half way until `go_on` is set."""

    def __init__(self, database: Database, half: bytes, rest: bytes) -> None:
        self._database = database
        self._half = half
        self._rest = rest
        self._is_half_way = asyncio.Event()
        self._goes_on = asyncio.Event()
        self._task: asyncio.Task[Outcome] | None = None

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield self._half
        self._is_half_way.set()
        await self._goes_on.wait()
        yield self._rest

    async def begin(self) -> None:
        upload = ingest(self._database, self._chunks(), viewer=None, clock=lambda: NOON)
        self._task = asyncio.create_task(upload)
        await self._is_half_way.wait()

    async def end(self) -> Outcome:
        assert self._task is not None
        self._goes_on.set()
        return await self._task


async def test_of_two_uploads_of_one_message_one_puts_it_in(database: Database) -> None:
    await send(database, PLACE)
    one, other = (Paused(database, BEGUN, end()) for _ in range(2))
    await one.begin()
    await other.begin()

    outcomes = await asyncio.gather(one.end(), other.end())

    assert sorted((o.accepted, o.unchanged, o.refused) for o in outcomes) == [(0, 1, 0), (1, 0, 0)]
    written = await rows(database)
    assert (written["message"], written["recipient"], written["delivery"]) == (1, 20, 20)


async def test_of_two_uploads_with_other_content_under_one_id_one_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolvers.ingest.upload, "BATCH", 500)  # both wait on the stage
    await send(database, PLACE)
    one = Paused(database, BEGUN, end())
    other = Paused(database, BEGUN, message("M-1", [recipient("p99", email())]).split(b"\n", 1)[1])
    await one.begin()
    await other.begin()

    first, second = await one.end(), await other.end()

    assert (first.accepted, first.refused) == (1, 0)
    assert (second.accepted, second.refused) == (0, 1)
    assert [(p.line, p.message, p.field) for p in second.problems] == [(1, "M-1", "id")]
    assert (await rows(database))["recipient"] == 20


async def test_two_uploads_may_begin_with_the_same_new_district(database: Database) -> None:
    uploads = [
        Paused(database, b"\n", PLACE + message(f"M-{n}", LISTED, status=None)) for n in range(2)
    ]
    for upload in uploads:
        await upload.begin()

    outcomes = await asyncio.gather(*(upload.end() for upload in uploads))

    assert [(o.accepted, o.problems) for o in outcomes] == [(1, []), (1, [])]
    written = await rows(database)
    assert (written["district"], written["school"], written["person"]) == (1, 1, 20)


async def test_a_message_is_sorted_by_the_name_that_its_school_has_when_it_goes_in(
    database: Database,
) -> None:
    await send(database, PLACE)
    upload = Paused(database, BEGUN, end())
    await upload.begin()

    await send(database, school(name="Harrison Senior High"))
    await upload.end()

    assert [row[3] for row in (await story(database))["message"]] == ["harrison senior high"]


async def test_a_message_is_dated_in_the_zone_that_its_district_has_when_it_goes_in(
    database: Database,
) -> None:
    await send(database, PLACE)
    upload = Paused(database, BEGUN, end())
    await upload.begin()

    changed = await send(database, district(time_zone="America/New_York"))
    await upload.end()

    assert changed.problems == []
    stored = await story(database)
    assert [row[10] for row in stored["message"]] == ["01/31/2020 1:00 pm"]
    assert [row[2] for row in stored["district"]] == ["America/New_York"]


async def test_a_message_may_have_the_modes_that_its_district_had_when_it_began(
    database: Database,
) -> None:
    phone = recipient("p1", {"mode": "VOICE", "address": "+16125550101"})
    listed = message("M-1", [phone], status=None).split(b"\n", 1)[1]
    begun = message("M-1", status=None, ends=False)

    outcome = await send(
        database,
        PLACE,
        begun,
        district(has_voice=False),
        listed,
        message("M-2", [phone], status=None),
    )

    assert (outcome.accepted, outcome.refused) == (1, 1)
    assert [problem.message for problem in outcome.problems] == ["M-2"]


async def test_a_message_that_is_whole_keeps_its_district_from_moving_to_another_zone(
    database: Database,
) -> None:
    outcome = await send(database, PLACE, BEGUN, end(), district(time_zone="America/New_York"))

    assert [(problem.line, problem.field) for problem in outcome.problems] == [(25, "timeZone")]
    assert [row[10] for row in (await story(database))["message"]] == ["01/31/2020 12:00 pm"]


async def test_a_school_that_is_renamed_takes_its_messages_along(database: Database) -> None:
    one = message("M-1", school="harrison-high")
    other = message("M-2", school="harrison-high")
    renamed = school(name="Harrison Senior High")

    outcome = await send(database, PLACE, one, renamed, renamed, other)

    assert outcome.problems == []
    stored = await story(database)
    assert [row[3] for row in stored["message"]] == ["harrison senior high"] * 2
    assert stored["school"] == [
        ("plainview", "harrison-high", "Harrison Senior High", "harrison senior high")
    ]


async def test_what_is_known_of_many_districts_is_not_kept_for_ever(database: Database) -> None:
    count = resolvers.ingest.districts.MOST_PLACES + 2
    lines = [district(f"d{n}") + school(district=f"d{n}") for n in range(count)]
    messages = [message(f"M-{n}", district=f"d{n}", school="harrison-high") for n in range(count)]

    outcome = await send(database, *lines, *messages, *reversed(lines))

    assert outcome.problems == []
    assert outcome.accepted == count
