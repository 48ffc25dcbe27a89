"""Make one HTTP request to a provider and classify the answer, or its absence.

A request that cannot have reached the provider may be repeated. After that point only an answer decides. The gateway reads
the provider's own codes.
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
from delivery.gateways.port import Passage
from delivery.gateways.wording import redacted

ANSWER_SECONDS: Final = 30.0
"""Timeout in seconds for one whole answer: shorter than a lease."""

LARGEST_ANSWER: Final = 8 * 1024 * 1024
"""Most bytes of an answer; three hundred events of Mailgun are a tenth of it."""

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
    """The provider's HTTP response. `after` is the pause that it asks for (Retry-After)."""

    status: int
    body: bytes
    after: timedelta | None


class Account(NamedTuple):
    """Our credentials at a provider: HTTP Basic (RFC 7617)."""

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
    """Make a request and return its answer of any status; without an answer, return what is known about the request.

    A request that delivers something takes `passage`, and raises `Closed` if the gate is closed.
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
    """Pass the gate again once there is a connection: waiting for one, and its handshake, may take seconds.

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
    """Return the provider's resource at `url`; None for 404.

    Raises `Unavailable` for every other answer, and without an answer.
    """
    answer = await ask(client, "GET", url, account=account, query=query)
    if not isinstance(answer, Answer):
        raise Unavailable(answer.reason)
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise Unavailable(excerpt(answer))
    try:
        return decode(answer.body, into)
    except Malformed as error:
        raise Unavailable(str(error)) from None


def not_taken(answer: Answer) -> NotAccepted | Unsure | None:
    """Return what the status alone means for a hand-over; None if the body has to be read.

    If the provider refuses our account, URL or rate, nothing is lost: the delivery is retried until that is fixed.
    """
    if answer.status in (429, 503):
        return NotAccepted(excerpt(answer), answer.after)
    if answer.status in (401, 402, 403, 404, 405, 407) or 300 <= answer.status < 400:
        return NotAccepted(excerpt(answer))
    if answer.status >= 500:  # perhaps from a proxy that has already forwarded the request
        return Unsure(excerpt(answer))
    return None


def excerpt(answer: Answer) -> str:
    """Return the status and the start of the body, without addresses."""
    words = redacted(answer.body[:500].decode("utf-8", "replace"))
    return f"HTTP {answer.status}: {words}" if words else f"HTTP {answer.status}"


def decode(body: bytes, into: type[T]) -> T:
    """Decode `body` from JSON. Raises `Malformed`."""
    try:
        return msgspec.json.decode(body, type=into)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Malformed(f"not what was expected: {redacted(str(error))}") from None


def instant(seconds: float) -> datetime:
    """Return a Unix time as UTC. Raises `Malformed`."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise Malformed("a time that no calendar has") from None


def mail_instant(text: str | None) -> datetime | None:
    """Return an RFC 2822 time as UTC; None if it is missing or cannot be read."""
    try:
        read = parsedate_to_datetime(text or "")
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _pause(headers: httpx2.Headers) -> timedelta | None:
    """Return Retry-After (RFC 9110, 10.2.3) if it is in seconds; our providers never send a date."""
    text = headers.get("retry-after", "")
    return timedelta(seconds=min(int(text), 86_400)) if text.isascii() and text.isdigit() else None
