"""E-mail through Mailgun's HTTP API.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages (POST /v3/{domain}/messages)
https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/batch-sending (recipient variables)
https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/events (GET /v3/{domain}/events)
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks (signatures)

Every delivery has its key in the variable `delivery`, which Mailgun puts in each event. That key identifies the delivery of
an event, not the Message-ID: one request has one Message-ID for all its recipients. If Mailgun did not replace the variable,
Message-ID and recipient together identify the delivery.
"""

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import httpx2
import msgspec

from delivery.gateways.base import (
    Accepted,
    Callback,
    CannotTell,
    Finding,
    Forged,
    FoundAtProvider,
    Handover,
    Malformed,
    MessageContent,
    NoneTaken,
    NotAccepted,
    NotAtProvider,
    Outcome,
    Parsed,
    Polled,
    Refused,
    Sent,
    SingleUseToken,
    Unavailable,
    Unsure,
)
from delivery.gateways.exchange import (
    Account,
    Answer,
    Fields,
    ask,
    decode,
    excerpt,
    not_taken,
    read,
)
from delivery.gateways.headers import encoded_mailbox, plain_mailbox
from delivery.gateways.mailgun.codes import is_about_an_address, is_about_the_message
from delivery.gateways.mailgun.events import (
    CLOCKS_DIFFER,
    MailgunEvent,
    check_signature,
    is_about,
    read_event,
    webhook_event,
)
from delivery.gateways.port import Gateway, Passage
from delivery.gateways.wording import (
    markup,
    message_id,
    plain,
    redacted,
    sender_name,
    subject_line,
)
from domain.message import BodyFormat
from domain.receipts import Receipt
from domain.status import DeliveryMode, DeliveryStatus

# Statuses are in `codes`, events and webhooks in `events`.

_TRUSTWORTHY_AFTER: Final = timedelta(minutes=30)
"""Mailgun's event log may lag; Mailgun calls half an hour a safe age."""

_PAGES: Final = 20
"""Most pages of 300 events about one delivery."""

_AT_ONCE: Final = 8

# Variables that Mailgun would replace in a body, even if a sender typed them.
_VARIABLE: Final = re.compile(r"%(?=(recipient|unsubscribe|tag_unsubscribe|mailing_list))")


class _Queued(msgspec.Struct):
    id: str


class _MailgunProblem(msgspec.Struct):
    message: str = ""


class _Paging(msgspec.Struct):
    next: str = ""


class _Page(msgspec.Struct):
    items: list[Any]
    paging: _Paging = msgspec.field(default_factory=_Paging)


# The request


class _MailgunEmail(NamedTuple):
    """A composed e-mail to one address."""

    address: str
    key: str
    fields: Fields
    """The fields of the form that all emails of one request share."""


def _form(emails: Sequence[_MailgunEmail]) -> Fields:
    """Return the form that sends one message to each of these addresses, each alone in its To line."""
    variables = {email.address: {"delivery": email.key} for email in emails}
    return {
        **emails[0].fields,
        "to": [email.address for email in emails],
        "recipient-variables": msgspec.json.encode(variables).decode(),
    }


# Cached for one content: a request has up to a thousand deliveries of one message, composed one after the other.
@lru_cache(maxsize=1)
def _fields(content: MessageContent, *, mail_from: str) -> Fields:
    """Return the fields of the form that are the same for all recipients of `content`."""
    domain = mail_from.rpartition("@")[2]
    fields: dict[str, str | Sequence[str]] = {
        "from": plain_mailbox(mail_from, name=_inert_header(sender_name(content))),
        "subject": _inert_header(subject_line(content)),
        "text": _inert(plain(content)) or " ",
        "v:delivery": "%recipient.delivery%",
        "h:Message-Id": message_id(content.key, domain),
        "h:Auto-Submitted": "auto-generated",
    }
    if content.body_format is BodyFormat.HTML:
        fields["html"] = _VARIABLE.sub("&#37;", markup(content))
    if reply_to := content.reply_to:
        name = _inert_header(reply_to.name)
        # Mailgun does not document how it encodes custom headers: in ASCII there is nothing left to encode.
        fields["h:Reply-To"] = encoded_mailbox(reply_to.address, name=name)
    return fields


def _inert(text: str) -> str:
    """Return `text` with an invisible word joiner after each percent sign that would begin a variable."""
    return _VARIABLE.sub("%\N{WORD JOINER}", text)


def _inert_header(text: str) -> str:
    """Return `text` for a header, without variables and without anything like an encoded word (RFC 2047).

    Mailgun encodes headers, and may decode them before: a word joiner splits the start of such a word.
    """
    return _inert(text).replace("=?", "=\N{WORD JOINER}?")


# The class


