import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from delivery.gateways import exchange
from delivery.gateways.base import Malformed, NotAccepted, Unavailable, Unsure
from delivery.gateways.exchange import Account, Answer, ask, decode, instant, mail_instant, read

URL = "https://api.provider.example/things"
ACCOUNT = Account("api", "key")


def client(handler: Callable[[httpx2.Request], httpx2.Response]) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.MockTransport(handler))


def failing(error: Exception) -> httpx2.AsyncClient:
    def fail(request: httpx2.Request) -> httpx2.Response:
        raise error

    return client(fail)


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ConnectError("refused"),
        httpx2.ConnectTimeout("silence"),
        httpx2.PoolTimeout("all are busy"),
        httpx2.ProxyError("no way"),
        httpx2.UnsupportedProtocol("gopher"),
    ],
)
async def test_without_a_connection_nothing_has_left(error: Exception) -> None:
    answer = await ask(failing(error), "POST", URL, account=ACCOUNT)

    assert answer == NotAccepted(f"no connection ({type(error).__name__})")


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ReadTimeout("silence"),
        httpx2.ReadError("reset"),
        httpx2.WriteError("reset"),
        httpx2.WriteTimeout("slow"),
        httpx2.RemoteProtocolError("what?"),
        httpx2.DecodingError("no gzip"),
        httpx2.TooManyRedirects("round and round"),
    ],
)
async def test_after_the_connection_only_an_answer_decides(error: Exception) -> None:
    answer = await ask(failing(error), "POST", URL, account=ACCOUNT)

    assert answer == Unsure(f"the connection broke ({type(error).__name__})")


async def test_an_endless_answer_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    monkeypatch.setattr(exchange, "ANSWER_SECONDS", 0.01)
    slow = client(lambda request: httpx2.Response(200, content=endless()))

    answer = await ask(slow, "POST", URL, account=ACCOUNT)

    assert answer == Unsure("no answer within 0 seconds")


async def test_a_too_large_answer_is_not_kept() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1_000_000

    flood = client(lambda request: httpx2.Response(200, content=endless()))

    assert isinstance(await ask(flood, "POST", URL, account=ACCOUNT), Unsure)


@pytest.mark.parametrize(
    ("header", "pause"),
    [("7", 7), ("0", 0), ("999999999", 86_400), ("-1", None), ("soon", None), ("٣", None)],
)
async def test_retry_after_is_read_in_seconds(header: str, pause: int | None) -> None:
    encoded = [(b"retry-after", header.encode())]
    busy = client(lambda request: httpx2.Response(429, headers=encoded))

    answer = await ask(busy, "POST", URL, account=ACCOUNT)

    expected = None if pause is None else timedelta(seconds=pause)
    assert answer == Answer(429, b"", expected)


async def test_secrets_do_not_follow_a_redirection() -> None:
    hosts = []

    def elsewhere(request: httpx2.Request) -> httpx2.Response:
        hosts.append(request.url.host)
        return httpx2.Response(302, headers={"location": "https://evil.example/"})

    answer = await ask(client(elsewhere), "GET", URL, account=ACCOUNT)

    assert isinstance(answer, Answer)
    assert answer.status == 302
    assert hosts == ["api.provider.example"]


async def test_404_is_none_and_an_unreadable_answer_is_unavailable() -> None:
    def answer(status: int, text: str) -> httpx2.AsyncClient:
        return client(lambda request: httpx2.Response(status, text=text))

    assert await read(answer(200, "[1]"), URL, list[int], account=ACCOUNT) == [1]
    assert await read(answer(404, ""), URL, list[int], account=ACCOUNT) is None
    for status, text in [(200, "<html>"), (200, "{}"), (401, "[1]"), (500, "[1]")]:
        with pytest.raises(Unavailable):
            await read(answer(status, text), URL, list[int], account=ACCOUNT)


@pytest.mark.parametrize("body", [b"", b"[", b"\xff", b"[" * 100_000, b'["\\ud800"]', b"null"])
def test_invalid_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        decode(body, list[int])


def test_an_instant_is_utc() -> None:
    assert instant(1_772_474_400.5) == datetime(2026, 3, 2, 18, 0, 0, 500_000, UTC)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e300, -1e300])
def test_an_instant_outside_the_calendar_is_malformed(seconds: float) -> None:
    with pytest.raises(Malformed):
        instant(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Mon, 02 Mar 2026 18:00:00 +0000", 0),
        ("Mon, 02 Mar 2026 12:00:01 -0600", 1),
        ("Mon, 02 Mar 2026 18:00:00", 0),
        ("Mon, 99 Mar 2026 18:00:00 +0000", None),
        ("Fri, 31 Dec 9999 23:00:00 -1200", None),
        ("now", None),
        ("", None),
        (None, None),
    ],
)
def test_mail_times_are_read_as_utc(text: str | None, seconds: int | None) -> None:
    noon = datetime(2026, 3, 2, 18, tzinfo=UTC)

    assert mail_instant(text) == (None if seconds is None else noon + timedelta(seconds=seconds))
