"""`POST /graphql`: who is let in, what is read, and what is answered, to the status and the letter."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from db.connect.engine import reading
from db.tables.operations import AUDIT
from domain.viewer import Right
from server.graphql import request
from server.http.accept import GRAPHQL_RESPONSE
from tests.log import NOON
from tests.server.calling import JSON, Caller, calling, error, told

VIEWER = "{ viewer { id } }"
NOT_SIGNED_IN = error(
    "You are not signed in. Send the header Authorization: Bearer with a token.", "UNAUTHENTICATED"
)
EXAMPLE = '{"query": "…", "variables": {…}}'
NO_JSON = f"The body is not JSON in UTF-8. Send {EXAMPLE}."
NO_OBJECT = f"This is not a JSON object. Send one operation, {EXAMPLE}."
NO_QUERY = "`query` has to be the text of the operation."
NO_EXTENSIONS = "`extensions` has to be an object, or to be left out."
NO_HASH = (
    '`extensions.persistedQuery` has to be {"version": 1, "sha256Hash": "…"}, or to be left out.'
)
NO_ID = "`documentId` has to be a text, or to be left out."
NO_VARIABLES = "`variables` has to be an object, or to be left out."
NO_NAME = "`operationName` has to be a text, or to be left out."


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Caller]:
    with calling(tmp_path_factory.mktemp("graphql"), sqlite_template) as caller:
        yield caller


@pytest.fixture(autouse=True)
def noon(caller: Caller) -> None:
    caller.clock.now = NOON


def test_an_operation_is_answered(caller: Caller) -> None:
    answer = caller.ask("query($id: ID!) { message(id: $id) { subject } }", {"id": "message.1"})

    assert (answer.status_code, told(answer)) == (
        200,
        {"data": {"message": {"subject": "Student Behavior"}}},
    )
    assert answer.headers["content-type"] == JSON
    assert answer.headers["cache-control"] == "no-store"


def test_a_name_chooses_among_several_operations(caller: Caller) -> None:
    document = "query A { viewer { id } } query B { viewer { name } }"
    body = json.dumps({"query": document, "operationName": "B"})

    assert told(caller.post(body)) == {"data": {"viewer": {"name": "Administrator, System"}}}


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer x.y.z", "Basic dTpw"])
def test_nobody_uploads_without_a_sign_in(caller: Caller, authorization: str | None) -> None:
    def body() -> Iterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    answer = caller.post(body(), authorization=authorization)  # type: ignore[arg-type]

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert "data" not in answer.json()


def test_whoever_is_not_signed_in_is_told_how(caller: Caller) -> None:
    assert caller.ask(VIEWER, authorization=None).json() == NOT_SIGNED_IN


def test_a_sign_in_ends_when_its_time_is_over(caller: Caller) -> None:
    token = caller.token()
    caller.clock.advance(hours=1, seconds=30)  # and the leeway

    answer = caller.ask(VIEWER, authorization=f"Bearer {token}")

    assert (answer.status_code, answer.json()) == (
        401,
        error("Your sign-in has expired. Sign in again.", "UNAUTHENTICATED"),
    )


def test_a_district_that_the_log_does_not_know_is_forbidden(caller: Caller) -> None:
    answer = caller.ask(VIEWER, authorization=f"Bearer {caller.token(district='nowhere')}")

    assert (answer.status_code, answer.json()) == (
        403,
        error(
            "The log has no district 'nowhere', for which you are signed in. Nothing was sent there yet.",
            "FORBIDDEN",
        ),
    )


def test_a_right_that_is_missing_is_an_error_of_the_field_and_not_of_the_request(
    caller: Caller,
) -> None:
    token = caller.token(rights=[Right.INGEST_MESSAGES])
    answer = caller.ask(
        '{ viewer { id } message(id: "message.1") { id } }', authorization=f"Bearer {token}"
    )

    assert answer.status_code == 200
    assert answer.json()["data"] == {"viewer": {"id": "u1"}, "message": None}
    assert answer.json()["errors"][0]["extensions"] == {"code": "FORBIDDEN"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_operations_go_by_post_alone(caller: Caller, method: str) -> None:
    token = {"authorization": f"Bearer {caller.token()}"}
    answer = caller.client.request(method, "/graphql", params={"query": VIEWER}, headers=token)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    if method != "HEAD":
        assert answer.json() == error(
            f"{method} is not taken here. Send operations by POST; the page is at /graphiql.",
            "BAD_USER_INPUT",
        )


@pytest.mark.parametrize(
    ("content_type", "named"),
    [
        (None, "missing"),
        ("text/plain", "text/plain"),
        ("application/graphql", "application/graphql"),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("multipart/form-data; boundary=x", "multipart/form-data"),
        ("text/plain;application/json", "text/plain"),
        (";application/json", "missing"),
    ],
)
def test_only_json_is_read(caller: Caller, content_type: str | None, named: str) -> None:
    answer = caller.ask(VIEWER, content_type=content_type)

    assert (answer.status_code, answer.json()) == (
        415,
        error(f"The content type is {named}. Send application/json.", "BAD_USER_INPUT"),
    )


@pytest.mark.parametrize(
    "charset", ["iso-8859-1", '"UTF-16"', "utf-8-sig", ""], ids=["latin", "16", "sig", "none"]
)
def test_json_is_read_in_utf_8_alone(caller: Caller, charset: str) -> None:
    answer = caller.ask(VIEWER, content_type=f"application/json; Charset={charset}")

    named = charset.strip('"').lower() or "missing"
    assert (answer.status_code, answer.json()) == (
        415,
        error(f"The charset is {named}. Send application/json in UTF-8.", "BAD_USER_INPUT"),
    )


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"; x=y',
    ],
)
def test_json_may_be_spelled_in_many_ways(caller: Caller, content_type: str) -> None:
    assert caller.ask(VIEWER, content_type=content_type).status_code == 200


def half(field: str, code_point: str) -> str:
    return (
        f"`{field}` holds half of a surrogate pair ({code_point}), which is not a character. "
        "Send whole characters."
    )


BODIES = {
    "nothing": (b"", NO_JSON),
    "no JSON": (b"{viewer{id}}", NO_JSON),
    "invalid UTF-8": (b'{"query": "\xff\xfe"}', NO_JSON),
    "UTF-16": ('{"query": "{ viewer { id } }"}'.encode("utf-16"), NO_JSON),
    "a hundred thousand lists": (b"[" * 100_000, NO_JSON),
    "a hundred thousand objects": (b'{"query":' * 100_000, NO_JSON),
    "variables without end": (b'{"query":"{a}","variables":' + b'{"a":' * 20_000, NO_JSON),
    "six thousand digits": (b'{"query":"{a}","variables":{"a":' + b"9" * 6_000 + b"}}", NO_JSON),
    "half a surrogate pair as name": (
        b'{"query":"{a}","operationName":"\\ud800"}',
        half("operationName", "U+D800"),
    ),
    "half a surrogate pair as value": (
        b'{"query":"{a}","variables":{"a":"\\udfff"}}',
        half("variables.a", "U+DFFF"),
    ),
    "two values": (b"{}{}", NO_JSON),
    "NaN": (b'{"query":"{a}","variables":{"a":NaN}}', NO_JSON),
    "a text": (b'"x"', NO_OBJECT),
    "a number": (b"5", NO_OBJECT),
    "null": (b"null", NO_OBJECT),
    "a list": (b"[]", NO_OBJECT),
    "several operations": (b'[{"query":"{viewer{id}}"}]', NO_OBJECT),
    "an empty object": (b"{}", NO_QUERY),
    "a query of null": (b'{"query":null}', NO_QUERY),
    "a query of five": (b'{"query":5}', NO_QUERY),
    "an empty query": (b'{"query":""}', NO_QUERY),
    "a blank query": (b'{"query":" \\n\\t"}', NO_QUERY),
    "extensions of five": (b'{"query":"{viewer{id}}","extensions":5}', NO_EXTENSIONS),
    "extensions in a list": (b'{"query":"{viewer{id}}","extensions":[]}', NO_EXTENSIONS),
    "a hash of another version": (
        b'{"extensions":{"persistedQuery":{"version":2,"sha256Hash":"x"}}}',
        NO_HASH,
    ),
    "a hash of five": (
        b'{"query":"{viewer{id}}","extensions":{"persistedQuery":{"version":1,"sha256Hash":5}}}',
        NO_HASH,
    ),
    "a hash of something else": (
        b'{"query":"{viewer{id}}","extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}',
        "`extensions.persistedQuery.sha256Hash` is not the SHA-256 of `query`, in UTF-8. Correct it, or leave it out.",
    ),
    "an id of five": (b'{"documentId":5}', NO_ID),
    "an empty id": (b'{"documentId":""}', NO_ID),
    "an id and a text": (
        b'{"documentId":"x","query":"{viewer{id}}"}',
        "`documentId` stands for the text. Leave `query` out, or the id.",
    ),
    "variables in a list": (b'{"query":"{viewer{id}}","variables":[]}', NO_VARIABLES),
    "variables as text": (b'{"query":"{viewer{id}}","variables":"{}"}', NO_VARIABLES),
    "a name of five": (b'{"query":"{viewer{id}}","operationName":5}', NO_NAME),
    "a name that is not there": (
        b'{"query":"query A{viewer{id}}","operationName":"B"}',
        "The document has no operation 'B'. Correct `operationName`, or leave it out.",
    ),
    "no operation": (
        b'{"query":"fragment F on Viewer{id}"}',
        "The document has no operation, or several of which none is named. Name one in `operationName`.",
    ),
}


@pytest.mark.parametrize(("body", "problem"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_operation_is_told_why(caller: Caller, body: bytes, problem: str) -> None:
    answer = caller.post(body)

    assert (answer.status_code, answer.json()) == (400, error(problem, "BAD_USER_INPUT"))


@pytest.mark.parametrize(
    "rest",
    [
        b'"variables":null',
        b'"variables":{}',
        b'"variables":{"unknown":[1,{"a":null}]}',
        b'"operationName":null',
        b'"extensions":null',
        b'"extensions":{"persistedQuery":null}',
        b'"documentId":null',
        b'"extensions":{"a":1}',
        b'"whatever":[]',
        b'"query":"{ viewer { id } }"',
    ],
)
def test_what_says_nothing_of_the_operation_is_passed_over(caller: Caller, rest: bytes) -> None:
    answer = caller.post(b'{"query":"{ viewer { id } }",' + rest + b"}")

    assert (answer.status_code, told(answer)) == (200, {"data": {"viewer": {"id": "u1"}}})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-99, 99) | st.text(),
        lambda some: (
            st.lists(some)
            | st.dictionaries(
                st.sampled_from(["query", "variables", "operationName", "extensions"]) | st.text(),
                some,
            )
        ),
    )
)
def test_no_json_at_all_is_a_fault(caller: Caller, body: Any) -> None:
    answer = caller.post(json.dumps(body))

    assert answer.status_code in (200, 400)
    assert {error["extensions"]["code"] for error in answer.json()["errors"]} <= {
        "BAD_USER_INPUT",
        "GRAPHQL_VALIDATION_FAILED",
    }


@given(st.binary())
def test_no_bytes_at_all_are_a_fault(caller: Caller, body: bytes) -> None:
    assert caller.post(body).status_code == 400


def test_a_body_as_large_as_the_limit_is_read(caller: Caller) -> None:
    body = json.dumps({"query": VIEWER}).encode()

    assert caller.post(body.ljust(request.LARGEST)).status_code == 200
    assert caller.post(body.ljust(request.LARGEST + 1)).status_code == 413


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{", "GRAPHQL_VALIDATION_FAILED"),
        ("{ unknown }", "GRAPHQL_VALIDATION_FAILED"),
        ("query($id: ID!) { message(id: $id) { id } }", "BAD_USER_INPUT"),
    ],
)
@pytest.mark.parametrize(
    ("accept", "status", "content_type"),
    [
        (JSON, 200, JSON),
        ("*/*", 200, JSON),
        (GRAPHQL_RESPONSE, 400, GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE}, {JSON};q=0.9", 400, GRAPHQL_RESPONSE),
    ],
)
def test_what_never_ran_has_no_data(
    caller: Caller, document: str, code: str, accept: str, status: int, content_type: str
) -> None:
    answer = caller.ask(document, accept=accept)

    assert (answer.status_code, answer.headers["content-type"]) == (status, content_type)
    assert [*told(answer)] == ["errors"]
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == [code]


@pytest.mark.parametrize(
    ("authorization", "body", "status"),
    [
        (None, "{}", 401),
        ("", "5", 400),
        ("", json.dumps({"query": "{ a" * 30 + " }" * 30}), 400),
    ],
    ids=["not signed in", "no operation", "too deep"],
)
@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE}, {JSON};q=0.9", GRAPHQL_RESPONSE),
        (JSON, JSON),
        ("*/*", JSON),
    ],
)
def test_what_is_refused_before_it_is_read_is_told_in_the_same_type(
    caller: Caller,
    authorization: str | None,
    body: str,
    status: int,
    accept: str,
    content_type: str,
) -> None:
    """In plain JSON many a client reads no errors unless the status is 200: Apollo's tells its caller of a fault."""
    answer = caller.post(body, authorization=authorization, accept=accept)

    assert (answer.status_code, answer.headers["content-type"]) == (status, content_type)
    assert [*answer.json()] == ["errors"]


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
def test_what_failed_while_it_ran_has_null_for_data(caller: Caller, accept: str) -> None:
    days = '{from: "2020-02-01", to: "2020-01-01"}'
    answer = caller.ask(f"{{ messages(createdBetween: {days}) {{ totalCount }} }}", accept=accept)

    assert answer.status_code == 200
    assert told(answer) == {
        "errors": [
            {
                "message": "The days end (2020-01-01) before they begin (2020-02-01). Exchange the two.",
                "locations": [{"line": 1, "column": 3}],
                "path": ["messages"],
                "extensions": {"code": "BAD_USER_INPUT"},
            }
        ],
        "data": None,
    }


