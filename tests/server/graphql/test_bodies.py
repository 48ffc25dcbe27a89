"""Bodies of `POST /graphql`: which are read, and the error for each that is not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.graphql import request
from tests.server.calling import Caller, body_of, calling, error
from tests.server.graphql.test_endpoint import VIEWER


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Caller]:
    with calling(tmp_path_factory.mktemp("graphql"), sqlite_template) as caller:
        yield caller


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


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_operations_go_by_post_alone(caller: Caller, method: str) -> None:
    token = {"authorization": f"Bearer {caller.token()}"}
    answer = caller.client.request(method, "/graphql", params={"query": VIEWER}, headers=token)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    if method != "HEAD":
        assert answer.json() == error(
            f"{method} is not supported here. Send operations by POST; the page is at /graphiql.",
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
def test_a_body_without_an_operation_is_refused_with_the_reason(
    caller: Caller, body: bytes, problem: str
) -> None:
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

    assert (answer.status_code, body_of(answer)) == (200, {"data": {"viewer": {"id": "u1"}}})


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
