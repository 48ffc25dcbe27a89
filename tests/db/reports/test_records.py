"""Reports as rows: which request is a new one, who makes which report, and who sees it."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import reading, writing
from db.reports import jobs as report_jobs
from db.reports import records
from db.reports.jobs import Made, ReportJob
from delivery.reports.jobs import Press
from domain.report import KEPT, ReportDetail, ReportDevice, ReportFormat, ReportStatus
from tests.delivery.reports.printing import asked, hurry, printing, row
from tests.log import NOON, district, load, message, school, visibility

LEASE = timedelta(minutes=1)
MADE = Made("1.a.csv", NOON, 3, 120, "0" * 64)


@pytest.fixture
async def press(engine: AsyncEngine, tmp_path: Path) -> Press:
    """A log with two messages, and nothing asked for."""
    await load(engine, district(), school("east"), message("M-1", school="east"), message("M-2"))
    return printing(engine, tmp_path / "store")


async def claimed(
    press: Press, token: str, id: int = 1, *, now: datetime = NOON
) -> ReportJob | None:
    async with writing(press.engine) as connection:
        return await report_jobs.claim(
            connection, id, token=token, lease=LEASE, most_attempts=3, now=now
        )


async def waiting(press: Press, *, now: datetime = NOON, most: int = 100) -> list[int]:
    async with reading(press.engine) as connection:
        return [*await report_jobs.waiting(connection, now=now, most=most)]


# Asking


async def test_the_same_request_within_a_minute_is_the_same_report(press: Press) -> None:
    first = await asked(press)
    assert await asked(press, at=NOON + timedelta(seconds=59)) == first
    assert await asked(press, at=NOON + timedelta(seconds=60)) != first


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
async def test_another_request_is_another_report(press: Press, other: dict[str, Any]) -> None:
    assert await asked(press) != await asked(press, **other)


async def test_what_failed_is_asked_for_anew(press: Press) -> None:
    first = await asked(press)
    await claimed(press, "a")
    async with writing(press.engine) as connection:
        assert await report_jobs.fail(connection, first, token="a", failure="No.")
    assert await asked(press) != first


async def test_two_who_ask_at_the_same_time_get_one_report(press: Press) -> None:
    ids = await asyncio.gather(*(asked(press) for _ in range(5)))
    assert set(ids) == {ids[0]}


# Making


async def test_those_that_wait_are_found_oldest_first_until_they_are_claimed(press: Press) -> None:
    ids = [await asked(press, format=format) for format in ReportFormat]
    assert await waiting(press) == ids
    assert await waiting(press, most=2) == ids[:2]
    assert await waiting(press, now=NOON + KEPT) == []
    job = await claimed(press, "a", ids[1])
    assert job is not None
    assert job.id == ids[1]
    assert await waiting(press) == [id for id in ids if id != ids[1]]
    assert await claimed(press, "b", ids[1]) is None
    assert {(await row(press.engine, id)).status for id in await waiting(press)} == {
        ReportStatus.QUEUED
    }


async def test_of_several_who_claim_at_once_one_has_it(press: Press) -> None:
    await asked(press)
    jobs = await asyncio.gather(*(claimed(press, token) for token in "abcd"))
    assert sum(job is not None for job in jobs) == 1


async def test_whose_lease_has_ended_writes_nothing_more(press: Press) -> None:
    id = await asked(press)
    await claimed(press, "a")
    await hurry(press.engine)
    again = await claimed(press, "b")
    assert again is not None
    assert again.attempts == 2
    before = await row(press.engine)
    async with writing(press.engine) as connection:
        assert not await report_jobs.renew(connection, id, token="a", lease=LEASE, percent=50)
        assert not await report_jobs.finish(connection, id, MADE, token="a")
        assert not await report_jobs.put_off(connection, id, token="a", pause=LEASE)
        assert not await report_jobs.give_back(connection, id, token="a")
        assert not await report_jobs.fail(connection, id, token="a", failure="No.")
    assert await row(press.engine) == before


async def test_what_may_still_be_begun_is_not_given_up(press: Press) -> None:
    id = await asked(press)
    await claimed(press, "a")
    for _ in range(2):
        before = await row(press.engine)
        async with writing(press.engine) as connection:
            assert not await report_jobs.give_up(connection, id, most_attempts=3, failure="No.")
        assert await row(press.engine) == before
        await hurry(press.engine)


async def test_what_was_begun_too_often_is_given_up(press: Press) -> None:
    id = await asked(press)
    for token in "abc":
        assert await claimed(press, token) is not None
        await hurry(press.engine)
    assert await claimed(press, "d") is None
    assert await waiting(press) == [id]  # to be given up
    async with writing(press.engine) as connection:
        give_up = partial(report_jobs.give_up, connection, most_attempts=3, failure="Thrice.")
        assert await give_up(id)
        assert not await give_up(id)
    failed = await row(press.engine)
    assert (failed.status, failed.failure, failed.claim) == (ReportStatus.FAILED, "Thrice.", None)


async def test_what_is_put_off_waits_for_its_pause(press: Press) -> None:
    id = await asked(press)
    await claimed(press, "a")
    async with writing(press.engine) as connection:
        assert await report_jobs.put_off(connection, id, token="a", pause=LEASE)
    assert await waiting(press) == []
    assert await claimed(press, "b") is None
    await hurry(press.engine)
    assert await claimed(press, "b") is not None


async def test_what_is_given_back_does_not_count_as_begun(press: Press) -> None:
    id = await asked(press)
    await claimed(press, "a")
    async with writing(press.engine) as connection:
        assert await report_jobs.give_back(connection, id, token="a")
    again = await claimed(press, "b")
    assert again is not None
    assert again.attempts == 1


async def test_what_is_no_longer_kept_is_not_begun(press: Press) -> None:
    await asked(press)
    assert await claimed(press, "a", now=NOON + KEPT) is None


async def test_a_lease_that_was_ended_for_all_is_taken_over(press: Press) -> None:
    await asked(press)
    await claimed(press, "a")
    assert await waiting(press) == []
    async with writing(press.engine) as connection:
        assert await report_jobs.end_leases(connection) == 1
    assert await claimed(press, "b") is not None


# Seeing


async def seen(press: Press, id: int, *, masks: bool = False, **fields: Any) -> Any:
    looking = await visibility(press.engine, **fields)
    async with reading(press.engine) as connection:
        found = await records.reports(connection, [id], visibility=looking, masks=masks)
    return found.get(id)


async def test_a_report_is_seen_by_whoever_sees_its_message(press: Press) -> None:
    of_east, of_all = await asked(press), await asked(press, 2)
    assert [
        (await seen(press, id, schools=schools)) is not None
        for id in (of_east, of_all)
        for schools in ([], ["east"], ["west"])
    ] == [True, True, False, True, False, False]


@pytest.mark.parametrize(
    ("is_masked", "masks", "is_seen"),
    [(False, False, True), (False, True, False), (True, False, True), (True, True, True)],
)
async def test_a_report_with_names_is_nothing_for_who_may_not_see_names(
    press: Press, is_masked: bool, masks: bool, is_seen: bool
) -> None:
    id = await asked(press, is_masked=is_masked)
    assert (await seen(press, id, masks=masks) is not None) == is_seen
    async with reading(press.engine) as connection:
        counts = await records.counts_of_messages(connection, [1], masks=masks)
    assert counts == ({1: 1} if is_seen else {})


async def test_a_report_is_expired_from_its_moment_on(press: Press) -> None:
    id = await asked(press)
    before, after = NOON + KEPT - timedelta(seconds=1), NOON + KEPT
    assert (await seen(press, id, now=before)).status is ReportStatus.QUEUED
    assert (await seen(press, id, now=after)).status is ReportStatus.EXPIRED