DAYS = 'createdBetween: {from: "2020-01-01", to: "2020-01-31"}'


def test_the_answer_tells_what_it_cost_and_what_is_left(caller: Caller) -> None:
    document = f"{{ messages({DAYS}, first: 10) {{ nodes {{ id }} }} }}"
    before, after = (caller.ask(document).json()["extensions"]["cost"] for _ in range(2))

    assert (before["requested"], before["limit"], before["capacity"]) == (11, 200_000, 2_000_000)
    # something may have come back meanwhile
    assert before["left"] - 11 <= after["left"] <= 2_000_000 - 11


@pytest.mark.parametrize(
    ("document", "status", "problem"),
    [
        (
            f"{{ messages({DAYS}) {{ nodes {{ recipients {{ nodes {{ id }} }} }} }} }}",
            400,
            "The operation may return 16008001 objects; 200000 are allowed.",
        ),
        ("{" + "a: __typename " * 300 + "}", 400, "The operation has 1035 pairs of fields"),
        ("{ viewer { id } } #" + "x" * 65_536, 413, "The document has 65555 bytes; 65536"),
    ],
)
@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE, "text/event-stream"])
def test_what_asks_for_too_much_is_refused_before_it_is_run(
    caller: Caller, document: str, status: int, problem: str, accept: str
) -> None:
    answer = caller.ask(document, accept=accept)

    assert answer.status_code == status
    [told_of] = answer.json()["errors"]
    assert told_of["message"].startswith(problem)
    assert told_of["extensions"] == {"code": "TOO_COMPLEX"}


