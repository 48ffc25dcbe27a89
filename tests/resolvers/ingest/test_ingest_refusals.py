"""The promise: a bad line is reported, its message is left out whole, and all others are taken in."""

import json
from typing import Any

import pytest

import resolvers.ingest.upload
from db.connect.database import Database
from domain.status import DeliveryMode, DeliveryStatus
from resolvers.ingest.ingest import Problem
from resolvers.ingest.rows import LONGEST_KEY
from tests.log import (
    NOON,
    device,
    district,
    email,
    end,
    inbox,
    message,
    recipient,
    school,
    text,
    voice,
)
from tests.resolvers.uploads import rows, send, story

PLACE = district() + school()
GOOD = message("M-0", [recipient("p0", inbox())], status=None)
KEPT = {
    "district": 1,
    "school": 1,
    "message": 1,
    "content": 1,
    "recipient": 1,
    "delivery": 1,
    "person": 1,
    "person_name": 1,
    "address": 1,
    "tally": 1,
    "figure": 1,
    "figure_change": 1,
}
"""What `PLACE` and `GOOD` leave."""

NOT_OPEN = "no message 'M-1' is open: it has ended, or never began"
NEVER_ENDED = 'its {"kind":"end"} line never came: send the whole message again'


def with_device(given: dict[str, Any], **fields: Any) -> bytes:
    """A message whose second recipient has a device after a good one."""
    listed = [recipient("p1", email()), recipient("p2", inbox(), given)]
    return message("M-1", listed, **fields)


def raw(kind: str, **fields: Any) -> bytes:
    return json.dumps({"kind": kind} | fields).encode() + b"\n"


