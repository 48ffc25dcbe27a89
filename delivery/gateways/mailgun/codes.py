"""Mailgun's event names and codes, and the statuses of the log that they mean.

https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-structure and /docs/mailgun/user-manual/tracking-messages/tracking-failures
"""

import re
from typing import Final

from delivery.gateways.wording import enhanced_code
from domain.delivery_failures import LONGEST_CODE
from domain.status import DeliveryStatus

COMPLAINED: Final = "complained"
"""The event for an email that its receiver marked as spam."""

STATUSES: Final = {
    # Mailgun has the email and tries to deliver it; it has no event for "sent".
    "accepted": DeliveryStatus.SENT,
    "stored": DeliveryStatus.SENT,
    "rejected": DeliveryStatus.FAILED,
    "failed": DeliveryStatus.FAILED,
    "delivered": DeliveryStatus.DELIVERED,
    # These prove that the e-mail arrived.
    "opened": DeliveryStatus.DELIVERED,
    "clicked": DeliveryStatus.DELIVERED,
    "unsubscribed": DeliveryStatus.DELIVERED,
    COMPLAINED: DeliveryStatus.DELIVERED,
}
"""The status after an event, by its name; a `failed` that Mailgun retries is SENT."""

FINAL_REASONS: Final = frozenset(
    {
        "old",  # tried for too long; Mailgun marks this last attempt "temporary" too
        "suppress-bounce",  # the address bounced before: Mailgun sends nothing to it
        "suppress-complaint",  # its owner complained of spam before
        "suppress-unsubscribe",  # its owner unsubscribed
    }
)
"""Reasons of a `failed` after which Mailgun does not retry, with any severity."""

FINAL_CODES: Final = frozenset(
    {
        602,  # tried for too long
        605,  # bounced before
        606,  # unsubscribed
        607,  # complained before
    }
)
"""Mailgun's own delivery codes with the same meaning; codes under 600 come from the receiving server."""

_CODES_OF_REASONS: Final = {
    "suppress-bounce": "605",
    "suppress-unsubscribe": "606",
    "suppress-complaint": "607",
    "old": "602",
}

_ABOUT_AN_ADDRESS: Final = re.compile(r"(?<![-\w])to\b\W* parameter")
_ABOUT_THE_MESSAGE: Final = re.compile(
    r"\bh:[\w-]+|\breply-?to\b|\bsubject\b.*parameter|need at least one of|too (?:large|big)|exceeds? .*size",
    re.IGNORECASE,
)


def event_status(
    event: str, *, severity: str | None, reason: str | None, code: int | str | None
) -> DeliveryStatus | None:
    """Return the status of an email after an event; None for an unknown event."""
    is_final = reason in FINAL_REASONS or str(code) in map(str, FINAL_CODES)
    if event == "failed" and severity == "temporary" and not is_final:
        return DeliveryStatus.SENT
    return STATUSES.get(event)


def failure_code(reason: str | None, *, code: int | str | None, reply: str | None) -> str | None:
    """Return the code of a failure: Mailgun's own, or else that of the receiving server, the enhanced one if it has one."""
    own = _CODES_OF_REASONS.get(reason or "")
    if own is None and str(code) in map(str, FINAL_CODES):
        own = str(code)
    if own is not None:
        return own
    if enhanced := enhanced_code(reply or ""):
        return enhanced
    return str(code)[:LONGEST_CODE] if code else None


def is_about_an_address(problem: str) -> bool:
    """Return whether a 400 is about a recipient, such as `'to' parameter is not a valid address`.

    Mailgun then accepts none of the recipients.
    """
    return _ABOUT_AN_ADDRESS.search(problem) is not None


def is_about_the_message(problem: str) -> bool:
    """Return whether a 400 is about the message's content: a retry cannot help, and it holds for every recipient.

    All other 400s are about the account, the domain or the sender (`'from' parameter is not a valid address`, a sandbox, a
    disabled domain): they are retried until an administrator fixes the cause.
    """
    return not is_about_an_address(problem) and _ABOUT_THE_MESSAGE.search(problem) is not None
