"""`GET /graphql`, if enabled: queries only."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from httpx2 import Response
from sqlalchemy import create_engine, make_url, select

from db.tables.log import MESSAGE
from db.tables.operations import AUDIT
from tests.server.calling import Caller, body_of, calling, error

ANSWERED: Final = {"data": {"viewer": {"id": "u1"}}}


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Caller]:
    with calling(tmp_path_factory.mktemp("get"), sqlite_template, get_queries=True) as caller:
        yield caller


def get(caller: Caller, accept: str = "*/*", **asked: str) -> Response:
    headers = {"authorization": f"Bearer {caller.token()}", "accept": accept}
    return caller.client.get("/graphql", params=asked, headers=headers)


@pytest.mark.parametrize(
    "asked",
    [
        {"query": "{ viewer { id } }"},
        {"query": "{ viewer { id } }", "variables": "", "extensions": "{}"},
        {"query": "query A { viewer { id } } query B { viewer { name } }", "operationName": "A"},
        {
            "query": "query($no: Boolean!) { viewer { id name @include(if: $no) } }",
            "variables": '{"no": false}',
        },
    ],
)
def test_a_query_is_answered(caller: Caller, asked: dict[str, str]) -> None:
    answer = get(caller, **asked)

    assert (answer.status_code, body_of(answer)) == (200, ANSWERED)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({}, "`query` has to be the text of the operation."),
        (
            {"query": "{ viewer { id } }", "variables": "{"},
            "`variables` in the address is not JSON. Encode it again.",
        ),
        (
            {"query": "{ viewer { id } }", "variables": "[]"},
            "`variables` has to be an object, or to be left out.",
        ),
        (
            {"query": "{ viewer { id } }", "extensions": "5"},
            "`extensions` has to be an object, or to be left out.",
        ),
    ],
)
def test_a_url_without_an_operation_is_refused_with_the_reason(
    caller: Caller, asked: dict[str, str], problem: str
) -> None:
    answer = get(caller, **asked)

    assert (answer.status_code, answer.json()) == (400, error(problem, "BAD_USER_INPUT"))


def rows(caller: Caller) -> list[Any]:
    url = make_url(caller.settings.database_url).set(drivername="sqlite")
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [list(connection.execute(select(table))) for table in (MESSAGE, AUDIT)]
    engine.dispose()
    return found


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ('mutation { cancelMessage(input: {messageId: "message.1"}) { __typename } }', "mutation"),
        ('subscription { messageChanged(id: "message.1") { id } }', "subscription"),
    ],
)
def test_what_changes_or_lasts_is_not_taken(
    caller: Caller, accept: str, query: str, kind: str
) -> None:
    before = rows(caller)
    answer = get(caller, accept, query=query)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json() == error(
        f"A {kind} is not taken by GET. Send it by POST.", "BAD_USER_INPUT"
    )
    assert rows(caller) == before


def test_nobody_asks_without_a_sign_in(caller: Caller) -> None:
    answer = caller.client.get("/graphql", params={"query": "{ viewer { id } }"})

    assert (answer.status_code, answer.json()["errors"][0]["extensions"]) == (
        401,
        {"code": "UNAUTHENTICATED"},
    )


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_refused_with_the_allowed_ones(caller: Caller, method: str) -> None:
    answer = caller.client.request(method, "/graphql")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


def test_post_is_taken_as_ever(caller: Caller) -> None:
    assert body_of(caller.post(json.dumps({"query": "{ viewer { id } }"}))) == ANSWERED