@pytest.mark.parametrize(
    ("lines", "number", "field", "reason"),
    [
        pytest.param(
            message("M-1", district="riverside"),
            6,
            "district",
            "no district 'riverside' came before this line",
            id="a district that is not known",
        ),
        pytest.param(
            message("M-1", school="east"),
            6,
            "school",
            "no school 'east' of district 'plainview' came before this line",
            id="a school that is not known",
        ),
        pytest.param(
            message("M-1", type=("OLR", "Online Registration")),
            6,
            "type.code",
            "OLR mail is kept in a log of its own: leave it out of this file",
            id="online registration",
        ),
        pytest.param(
            message("M-1", [recipient("p1", email())], ends=False) + message("M-1"),
            8,
            "id",
            "'M-1' was begun in line 6 and has not ended",
            id="a message that begins twice",
        ),
        pytest.param(
            message("M-1", [recipient("p1", email())], ends=False),
            6,
            None,
            NEVER_ENDED,
            id="a message that never ends",
        ),
        pytest.param(end("M-1"), 6, "message", NOT_OPEN, id="an end without a message"),
        pytest.param(
            raw("recipient", message="M-1", person={"id": "p1", "name": "A"}, devices=[])
            + raw("recipient", message="M-1", person={"id": "p2", "name": "B"}, devices=[])
            + end("M-1"),
            6,
            "message",
            NOT_OPEN,
            id="recipients without a message, reported once",
        ),
        pytest.param(
            message("M-1", subject="王" * 867),
            6,
            "subject",
            f"too long to be sorted by: 2601 bytes without accents and case, {LONGEST_KEY} are allowed",
            id="a subject too long for an index",
        ),
        pytest.param(
            message("M-1", [recipient("p1", email()), recipient("p2", name="\ufdfa" * 100)]),
            8,
            "person.name",
            f"too long to be sorted by: 3300 bytes without accents and case, {LONGEST_KEY} are allowed",
            id="a name too long for an index",
        ),
        pytest.param(
            message(
                "M-1",
                [recipient("p1", name="王" * 450, student=("s1", "王" * 450))],
            ),
            7,
            "student.name",
            f"too long to be sorted by: 2700 bytes without accents and case, {LONGEST_KEY} are allowed",
            id="two names too long for an index",
        ),
        pytest.param(
            with_device(voice(), modes=[DeliveryMode.INBOX, DeliveryMode.EMAIL]),
            8,
            "devices[1].mode",
            "VOICE is not among the modes of the message (INBOX, EMAIL)",
            id="a mode that the message has not",
        ),
        pytest.param(
            message("M-1", [recipient("p1", inbox())], modes=[]),
            7,
            "devices[0].mode",
            "INBOX is not among the modes of the message (none)",
            id="a device of a message without modes",
        ),
        pytest.param(
            district("quiet", has_voice=False)
            + message("M-1", [recipient("p1", text())], district="quiet"),
            8,
            "devices[0].mode",
            "TEXT: district 'quiet' has no voice and text messages",
            id="a phone where the district has no voice",
        ),
        pytest.param(
            with_device(email(status=DeliveryStatus.SENT), status=None),
            8,
            "devices[1]",
            "it has an outcome, but the message has no status: one to be sent cannot have been delivered",
            id="an outcome of a message to be sent",
        ),
        pytest.param(
            with_device(voice(at=NOON), status=None),
            8,
            "devices[1]",
            "it has an outcome, but the message has no status: one to be sent cannot have been delivered",
            id="a time of a message to be sent",
        ),
        pytest.param(
            with_device(email(call_status=5)),
            8,
            "devices[1].callStatus",
            "EMAIL has no call status: only VOICE and TEXT do",
            id="a call status of an e-mail",
        ),
        pytest.param(
            with_device(text(confirmed=True)),
            8,
            "devices[1].confirmed",
            "TEXT cannot be confirmed: only a VOICE call can",
            id="a confirmed text",
        ),
        pytest.param(
            with_device(device(DeliveryMode.VOICE, "+16125550101", call_status=40_000)),
            8,
            "devices[1].callStatus",
            "expected `int` <= 32000",
            id="a code out of range",
        ),
        pytest.param(
            message("M-1", [recipient("p1", email()), recipient("p2", name="Par\0ent")]),
            8,
            "person.name",
            "the character U+0000 cannot be stored: leave it out",
            id="a character that cannot be stored",
        ),
        pytest.param(
            message("M-1", [recipient("p1", email())], ends=False)
            + b'{"kind":"recipient","message":"M-1"\n'
            + end(),
            8,
            None,
            "this is not a JSON object in UTF-8: Input data was truncated",
            id="a line that cannot be read",
        ),
        pytest.param(
            message("M-1", [recipient("p1", email())], ends=False)
            + b'{"kind":"end","message":"M-1","at":1}\n',
            8,
            "at",
            "this field is unknown here: is it spelled right?",
            id="an end with something else in it",
        ),
    ],
)
@pytest.mark.parametrize("batch", [2_000_000, 300], ids=["in memory", "on the stage"])
async def test_a_bad_line_is_named_and_its_message_leaves_no_trace(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    lines: bytes,
    number: int,
    field: str | None,
    reason: str,
    batch: int,
) -> None:
    monkeypatch.setattr(resolvers.ingest.upload, "BATCH", batch)

    empty = await rows(database)

    outcome = await send(database, PLACE, GOOD, lines)

    assert outcome.problems == [Problem(number, "M-1", field, reason)]
    assert (outcome.accepted, outcome.unchanged, outcome.refused) == (1, 0, 1)
    assert not outcome.is_clean
    districts = lines.count(b'"kind": "district"')
    written = {name: count - empty[name] for name, count in (await rows(database)).items()}
    assert {name: count for name, count in written.items() if count} == KEPT | {
        "district": 1 + districts
    }


