"""A waiter for a viewer's list takes the notices of its schools, and of very many changes only that there are some."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.connect.log_watch import MOST, LogNews, LogNotice, LogWatch, parse

NOTHING = LogNews({}, False, False, False)
ids = st.integers(1, 2**63 - 1)


@given(st.builds(LogNotice, ids, st.none() | ids, st.none() | ids, st.integers(0, 2**31)))
def test_a_notice_is_read_as_it_was_spelled(notice: LogNotice) -> None:
    assert parse(notice.spell()) == notice
    assert len(notice.spell()) < 8_000  # the limit of NOTIFY


@pytest.mark.parametrize(
    "payload",
    ["message.7", "report.1", "log.1.2.3", "log.1.2.3.4.5", "log.a.2.3.4", "log.", "", "1.2.3.4"],
)
def test_other_payloads_are_no_notices_about_the_log(payload: str) -> None:
    assert parse(payload) is None


def test_each_message_is_named_once_with_its_revision_before_the_first_change() -> None:
    watch = LogWatch(None)
    for id, revision in ((7, 3), (8, 2), (7, 4)):
        watch.note(LogNotice(1, None, id, revision))

    assert watch.take() == NOTHING._replace(revisions={7: 2, 8: 1})
    assert watch.take() == NOTHING


def test_of_the_hundred_and_first_message_it_only_knows_that_there_is_one() -> None:
    watch = LogWatch(None)
    for id in range(1, MOST + 1):
        watch.note(LogNotice(1, None, id, 2))
    watch.note(LogNotice(1, None, 1, 3))  # named already
    before = watch.take()
    for id in range(1, MOST + 2):
        watch.note(LogNotice(1, None, id, 2))

    assert (len(before.revisions), before.has_more) == (MOST, False)
    after = watch.take()
    assert (list(after.revisions), after.has_more) == (list(range(1, MOST + 1)), True)


@pytest.mark.parametrize(
    ("school_ids", "taken"),
    [(None, {1, 2, 3}), ((5,), {2}), ((5, 6), {2, 3}), ((), set()), ((9,), set())],
)
def test_only_messages_of_the_schools_count(
    school_ids: tuple[int, ...] | None, taken: set[int]
) -> None:
    watch = LogWatch(school_ids)
    for id, school in ((1, None), (2, 5), (3, 6)):
        watch.note(LogNotice(1, school, id, 2))
        watch.note(LogNotice(1, 7))

    news = watch.take()

    assert set(news.revisions) == taken
    assert news.has_new is (school_ids is None)


async def test_it_wakes_once_for_all_that_came_since_the_last_look() -> None:
    watch = LogWatch((5,))

    async def wakes() -> bool:
        waiting = asyncio.ensure_future(watch.changed())
        await asyncio.sleep(0)
        return waiting.done() or not waiting.cancel()

    assert not await wakes()
    watch.note(LogNotice(1, 6, 1, 2))
    assert not await wakes()
    watch.note(LogNotice(1, 5, 1, 2))
    assert await wakes()
    watch.take()
    assert not await wakes()
    watch.miss()
    assert await wakes()
    assert watch.take() == NOTHING._replace(may_have_missed=True)
