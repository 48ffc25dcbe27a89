"""`POST /ingest`: rights, content type, and responses."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from httpx2 import Response
from sqlalchemy import func, select

from db.tables.log import MESSAGE
from domain.viewer import Right
from tests.log import email, inbox, message, recipient, school, text, voice
from tests.server.calling import Caller, calling, error

NDJSON = "application/x-ndjson"


@pytest.fixture
def caller(tmp_path: Path, sqlite_template: Path) -> Iterator[Caller]:
    with calling(tmp_path, sqlite_template) as caller:
        yield caller


def send(caller: Caller, *lines: bytes, content_type: str | None = NDJSON, **said: str) -> Response:
    return caller.post(b"".join(lines), path="/ingest", content_type=content_type, **said)


async def messages(caller: Caller) -> int:
    database = caller.database()
    async with database.reading() as connection:
        count = await connection.scalar(select(func.count()).select_from(MESSAGE))
    await database.dispose()
    assert count is not None
    return count


async def test_messages_go_in_and_are_counted(caller: Caller) -> None:
    answer = send(caller, message("M-2", [recipient("p1", email())]), message("M-3"))

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "lines": 5,
            "messages": {"accepted": 2, "unchanged": 0, "refused": 0},
            "recipients": 1,
            "deliveries": 1,
            "problems": [],
            "problemCount": 0,
            "warnings": [],
            "warningCount": 0,
        },
    )
    assert await messages(caller) == 3


async def test_the_same_again_does_nothing(caller: Caller) -> None:
    send(caller, message("M-2"))

    answer = send(caller, message("M-2"))

    assert (answer.status_code, answer.json()["messages"]) == (
        200,
        {"accepted": 0, "unchanged": 1, "refused": 0},
    )
    assert await messages(caller) == 2


async def test_what_is_wrong_is_listed_and_the_rest_goes_in(caller: Caller) -> None:
    bad = message("M-2", [recipient("p1", email(confirmed=True))])

    answer = send(caller, bad, message("M-3"))

    assert (answer.status_code, answer.json()) == (
        422,
        {
            "lines": 5,
            "messages": {"accepted": 1, "unchanged": 0, "refused": 1},
            "recipients": 0,
            "deliveries": 0,
            "problems": [
                {
                    "line": 2,
                    "message": "M-2",
                    "field": "devices[0].confirmed",
                    "reason": "EMAIL cannot be confirmed: only a VOICE call can",
                }
            ],
            "problemCount": 1,
            "warnings": [],
            "warningCount": 0,
        },
    )
    assert await messages(caller) == 2


@pytest.mark.parametrize(
    "body",
    [b"", b"\n\n", b"\xff\xfe", b'"x"', b"5", b"null", b"[]", b"[" * 100_000, b"{" * 100_000],
)
async def test_junk_is_no_fault(caller: Caller, body: bytes) -> None:
    answer = send(caller, body)

    assert answer.status_code == (422 if body.strip() else 200)
    assert answer.json()["messages"] == {"accepted": 0, "unchanged": 0, "refused": 0}
    assert await messages(caller) == 1


async def test_an_address_that_cannot_be_read_is_a_warning_and_the_answer_is_clean(
    caller: Caller,
) -> None:
    answer = send(caller, message("M-2", [recipient("p1", email("nobody@"), inbox())]))

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "lines": 3,
            "messages": {"accepted": 1, "unchanged": 0, "refused": 0},
            "recipients": 1,
            "deliveries": 2,
            "problems": [],
            "problemCount": 0,
            "warnings": [
                {
                    "line": 2,
                    "message": "M-2",
                    "field": "devices[0].address",
                    "reason": "'nobody@' is not an email address. There must be something after the @-sign."
                    " Write it like heather@school.example.",
                }
            ],
            "warningCount": 1,
        },
    )


async def test_what_failed_when_it_came_in_says_why(caller: Caller) -> None:
    listed = [recipient("p2", email("nobody@"), voice("555-0101"), text("555-0101"), inbox())]
    # Not due yet, or the server might send it before the query.
    later = datetime.now(UTC) + timedelta(days=1)
    send(caller, message("M-2", listed, status=None, scheduled_at=later))

    answer = caller.ask(
        """{ message(id: "message.2") { status deliveries { nodes {
            address status statusLabel callStatus { code label } events { source detail } attempts
        } } } }"""
    )

    no_domain = "This is not an email address. There must be something after the @-sign."
    no_area = "This is not a phone number. It has no area code."
    invalid = {"code": -2, "label": "Invalid Phone #"}
    found = answer.json()["data"]["message"]["deliveries"]["nodes"]
    assert [
        (one["address"], one["statusLabel"], one["callStatus"], one["attempts"], one["events"])
        for one in found
    ] == [
        ("nobody@", "Failed", None, 0, [{"source": "IMPORT", "detail": no_domain}]),
        ("555-0101", "Invalid Phone #", invalid, 0, [{"source": "IMPORT", "detail": no_area}]),
        ("555-0101", "Invalid Phone #", invalid, 0, [{"source": "IMPORT", "detail": no_area}]),
        ("hparent", "Pending", None, 0, []),
    ]
    assert [one["status"] for one in found] == ["FAILED", "FAILED", "FAILED", "PENDING"]


async def test_an_upload_is_in_the_audit(caller: Caller) -> None:
    answer = send(caller, message("M-2"), message("M-3"))

    trail = caller.ask(
        "{ auditTrail { nodes { viewerId action subject messages origin requestId } } }"
    )
    assert trail.json()["data"]["auditTrail"]["nodes"][1] == {
        "viewerId": "u1",
        "action": "INGEST",
        "subject": "district.1",
        "messages": 2,
        "origin": "testclient",
        "requestId": answer.headers["x-request-id"],
    }


async def test_nobody_writes_without_a_sign_in(caller: Caller) -> None:
    answer = send(caller, message("M-2"), authorization=None)  # type: ignore[arg-type]

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json() == error(
        "You are not signed in. Send the header Authorization: Bearer with a token.",
        "UNAUTHENTICATED",
    )
    assert await messages(caller) == 1


async def test_nobody_writes_without_the_right(caller: Caller) -> None:
    reader = caller.token(rights=set(Right) - {Right.INGEST_MESSAGES})

    answer = send(caller, message("M-2"), authorization=f"Bearer {reader}")

    assert (answer.status_code, answer.json()) == (
        403,
        error(
            "This needs the right INGEST_MESSAGES, which your sign-in does not have."
            " Ask your administrator for it.",
            "FORBIDDEN",
        ),
    )
    assert await messages(caller) == 1


async def test_nobody_writes_for_another_district(caller: Caller) -> None:
    other = caller.token(district="nowhere", rights=[Right.INGEST_MESSAGES])

    answer = send(caller, school("east"), message("M-2"), authorization=f"Bearer {other}")

    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["problems"]] == ["district", "district"]
    assert await messages(caller) == 1


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain"])
async def test_only_ndjson_is_read(caller: Caller, content_type: str | None) -> None:
    answer = send(caller, message("M-2"), content_type=content_type)

    assert (answer.status_code, answer.json()) == (
        415,
        error(
            f"The content type is {content_type or 'missing'}. Send application/x-ndjson.",
            "BAD_USER_INPUT",
        ),
    )
    assert await messages(caller) == 1


def test_ndjson_may_name_its_charset(caller: Caller) -> None:
    assert send(caller, message("M-2"), content_type="Application/X-NDJSON; charset=utf-8").json()[
        "messages"
    ] == {"accepted": 1, "unchanged": 0, "refused": 0}


def test_messages_come_by_post_alone(caller: Caller) -> None:
    answer = caller.client.get("/ingest")

    assert (answer.status_code, answer.headers["allow"], answer.json()) == (
        405,
        "POST",
        error(
            "This method is not supported here. The Allow header lists those that are.",
            "BAD_USER_INPUT",
        ),
    )


async def test_what_came_in_is_found_at_once(caller: Caller) -> None:
    send(caller, message("M-2", subject="Late bus"))
    days = {"from": "2020-01-31", "to": "2020-01-31"}

    answer = caller.ask(
        'query($days: DateRange!) { messages(createdBetween: $days, filter: {subject: "late"}) { nodes { externalId } } }',
        {"days": days},
    )

    assert json.loads(answer.content)["data"]["messages"]["nodes"] == [{"externalId": "M-2"}]