@pytest.mark.parametrize(
    ("bad", "message_id", "field", "reason"),
    [
        (
            district("riverside", country="us"),
            None,
            "country",
            "'us' is not a country whose phone numbers can be read: write its ISO 3166 code, like US",
        ),
        (
            b'{"kind":"district","id":"riverside"}\n',
            None,
            "name",
            "this field is required",
        ),
        (
            district("riverside", time_zone="Mars/Olympus"),
            None,
            "timeZone",
            "'Mars/Olympus' is no time zone: write one of the IANA names, like America/Chicago",
        ),
        (
            district(time_zone="America/New_York"),
            None,
            "timeZone",
            "'America/New_York': the messages of 'plainview' are dated in 'America/Chicago', which stays",
        ),
        (
            school("north", district="riverside"),
            None,
            "district",
            "no district 'riverside' came before this line",
        ),
        (b'{"kind":"school","id":"north"}\n', None, "district", "this field is required"),
        (
            school("north", name="\ufdfa" * 100),
            None,
            "name",
            f"too long to be sorted by: 3300 bytes without accents and case, {LONGEST_KEY} are allowed",
        ),
        (b'{"kind":"message"}\n', None, "id", "this field is required"),
        (b'{"kind":"message","id":"M-7"}\n', "M-7", "district", "this field is required"),
        (b'{"kind":"end","message":"M-7"}\n', "M-7", "message", NOT_OPEN.replace("M-1", "M-7")),
    ],
)
async def test_a_bad_line_of_something_else_leaves_the_open_message_alone(
    database: Database, bad: bytes, message_id: str | None, field: str, reason: str
) -> None:
    await send(database, PLACE, GOOD)
    before = await story(database)
    listed = [recipient("p1", email())]
    begun = message("M-1", listed, status=None, ends=False)

    outcome = await send(database, begun, bad, end("M-1"))

    assert outcome.problems == [Problem(3, message_id, field, reason)]
    assert (outcome.accepted, outcome.refused) == (1, 0 if message_id is None else 1)
    after = await story(database)
    assert [row[1] for row in after["message"]] == ["M-0", "M-1"]
    assert (after["district"], after["school"]) == (before["district"], before["school"])


async def test_an_unreadable_line_leaves_out_every_open_message(database: Database) -> None:
    outcome = await send(
        database,
        PLACE,
        message("M-1", ends=False),
        message("M-2", ends=False),
        b"\xff\n",
        end("M-1"),
        end("M-2"),
        GOOD,
    )

    reason = "this is not a JSON object in UTF-8: JSON is malformed: invalid character (byte 0)"
    assert outcome.problems == [Problem(5, "M-1", None, reason), Problem(5, "M-2", None, reason)]
    assert (outcome.accepted, outcome.refused) == (1, 2)


async def test_a_refused_message_may_be_sent_again_in_the_same_upload(database: Database) -> None:
    wrong = message("M-1", [recipient("p1", email(confirmed=True))], status=None)
    right = message("M-1", [recipient("p1", email())], status=None)

    outcome = await send(database, PLACE, wrong, right, right)

    assert (outcome.accepted, outcome.unchanged, outcome.refused) == (1, 1, 1)
    assert [problem.line for problem in outcome.problems] == [4]


WRONG = message("M-1", [recipient("p1", email(confirmed=True))], status=None)


@pytest.mark.parametrize(
    ("lines", "numbers"),
    [
        pytest.param(WRONG + end("M-1"), [4, 6], id="after its end"),
        pytest.param(WRONG.removesuffix(end("M-1")) * 2, [4, 6], id="before its end"),
        pytest.param(
            WRONG.removesuffix(end("M-1")) + message("M-1") + end("M-1"),
            [4, 7],
            id="after it was sent again",
        ),
        pytest.param(
            WRONG.removesuffix(end("M-1")) + WRONG.splitlines(keepends=True)[1] * 5,
            [4],
            id="between",
        ),
    ],
)
async def test_lines_of_a_refused_message_are_passed_over_until_its_end_and_no_longer(
    database: Database, lines: bytes, numbers: list[int]
) -> None:
    outcome = await send(database, PLACE, lines)

    assert [(problem.line, problem.message) for problem in outcome.problems] == [
        (number, "M-1") for number in numbers
    ]


@pytest.mark.parametrize(
    ("message_id", "listed"),
    [
        ("x" * 200, [recipient("p" * 200, inbox("a" * 320), name="n" * 500)]),
        ("é" * 200, [recipient("王" * 200, name="王" * 500)]),
        ("M-1", [recipient("p1", voice("+16125550101;ext=1234567890"))]),
        ("M-1", [recipient("p1", inbox("😀"), name='\\ \t \n , "')]),
        ("M-1", [recipient("p1", *[inbox(f"a{n}") for n in range(1_000)])]),
    ],
)
async def test_what_is_just_allowed_goes_in(
    database: Database, message_id: str, listed: list[dict[str, Any]]
) -> None:
    longest = "s" * 1_000

    outcome = await send(database, PLACE, message(message_id, listed, subject=longest))

    assert outcome.problems == []
    assert (await rows(database))["message"] == 1
