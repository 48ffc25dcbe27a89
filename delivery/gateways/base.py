"""What is handed over to a provider, what can come of it, and what comes back.

The port itself is `delivery.gateways.port`.

    GatewayError
     ├── Unavailable       the provider cannot be asked now; ask again later
     └── CallbackRefused   a callback that changes nothing
          ├── Forged       its signature does not hold, or is too old
          └── Malformed    it is signed, and cannot be read
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.mailbox import Mailbox
from domain.message import BodyFormat
from domain.receipts import Receipt
from domain.status import DeliveryMode, DeliveryStatus

# What is handed over


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What one message says, and in whose name; its deliveries share it."""

    key: str
    """Stands for the message everywhere and for good: two contents with one key are the same."""
    subject: str
    body: str
    body_format: BodyFormat
    text_body: str | None = None
    """What a text message says instead of the body."""
    voice_script: str | None = None
    """What a call says instead of the body."""
    reply_to: Mailbox | None = None
    """Where answers go; None: to the sender of the email."""
    sender_name: str
    district_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """One delivery to one address."""

    key: str
    """Our name for it, opaque, in ASCII; the idempotency key. It stays the same while an attempt is repeated."""
    mode: DeliveryMode
    address: str
    """As `domain.addresses` shows it: a phone number in E.164, its extension as `;ext=`."""
    content: Content
    attempt: int = 1
    """Which attempt this is, from 1."""


class Sent(NamedTuple):
    """A delivery that a provider has, as far as is needed to ask after it."""

    key: str
    reference: str
    """What `Accepted` or `Found` gave."""
    mode: DeliveryMode
    address: str
    handed_at: datetime
    """When it was handed over, UTC."""


# What can come of it


class Accepted(NamedTuple):
    """The provider has it: its name for it, and where it stands now."""

    reference: str | None
    status: DeliveryStatus
    code: int | None = None
    detail: str | None = None


class Refused(NamedTuple):
    """The provider will never take it: FAILED or OPTED_OUT."""

    reason: str
    status: DeliveryStatus = DeliveryStatus.FAILED
    code: int | None = None


class NotAccepted(NamedTuple):
    """It surely did not leave, and may be tried again; `after` is the pause that the provider asked for."""

    reason: str
    after: timedelta | None = None


class Unsure(NamedTuple):
    """There was no answer, or none that can be read: it may have left."""

    reason: str


class Held(NamedTuple):
    """It was not offered to the provider: the gate was closed, or the time was over. It surely did not leave."""

    reason: str


Outcome = Accepted | Refused | NotAccepted | Unsure | Held


class NoneTaken(NamedTuple):
    """The provider took none of a request, because it objects to some address in it: each half goes by itself."""

    reason: str


class Found(NamedTuple):
    """It arrived: the provider's name for it, and all that the provider says of it, at least one receipt."""

    reference: str
    receipts: Sequence[Receipt]


class SurelyNot(NamedTuple):
    """It never arrived."""


class CannotTell(NamedTuple):
    """The provider was asked, or cannot be asked at all, and nothing decides it: nor will it later."""

    reason: str


Finding = Found | SurelyNot | CannotTell


class Polled(NamedTuple):
    """What the provider says now, and of whom it could not be asked."""

    receipts: Sequence[Receipt]
    unanswered: Sequence[Sent] = ()


# What comes back


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """A request that a provider makes of us."""

    target: str
    """Path and query, just as they were requested, from `/callbacks/` on."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Seal(NamedTuple):
    """A token that its signer uses once: a callback that brings it a second time, before `until`, is a replay."""

    token: str
    until: datetime


class Consent(NamedTuple):
    """A person asked for no more texts, or for texts again."""

    at: datetime
    address: str
    opted_out: bool


class Reply(NamedTuple):
    """What the provider wants to hear at once."""

    content_type: str
    body: str


class Parsed(NamedTuple):
    """What a callback says, and how it is answered: without a body where `reply` is None."""

    receipts: Sequence[Receipt] = ()
    consents: Sequence[Consent] = ()
    reply: Reply | None = None


# Errors


class GatewayError(Exception):
    """The root of what a gateway raises."""


class Unavailable(GatewayError):
    """The provider cannot be asked now. Says nothing about any delivery."""


class CallbackRefused(GatewayError):
    """A callback that changes nothing."""


class Forged(CallbackRefused):
    """Nobody who knows the secret signed it, or it was signed too long ago."""


class Malformed(CallbackRefused):
    """It cannot be read."""
