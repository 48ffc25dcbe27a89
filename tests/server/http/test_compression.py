"""Which responses are compressed, and with which coding."""

import gzip
from collections.abc import Callable
from typing import Any

import pytest
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message

from server.http.compression import COMPRESSORS, LARGE, SMALLEST, Compression, preferred_coding

BODY = b"[" + b"1234567890," * 1_000 + b"0]"


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, br", "br"),
        ("GZIP", "gzip"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("gzip; q=0.2, br; q=0.3", "br"),
        ("zstd;q=0, gzip", "gzip"),
        ("*", "zstd"),
        ("*;q=0.1, gzip;q=0.5", "gzip"),
        ("*;q=0", None),
        ("gzip;q=0", None),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.1, gzip;q=0.5", "gzip"),
        ("gzip;q=nonsense", None),
        ("gzip;q=7", None),
        ("deflate", None),
    ],
)
def test_what_is_wanted_most_is_taken(accept: str, coding: str | None) -> None:
    assert preferred_coding(accept, ("zstd", "br", "gzip")) == coding


async def sent(app: ASGIApp, accept: str = "gzip") -> tuple[dict[str, str], list[bytes]]:
    """The headers and the parts of the body of an answer."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"spec_version": "2.4"},
        "headers": [(b"accept-encoding", accept.encode())],
    }
    await Compression(app)(scope, receive, send)
    headers = {key.decode(): value.decode() for key, value in messages[0]["headers"]}
    return headers, [message.get("body", b"") for message in messages[1:]]


@pytest.mark.parametrize("size", [SMALLEST, LARGE + 1])
async def test_a_large_text_is_compressed(size: int) -> None:
    body = b"1" * size

    headers, parts = await sent(Response(body, media_type="application/json"))

    assert [gzip.decompress(part) for part in parts] == [body]
    assert headers["content-encoding"] == "gzip"
    assert headers["content-length"] == str(len(parts[0]))
    assert headers["vary"] == "Accept-Encoding"


async def events() -> Any:
    yield BODY
    yield BODY


@pytest.mark.parametrize(
    ("make", "accept"),
    [
        (lambda: Response(b"1" * (SMALLEST - 1), media_type="application/json"), "gzip"),
        (lambda: Response(BODY, media_type="application/json"), "identity"),
        (lambda: Response(BODY, media_type="application/pdf"), "gzip"),
        (
            lambda: Response(BODY, media_type="text/plain", headers={"content-encoding": "br"}),
            "gzip",
        ),
        (
            lambda: Response(BODY, 206, media_type="text/csv", headers={"content-range": "bytes"}),
            "gzip",
        ),
        (lambda: StreamingResponse(events(), media_type="text/event-stream"), "gzip"),
        (lambda: StreamingResponse(events(), media_type="text/csv"), "gzip"),
    ],
    ids=["small", "unwanted", "no text", "compressed", "part", "events", "stream"],
)
async def test_what_does_not_pay_or_cannot_wait_is_sent_as_it_is(
    make: Callable[[], ASGIApp], accept: str
) -> None:
    plain = await sent(make(), "identity")
    headers, parts = await sent(make(), accept)

    assert (headers, parts) == plain
    assert b"".join(parts).startswith((b"1", BODY[:10]))
    assert headers.get("content-encoding") in (None, "br")


def test_there_is_always_gzip() -> None:
    assert gzip.decompress(COMPRESSORS["gzip"](BODY)) == BODY
