"""Mailgun's events, from webhooks and from its event log: check signatures, and read events as receipts.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/events
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks (signatures)
"""

import hmac
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from delivery.gateways.base import Callback, Forged, Malformed, SingleUseToken
from delivery.gateways.exchange import decode, instant
from delivery.gateways.mailgun.codes import COMPLAINED, event_status, failure_code
from delivery.gateways.wording import redacted
from domain.receipts import Receipt
from domain.status import DeliveryStatus

CALLBACKS_GOOD_FOR: Final = timedelta(hours=12)
"""Maximum age of a webhook. Mailgun repeats an unaccepted webhook for eight hours."""

CLOCKS_DIFFER: Final = timedelta(minutes=5)

_UNREPLACED: Final = "%recipient."
"""The start of a key that Mailgun did not fill in: the event has the name of the variable instead."""


class MailgunEvent(NamedTuple):
    """An event's name, and the event as a receipt."""

    name: str
    receipt: Receipt


class _Headers(msgspec.Struct, rename={"message_id": "message-id"}):
    message_id: str | None = None


class _Message(msgspec.Struct):
    headers: _Headers = msgspec.field(default_factory=_Headers)


class _DeliveryStatus(msgspec.Struct):
    code: int | str | None = None
    message: str | None = None
    description: str | None = None


class _EventData(
    msgspec.Struct, rename={"delivery_status": "delivery-status", "variables": "user-variables"}
):
    event: str
    timestamp: float
    severity: str | None = None
    reason: Any = None
    recipient: Any = None
    message: _Message = msgspec.field(default_factory=_Message)
    delivery_status: _DeliveryStatus = msgspec.field(default_factory=_DeliveryStatus)
    variables: Any = None


class _Signature(msgspec.Struct):
    timestamp: str | int
    token: str
    signature: str


class _Webhook(msgspec.Struct, rename={"event_data": "event-data"}):
    signature: _Signature
    event_data: Any = None


def check_signature(callback: Callback, *, signing_key: str, now: datetime) -> SingleUseToken:
    """Return the single-use token of a webhook that Mailgun signed. Raises `Forged`."""
    try:
        signature = decode(callback.body, _Webhook).signature
        made_at = instant(int(signature.timestamp))
    except (Malformed, ValueError):
        raise Forged("there is no signature in it") from None
    signed = f"{signature.timestamp}{signature.token}".encode("utf-8", "surrogatepass")
    expected = hmac.new(signing_key.encode(), signed, "sha256").hexdigest()
    received = signature.signature.encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(expected.encode(), received):
        raise Forged("its signature is wrong")
    if not -CLOCKS_DIFFER <= now - made_at <= CALLBACKS_GOOD_FOR:
        raise Forged("it was signed too long ago, or in the future")
    return SingleUseToken(f"mailgun:{signature.token}", made_at + CALLBACKS_GOOD_FOR)


def webhook_event(callback: Callback) -> object:
    """Return the event of a webhook. Raises `Malformed` if it has no name or time."""
    data: object = decode(callback.body, _Webhook).event_data
    if not read_event(data):
        raise Malformed("an event without name or time")
    return data


def is_about(receipt: Receipt, key: str, reference: str, address: str) -> bool:
    """Return whether an event is about one delivery: by our key, or without one by Message-ID and recipient.

    Mailgun may change the domain of the recipient to lower case.
    """
    if receipt.key is not None:
        return receipt.key == key
    is_same = (receipt.address or "").casefold() == address.casefold()
    return receipt.reference == reference and is_same


def read_event(data: object) -> list[MailgunEvent]:
    """Return a list with the event; an empty list if it cannot be read."""
    try:
        event = msgspec.convert(data, _EventData)
        at = instant(event.timestamp)
    except (msgspec.ValidationError, Malformed):
        return []
    reason = event.reason if isinstance(event.reason, str) else None
    status = event_status(
        event.event, severity=event.severity, reason=reason, code=event.delivery_status.code
    )
    key = event.variables.get("delivery") if isinstance(event.variables, dict) else None
    is_ours = isinstance(key, str) and not key.startswith(_UNREPLACED)
    reference = event.message.headers.message_id
    receipt = Receipt(
        at=at,
        status=status,
        detail=_detail(event),
        key=key if is_ours else None,
        reference=reference.strip("<>") if reference else None,
        address=event.recipient if isinstance(event.recipient, str) else None,
        failure=_failure(event, reason) if status is DeliveryStatus.FAILED else None,
        is_complaint=event.event == COMPLAINED,
    )
    return [MailgunEvent(event.event, receipt)]


def _failure(event: _EventData, reason: str | None) -> str | None:
    status = event.delivery_status
    return failure_code(reason, code=status.code, reply=_reply(status))


def _reply(status: _DeliveryStatus) -> str | None:
    """Return the reply of the receiving server."""
    return status.message or status.description


def _detail(event: _EventData) -> str:
    """Return Mailgun's words: the event, its severity and reason, and the reply of the receiving server."""
    status = event.delivery_status
    reason = event.reason if isinstance(event.reason, str) else None
    words = (event.event, event.severity, reason, status.code, _reply(status))
    return redacted(", ".join(str(word) for word in words if word))
