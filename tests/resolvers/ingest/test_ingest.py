"""The promise: whole messages are taken in once, however often they are sent."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import resolvers.ingest.line_splitter
import resolvers.ingest.upload
from db.connect.database import Database
from domain.errors import Forbidden
from domain.message import Source
from domain.status import DeliveryStatus, MessageStatus
from domain.viewer import Right
from resolvers.ingest.ingest import Outcome, Problem
from resolvers.ingest.upload import BATCH
from tests.log import (
    NOON,
    district,
    email,
    end,
    inbox,
    message,
    recipient,
    school,
    text,
    viewer,
    voice,
)
from tests.resolvers.uploads import rows, send, story, wipe

PLACE = district() + school()
HEATHER = recipient(
    "p1",
    inbox(status=DeliveryStatus.SENT),
    voice(status=DeliveryStatus.DELIVERED, call_status=5, at=NOON),
    student=("s1", "Student, Calvin"),
)
OTHER_CONTENT = "the log has another message under this id: a message cannot be changed, only sent under a new id"


def figures_of(outcome: Outcome) -> tuple[int, int, int, int, int]:
    """Accepted, unchanged and refused messages; recipients and deliveries that went in."""
    return (
        outcome.accepted,
        outcome.unchanged,
        outcome.refused,
        outcome.recipients,
        outcome.deliveries,
    )


def respelled(lines: bytes) -> bytes:
    """The same lines, their fields in another order, spaced otherwise, and with nulls for what is left out."""
    said = [json.loads(line) for line in lines.splitlines()]
    for fields in said:
        if fields["kind"] == "message":
            fields.setdefault("textBody", None)
        for device in fields.get("devices", ()):
            device.setdefault("confirmed", None)
    return b"\r\n\r\n".join(
        json.dumps(dict(reversed(fields.items())), separators=(" , ", " : ")).encode()
        for fields in said
    )


def numbered(count: int, *, message_id: str = "M-1", first: int = 0) -> bytes:
    """Lines of recipients, each with an inbox and an e-mail address of its own."""
    lines = message(
        message_id,
        [
            recipient(f"p{n}", inbox(f"account{n}"), email(f"p{n}@nomail.example"))
            for n in range(first, first + count)
        ],
        status=None,
        ends=False,
    )
    return lines.split(b"\n", 1)[1]


async def test_a_message_is_in_the_log_with_all_that_its_lines_say(database: Database) -> None:
    lines = message(
        "M-1",
        [HEATHER, recipient("p2", name="Nguyễn, Zoë")],
        school="harrison-high",
        text_body="Call us.",
        voice_script="Hello.",
        reply_to="office@plainview.example",
        schedule_id="77",
        filter_criteria=[("Deliver To", "Student Messenger Contacts")],
        status=MessageStatus.CANCELED_IN_PROGRESS,
        cancellation={"at": NOON.isoformat(), "by": {"id": "u1", "name": "Admin"}, "reason": "Sun"},
    )

    outcome = await send(database, PLACE, lines)

    assert outcome.problems == []
    assert outcome.lines == 6
    assert figures_of(outcome) == (1, 0, 0, 2, 2)
    stored = await story(database)
    [row] = stored["message"]
    assert row[:-1] == (
        "plainview",
        "M-1",
        "harrison-high",
        "harrison high",
        "CANCELED_IN_PROGRESS",
        "BEHAVIOR",
        "Behavior",
        "Student Behavior",
        "u1",
        "Administrator, System",
        "01/31/2020 12:00 pm",
        "01/31/2020 12:00 pm",
        "77",
        "TEMPLATE",
        "INBOX,EMAIL,VOICE,TEXT",
        1,
        2,
        1,
        1,
        "Your student was sent to the office.",
        "Call us.",
        "Hello.",
        "office@plainview.example",
        '[["Deliver To", "Student Messenger Contacts"]]',
        None,
    )
    assert stored["recipient"] == [
        (
            "M-1",
            0,
            "p1",
            "Parent, Heather",
            "s1",
            "Student, Calvin",
            "parent, heather\nstudent, calvin",
            0,
            1,
        ),
        ("M-1", 1, "p2", "Nguyễn, Zoë", None, None, "nguyen, zoe\n", 0, 0),
    ]
    assert stored["delivery"] == [
        (
            "M-1", 0, 0, 0, "INBOX", "hparent", "ACCOUNT", "hparent", 0, "SENT", None, 0, None, 1,
        ),
        (
            "M-1", 0, 1, 0, "VOICE", "+16125550101", "PHONE", "+16125550101", 0, "DELIVERED", 5, 0,
            "2020-01-31 18:00:00", 1,
        ),
    ]  # fmt: skip
    assert stored["tally"] == [
        ("M-1", "INBOX", "SENT", 32_767, 0, 1),
        ("M-1", "VOICE", "DELIVERED", 5, 0, 1),
    ]
    assert stored["span"] == [
        ("M-1", "INBOX", None, None),
        ("M-1", "VOICE", "2020-01-31 18:00:00", "2020-01-31 18:00:00"),
    ]
    assert stored["cancellation"] == [("M-1", "2020-01-31 18:00:00", "u1", "Sun", 0, 2)]


@pytest.mark.parametrize(
    ("scheduled_hour", "recipients", "status"),
    [
        (19, [HEATHER], MessageStatus.WAITING),
        (19, [], MessageStatus.WAITING),
        (18, [recipient("p1", inbox())], MessageStatus.IN_PROGRESS),
        (17, [recipient("p1", inbox())], MessageStatus.IN_PROGRESS),
        (17, [recipient("p1")], MessageStatus.SENT),
        (17, [], MessageStatus.SENT),
    ],
)
async def test_a_message_to_be_sent_waits_for_its_time(
    database: Database,
    scheduled_hour: int,
    recipients: list[dict[str, object]],
    status: MessageStatus,
) -> None:
    to_send = [
        listed | {"devices": [{"mode": "INBOX", "address": "hparent"}] if listed["devices"] else []}
        for listed in recipients
    ]
    at = NOON.replace(hour=scheduled_hour)

    await send(database, PLACE, message("M-1", to_send, scheduled_at=at, status=None))

    stored = await story(database)
    assert [row[4] for row in stored["message"]] == [status]
    assert {row[9] for row in stored["delivery"]} <= {"PENDING"}


async def test_the_same_message_sent_again_does_nothing(database: Database) -> None:
    lines = PLACE + message("M-1", [HEATHER]) + message("M-2", [recipient("p2", email())])
    await send(database, lines)
    before = await story(database)

    again = await send(database, lines)
    respelt = await send(database, respelled(lines))

    assert figures_of(again) == figures_of(respelt) == (0, 2, 0, 0, 0)
    assert again.is_clean
    assert respelt.is_clean
    assert await story(database) == before


@pytest.mark.parametrize(
    "changed",
    [
        message("M-1", [HEATHER], subject="Student behavior"),
        message("M-1", [HEATHER], school="harrison-high"),
        message("M-1", []),
        message("M-1", [HEATHER, HEATHER]),
        message("M-1", [HEATHER | {"student": {"id": "s1", "name": "Student, Susie"}}]),
        message("M-1", [recipient("p1", voice("not even a number"))]),
    ],
)
async def test_other_content_under_a_known_id_is_refused(
    database: Database, changed: bytes
) -> None:
    await send(database, PLACE, message("M-1", [HEATHER]))
    before = await story(database)

    outcome = await send(database, changed)

    assert figures_of(outcome) == (0, 0, 1, 0, 0)
    assert outcome.problems == [Problem(1, "M-1", "id", OTHER_CONTENT)]
    assert await story(database) == before


async def test_one_upload_may_send_a_message_twice(database: Database) -> None:
    other = message("M-1", [HEATHER], subject="Something else")

    outcome = await send(
        database, PLACE, message("M-1", [HEATHER]), message("M-1", [HEATHER]), other
    )

    assert figures_of(outcome) == (1, 1, 1, 1, 2)
    assert outcome.problems == [Problem(9, "M-1", "id", OTHER_CONTENT)]


@pytest.mark.parametrize("batch", [1, BATCH], ids=["it went in", "it waits to go in"])
async def test_a_message_that_came_before_in_the_same_stream_is_known(
    database: Database, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(resolvers.ingest.upload, "BATCH", batch)
    changed = message("M-1", [recipient("p1", voice("not even a number"))])

    outcome = await send(database, PLACE, message("M-1", [HEATHER]), changed)

    assert outcome.problems == [Problem(6, "M-1", "id", OTHER_CONTENT)]
    assert (outcome.accepted, outcome.refused) == (1, 1)


async def test_two_districts_may_give_the_same_id(database: Database) -> None:
    elsewhere = district("riverside", time_zone="America/New_York")

    outcome = await send(
        database,
        PLACE,
        elsewhere,
        message("M-1", [HEATHER]),
        message("M-1", [HEATHER], district="riverside"),
    )

    assert figures_of(outcome) == (2, 0, 0, 2, 4)
    stored = await story(database)
    assert [(row[0], row[1], row[10]) for row in stored["message"]] == [
        ("plainview", "M-1", "01/31/2020 12:00 pm"),
        ("riverside", "M-1", "01/31/2020 1:00 pm"),
    ]


MIXED = b"".join(
    [
        PLACE,
        b"\n",
        message("M-1", [HEATHER, recipient("p2", text("+1 (612) 555-0102"))]),
        b"{ what is this?\n",
        message("M-2", [HEATHER], school="harrison-high", ends=False),
        district(name="Plainview ISD"),
        message("M-3", [recipient("p3", email(), email("HEATHER@nomail.example"))], status=None),
        b'{"kind":"recipient","message":"M-2","person":{"id":"p9","name":"\xc5\x81ukasz"},"devices":[{}]}\n',
        end("M-2"),
        message("M-1", [HEATHER]),
        message("M-4", [HEATHER], source=Source.SCHEDULER),
        message("M-4", [HEATHER], source=Source.SCHEDULER),
        message("M-5", ends=False),
    ]
)


@given(st.lists(st.integers(0, len(MIXED)), max_size=12))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_outcome_is_the_same_wherever_the_stream_is_cut(
    database: Database, cuts: list[int]
) -> None:
    await wipe(database)
    whole = await send(database, MIXED)
    stored = await story(database)
    await wipe(database)

    assert await send(database, MIXED, cuts=cuts) == whole
    assert await story(database) == stored
    assert figures_of(whole) == (3, 1, 3, 4, 7)
    assert [(problem.line, problem.message) for problem in whole.problems] == [
        (8, None),
        (15, "M-2"),
        (17, "M-1"),
        (26, "M-5"),
    ]


@given(st.data())
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_outcome_is_the_same_whatever_comes_in_one_block(
    database: Database, data: st.DataObject
) -> None:
    await wipe(database)
    whole = await send(database, MIXED)
    stored = await story(database)
    await wipe(database)
    block, batch = data.draw(st.integers(1, 3_000)), data.draw(st.integers(1, 3_000))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolvers.ingest.line_splitter, "BLOCK", block)
        patch.setattr(resolvers.ingest.upload, "BATCH", batch)
        assert await send(database, MIXED) == whole

    assert await story(database) == stored


async def test_who_lacks_the_right_sends_nothing(database: Database) -> None:
    await send(database, PLACE)
    before = await rows(database)
    rights = set(Right) - {Right.INGEST_MESSAGES}

    with pytest.raises(Forbidden, match="INGEST_MESSAGES"):
        await send(database, message("M-1", [HEATHER]), viewer=viewer(rights=rights))

    assert await rows(database) == before


async def test_a_person_is_called_as_it_came_last_and_found_by_every_name(
    database: Database,
) -> None:
    await send(
        database,
        PLACE,
        message(
            "M-1", [recipient("p1", name="Parent, Heather"), recipient("p1", name="Parent, H.")]
        ),
        message(
            "M-2", [recipient("p1", name="Nguyễn, Heather", student=("p1", "Student, Calvin"))]
        ),
    )
    await send(database, message("M-3", [recipient("p1", name="Nguyễn, Heather")]))

    assert (await story(database))["person"] == [
        ("CONTACT", "p1", "Nguyễn, Heather", "nguyen, heather"),
        ("CONTACT", "p1", "Nguyễn, Heather", "parent, h."),
        ("CONTACT", "p1", "Nguyễn, Heather", "parent, heather"),
        ("STUDENT", "p1", "Student, Calvin", "student, calvin"),
    ]
