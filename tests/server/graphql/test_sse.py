"""An event stream sends each result whole, sends heartbeats, and ends with the last result or the client."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final

import orjson
import pytest
from starlette.types import Message, Scope

from server.graphql.sse import HEARTBEAT, EventStream

PATIENCE: Final = 30.0
SCOPE: Final[Scope] = {"type": "http"}

Payloads = AsyncGenerator[Mapping[str, Any], None]


class Client:
    """Who reads a stream; it stays until it leaves, and the pause between two comments is over when it says so."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.pauses: list[float] = []
        self._pauses_over = asyncio.Semaphore(0)
        self._comes: asyncio.Queue[Message] = asyncio.Queue()
        self._is_told = asyncio.Event()
        self.takes = asyncio.Event()
        """It reads what it is sent, and does not keep the server waiting."""
        self.takes.set()

    async def send(self, message: Message) -> None:
        self.messages.append(message)
        self._is_told.set()
        if message["type"] == "http.response.body":
            await self.takes.wait()

    async def receive(self) -> Message:
        return await self._comes.get()

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self._pauses_over.acquire()

    def say(self, kind: str) -> None:
        self._comes.put_nowait({"type": kind})

    def end_pause(self) -> None:
        self._pauses_over.release()

    @property
    def text(self) -> str:
        """The body so far."""
        return b"".join(message.get("body", b"") for message in self.messages).decode()

    async def hears(self, text: str) -> None:
        """Wait until the body ends like this."""
        while not self.text.endswith(text):
            self._is_told.clear()
            await self._is_told.wait()

    def read(self, payloads: Payloads) -> "asyncio.Task[None]":
        """Begin to read a stream of these."""
        stream = EventStream(payloads, sleep=self.sleep)
        return asyncio.ensure_future(stream(SCOPE, self.receive, self.send))


class Source:
    """Answers, the last of which is followed by what the test decides; it tells whether it was closed."""

    def __init__(self, *payloads: Mapping[str, Any]) -> None:
        self._payloads = payloads
        self.may_end = asyncio.Event()
        self.fault: Exception | None = None
        self.is_closed = False

    async def stream(self) -> Payloads:
        try:
            for payload in self._payloads:
                yield payload
            await self.may_end.wait()
            if self.fault is not None:
                raise self.fault
        finally:
            await asyncio.sleep(0)  # as one that gives a connection back
            self.is_closed = True


def events(body: str) -> Sequence[tuple[str, str]]:
    """The events of a body, name and data, as a browser reads them: CR, LF and both end a line."""
    found, fields = list[tuple[str, str]](), dict[str, list[str]]()
    for line in re.split(r"\r\n|\r|\n", body):
        name, _, value = line.partition(":")
        if not line and fields:
            found.append(("".join(fields.get("event", [])), "\n".join(fields.get("data", []))))
            fields = {}
        elif name:
            fields.setdefault(name, []).append(value.removeprefix(" "))
    assert not fields, "it breaks off"
    return found


@pytest.fixture
async def client() -> Client:
    return Client()


async def test_each_answer_is_one_event_and_the_end_is_said(client: Client) -> None:
    source = Source({"data": {"n": 1}}, {"data": {"n": 2}})
    source.may_end.set()
    async with asyncio.timeout(PATIENCE):
        await client.read(source.stream())

    assert events(client.text) == [
        ("next", '{"data":{"n":1}}'),
        ("next", '{"data":{"n":2}}'),
        ("complete", ""),
    ]
    assert [message.get("more_body") for message in client.messages] == [None, True, True, False]
    assert source.is_closed


async def test_lines_end_as_clients_look_for_them(client: Client) -> None:
    """Some take LF alone for the end of a line, whatever the format allows."""
    source = Source({"data": 1})
    source.may_end.set()
    async with asyncio.timeout(PATIENCE):
        client.end_pause()
        await client.read(source.stream())

    assert "\r" not in client.text


