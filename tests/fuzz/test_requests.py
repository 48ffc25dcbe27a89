"""Malformed requests and frames: each is refused or the connection is closed, and the server stays healthy."""

import gzip
import json
import random
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from structlog.testing import capture_logs
from websockets.frames import Frame, Opcode

from tests.fuzz.looking import leaks, served, still_answers
from tests.server.calling import Caller

LONG: Final = 30.0
PAUSE: Final = 0.1
"""Seconds after which a server that says nothing waits."""

REQUESTS: Final = 700
CONNECTIONS: Final = 300
"""WebSockets, on each of which several frames are sent."""

GOOD: Final = b'{"query": "{ viewer { id name } }", "variables": {"a": [1, {"b": null}]}}'
SOCKET: Final = (
    b"GET /graphql HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"sec-websocket-protocol: graphql-transport-ws\r\n"
)
NOTHINGS: Final[tuple[bytes, ...]] = (
    *(b"", b" ", b"null", b"5", b'"x"', b"[]", b"[{}]", b"{}", b"{", b"\x00", b"\xef\xbb\xbf{}"),
    *(
        b"NaN",
        b"-0",
        b"1e999",
        b"9" * 6_000,
        b"[" * 100_000,
        b'{"a":' * 20_000,
        b"\xff\xfe{\x00}\x00",
    ),
    *(
        b'{"query": %s}' % b" ".join([b"{a", b"{a" * 5_000]),
        b'{"query": "\\ud800"}',
        b'{"query": "{ a(b: \\ud800) }"}',
    ),
    b'{"query": "{ viewer { id } }", "operationName": "\\udfff"}',
    b'{"query": "{ viewer { id } }", "operationName": {"a": 1}}',
    b'{"query": "query ($n: Int) { viewer { id } }", "variables": {"n": %s}}' % (b"9" * 5_000),
    b'{"query": "query ($i: ID!) { node(id: $i) { id } }", "variables": {"i": "\\ud800"}}',
    b'{"query": "query ($i: ID!) { node(id: $i) { id } }", "variables": {"i": "\\u0000"}}',
    b'{"query": "query ($i: ID!) { node(id: $i) { id } }", "variables": %s1%s}'
    % (b"[" * 500, b"]" * 500),
    b'{"query": 5, "variables": "x"}',
    b'{"query": "{ viewer { id } }", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "\\ud800"}}}',
    b'{"documentId": "' + b"x" * 9_000 + b'"}',
    b'{"query": "{ viewer ' + b"@skip(if: true) " * 3_000 + b'{ id } }"}',
    b'{"query": "{ node(id: \\"' + b"x" * 50_000 + b'\\") { id } }"}',
    b'{"query": "{ messages(createdBetween: {from: \\"2020-01-01\\", to: \\"2020-01-31\\"}, first: 99999999999999999999) { totalCount } }"}',
)
TYPES: Final = (
    *(
        "application/json",
        "application/json; charset=utf-16",
        "application/json;charset",
        "text/plain",
    ),
    *(
        "application/graphql",
        "multipart/form-data; boundary=x",
        "application/x-ndjson",
        "",
        "\xff",
        "a" * 5_000,
    ),
)
PATHS: Final = (
    *(
        "/graphql",
        "/graphql",
        "/graphql",
        "/ingest",
        "/callbacks/twilio",
        "/callbacks/mailgun",
        "/reports/report.1",
    ),
    *(
        "/reports/%00?ticket=%ff",
        "/graphiql/../../etc/passwd",
        "/graphiql/%2e%2e/%2e%2e/pyproject.toml",
        "/%",
        "//",
        "/readyz",
    ),
    *(
        "/graphql?query=%7Bviewer%7Bid%7D%7D&variables=%5B",
        "/healthz?" + "a=b&" * 1_000,
        "http://elsewhere/graphql",
        "*",
    ),
)
METHODS: Final = (
    "POST",
    "POST",
    "POST",
    "POST",
    "GET",
    "PUT",
    "HEAD",
    "OPTIONS",
    "DELETE",
    "PATCH",
    "TRACE",
    "BREW",
)
HEADERS: Final = (
    *(
        "accept: text/event-stream",
        "accept: \xff",
        "accept: application/json;q=x",
        "accept-encoding: zstd;q=9, br;q=-1, *",
    ),
    *(
        "content-encoding: gzip",
        "content-encoding: br",
        "x-request-id: a\tb",
        "x-request-id: " + "x" * 500,
        "range: bytes=9-1",
    ),
    *(
        "transfer-encoding: gzip",
        "expect: 100-continue",
        "expect: nothing",
        "connection: upgrade",
        "upgrade: h2c",
        "origin: null",
    ),
    *(
        "cookie: " + "a=b; " * 500,
        "if-none-match: *",
        "content-length: 5",
        "x-forwarded-for: \xff",
        "host: \xff",
        "te: trailers",
    ),
)


