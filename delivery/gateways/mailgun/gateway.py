"""E-mail through Mailgun's HTTP API.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages (POST /v3/{domain}/messages)
https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/batch-sending (recipient variables)
https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/events (GET /v3/{domain}/events)
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks (signatures)

Every delivery carries its key as the variable `delivery`, which Mailgun puts in each event: that, not the Message-ID, tells
what an event is about. The Message-ID belongs to the message, since one request carries one for all its recipients. Where
Mailgun did not replace the variable, Message-ID and recipient together tell it.
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
    Content,
    Finding,
    Forged,
    Found,
    Handover,
    Malformed,
    NoneTaken,
    NotAccepted,
    Outcome,
    Parsed,
    Polled,
    Refused,
    Seal,
    Sent,
    SurelyNot,
    Unavailable,
    Unsure,
)
from delivery.gateways.exchange import (
    Account,
    Answer,
    Fields,
    ask,
    decode,
    not_taken,
    read,
    said,
)
from delivery.gateways.gate import Passage
from delivery.gateways.headers import encoded_mailbox, plain_mailbox
from delivery.gateways.mailgun.codes import is_about_an_address, is_about_the_message
from delivery.gateways.mailgun.events import (
    CLOCKS_DIFFER,
    Heard,
    check_signature,
    heard_of,
    is_about,
    webhook_event,
)
from delivery.gateways.port import Gateway
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

# Statuses: `mailgun_words` has them. Events and webhooks: `mailgun_events`.

_TRUSTWORTHY_AFTER: Final = timedelta(minutes=30)
"""Events may come into the log late; Mailgun calls half an hour a safe age."""

_PAGES: Final = 20
"""Of 300 events, about one delivery: nobody opens an e-mail that often."""

_AT_ONCE: Final = 8

# What Mailgun would replace in a body, whoever wrote it.
_VARIABLE: Final = re.compile(r"%(?=(recipient|unsubscribe|tag_unsubscribe|mailing_list))")


class _Queued(msgspec.Struct):
    id: str


class _Problem(msgspec.Struct):
    message: str = ""


class _Paging(msgspec.Struct):
    next: str = ""


class _Page(msgspec.Struct):
    items: list[Any]
    paging: _Paging = msgspec.field(default_factory=_Paging)


# The request


class _Letter(NamedTuple):
    """An e-mail to one address, ready to be asked for."""

    address: str
    key: str
    fields: Fields
    """What it says: the same for all in one request."""


def _form(letters: Sequence[_Letter]) -> Fields:
    """The form that sends one message to each of these addresses, each alone in its To line."""
    variables = {letter.address: {"delivery": letter.key} for letter in letters}
    return {
        **letters[0].fields,
        "to": [letter.address for letter in letters],
        "recipient-variables": msgspec.json.encode(variables).decode(),
    }


# A request has up to a thousand deliveries of one message, composed one after the other.
@lru_cache(maxsize=1)
def _fields(content: Content, *, mail_from: str) -> Fields:
    """The part of the form that is the same for all recipients of `content`."""
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
        # Mailgun does not say how it writes a header of ours: in ASCII there is nothing left to encode.
        fields["h:Reply-To"] = encoded_mailbox(reply_to.address, name=name)
    return fields


def _inert(text: str) -> str:
    """`text` with its percent signs kept from meaning a variable, by a word joiner that nobody sees."""
    return _VARIABLE.sub("%\N{WORD JOINER}", text)


def _inert_header(text: str) -> str:
    """`text` for a header: no variable, and nothing that a reader takes for an encoded word (RFC 2047).

    Mailgun encodes headers by itself, and may decode them before: the word joiner keeps apart what begins such a word.
    """
    return _inert(text).replace("=?", "=\N{WORD JOINER}?")


# The class


class MailgunGateway(Gateway[_Letter]):
    """Sends e-mail through Mailgun, up to a thousand with one request."""

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
        """One message a request, and no address twice: variables go by the address."""
        return _requests(handovers)

    def compose(self, handover: Handover) -> _Letter:
        fields = _fields(handover.content, mail_from=self._mail_from)
        return _Letter(handover.address, handover.key, fields)

    async def transmit(
        self, composed: Sequence[_Letter], passage: Passage
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
        heard = await self._events(handover.key, reference, handover.address, handed_at)
        if not heard:
            return SurelyNot()
        # An email that is sent again has the Message-ID of the first: only `accepted` is written at each hand-over.
        if not any(one.receipt.key or one.word == "accepted" for one in heard):
            return CannotTell(
                "Mailgun's events for this address do not say which sending they are about"
            )
        receipts = [one.receipt for one in heard]
        return Found(receipts[0].reference or reference, receipts)

    async def poll(self, sent: Sequence[Sent]) -> Polled:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def ask_after(one: Sent) -> list[Receipt] | None:
            async with gate:
                try:
                    heard = await self._events(one.key, one.reference, one.address, one.handed_at)
                except Unavailable:
                    return None
            return [one.receipt for one in heard]

        answers = await asyncio.gather(*map(ask_after, sent))
        return Polled(
            [receipt for answer in answers for receipt in answer or ()],
            [one for one, answer in zip(sent, answers, strict=True) if answer is None],
        )

    async def _events(self, key: str, reference: str, address: str, since: datetime) -> list[Heard]:
        """What Mailgun's log has about one delivery."""
        query: Fields | None = {
            "recipient": address,
            "begin": str((since - CLOCKS_DIFFER).timestamp()),
            "ascending": "yes",
            "limit": "300",
        }
        url, heard = f"{self._url}/events", list[Heard]()
        for _ in range(_PAGES):
            page = await read(self._client, url, _Page, account=self._account, query=query)
            if page is None:  # no such domain: an empty list would mean that it never arrived
                raise Unavailable("Mailgun keeps no events at this address")
            if not page.items:
                break
            heard += [found for event in page.items for found in heard_of(event)]
            if not page.paging.next:
                break
            # Only what follows the host: the key goes nowhere but to the address in the settings.
            following = urlsplit(page.paging.next)
            url, query = f"{self._base}{following.path}?{following.query}", None
        return [one for one in heard if is_about(one.receipt, key, reference, address)]

    def verify(self, callback: Callback, *, now: datetime) -> Seal | None:
        """As the base; the signature is over time and token, not over the rest: only the seal makes it good for once."""
        if not self._signing_key:
            raise Forged("no signing key is set for Mailgun's webhooks")
        return check_signature(callback, signing_key=self._signing_key, now=now)

    def parse(self, callback: Callback, *, now: datetime) -> Parsed:
        return Parsed([heard.receipt for heard in heard_of(webhook_event(callback))])


def _outcome(answer: Answer | NotAccepted | Unsure) -> Outcome | NoneTaken:
    """What Mailgun's answer to a request says about each delivery in it: it takes all of them, or none."""
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
        problem = decode(answer.body, _Problem).message
    except Malformed:
        return Unsure(said(answer)) if answer.status < 300 else NotAccepted(said(answer))
    if is_about_the_message(problem):
        return Refused(redacted(problem))
    if is_about_an_address(problem):
        return NoneTaken(redacted(problem))
    return NotAccepted(said(answer))


def _requests(handovers: Sequence[Handover]) -> list[list[int]]:
    """Which hand-overs, by number, go in one request: one message, and no address twice."""
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