async def test_the_answer_is_a_stream_that_nobody_keeps_and_whose_length_nobody_knows(
    client: Client,
) -> None:
    source = Source()
    source.may_end.set()
    async with asyncio.timeout(PATIENCE):
        await client.read(source.stream())

    start = client.messages[0]
    headers = dict(start["headers"])
    assert (start["type"], start["status"]) == ("http.response.start", 200)
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert b"no-cache" in headers[b"cache-control"]
    assert b"content-length" not in headers


@pytest.mark.parametrize(
    "said",
    [
        "two\nlines",
        "two\r\nlines",
        "two\rlines",
        "\n\nevent: complete\ndata: \n\n",
        "\r\rdata: x\r\r",
        ": a comment",
        "",
        "line\u2028paragraph\u2029next\u0085",
        "José 📚",
    ],
)
async def test_no_text_ends_its_event_or_begins_another(client: Client, said: str) -> None:
    source = Source({"data": {"subject": said, said: 1}})
    source.may_end.set()
    async with asyncio.timeout(PATIENCE):
        await client.read(source.stream())

    (name, data), end = events(client.text)
    assert (name, orjson.loads(data)) == ("next", {"data": {"subject": said, said: 1}})
    assert end == ("complete", "")


async def test_an_answer_is_said_when_it_comes_and_not_when_the_next_one_does(
    client: Client,
) -> None:
    source = Source({"data": 1})
    reading = client.read(source.stream())
    async with asyncio.timeout(PATIENCE):
        await client.hears("\n\n")
        assert events(client.text) == [("next", '{"data":1}')]
        assert not reading.done()
        source.may_end.set()
        await reading


async def test_while_nothing_comes_a_comment_shows_that_the_stream_lives(client: Client) -> None:
    source = Source({"data": 1})
    reading = client.read(source.stream())
    async with asyncio.timeout(PATIENCE):
        await client.hears("\n\n")
        before = client.text
        for number in range(1, 4):
            client.end_pause()
            await client.hears(": still here\n\n" * number)
        assert client.text == before + ": still here\n\n" * 3
        source.may_end.set()
        await reading

    assert set(client.pauses) == {HEARTBEAT}
    assert HEARTBEAT < 30  # after which proxies take it to be dead
    assert client.messages[-1]["more_body"] is False


async def test_who_leaves_ends_the_stream_and_what_it_was_made_from(client: Client) -> None:
    source = Source({"data": 1})
    reading = client.read(source.stream())
    async with asyncio.timeout(PATIENCE):
        await client.hears("\n\n")
        client.say("http.disconnect")
        await reading

    assert source.is_closed
    assert events(client.text) == [("next", '{"data":1}')]
    client.end_pause()
    await asyncio.sleep(0)
    assert "still here" not in client.text


async def test_who_leaves_without_having_read_ends_it_as_well(client: Client) -> None:
    source = Source({"data": 1}, {"data": 2})
    client.takes.clear()
    reading = client.read(source.stream())
    async with asyncio.timeout(PATIENCE):
        await client.hears("\n\n")
        client.say("http.disconnect")
        await reading

    assert source.is_closed
    assert events(client.text) == [("next", '{"data":1}')]


async def test_the_rest_of_a_request_is_no_reason_to_end(client: Client) -> None:
    source = Source()
    client.say("http.request")
    client.say("http.request")
    reading = client.read(source.stream())
    async with asyncio.timeout(PATIENCE):
        client.end_pause()
        await client.hears(": still here\n\n")
        assert not reading.done()
        source.may_end.set()
        await reading

    assert events(client.text.partition("\n\n")[2]) == [("complete", "")]


async def test_a_fault_is_not_taken_for_the_end(client: Client) -> None:
    source = Source({"data": 1})
    source.fault = ZeroDivisionError()
    source.may_end.set()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ZeroDivisionError):
            await client.read(source.stream())

    assert source.is_closed
    assert "complete" not in client.text


async def test_a_server_that_stops_ends_the_stream_and_what_it_was_made_from(
    client: Client,
) -> None:
    source = Source({"data": 1})
    reading = client.read(source.stream())
    async with asyncio.timeout(PATIENCE):
        await client.hears("\n\n")
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    assert source.is_closed
