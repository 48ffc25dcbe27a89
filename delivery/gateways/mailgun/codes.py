"""Mailgun's words, and what they mean in the terms of the log.

https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-structure and /docs/mailgun/user-manual/tracking-messages/tracking-failures
"""

import re
from typing import Final

from domain.status import DeliveryStatus

STATUSES: Final = {
    # Mailgun has it and tries; it has no name for "sent" in between.
    "accepted": DeliveryStatus.SENT,
    "stored": DeliveryStatus.SENT,
    "rejected": DeliveryStatus.FAILED,
    "failed": DeliveryStatus.FAILED,
    "delivered": DeliveryStatus.DELIVERED,
    # Who does one of these has the e-mail.
    "opened": DeliveryStatus.DELIVERED,
    "clicked": DeliveryStatus.DELIVERED,
    "unsubscribed": DeliveryStatus.DELIVERED,
    "complained": DeliveryStatus.DELIVERED,
}
"""What an event says, by its name; a `failed` that Mailgun tries again is SENT."""

FINAL_REASONS: Final = frozenset(
    {
        "old",  # tried for too long; Mailgun marks this last attempt "temporary" too
        "suppress-bounce",  # the address bounced before: Mailgun sends it nothing
        "suppress-complaint",  # its owner complained of spam before
        "suppress-unsubscribe",  # its owner unsubscribed
    }
)
"""Reasons of a `failed` after which Mailgun tries no more, whatever severity it gives."""

FINAL_CODES: Final = frozenset(
    {
        602,  # tried for too long
        605,  # bounced before
        606,  # unsubscribed
        607,  # complained before
    }
)
"""Mailgun's own delivery codes that mean the same; codes under 600 are the other server's."""

_ABOUT_AN_ADDRESS: Final = re.compile(r"(?<![-\w])to\b\W* parameter")
_ABOUT_THE_MESSAGE: Final = re.compile(
    r"\bh:[\w-]+|\breply-?to\b|\bsubject\b.*parameter|need at least one of|too (?:large|big)|exceeds? .*size",
    re.IGNORECASE,
)


def event_status(
    event: str, *, severity: str | None, reason: str | None, code: int | str | None
) -> DeliveryStatus | None:
    """Where an email stands after an event; None for an event whose name is not known."""
    is_final = reason in FINAL_REASONS or str(code) in map(str, FINAL_CODES)
    if event == "failed" and severity == "temporary" and not is_final:
        return DeliveryStatus.SENT
    return STATUSES.get(event)


def is_about_an_address(problem: str) -> bool:
    """Whether a 400 is about a recipient: `'to' parameter is not a valid address`. It takes none of the others then."""
    return _ABOUT_AN_ADDRESS.search(problem) is not None


def is_about_the_message(problem: str) -> bool:
    """Whether a 400 is about what the message says: no repetition mends it, and it holds for every recipient.

    What is left is about the account, the domain or the sender (`'from' parameter is not a valid address`, a sandbox, a domain
    that is disabled): an administrator mends that, and until then it is tried again.
    """
    return not is_about_an_address(problem) and _ABOUT_THE_MESSAGE.search(problem) is not None
