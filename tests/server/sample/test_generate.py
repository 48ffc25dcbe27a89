import itertools
import re
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from resolvers.ingest.parse import parse
from server.sample import crowd, generate
from tests.server.sample.upload import (
    MESSAGE_STATUSES,
    Upload,
    figures,
    read,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def log() -> Upload:
    return read(generate.lines(messages=2_000, recipients=4, uneven=True))


@pytest.fixture(scope="module")
def live() -> Upload:
    return read(
        generate.live_lines(messages=50, recipients=20, starting=NOON, every=timedelta(seconds=90))
    )


def test_the_same_arguments_give_the_same_lines() -> None:
    def made(seed: int) -> list[bytes]:
        return list(generate.lines(messages=300, recipients=3, uneven=True, people=50, seed=seed))

    assert made(7) == made(7)
    assert made(7) != made(8)


def test_the_logs_own_reader_takes_every_line() -> None:
    for line in generate.lines(messages=300, recipients=3):
        parse(line)  # raises BadLine
    for line in generate.live_lines(messages=30, recipients=3, starting=NOON):
        parse(line)


def test_one_message_of_many_recipients_has_five_deliveries_for_two_people() -> None:
    (entry,) = read(generate.lines(messages=1, recipients=20_000)).messages

    assert figures(entry)["Total Recipients"] == 20_000
    assert figures(entry)["Total No Device"] == 1_000
    assert len(entry.deliveries) == 50_000


def test_one_person_in_ten_has_the_phone_of_another() -> None:
    (entry,) = read(generate.lines(messages=1, recipients=20_000)).messages
    calls = Counter(device["address"] for device in entry.deliveries if device["mode"] == "VOICE")

    assert Counter(calls.values())[2] == 20_000 // 10
    assert max(calls.values()) == 2


def test_sizes_may_be_uneven_about_their_mean(log: Upload) -> None:
    sizes = [len(entry.recipients) for entry in log.messages]

    assert len(sizes) == 2_000
    assert sum(sizes) / len(sizes) == pytest.approx(4, rel=0.1)
    assert min(sizes) == 1
    assert max(sizes) > 16


def test_a_large_log_has_many_different_subjects(log: Upload) -> None:
    assert len({entry.message["subject"] for entry in log.messages}) > 1_900


def test_history_has_the_statuses_of_history_and_each_agrees_with_its_deliveries(
    log: Upload,
) -> None:
    statuses = {entry.message["status"] for entry in log.messages}
    assert statuses == MESSAGE_STATUSES - {"WAITING", "IN_PROGRESS"}
    assert len(log.codes) > 10
    log.check_statuses()


def test_a_shared_number_has_one_outcome_in_a_message(log: Upload) -> None:
    for entry in log.messages:
        made: dict[tuple[str, str], dict[str, Any]] = {}
        for device in entry.deliveries:
            assert made.setdefault((device["mode"], device["address"]), device) == device


def test_a_log_is_made_on_weekdays_of_its_days_in_school_hours(log: Upload) -> None:
    made = [entry.created_at for entry in log.messages]

    assert [at.date() for at in made] == sorted(at.date() for at in made)
    assert (made[0].date(), made[-1].date()) == (date(2019, 2, 1), date(2020, 1, 31))
    assert all(at.weekday() < 5 and 7 <= at.hour < 17 for at in made)


def test_a_log_can_have_other_days_schools_and_districts() -> None:
    upload = read(
        generate.lines(
            messages=20,
            recipients=1,
            district='north "1"',
            schools=2,
            since=date(2024, 5, 6),
            until=date(2024, 5, 6),
        )
    )

    assert set(upload.districts) == {'north "1"'}
    assert len(upload.schools) == 2
    assert {entry.created_at.date() for entry in upload.messages} == {date(2024, 5, 6)}


def test_a_person_is_the_same_in_every_message() -> None:
    upload = read(generate.lines(messages=200, recipients=5, people=20))
    known: dict[str, set[tuple[Any, ...]]] = {}
    for entry in upload.messages:
        for recipient in entry.recipients:
            addresses = tuple(
                (device["mode"], device["address"]) for device in recipient["devices"]
            )
            shown = (recipient["person"]["name"], recipient["student"]["name"], addresses)
            known.setdefault(recipient["person"]["id"], set()).add(shown)

    assert len(known) == 20
    assert all(len(shown) == 1 for shown in known.values())


def test_live_messages_are_to_be_sent_one_after_the_other(live: Upload) -> None:
    assert [entry.message["scheduledAt"] for entry in live.messages] == [
        (NOON + n * timedelta(seconds=90)).isoformat() for n in range(50)
    ]
    assert {entry.message["createdAt"] for entry in live.messages} == {NOON.isoformat()}


def test_nothing_has_happened_to_a_live_message(live: Upload) -> None:
    assert not any("status" in entry.message for entry in live.messages)
    assert {frozenset(device) for device in live.deliveries} == {frozenset({"mode", "address"})}


def test_a_live_message_is_in_the_log_before_its_time(live: Upload) -> None:
    # What a scheduler made is not shown until it is due.
    assert {entry.message["source"] for entry in live.messages} == {"TEMPLATE"}


def test_live_messages_of_another_start_are_other_messages(live: Upload) -> None:
    later = read(generate.live_lines(messages=50, recipients=1, starting=NOON + timedelta(hours=1)))

    assert not {entry.message["id"] for entry in live.messages} & {
        entry.message["id"] for entry in later.messages
    }


def test_a_message_to_nobody_is_sent() -> None:
    upload = read(generate.lines(messages=200, recipients=0, uneven=True))

    assert {entry.message["status"] for entry in upload.messages} == {"SENT"}
    assert not any(entry.recipients for entry in upload.messages)


def peak(lines: Iterator[bytes]) -> int:
    tracemalloc.start()
    try:
        for _ in lines:
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("messages", "recipients"), [(10_000, 1), (1, 10_000)])
def test_ten_times_the_size_takes_no_more_memory(messages: int, recipients: int) -> None:
    crowd.names()  # the vocabulary is read once
    small = peak(generate.lines(messages=-(-messages // 10), recipients=-(-recipients // 10)))
    large = peak(generate.lines(messages=messages, recipients=recipients))

    assert large < small + 100_000


def test_the_first_lines_of_a_huge_log_come_at_once() -> None:
    lines = generate.lines(messages=10**9, recipients=10**6)

    assert len(list(itertools.islice(lines, 1_000))) == 1_000


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"messages": -1}, "messages: -1, recipients: 10: neither can be less than 0"),
        ({"recipients": -1}, "messages: 10, recipients: -1: neither can be less than 0"),
        (
            {"people": 9},
            "people: 9 is out of range: for messages to 10 there can be 10 to 7800000 people",
        ),
        (
            {"recipients": 7_800_001},
            "people: 7800001 is out of range: for messages to 7800001 there can be 7800001 to 7800000 people",
        ),
        ({"schools": 61}, "schools: 61 is out of range: there can be 0 to 60"),
        (
            {"since": date(2020, 2, 1), "until": date(2020, 2, 2)},
            "since: 2020-02-01, until: 2020-02-02: no weekday lies between them",
        ),
        (
            {"since": date(2020, 2, 3), "until": date(2020, 1, 1)},
            "since: 2020-02-03, until: 2020-01-01: no weekday lies between them",
        ),
    ],
)
def test_numbers_that_do_not_fit_are_refused_before_any_line(
    arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        generate.lines(**{"messages": 10, "recipients": 10} | arguments)


def test_a_start_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"starting: 2026-03-02T12:00:00 has no zone"):
        generate.live_lines(messages=1, recipients=1, starting=NOON.replace(tzinfo=None))
