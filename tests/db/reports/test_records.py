"""Report records: when a request is new, which process makes a report, and who sees it."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from db.connect.database import Database
from db.reports import jobs as report_jobs
from db.reports import records
from db.reports.jobs import MadeReport, ReportJob
from delivery.reports.jobs import ReportRuntime
from domain.report import KEPT, ReportDetail, ReportDevice, ReportFormat, ReportStatus
from tests.delivery.reports.printing import hurry, printing, requested_report, row
from tests.log import NOON, district, load, message, school, visibility

LEASE = timedelta(minutes=1)
MADE = MadeReport("1.a.csv", NOON, 3, 120, "0" * 64)


@pytest.fixture
async def report_runtime(database: Database, tmp_path: Path) -> ReportRuntime:
    """A log with two messages and no reports."""
    await load(database, district(), school("east"), message("M-1", school="east"), message("M-2"))
    return printing(database, tmp_path / "store")


async def claimed(
    report_runtime: ReportRuntime, token: str, id: int = 1, *, now: datetime = NOON
) -> ReportJob | None:
    async with report_runtime.database.writing() as connection:
        return await report_jobs.claim(
            connection, id, token=token, lease=LEASE, most_attempts=3, now=now
        )


async def waiting(
    report_runtime: ReportRuntime, *, now: datetime = NOON, most: int = 100
) -> list[int]:
    async with report_runtime.database.reading() as connection:
        return [*await report_jobs.waiting(connection, now=now, most=most)]


# Requests


async def test_the_same_request_within_a_minute_is_the_same_report(
    report_runtime: ReportRuntime,
) -> None:
    first = await requested_report(report_runtime)
    assert await requested_report(report_runtime, at=NOON + timedelta(seconds=59)) == first
    assert await requested_report(report_runtime, at=NOON + timedelta(seconds=60)) != first


@pytest.mark.parametrize(
    "other",
    [
        {"message_id": 2},
        {"by": "u2"},
        {"is_masked": True},
        {"time_zone": "America/Denver"},
        {"devices": (ReportDevice.EMAIL,)},
        {"detail": ReportDetail.SUMMARY},
        {"format": ReportFormat.PDF},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_another_request_is_another_report(
    report_runtime: ReportRuntime, other: dict[str, Any]
) -> None:
    assert await requested_report(report_runtime) != await requested_report(report_runtime, **other)


async def test_a_failed_report_is_made_again(report_runtime: ReportRuntime) -> None:
    first = await requested_report(report_runtime)
    await claimed(report_runtime, "a")
    async with report_runtime.database.writing() as connection:
        assert await report_jobs.fail(connection, first, token="a", failure="No.")
    assert await requested_report(report_runtime) != first


async def test_two_concurrent_equal_requests_get_one_report(report_runtime: ReportRuntime) -> None:
    ids = await asyncio.gather(*(requested_report(report_runtime) for _ in range(5)))
    assert set(ids) == {ids[0]}


# Jobs


async def test_waiting_reports_are_found_oldest_first_until_claimed(
    report_runtime: ReportRuntime,
) -> None:
    ids = [await requested_report(report_runtime, format=format) for format in ReportFormat]
    assert await waiting(report_runtime) == ids
    assert await waiting(report_runtime, most=2) == ids[:2]
    assert await waiting(report_runtime, now=NOON + KEPT) == []
    job = await claimed(report_runtime, "a", ids[1])
    assert job is not None
    assert job.id == ids[1]
    assert await waiting(report_runtime) == [id for id in ids if id != ids[1]]
    assert await claimed(report_runtime, "b", ids[1]) is None
    assert {
        (await row(report_runtime.database, id)).status for id in await waiting(report_runtime)
    } == {ReportStatus.QUEUED}


async def test_one_of_several_concurrent_claims_succeeds(report_runtime: ReportRuntime) -> None:
    await requested_report(report_runtime)
    jobs = await asyncio.gather(*(claimed(report_runtime, token) for token in "abcd"))
    assert sum(job is not None for job in jobs) == 1


async def test_a_process_without_its_lease_writes_nothing_more(
    report_runtime: ReportRuntime,
) -> None:
    id = await requested_report(report_runtime)
    await claimed(report_runtime, "a")
    await hurry(report_runtime.database)
    again = await claimed(report_runtime, "b")
    assert again is not None
    assert again.attempts == 2
    before = await row(report_runtime.database)
    async with report_runtime.database.writing() as connection:
        assert not await report_jobs.renew(connection, id, token="a", lease=LEASE, percent=50)
        assert not await report_jobs.finish(connection, id, MADE, token="a")
        assert not await report_jobs.put_off(connection, id, token="a", pause=LEASE)
        assert not await report_jobs.give_back(connection, id, token="a")
        assert not await report_jobs.fail(connection, id, token="a", failure="No.")
    assert await row(report_runtime.database) == before


async def test_a_report_with_attempts_left_is_not_given_up(report_runtime: ReportRuntime) -> None:
    id = await requested_report(report_runtime)
    await claimed(report_runtime, "a")
    for _ in range(2):
        before = await row(report_runtime.database)
        async with report_runtime.database.writing() as connection:
            assert not await report_jobs.give_up(connection, id, most_attempts=3, failure="No.")
        assert await row(report_runtime.database) == before
        await hurry(report_runtime.database)


async def test_a_report_without_attempts_left_is_given_up(report_runtime: ReportRuntime) -> None:
    id = await requested_report(report_runtime)
    for token in "abc":
        assert await claimed(report_runtime, token) is not None
        await hurry(report_runtime.database)
    assert await claimed(report_runtime, "d") is None
    assert await waiting(report_runtime) == [id]  # to be given up
    async with report_runtime.database.writing() as connection:
        give_up = partial(report_jobs.give_up, connection, most_attempts=3, failure="Thrice.")
        assert await give_up(id)
        assert not await give_up(id)
    failed = await row(report_runtime.database)
    assert (failed.status, failed.failure, failed.claim) == (ReportStatus.FAILED, "Thrice.", None)


async def test_a_postponed_report_waits_for_its_pause(report_runtime: ReportRuntime) -> None:
    id = await requested_report(report_runtime)
    await claimed(report_runtime, "a")
    async with report_runtime.database.writing() as connection:
        assert await report_jobs.put_off(connection, id, token="a", pause=LEASE)
    assert await waiting(report_runtime) == []
    assert await claimed(report_runtime, "b") is None
    await hurry(report_runtime.database)
    assert await claimed(report_runtime, "b") is not None


async def test_a_report_that_is_given_back_does_not_count_an_attempt(
    report_runtime: ReportRuntime,
) -> None:
    id = await requested_report(report_runtime)
    await claimed(report_runtime, "a")
    async with report_runtime.database.writing() as connection:
        assert await report_jobs.give_back(connection, id, token="a")
    again = await claimed(report_runtime, "b")
    assert again is not None
    assert again.attempts == 1


async def test_an_expired_report_is_not_started(report_runtime: ReportRuntime) -> None:
    await requested_report(report_runtime)
    assert await claimed(report_runtime, "a", now=NOON + KEPT) is None


async def test_reports_are_claimed_again_after_all_leases_were_ended(
    report_runtime: ReportRuntime,
) -> None:
    await requested_report(report_runtime)
    await claimed(report_runtime, "a")
    assert await waiting(report_runtime) == []
    async with report_runtime.database.writing() as connection:
        assert await report_jobs.end_leases(connection) == 1
    assert await claimed(report_runtime, "b") is not None


# Visibility


async def seen(
    report_runtime: ReportRuntime, id: int, *, masks: bool = False, **fields: Any
) -> Any:
    looking = await visibility(report_runtime.database, **fields)
    async with report_runtime.database.reading() as connection:
        found = await records.reports(connection, [id], visibility=looking, masks=masks)
    return found.get(id)


async def test_a_report_is_visible_to_viewers_of_its_message(report_runtime: ReportRuntime) -> None:
    of_east, of_all = (
        await requested_report(report_runtime),
        await requested_report(report_runtime, 2),
    )
    assert [
        (await seen(report_runtime, id, schools=schools)) is not None
        for id in (of_east, of_all)
        for schools in ([], ["east"], ["west"])
    ] == [True, True, False, True, False, False]


@pytest.mark.parametrize(
    ("is_masked", "masks", "is_seen"),
    [(False, False, True), (False, True, False), (True, False, True), (True, True, True)],
)
async def test_an_unmasked_report_is_invisible_without_the_right_to_see_recipients(
    report_runtime: ReportRuntime, is_masked: bool, masks: bool, is_seen: bool
) -> None:
    id = await requested_report(report_runtime, is_masked=is_masked)
    assert (await seen(report_runtime, id, masks=masks) is not None) == is_seen
    async with report_runtime.database.reading() as connection:
        counts = await records.counts_of_messages(connection, [1], masks=masks)
    assert counts == ({1: 1} if is_seen else {})


async def test_a_report_is_expired_from_its_expiry_on(report_runtime: ReportRuntime) -> None:
    id = await requested_report(report_runtime)
    before, after = NOON + KEPT - timedelta(seconds=1), NOON + KEPT
    assert (await seen(report_runtime, id, now=before)).status is ReportStatus.QUEUED
    assert (await seen(report_runtime, id, now=after)).status is ReportStatus.EXPIRED