def spoiled(chance: random.Random, good: bytes) -> bytes:
    """A text of which something is other than it was."""
    text = bytearray(good)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text) + 1)
        match chance.randrange(4):
            case 0:
                text[at:at] = bytes([chance.randrange(256)])
            case 1:
                del text[at : at + chance.randint(1, 9)]
            case 2:
                text[at:at] = chance.choice(
                    [b'"', b"{", b"\\u0000", b"\\ud800", b"\xed\xa0\x80", b"1e400", b"\\"]
                )
            case _:
                text[at:at] = text[: chance.randint(0, 40)]
    return bytes(text)


def body_of(chance: random.Random) -> bytes:
    """A body that is not what is asked for, or is spoiled on its way."""
    body = chance.choice([*NOTHINGS, GOOD, spoiled(chance, GOOD), spoiled(chance, GOOD)])
    if chance.random() < 0.15:
        body = gzip.compress(body, mtime=0)
        body = body[: chance.randint(0, len(body))]
    return body


def request_of(chance: random.Random, token: str) -> bytes:
    """A request, and the end of what is sent on its connection."""
    body = body_of(chance)
    head = [
        f"{chance.choice(METHODS)} {chance.choice(PATHS)} HTTP/1.{chance.choice('1110')}",
        *(["host: here"] if chance.random() < 0.9 else []),
        f"content-type: {chance.choice(TYPES)}",
        *chance.sample(HEADERS, chance.randrange(4)),
    ]
    if chance.random() < 0.8:
        head.append(f"authorization: Bearer {token}")
    match chance.randrange(6):
        case 0:
            head.append("transfer-encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        case 1:
            head.append(f"content-length: {chance.choice(['-1', '9' * 400, 'x', '0x10', '1, 2'])}")
        case _:
            head.append(f"content-length: {len(body)}")
    request = "\r\n".join([*head, "connection: close", "", ""]).encode("latin-1") + body
    return spoiled(chance, request) if chance.random() < 0.2 else request


def exchange(caller: Caller, *parts: bytes) -> bytes:
    """All that comes back until the server ends the connection, or waits; each part is sent when something came for the last."""
    address = caller.client.base_url
    assert address.port is not None
    reply = b""
    with socket.create_connection((address.host, address.port), timeout=LONG) as line:
        try:
            for part in parts[:-1]:
                line.sendall(part)
                reply += line.recv(2**16)
            line.sendall(parts[-1])
            line.settimeout(PAUSE)
            while True:
                try:
                    piece = line.recv(2**16)
                except TimeoutError:  # it waits for more, which does not come
                    line.settimeout(LONG)
                    line.shutdown(socket.SHUT_WR)
                    continue
                if not piece:
                    break
                reply += piece
        except ConnectionError:  # it was closed before all was sent
            pass
    return reply


@pytest.fixture
def caller(tmp_path: Path, sqlite_template: Path) -> Iterator[Caller]:
    file = shutil.copy(sqlite_template, tmp_path / "sentlog.sqlite3")
    with served(
        tmp_path, f"sqlite+aiosqlite:///{file}", body_seconds=0.2, header_seconds=0.2
    ) as caller:
        yield caller


def test_no_request_is_a_fault(caller: Caller) -> None:
    chance = random.Random(5)
    token = caller.token()
    statuses = []
    with capture_logs() as lines:
        for number in range(REQUESTS):
            request = request_of(chance, token)
            reply = exchange(caller, request)
            where = (number, request[:300], reply[:500])
            if not reply:
                continue
            status = int(reply.split(maxsplit=2)[1])
            statuses.append(status)
            assert status < 500, where
            assert leaks(reply.decode("latin-1")) == [], where
            if status >= 400 and b"content-type: " in reply.lower():
                assert b"json" in reply.lower().partition(b"content-type: ")[2][:60], where
        still_answers(caller)

    assert len(statuses) > REQUESTS / 2
    assert len(set(statuses)) > 5
    assert [line for line in lines if line["log_level"] == "error"] == []


MESSAGES: Final[tuple[bytes, ...]] = (
    *(
        b'{"type": "ping"}',
        b'{"type": "pong", "payload": {}}',
        b'{"type": "connection_init"}',
        b'{"type": "next"}',
    ),
    *(
        b'{"type": "complete", "id": "1"}',
        b'{"type": "complete"}',
        b'{"type": "subscribe", "id": "1"}',
        b'{"id": 5}',
    ),
    b'{"type": "subscribe", "id": "1", "payload": {"query": "{ viewer { id } }"}}',
    b'{"type": "subscribe", "id": "\\ud800", "payload": {"query": "{ viewer { id } }"}}',
    b'{"type": "subscribe", "id": "2", "payload": {"query": "subscription { messageChanged(id: \\"message.1\\") { subject } }"}}',
    b'{"type": "subscribe", "id": "3", "payload": {"query": "subscription { messageChanged(id: \\"\\ud800\\") { subject } }"}}',
    b'{"type": "subscribe", "id": "4", "payload": {"query": "{ viewer { id } }", "variables": [], "operationName": 7}}',
)


def frames_of(chance: random.Random, token: str) -> list[bytes]:
    """The opening of a WebSocket, a sign-in where there is one, and what is sent then."""
    odd = [b"origin: http://evil.example", b"x: \xff"]
    opening = SOCKET + b"\r\n".join([*chance.sample(odd, chance.randrange(10) // 8), b"\r\n"])
    parts = [opening]
    if chance.random() < 0.7:
        init = {"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}
        good = [json.dumps(init).encode(), MESSAGES[8], MESSAGES[10]][: chance.randint(1, 3)]
        parts.append(b"".join(Frame(Opcode.TEXT, one).serialize(mask=True) for one in good))
    return [*parts, b"".join(frame_of(chance) for _ in range(chance.randint(1, 6)))]


def frame_of(chance: random.Random) -> bytes:
    good, odd = chance.choice(MESSAGES), chance.choice(NOTHINGS)
    message = chance.choice([good, good, good, good, odd, spoiled(chance, good)])
    opcode = chance.choice([*[Opcode.TEXT] * 12, *Opcode])
    if opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE):
        message = message[:125]
    frame = Frame(opcode, message, fin=chance.random() < 0.95 or opcode >= Opcode.CLOSE)
    raw = frame.serialize(mask=chance.random() < 0.95)
    match chance.randrange(20):
        case 0:
            return spoiled(chance, raw[:200])
        case 1:
            return raw[: chance.randrange(len(raw) + 1)]
        case 2:  # says that it is compressed
            return bytes([raw[0] | 0x40]) + raw[1:]
        case _:
            return raw


def test_no_frame_is_a_fault(caller: Caller) -> None:
    chance = random.Random(6)
    token = caller.token()
    opened = 0
    with capture_logs() as lines:
        sent = [frames_of(chance, token) for _ in range(CONNECTIONS)]
        with ThreadPoolExecutor(16) as clients:  # each mostly waits
            answers = list(clients.map(lambda frames: exchange(caller, *frames), sent))
        answered = 0
        for frames, reply in zip(sent, answers, strict=True):
            where = (frames[-1][:700], reply[:500])
            answered += b"connection_ack" in reply
            opened += reply.startswith(b"HTTP/1.1 101 ")
            assert not reply.startswith(b"HTTP/1.1 5"), where
            assert leaks(reply.decode("latin-1")) == [], where
            assert b"INTERNAL" not in reply, where
        still_answers(caller)

    assert opened > CONNECTIONS / 2
    assert answered > CONNECTIONS / 3
    assert [line for line in lines if line["log_level"] == "error"] == []
