"""An operation is parsed in the same way from any source."""

from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from domain.errors import BadUserInput
from server.graphql.request import LARGEST, Operation, parse, read_body
from server.http.responses import TooLarge


class Sender:
    """Somebody who sends a body in chunks, and stops when nobody asks for more."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)

    async def receive(self) -> dict[str, Any]:
        if not self.chunks:
            return {"type": "http.disconnect"}
        chunk = self.chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(self.chunks)}


def request(sender: Sender) -> Request:
    scope = {"type": "http", "method": "POST", "headers": []}
    return Request(scope, sender.receive)


async def test_a_body_is_read_however_it_is_cut() -> None:
    body = b'{"query": "{ a }", "variables": {"b": 1}, "operationName": "C"}'
    expected = Operation("{ a }", {"b": 1}, "C")

    assert await read_body(request(Sender(body))) == expected
    assert await read_body(request(Sender(*(bytes([byte]) for byte in body)))) == expected


async def test_a_body_is_read_no_further_than_its_limit() -> None:
    chunk = b" " * (LARGEST // 4)
    sender = Sender(*[chunk] * 100)

    with pytest.raises(TooLarge) as refused:
        await read_body(request(sender))

    assert len(sender.chunks) == 95
    assert refused.value.message == ("The body is larger than 1048576 bytes. Ask for less at once.")


async def test_a_disconnect_in_a_body_is_distinguished_from_invalid_data() -> None:
    with pytest.raises(ClientDisconnect):
        await read_body(request(Sender()))


def test_what_may_be_left_out_is_left_out() -> None:
    assert parse({"query": "{ a }"}) == Operation("{ a }", None, None)


@pytest.mark.parametrize("rest", [{}, {"query": None}, {"query": ""}])
def test_beside_an_id_or_a_hash_the_text_may_be_left_out_or_empty(rest: dict[str, Any]) -> None:
    hash = {"persistedQuery": {"version": 1, "sha256Hash": "b1"}}

    assert parse({"documentId": "a1", **rest}) == Operation("", None, None, document_id="a1")
    assert parse({"extensions": hash, **rest}) == Operation("", None, None, sha256="b1")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "This is not a JSON object."),
        ([{"query": "{ a }"}], "This is not a JSON object."),
        ({}, "`query` has to be the text of the operation."),
        ({"query": "  "}, "`query` has to be the text of the operation."),
        ({"query": ["{ a }"]}, "`query` has to be the text of the operation."),
        (
            {"query": "{ a }", "variables": "{}"},
            "`variables` has to be an object, or to be left out.",
        ),
        (
            {"query": "{ a }", "operationName": {}},
            "`operationName` has to be a text, or to be left out.",
        ),
    ],
)
def test_an_invalid_operation_is_refused_with_the_reason(value: object, problem: str) -> None:
    with pytest.raises(BadUserInput) as refused:
        parse(value)

    assert refused.value.message.startswith(problem)
