"""The figures and the progress of a message, as a client reads them."""

from datetime import timedelta
from typing import Any

import pytest

from db.connect.database import Database
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from tests.log import NOON, district, email, inbox, load, message, recipient, text, voice
from tests.operations import ask

PENDING, IN_PROGRESS, SENT, DELIVERED, FAILED, CANCELED, OPTED_OUT = DeliveryStatus
PART = "{ status startedAt endedAt progressPercent }"


def after(**by: float) -> Any:
    return NOON + timedelta(**by)


async def summary(database: Database, fields: str) -> dict[str, Any]:
    data = await ask(
        database, f'{{ message(id: "message.1") {{ deliverySummary {{ {fields} }} }} }}'
    )
    found: dict[str, Any] = data["message"]["deliverySummary"]
    return found


async def test_tallies_stand_in_the_order_of_modes_and_statuses_and_duplicates_are_among_them(
    database: Database,
) -> None:
    await load(
        database,
        district(),
        message(
            recipients=[
                recipient(
                    "p1",
                    text("+16125550101", call_status=-28),
                    voice("+16125550101", call_status=0),
                ),
                recipient(
                    "p2",
                    voice("+16125550101", call_status=0),
                    email("b@nomail.example", status=FAILED),
                ),
                recipient(
                    "p3",
                    email("c@nomail.example"),
                    inbox("c"),
                    text("+16125550103", call_status=-33),
                ),
                recipient("p4", email("d@nomail.example"), voice("+16125550104", call_status=1)),
            ]
        ),
    )

    found = await summary(database, "tallies { mode status count }")

    assert [tuple(tally.values()) for tally in found["tallies"]] == [
        ("INBOX", "SENT", 1),
        ("EMAIL", "SENT", 2),
        ("EMAIL", "FAILED", 1),
        ("VOICE", "FAILED", 3),  # no answer twice, at one number, and busy
        ("TEXT", "DELIVERED", 1),
        ("TEXT", "OPTED_OUT", 1),
    ]


async def test_a_message_without_deliveries_has_no_span_and_nothing_to_count(
    database: Database,
) -> None:
    await load(database, district(), message(recipients=[recipient("p1")]))

    found = await summary(
        database,
        f"totalRecipients totalNoDevice tallies {{ count }} startedAt endedAt durationMinutes inboxEmail {PART} voiceText {PART}",
    )

    nothing = {"status": "SENT", "startedAt": None, "endedAt": None, "progressPercent": 100}
    assert found == {
        "totalRecipients": 1,
        "totalNoDevice": 1,
        "tallies": [],
        "startedAt": None,
        "endedAt": None,
        "durationMinutes": None,
        "inboxEmail": nothing,
        "voiceText": nothing,
    }


@pytest.mark.parametrize(
    ("last", "minutes"),
    [
        (after(), 0),
        (after(seconds=59), 0),
        (after(seconds=60), 1),
        (after(minutes=89, seconds=59), 89),
        (after(days=1), 1440),
    ],
)
async def test_the_duration_is_in_whole_minutes_from_the_first_to_the_last(
    database: Database, last: Any, minutes: int
) -> None:
    await load(
        database,
        district(),
        message(recipients=[recipient("p1", inbox(at=NOON), email(at=last))]),
    )

    assert await summary(database, "startedAt endedAt durationMinutes") == {
        "startedAt": NOON.isoformat(),
        "endedAt": last.isoformat(),
        "durationMinutes": minutes,
    }


async def test_what_is_under_way_has_begun_and_not_ended(database: Database) -> None:
    await load(
        database,
        district(),
        message(
            recipients=[recipient("p1", email(status=IN_PROGRESS, at=NOON))],
            status=MessageStatus.IN_PROGRESS,
        ),
    )

    assert await summary(database, "startedAt endedAt durationMinutes") == {
        "startedAt": NOON.isoformat(),
        "endedAt": None,
        "durationMinutes": None,
    }


async def test_each_part_has_its_own_status_span_and_progress(database: Database) -> None:
    await load(
        database,
        district(),
        message(
            recipients=[
                recipient(
                    "p1", inbox("a", at=NOON), email("a@nomail.example", at=after(minutes=1))
                ),
                recipient("p2", voice("+16125550101", call_status=5, at=after(minutes=2))),
                recipient("p3", voice("+16125550103", status=IN_PROGRESS, at=after(minutes=3))),
                recipient("p4", text("+16125550104", call_status=-27, at=after(minutes=5))),
                # the same number again: neither sent nor waited for
                recipient("p5", voice("+16125550103", status=IN_PROGRESS, at=after(minutes=4))),
            ],
            status=MessageStatus.ERROR,
        ),
    )

    assert await summary(database, f"inboxEmail {PART} voiceText {PART}") == {
        "inboxEmail": {
            "status": "SENT",
            "startedAt": NOON.isoformat(),
            "endedAt": after(minutes=1).isoformat(),
            "progressPercent": 100,
        },
        "voiceText": {
            "status": "ERROR",
            "startedAt": after(minutes=2).isoformat(),
            "endedAt": after(minutes=5).isoformat(),
            "progressPercent": 66,
        },
    }


async def test_progress_of_inbox_and_email_is_that_of_the_emails(database: Database) -> None:
    crowd = [
        recipient(
            f"p{n}", inbox(f"i{n}"), email(f"e{n}@nomail.example", status=PENDING if n else SENT)
        )
        for n in range(4)
    ]
    await load(database, district(), message(recipients=crowd, status=MessageStatus.IN_PROGRESS))

    found = await summary(database, "inboxEmail { status progressPercent }")

    assert found == {"inboxEmail": {"status": "IN_PROGRESS", "progressPercent": 25}}


async def test_a_district_without_voice_has_no_voice_part(database: Database) -> None:
    await load(database, district(has_voice=False), message(recipients=[recipient("p1", email())]))

    assert await summary(database, "totalVoice voiceText { status }") == {
        "totalVoice": 0,
        "voiceText": None,
    }


@pytest.mark.parametrize(
    ("modes", "has_part"),
    [
        ([DeliveryMode.INBOX, DeliveryMode.EMAIL], False),
        ([DeliveryMode.EMAIL], False),
        ([DeliveryMode.EMAIL, DeliveryMode.VOICE], True),
        ([DeliveryMode.TEXT], True),
    ],
)
async def test_a_message_without_voice_and_text_has_no_voice_part(
    database: Database, modes: list[DeliveryMode], has_part: bool
) -> None:
    await load(database, district(), message(recipients=[recipient("p1")], modes=modes))

    part = {"status": "SENT", "progressPercent": 100} if has_part else None
    assert await summary(database, "voiceText { status progressPercent }") == {"voiceText": part}
