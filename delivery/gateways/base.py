"""Values of the gateway interface: hand-overs, outcomes, findings, callbacks, errors.

The interface itself is `delivery.gateways.port`.

    GatewayError
     ├── Unavailable       the provider cannot be asked now; try again later
     └── CallbackRefused   a callback that changes nothing
          ├── Forged       its signature is wrong or too old
          └── Malformed    it is signed, but cannot be read
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.mailbox import Mailbox
from domain.message import BodyFormat
from domain.receipts import Receipt
from domain.status import DeliveryMode, DeliveryStatus

# Hand-overs


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageContent:
    """The texts and the sender of one message; its deliveries share it."""

    key: str
    """Identifies the message for good: two contents with the same key are equal."""
    subject: str
    body: str
    body_format: BodyFormat
    text_body: str | None = None
    """The text of a text message, instead of the body."""
    voice_script: str | None = None
    """The text of a call, instead of the body."""
    reply_to: Mailbox | None = None
    """The reply address; None: replies go to the sender of the email."""
    sender_name: str
    district_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """One delivery to one address."""

    key: str
    """Our name of the delivery: opaque, in ASCII, the idempotency key. It is the same for repeated attempts."""
    mode: DeliveryMode
    address: str
    """The key of `domain.addresses`: an email address, or a phone number in E.164 with its extension as `;ext=`."""
    content: MessageContent
    attempt: int = 1
    """The number of the attempt, from 1."""


class Sent(NamedTuple):
    """A delivery that a provider has: what a poll needs."""

    key: str
    reference: str
    """The provider's id, from `Accepted` or `FoundAtProvider`."""
    mode: DeliveryMode
    address: str
    handed_at: datetime
    """When it was handed over, UTC."""


# Outcomes and findings


class Accepted(NamedTuple):
    """The provider has the delivery: the provider's id, and the status now."""

    reference: str | None
    status: DeliveryStatus
    code: int | None = None
    detail: str | None = None
    failure: str | None = None
    """The provider's code, if the delivery has failed already."""


class Refused(NamedTuple):
    """The provider will never accept the delivery: FAILED or OPTED_OUT."""

    reason: str
    status: DeliveryStatus = DeliveryStatus.FAILED
    code: int | None = None
    failure: str | None = None
    """The provider's code of the failure (`domain.delivery_failures`)."""


class NotAccepted(NamedTuple):
    """The delivery certainly did not leave, and may be retried; `after` is the pause that the provider asks for."""

    reason: str
    after: timedelta | None = None


class Unsure(NamedTuple):
    """There was no answer, or none that can be read: the delivery may have left."""

    reason: str


class NotAttempted(NamedTuple):
    """No request was sent: the gate was closed, or the time was over. The delivery certainly did not leave."""

    reason: str


Outcome = Accepted | Refused | NotAccepted | Unsure | NotAttempted


class NoneTaken(NamedTuple):
    """The provider rejected a whole request because of one address in it; `send` retries each half separately."""

    reason: str


class FoundAtProvider(NamedTuple):
    """The delivery arrived: the provider's id, and everything the provider reports, at least one receipt."""

    reference: str
    receipts: Sequence[Receipt]


class NotAtProvider(NamedTuple):
    """The delivery never arrived at the provider."""


class CannotTell(NamedTuple):
    """The provider does not know whether the delivery arrived, and will not know later."""

    reason: str


Finding = FoundAtProvider | NotAtProvider | CannotTell


class Polled(NamedTuple):
    """The receipts of a poll, and the deliveries without an answer."""

    receipts: Sequence[Receipt]
    unanswered: Sequence[Sent] = ()


# Callbacks


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """An HTTP request from a provider to us."""

    target: str
    """Path and query exactly as requested, from `/callbacks/` on."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class SingleUseToken(NamedTuple):
    """A token for one use: a second callback with the same token before `until` is a replay."""

    token: str
    until: datetime


class Consent(NamedTuple):
    """A phone number opted out of texts, or opted in again."""

    at: datetime
    address: str
    opted_out: bool


class Reply(NamedTuple):
    """The body of the response that the provider expects."""

    content_type: str
    body: str


class Parsed(NamedTuple):
    """The content of a callback, and the response to it: without a body if `reply` is None."""

    receipts: Sequence[Receipt] = ()
    consents: Sequence[Consent] = ()
    reply: Reply | None = None


# Errors


class GatewayError(Exception):
    """The base class of errors of a gateway."""


class Unavailable(GatewayError):
    """The provider cannot be asked now. This decides nothing about any delivery."""


class CallbackRefused(GatewayError):
    """A callback that changes nothing."""


class Forged(CallbackRefused):
    """The callback has no valid signature, or was signed too long ago."""


class Malformed(CallbackRefused):
    """The callback or response cannot be read."""
