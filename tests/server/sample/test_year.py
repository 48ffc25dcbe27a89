import hashlib
import os
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from domain.call_status import CALL_STATUSES
from resolvers.ingest.parse import parse
from tests.server.sample.upload import (
    DELIVERY_STATUSES,
    MESSAGE_STATUSES,
    MODES,
    Entry,
    Upload,
)

CHICAGO: Final = ZoneInfo("America/Chicago")
UNLISTED: Final = 77
HASHES_THE_DEMO: Final = """
import hashlib
from server.sample import demo_lines
digest = hashlib.sha256()
for line in demo_lines():
    digest.update(line)
print(digest.hexdigest())
"""


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(CHICAGO)


def test_the_demo_is_the_same_in_every_process(lines_of_demo: list[bytes]) -> None:
    here = hashlib.sha256(b"".join(lines_of_demo)).hexdigest()
    elsewhere = subprocess.run(
        [sys.executable, "-c", HASHES_THE_DEMO],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()

    assert elsewhere == here


def test_the_logs_own_reader_takes_every_line(lines_of_demo: list[bytes]) -> None:
    for line in lines_of_demo:
        parse(line)  # raises BadLine


def test_the_demo_is_large_enough_to_look_real_and_small_enough_to_start_quickly(
    demo: Upload,
) -> None:
    assert 3_000 <= len(demo.messages) <= 4_500
    assert sum(len(entry.recipients) for entry in demo.messages) <= 60_000


def test_the_year_goes_from_february_to_january_in_the_order_of_making(demo: Upload) -> None:
    year = [
        entry.created_at
        for entry in demo.messages
        if "school-is-cancelled" not in entry.message["id"]
    ]
    generated = [at for at in year if at < datetime(2020, 1, 31, 10, tzinfo=CHICAGO)]

    assert generated == sorted(generated)
    assert generated[0].date() == date(2019, 2, 1)
    assert generated[-1].date() == date(2020, 1, 31)
    assert {(at.year, at.month) for at in generated} == {
        *((2019, month) for month in range(2, 13)),
        (2020, 1),
    }


@pytest.mark.parametrize(
    "quiet",
    [
        date(2019, 12, 2),  # school is cancelled
        date(2019, 11, 28),  # Thanksgiving
        date(2019, 12, 25),
        date(2020, 1, 20),  # Martin Luther King Jr. Day
    ],
)
def test_nothing_is_sent_on_a_day_off_but_what_the_manual_shows(demo: Upload, quiet: date) -> None:
    subjects = {
        entry.message["subject"] for entry in demo.messages if entry.created_at.date() == quiet
    }

    assert subjects <= {"School is Cancelled"}


def test_nothing_is_made_on_a_weekend_or_at_night(demo: Upload) -> None:
    made = [entry.created_at for entry in demo.messages]

    assert all(at.weekday() < 5 and 8 <= at.hour < 20 for at in made)


def test_every_type_of_message_occurs_and_never_online_registration(demo: Upload) -> None:
    labels = {
        entry.message["type"]["code"]: entry.message["type"]["label"] for entry in demo.messages
    }

    assert labels == {
        "ATTENDANCE": "Attendance",
        "BEHAVIOR": "Behavior",
        "EMERGENCY": "Emergency",
        "FEES": "Fees",
        "GRADES": "Grades",
        "HEALTH": "Health",
        "LUNCH_BALANCE": "Lunch Balance",
        "MESSAGE_BUILDER": "Message Builder",
        "MISSING_ASSIGNMENT": "Missing Assignment",
        "SPECIAL_ED": "Special Ed",
        "STAFF_NOTICE": "Staff Notice",
        "TRANSPORTATION": "Transportation",
    }


def test_a_type_with_several_kinds_of_notices_has_a_category_for_each(demo: Upload) -> None:
    categories = {
        (entry.message["type"]["code"], entry.message.get("category")) for entry in demo.messages
    }

    assert {code for code, category in categories if category} == {"MESSAGE_BUILDER"}
    assert {category for code, category in categories if code == "MESSAGE_BUILDER"} == {
        "General Notification",
        "Newsletter",
    }


def test_every_status_mode_source_and_format_occurs(demo: Upload) -> None:
    assert {entry.message["status"] for entry in demo.messages} == MESSAGE_STATUSES
    assert {device["mode"] for device in demo.deliveries} == MODES
    assert {
        device["status"] for device in demo.deliveries if "status" in device
    } == DELIVERY_STATUSES
    assert {entry.message["source"] for entry in demo.messages} == {
        "TEMPLATE",
        "SCHEDULER",
        "SYSTEM",
    }
    assert {entry.message["bodyFormat"] for entry in demo.messages} == {"PLAIN", "HTML"}


def test_every_call_code_occurs_and_one_that_no_table_has(demo: Upload) -> None:
    assert demo.codes == {*CALL_STATUSES, UNLISTED}


def test_every_status_and_call_code_agrees_with_the_deliveries(demo: Upload) -> None:
    demo.check_statuses()


def test_texts_have_the_codes_of_texts_and_calls_those_of_calls(demo: Upload) -> None:
    codes = defaultdict(set)
    for device in demo.deliveries:
        codes[device["mode"]].add(device.get("callStatus"))

    assert codes["TEXT"] == {None, -27, -28, -30, -33, -39, -40}
    assert codes["VOICE"] & codes["TEXT"] == {None}


def test_a_duplicate_shows_the_outcome_of_the_one_that_was_made_or_that_it_was_refused(
    demo: Upload,
) -> None:
    repeats = refused = 0
    for entry in demo.messages:
        made: dict[tuple[str, str], dict[str, Any]] = {}
        for device in entry.deliveries:
            outcome = {key: value for key, value in device.items() if key != "address"}
            first = made.setdefault((device["mode"], device["address"].casefold()), outcome)
            if first is outcome:
                continue
            repeats += 1
            if device.get("callStatus") == -4:
                refused += 1
            else:
                assert outcome == first, entry.message["id"]

    assert repeats > 1_000
    assert 0 < refused < repeats / 10


def shares(entry: Entry, mode: str) -> bool:
    owners = defaultdict(set)
    for recipient in entry.recipients:
        for device in recipient["devices"]:
            if device["mode"] == mode:
                owners[device["address"].casefold()].add(recipient["person"]["id"])
    return any(len(people) > 1 for people in owners.values())


@pytest.mark.parametrize("mode", ["EMAIL", "VOICE"])
def test_people_share_addresses_within_a_message(demo: Upload, mode: str) -> None:
    assert sum(shares(entry, mode) for entry in demo.messages) > 50


def test_a_shared_mailbox_is_spelt_in_two_ways(demo: Upload) -> None:
    spellings = defaultdict(set)
    for device in demo.deliveries:
        if device["mode"] == "EMAIL":
            spellings[device["address"].casefold()].add(device["address"])

    assert max(map(len, spellings.values())) == 2


def test_a_parent_is_written_to_for_several_students_at_once(demo: Upload) -> None:
    most = max(
        Counter(recipient["person"]["id"] for recipient in entry.recipients).most_common(1)[0][1]
        for entry in demo.messages
    )

    assert most == 3


def test_opt_outs_are_recorded_with_the_code_by_the_status_and_as_a_blank(demo: Upload) -> None:
    texts = [device for device in demo.deliveries if device["mode"] == "TEXT"]

    assert any(text.get("callStatus") == -33 for text in texts)
    assert any(text.get("status") == "OPTED_OUT" and "callStatus" not in text for text in texts)
    assert any(set(text) == {"mode", "address"} for text in texts)


def test_a_number_that_has_stopped_texts_never_gets_one(demo: Upload) -> None:
    stopped: set[tuple[str, str]] = set()
    got: set[tuple[str, str]] = set()
    for device in demo.deliveries:
        if device["mode"] == "TEXT":
            status = device.get("status", "OPTED_OUT")
            (stopped if status == "OPTED_OUT" else got).add((device["address"], status))

    numbers = {address for address, _ in stopped}
    assert numbers
    # Whether it had opted out was not asked for what was canceled or still waits.
    assert {status for address, status in got if address in numbers} <= {"CANCELED", "PENDING"}


def test_somebody_confirms_by_pressing_zero_even_behind_a_switchboard(demo: Upload) -> None:
    confirmed = Counter(
        device["callStatus"] for device in demo.deliveries if device.get("confirmed")
    )

    assert set(confirmed) == {5, 8}


def test_calls_keep_to_the_call_window(demo: Upload) -> None:
    placed = [
        instant(device["at"])
        for device in demo.deliveries
        if device["mode"] == "VOICE" and device["status"] in {"DELIVERED", "FAILED"}
    ]

    assert all(8 <= at.hour < 20 for at in placed)


def test_nothing_arrives_before_it_was_due(demo: Upload) -> None:
    early = [
        entry.message["id"]
        for entry in demo.messages
        for device in entry.deliveries
        if "at" in device
        and device["status"] != "CANCELED"
        and instant(device["at"]) < instant(entry.message["scheduledAt"])
    ]

    assert early == []


def test_schools_and_the_district_send_each_by_themselves(demo: Upload) -> None:
    places = Counter(entry.message["school"] for entry in demo.messages)

    assert set(places) == {*demo.schools, None}
    assert min(places.values()) > 100


def test_a_schedule_has_one_id_and_only_schedules_have_one(demo: Upload) -> None:
    by_schedule = defaultdict(set)
    for entry in demo.messages:
        message = entry.message
        assert (message["scheduleId"] is not None) == (message["source"] == "SCHEDULER")
        if message["scheduleId"]:
            by_schedule[message["scheduleId"]].add((message["type"]["code"], message["school"]))

    assert len(by_schedule) > 10
    assert all(len(meanings) == 1 for meanings in by_schedule.values())


def test_a_canceled_message_says_who_stopped_it_and_when(demo: Upload) -> None:
    canceled = [entry for entry in demo.messages if entry.message["status"].startswith("CANCELED")]

    for entry in canceled:
        cancellation = entry.message["cancellation"]
        stopped = {d["at"] for d in entry.deliveries if d["status"] == "CANCELED"}
        assert stopped <= {cancellation["at"]}
        assert instant(cancellation["at"]) >= entry.created_at


def test_waiting_messages_are_due_after_the_log_ends(demo: Upload) -> None:
    waiting = [entry for entry in demo.messages if entry.message["status"] == "WAITING"]
    later = [entry for entry in waiting if entry.message["subject"] != "Library Hours"]

    assert later
    assert all(
        instant(entry.message["scheduledAt"]) > datetime(2020, 2, 1, tzinfo=CHICAGO)
        for entry in later
    )


def test_some_messages_say_it_otherwise_by_text_and_by_voice(demo: Upload) -> None:
    messages = [entry.message for entry in demo.messages]

    assert any(m["textBody"] and m["voiceScript"] and m["bodyFormat"] == "PLAIN" for m in messages)
    assert any(m["textBody"] and m["bodyFormat"] == "HTML" for m in messages)
    assert not any(
        "{" in (m[key] or "")
        for m in messages
        for key in ("subject", "body", "textBody", "voiceScript")
    )


def test_a_person_has_one_name_and_is_sent_many_messages(demo: Upload) -> None:
    names, sent = defaultdict(set), Counter[str]()
    for entry in demo.messages:
        for person in {
            recipient["person"]["id"]: recipient["person"] for recipient in entry.recipients
        }.values():
            names[person["id"]].add(person["name"])
            sent[person["id"]] += 1

    assert all(len(known) == 1 for known in names.values())
    assert sorted(sent.values())[len(sent) // 2] > 40
