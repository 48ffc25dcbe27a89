"""Calls and text messages through Twilio's REST API (gateway name `twilio`).

https://www.twilio.com/docs/voice/api/call-resource and /docs/voice/answering-machine-detection
https://www.twilio.com/docs/messaging/api/message-resource and /docs/messaging/guides/outbound-message-status-in-status-callbacks
https://www.twilio.com/docs/voice/api/call-event-resource (Twilio's requests to us for a call)
https://www.twilio.com/docs/usage/security (X-Twilio-Signature) and https://www.twilio.com/docs/api/errors

Twilio has no idempotency key. The callback URL contains the delivery's key. So the first callback settles a hand-over without
an answer, and `find` searches for the key in Twilio's list of its requests.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, quote, urlencode

import httpx2
import msgspec

from delivery.gateways.base import (
    Accepted,
    Callback,
    CannotTell,
    Finding,
    FoundAtProvider,
    Handover,
    Malformed,
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
    mail_instant,
    not_taken,
    read,
)
from delivery.gateways.port import Gateway, Passage
from delivery.gateways.twilio import callbacks
from delivery.gateways.twilio.callbacks import SID
from delivery.gateways.twilio.codes import (
    Standing,
    call_outcome,
    failure_code,
    refusal,
    text_outcome,
)
from delivery.gateways.twilio.twiml import voice_twiml
from delivery.gateways.wording import redacted, script, text_message
from domain.delivery_failures import NO_TEXTS
from domain.receipts import Receipt
from domain.status import DeliveryMode, DeliveryStatus

# Statuses are in `codes`.

_ARRIVES_WITHIN: Final = timedelta(minutes=5)
"""How long after our request its call or text may be created: ten times our timeout."""

_CLOCKS_DIFFER: Final = timedelta(minutes=1)
_PAGE: Final = 100
_AT_ONCE: Final = 16


class _Resource(msgspec.Struct):
    """A call or a message: the fields that we use."""

    sid: str
    status: str
    to: str | None = None
    answered_by: str | None = None
    error_code: int | str | None = None
    body: str | None = None
    date_created: str | None = None
    date_updated: str | None = None
    end_time: str | None = None


class _List(msgspec.Struct):
    """A list of calls or of messages."""

    calls: list[_Resource] | None = None
    messages: list[_Resource] | None = None
    next_page_uri: str | None = None


class _Events(msgspec.Struct):
    events: list[Any]


class _TwilioProblem(msgspec.Struct):
    code: int | None = None


# The request


def _number(address: str) -> tuple[str, str]:
    """Return the number and its extension, which may be empty."""
    number, _, extension = address.partition(";ext=")
    return number, extension


class _TwilioRequest(NamedTuple):
    """A composed request for a call or a text."""

    handover: Handover
    url: str
    form: Fields
    was_cut: bool


# The class


class TwilioGateway(Gateway[_TwilioRequest]):
    """Places calls and sends texts through Twilio."""

    name = "twilio"
    modes = frozenset({DeliveryMode.VOICE, DeliveryMode.TEXT})
    # Twilio lists its requests for a call a quarter of an hour after the call's end.
    settles_after = timedelta(minutes=20)
    batch = 50
    at_once = _AT_ONCE

    def __init__(
        self,
        client: httpx2.AsyncClient,
        *,
        url: str,
        account_sid: str,
        auth_token: str,
        caller: str,
        public_url: str,
        per_second: float | None = None,
    ) -> None:
        self._client = client
        self._url = f"{url.rstrip('/')}/2010-04-01/Accounts/{quote(account_sid, safe='')}"
        self._account = Account(account_sid, auth_token)
        self._caller = caller
        self._public_url = public_url.rstrip("/")
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self.per_second = per_second

    def _callback_url(self, kind: str, handover: Handover) -> str:
        query = {"delivery": handover.key}
        if _number(handover.address)[1]:
            query["extension"] = "1"
        return f"{self._public_url}/callbacks/twilio/{kind}?{urlencode(query)}"

    def compose(self, handover: Handover) -> _TwilioRequest | Refused:
        is_call = handover.mode is DeliveryMode.VOICE
        number, extension = _number(handover.address)
        if extension and not is_call:
            return Refused("a number with an extension takes no texts", code=-30, failure=NO_TEXTS)
        form, was_cut = (self._call if is_call else self._text)(handover, number, extension)
        path = "Calls.json" if is_call else "Messages.json"
        return _TwilioRequest(handover, f"{self._url}/{path}", form, was_cut)

    async def transmit(
        self, composed: Sequence[_TwilioRequest], passage: Passage
    ) -> Sequence[Outcome]:
        [request] = composed
        async with self._slots:
            answer = await ask(
                self._client,
                "POST",
                request.url,
                account=self._account,
                form=request.form,
                passage=passage,
            )
        return [_outcome(request, answer)]

    def _call(self, handover: Handover, number: str, extension: str) -> tuple[Fields, bool]:
        call, was_cut = voice_twiml(
            script(handover.content), confirm_url=self._callback_url("confirm", handover)
        )
        form: dict[str, str | Sequence[str]] = {
            "To": number,
            "From": self._caller,
            "Twiml": call,
            "StatusCallback": self._callback_url("call", handover),
            "StatusCallbackEvent": ["initiated", "completed"],
        }
        if extension:  # Twilio does no detection with an extension
            form["SendDigits"] = f"wwww{extension}"
        else:
            # The call begins to speak after the machine's tone.
            form["MachineDetection"] = "DetectMessageEnd"
        return form, was_cut

    def _text(self, handover: Handover, number: str, extension: str) -> tuple[Fields, bool]:
        text, was_cut = text_message(handover.content)
        form = {
            "To": number,
            "From": self._caller,
            "Body": text,
            "StatusCallback": self._callback_url("text", handover),
        }
        return form, was_cut

    async def find(self, handover: Handover, *, handed_at: datetime, now: datetime) -> Finding:
        """Look up a hand-over: a call by the requests that Twilio made for it, a text by its body."""
        if now < handed_at + self.settles_after:
            raise Unavailable("Twilio's list of its requests is not complete yet")
        is_call = handover.mode is DeliveryMode.VOICE
        number, _ = _number(handover.address)
        resources, has_more = await self._list("Calls" if is_call else "Messages", number)
        times = [mail_instant(one.date_created) for one in resources]
        earliest, latest = handed_at - _CLOCKS_DIFFER, handed_at + _ARRIVES_WITHIN
        if None in times:
            return CannotTell("Twilio lists something without its time")
        if has_more and all(time and time > earliest for time in times):
            return CannotTell("more went to this number since than Twilio lists on one page")
        with_times = zip(resources, times, strict=True)
        likely = [one for one, time in with_times if time and earliest <= time <= latest]
        choose = self._call_of if is_call else self._text_of
        return await choose(handover, likely, handed_at)

    async def _list(self, kind: str, number: str) -> tuple[Sequence[_Resource], bool]:
        """Return the last calls or texts to a number, newest first, and whether there are older ones."""
        query = {"To": number, "From": self._caller, "PageSize": str(_PAGE)}
        page = await read(
            self._client, f"{self._url}/{kind}.json", _List, account=self._account, query=query
        )
        resources = (page.calls if kind == "Calls" else page.messages) if page else None
        if page is None or resources is None:  # an empty list would allow to send it again
            raise Unavailable("Twilio's answer is not a list")
        return resources, bool(page.next_page_uri)

    async def _call_of(
        self, handover: Handover, likely: Sequence[_Resource], handed_at: datetime
    ) -> Finding:
        """Find the call for which Twilio made requests with this delivery's key."""
        has_unnamed = False
        for call in likely:
            keys = await self._keys_of_call(call.sid)
            if handover.key in keys:
                return self._found(handover, call, handed_at)
            has_unnamed = has_unnamed or not keys
        return (
            CannotTell("a call to this number names no delivery")
            if has_unnamed
            else NotAtProvider()
        )

    async def _keys_of_call(self, sid: str) -> set[str]:
        """Return the deliveries that Twilio's requests for a call name: one, or none if it made no request."""
        page = await read(
            self._client,
            f"{self._url}/Calls/{quote(sid, safe='')}/Events.json",
            _Events,
            account=self._account,
            query={"PageSize": str(_PAGE)},
        )
        keys = set[str]()
        for event in page.events if page else ():
            request = event.get("request") if isinstance(event, dict) else None
            url = request.get("url") if isinstance(request, dict) else None
            if isinstance(url, str):
                keys.update(parse_qs(url.partition("?")[2]).get("delivery", ()))
        return keys

    async def _text_of(
        self, handover: Handover, likely: Sequence[_Resource], handed_at: datetime
    ) -> Finding:
        """Find the text to this number with the same body; two of them cannot be distinguished."""
        text, _ = text_message(handover.content)
        same = [one for one in likely if _letters(one.body or "") == _letters(text)]
        if len(same) > 1:
            return CannotTell("several texts to this number have the same body")
        return self._found(handover, same[0], handed_at) if same else NotAtProvider()

    def _found(
        self, handover: Handover, resource: _Resource, handed_at: datetime
    ) -> FoundAtProvider:
        sent = Sent(handover.key, resource.sid, handover.mode, handover.address, handed_at)
        return FoundAtProvider(resource.sid, [_receipt_of(resource, sent)])

    async def poll(self, sent: Sequence[Sent]) -> Polled:
        answers = await asyncio.gather(*map(self._poll_one, sent))
        with_answers = zip(sent, answers, strict=True)
        return Polled(
            [answer for answer in answers if isinstance(answer, Receipt)],
            [one for one, answer in with_answers if isinstance(answer, Unavailable)],
        )

    async def _poll_one(self, sent: Sent) -> Receipt | Unavailable | None:
        """Return Twilio's receipt for one delivery; None if Twilio does not know it."""
        if SID.fullmatch(sent.reference) is None:
            return None
        kind = "Calls" if sent.mode is DeliveryMode.VOICE else "Messages"
        url = f"{self._url}/{kind}/{sent.reference}.json"
        async with self._slots:
            try:
                resource = await read(self._client, url, _Resource, account=self._account)
            except Unavailable as error:
                return error
        return _receipt_of(resource, sent) if resource else None

    def verify(self, callback: Callback, *, now: datetime) -> SingleUseToken | None:
        """Check the signature. It covers neither time nor token, but a replay repeats a known receipt and changes nothing."""
        callbacks.check_signature(
            callback, public_url=self._public_url, auth_token=self._account.password
        )
        return None

    # Receipts

    def parse(self, callback: Callback, *, now: datetime) -> Parsed:
        return callbacks.parse(callback, public_url=self._public_url, now=now)