def test_whoever_asks_for_too_much_in_a_while_is_told_when_to_ask_again(caller: Caller) -> None:
    token = f"Bearer {caller.token(id='greedy')}"
    document = f"{{ messages({DAYS}) {{ nodes {{ reports(first: 45) {{ nodes {{ id }} }} }} }} }}"
    answers = [caller.ask(document, authorization=token) for _ in range(14)]

    refused = answers[-1]
    assert [answer.status_code for answer in answers[:10]] == [200] * 10
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "4")
    assert refused.json()["errors"][0]["extensions"] == {"code": "TOO_MUCH"}
    # and nobody else has less
    assert caller.ask(VIEWER).status_code == 200


def test_a_document_of_several_operations_names_one(caller: Caller) -> None:
    answer = caller.ask("query A { viewer { id } } query B { viewer { name } }")

    assert (answer.status_code, answer.json()) == (
        400,
        error(
            "The document has no operation, or several of which none is named. Name one in `operationName`.",
            "BAD_USER_INPUT",
        ),
    )


def test_a_subscription_by_post_is_told_where_it_goes(caller: Caller) -> None:
    answer = caller.ask('subscription { messageChanged(id: "message.1") { id } }')

    assert (answer.status_code, answer.json()) == (
        400,
        error(
            "A subscription has more than one answer. Accept text/event-stream, or send it over a WebSocket.",
            "BAD_USER_INPUT",
        ),
    )


async def test_the_audit_has_the_id_of_the_request_and_where_it_came_from(caller: Caller) -> None:
    answer = caller.ask('{ person(id: "person.1") { name } }', **{"x-request-id": "asked-for-1"})
    assert answer.headers["x-request-id"] == "asked-for-1"

    engine = caller.engine()
    async with reading(engine) as connection:
        rows = await connection.execute(
            select(AUDIT.c.viewer_id, AUDIT.c.subject, AUDIT.c.origin, AUDIT.c.request_id)
        )
        written = [tuple(row) for row in rows]
    await engine.dispose()

    assert written == [("u1", "person.1", "testclient", "asked-for-1")]