class MailgunGateway(Gateway[_MailgunEmail]):
    """Sends e-mail through Mailgun, up to a thousand per request."""

    name = "mailgun"
    modes = frozenset({DeliveryMode.EMAIL})
    settles_after = _TRUSTWORTHY_AFTER
    batch = 1000

    def __init__(
        self,
        client: httpx2.AsyncClient,
        *,
        url: str,
        domain: str,
        key: str,
        signing_key: str | None,
        mail_from: str,
        per_second: float | None = None,
    ) -> None:
        self._client = client
        self._base = url.rstrip("/")
        self._url = f"{self._base}/v3/{quote(domain, safe='')}"
        self._account = Account("api", key)
        self._signing_key = signing_key
        self._mail_from = mail_from
        self.per_second = per_second

    def requests(self, handovers: Sequence[Handover]) -> Sequence[Sequence[int]]:
        """Group hand-overs: one message per request, and no address twice, since variables are keyed by address."""
        return _requests(handovers)

    def compose(self, handover: Handover) -> _MailgunEmail:
        fields = _fields(handover.content, mail_from=self._mail_from)
        return _MailgunEmail(handover.address, handover.key, fields)

    async def transmit(
        self, composed: Sequence[_MailgunEmail], passage: Passage
    ) -> Sequence[Outcome] | NoneTaken:
        form = _form(composed)
        answer = await ask(
            self._client,
            "POST",
            f"{self._url}/messages",
            account=self._account,
            form=form,
            passage=passage,
        )
        outcome = _outcome(answer)
        return outcome if isinstance(outcome, NoneTaken) else [outcome] * len(composed)

    async def find(self, handover: Handover, *, handed_at: datetime, now: datetime) -> Finding:
        if now < handed_at + self.settles_after:
            raise Unavailable("Mailgun's log of events is not complete yet")
        reference = message_id(handover.content.key, self._mail_from.rpartition("@")[2]).strip("<>")
        events = await self._events(handover.key, reference, handover.address, handed_at)
        if not events:
            return NotAtProvider()
        # A resent email has the Message-ID of the first. Only `accepted` is logged at each hand-over.
        if not any(event.receipt.key or event.name == "accepted" for event in events):
            return CannotTell(
                "Mailgun's events for this address do not say which sending they are about"
            )
        receipts = [event.receipt for event in events]
        return FoundAtProvider(receipts[0].reference or reference, receipts)

    async def poll(self, sent: Sequence[Sent]) -> Polled:
        slots = asyncio.Semaphore(_AT_ONCE)

        async def receipts_of(one: Sent) -> list[Receipt] | None:
            async with slots:
                try:
                    events = await self._events(one.key, one.reference, one.address, one.handed_at)
                except Unavailable:
                    return None
            return [event.receipt for event in events]

        answers = await asyncio.gather(*map(receipts_of, sent))
        return Polled(
            [receipt for answer in answers for receipt in answer or ()],
            [one for one, answer in zip(sent, answers, strict=True) if answer is None],
        )

    async def _events(
        self, key: str, reference: str, address: str, since: datetime
    ) -> list[MailgunEvent]:
        """Return the events of one delivery from Mailgun's log."""
        query: Fields | None = {
            "recipient": address,
            "begin": str((since - CLOCKS_DIFFER).timestamp()),
            "ascending": "yes",
            "limit": "300",
        }
        url, events = f"{self._url}/events", list[MailgunEvent]()
        for _ in range(_PAGES):
            page = await read(self._client, url, _Page, account=self._account, query=query)
            if (
                page is None
            ):  # the domain does not exist; an empty list would mean that the email never arrived
                raise Unavailable("Mailgun keeps no events at this address")
            if not page.items:
                break
            events += [event for item in page.items for event in read_event(item)]
            if not page.paging.next:
                break
            # Take only path and query: the key is sent to no host but the one in the settings.
            next_page = urlsplit(page.paging.next)
            url, query = f"{self._base}{next_page.path}?{next_page.query}", None
        return [event for event in events if is_about(event.receipt, key, reference, address)]

    def verify(self, callback: Callback, *, now: datetime) -> SingleUseToken | None:
        """Check the signature, which covers only time and token: the single-use token prevents a replay."""
        if not self._signing_key:
            raise Forged("no signing key is set for Mailgun's webhooks")
        return check_signature(callback, signing_key=self._signing_key, now=now)

    def parse(self, callback: Callback, *, now: datetime) -> Parsed:
        return Parsed([event.receipt for event in read_event(webhook_event(callback))])


def _outcome(answer: Answer | NotAccepted | Unsure) -> Outcome | NoneTaken:
    """Return the outcome of a request for each of its deliveries: Mailgun accepts all of them, or none."""
    if isinstance(answer, NotAccepted | Unsure):
        return answer
    if unclear := not_taken(answer):
        return unclear
    if answer.status == 413:
        return Refused("the message is larger than Mailgun takes")
    try:
        if 200 <= answer.status < 300:
            reference = decode(answer.body, _Queued).id.strip("<>")
            return Accepted(reference, DeliveryStatus.SENT)
        problem = decode(answer.body, _MailgunProblem).message
    except Malformed:
        return Unsure(excerpt(answer)) if answer.status < 300 else NotAccepted(excerpt(answer))
    if is_about_the_message(problem):
        return Refused(redacted(problem))
    if is_about_an_address(problem):
        return NoneTaken(redacted(problem))
    return NotAccepted(excerpt(answer))


def _requests(handovers: Sequence[Handover]) -> list[list[int]]:
    """Return the hand-overs of each request, by index: one message per request, and no address twice."""
    requests: list[tuple[str, set[str], list[int]]] = []
    for number, handover in enumerate(handovers):
        for content_key, addresses, numbers in requests:
            if content_key == handover.content.key and handover.address not in addresses:
                addresses.add(handover.address)
                numbers.append(number)
                break
        else:
            requests.append((handover.content.key, {handover.address}, [number]))
    return [numbers for _, _, numbers in requests]
