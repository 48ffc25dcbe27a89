"""One request to a provider over HTTP, and what its answer, or the want of one, says about what was asked.

The line that matters is whether the request can have reached the provider: before it, it may be repeated; after it, only
an answer decides. What an answer means in the provider's own terms is its gateway's.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Final, NamedTuple, TypeVar

import httpx2
import msgspec

from delivery.gateways.base import Malformed, NotAccepted, Unavailable, Unsure
from delivery.gateways.gate import Passage
from delivery.gateways.wording import redacted

ANSWER_SECONDS: Final = 30.0
"""What a provider may take for one answer, all together: a lease is longer."""

LARGEST_ANSWER: Final = 8 * 1024 * 1024
"""Bytes; three hundred events of Mailgun are a tenth of it."""

_NEVER_LEFT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.LocalProtocolError,
    httpx2.UnsupportedProtocol,
    httpx2.InvalidURL,
)

Fields = Mapping[str, str | Sequence[str]]
T = TypeVar("T")


class Answer(NamedTuple):
    """What came back: nothing is read yet but the pause that the provider asks for."""

    status: int
    body: bytes
    after: timedelta | None


class Account(NamedTuple):
    """Who we are at a provider: HTTP Basic (RFC 7617)."""

    name: str
    password: str


async def ask(
    client: httpx2.AsyncClient,
    method: str,
    url: str,
    *,
    account: Account,
    form: Fields | None = None,
    query: Fields | None = None,
    passage: Passage | None = None,
) -> Answer | NotAccepted | Unsure:
    """One request and its answer, of whatever status; what is known instead where there was none.

    A request that delivers something passes `passage`, and raises `Closed` where that does not let it begin.
    """
    extensions = {} if passage is None else {"trace": partial(_at_the_wire, passage)}
    try:
        if passage is not None:
            await passage.leave()
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            client.stream(
                method, url, auth=account, data=form, params=query, extensions=extensions
            ) as response,
        ):
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > LARGEST_ANSWER:
                    return Unsure(f"an answer of more than {LARGEST_ANSWER} bytes")
            return Answer(response.status_code, bytes(body), _pause(response.headers))
    except _NEVER_LEFT as error:
        return NotAccepted(f"no connection ({type(error).__name__})")
    except TimeoutError:
        return Unsure(f"no answer within {ANSWER_SECONDS:.0f} seconds")
    except (httpx2.HTTPError, httpx2.StreamError) as error:
        return Unsure(f"the connection broke ({type(error).__name__})")


async def _at_the_wire(passage: Passage, event: str, _info: object) -> None:
    """Pass the gate once more when there is a connection: the wait for one, and its handshake, may take seconds.

    https://www.python-httpx.org/advanced/extensions/#trace names the events.
    """
    if event.endswith(".send_request_headers.started"):
        await passage.leave()


async def read(
    client: httpx2.AsyncClient,
    url: str,
    into: type[T],
    *,
    account: Account,
    query: Fields | None = None,
) -> T | None:
    """What the provider keeps at `url`; None where there is nothing.

    Raises `Unavailable` for every other answer, and for none.
    """
    answer = await ask(client, "GET", url, account=account, query=query)
    if not isinstance(answer, Answer):
        raise Unavailable(answer.reason)
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise Unavailable(said(answer))
    try:
        return decode(answer.body, into)
    except Malformed as error:
        raise Unavailable(str(error)) from None


def not_taken(answer: Answer) -> NotAccepted | Unsure | None:
    """What an answer says about a hand-over by its status alone; None where its body has to be read.

    A refusal of ours as a whole (account, address, rate) loses nothing: it is tried again until it is mended.
    """
    if answer.status in (429, 503):
        return NotAccepted(said(answer), answer.after)
    if answer.status in (401, 402, 403, 404, 405, 407) or 300 <= answer.status < 400:
        return NotAccepted(said(answer))
    if answer.status >= 500:  # a proxy's, perhaps, with the request already behind it
        return Unsure(said(answer))
    return None


def said(answer: Answer) -> str:
    """The status and the beginning of the body, without addresses."""
    words = redacted(answer.body[:500].decode("utf-8", "replace"))
    return f"HTTP {answer.status}: {words}" if words else f"HTTP {answer.status}"


def decode(body: bytes, into: type[T]) -> T:
    """`body`, which is JSON, as `into`. Raises `Malformed`."""
    try:
        return msgspec.json.decode(body, type=into)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Malformed(f"not what was expected: {redacted(str(error))}") from None


def instant(seconds: float) -> datetime:
    """A Unix time as UTC. Raises `Malformed`."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise Malformed("a time that no calendar has") from None


def mail_instant(text: str | None) -> datetime | None:
    """A time as RFC 2822 writes it, as UTC; None where there is none that can be read."""
    try:
        read = parsedate_to_datetime(text or "")
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _pause(headers: httpx2.Headers) -> timedelta | None:
    """Retry-After in seconds (RFC 9110, 10.2.3); as a date it would need a clock, and no provider of ours sends it."""
    text = headers.get("retry-after", "")
    return timedelta(seconds=min(int(text), 86_400)) if text.isascii() and text.isdigit() else None
