"""`POST /graphql`: sign-in, operations, and the exact status and body of each response."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from db.tables.operations import AUDIT
from domain.viewer import Right
from server.http.accept import GRAPHQL_RESPONSE
from tests.log import NOON
from tests.server.calling import JSON, Caller, body_of, calling, error

VIEWER = "{ viewer { id } }"
NOT_SIGNED_IN = error(
    "You are not signed in. Send the header Authorization: Bearer with a token.", "UNAUTHENTICATED"
)


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Caller]:
    with calling(tmp_path_factory.mktemp("graphql"), sqlite_template) as caller:
        yield caller


@pytest.fixture(autouse=True)
def noon(caller: Caller) -> None:
    caller.clock.now = NOON


def test_an_operation_is_answered(caller: Caller) -> None:
    answer = caller.ask("query($id: ID!) { message(id: $id) { subject } }", {"id": "message.1"})

    assert (answer.status_code, body_of(answer)) == (
        200,
        {"data": {"message": {"subject": "Student Behavior"}}},
    )
    assert answer.headers["content-type"] == JSON
    assert answer.headers["cache-control"] == "no-store"


def test_a_name_chooses_among_several_operations(caller: Caller) -> None:
    document = "query A { viewer { id } } query B { viewer { name } }"
    body = json.dumps({"query": document, "operationName": "B"})

    assert body_of(caller.post(body)) == {"data": {"viewer": {"name": "Administrator, System"}}}


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


def test_without_sign_in_the_error_says_how_to_send_a_token(caller: Caller) -> None:
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
    assert [*body_of(answer)] == ["errors"]
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
def test_a_refusal_before_reading_has_the_accepted_type(
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
    assert body_of(answer) == {
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


def test_the_response_contains_the_cost_and_the_rest_of_the_budget(caller: Caller) -> None:
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


def test_a_viewer_beyond_the_rate_budget_gets_retry_after(caller: Caller) -> None:
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


def test_a_subscription_by_post_is_refused_with_the_right_transport(caller: Caller) -> None:
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

    database = caller.database()
    async with database.reading() as connection:
        rows = await connection.execute(
            select(AUDIT.c.viewer_id, AUDIT.c.subject, AUDIT.c.origin, AUDIT.c.request_id)
        )
        written = [tuple(row) for row in rows]
    await database.dispose()

    assert written == [("u1", "person.1", "testclient", "asked-for-1")]