def _outcome(request: _TwilioRequest, answer: Answer | NotAccepted | Unsure) -> Outcome:
    """Return the outcome of a request."""
    if isinstance(answer, NotAccepted | Unsure):
        return answer
    if unclear := not_taken(answer):
        return unclear
    handover = request.handover
    try:
        if answer.status >= 400:
            return refusal(handover.mode, decode(answer.body, _TwilioProblem).code, excerpt(answer))
        resource = decode(answer.body, _Resource)
    except Malformed:
        return NotAccepted(excerpt(answer)) if answer.status >= 400 else Unsure(excerpt(answer))
    status, code = _outcome_of(handover.mode, resource, handover.address)
    detail = f"{resource.status}, cut to fit" if request.was_cut else resource.status
    return Accepted(
        resource.sid,
        status or DeliveryStatus.IN_PROGRESS,
        code,
        redacted(detail),
        failure_code(resource.error_code),
    )


def _outcome_of(mode: DeliveryMode, resource: _Resource, address: str) -> Standing:
    if mode is DeliveryMode.VOICE:
        has_extension = bool(_number(address)[1])
        return call_outcome(resource.status, resource.answered_by, has_extension=has_extension)
    return text_outcome(resource.status, resource.error_code)


def _receipt_of(resource: _Resource, sent: Sent) -> Receipt:
    """Return a resource of Twilio as a receipt."""
    status, code = _outcome_of(sent.mode, resource, sent.address)
    at = mail_instant(resource.end_time) or mail_instant(resource.date_updated) or sent.handed_at
    words = (resource.status, resource.answered_by, resource.error_code)
    detail = redacted(", ".join(str(word) for word in words if word))
    return Receipt(
        at,
        status,
        code,
        detail=detail,
        key=sent.key,
        reference=resource.sid,
        address=resource.to,
        failure=failure_code(resource.error_code),
    )


def _letters(text: str) -> str:
    """Return only letters and digits: Twilio may have replaced rare punctuation."""
    return "".join(filter(str.isalnum, text))
