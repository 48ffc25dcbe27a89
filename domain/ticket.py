"""Tickets: what makes a link to a report good for one viewer, for as long as the report is kept.

A browser that follows a link sends no sign-in along, so the link itself says who may have the file, as what, and until
when; the signature (HMAC-SHA-256) is what makes that more than a claim. What is behind the link is not known here.
"""

import base64
import binascii
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Final, NamedTuple

SECRET: Final = "links to reports"
"""The name under which the log keeps the key."""

LONGEST: Final = 4096
"""Characters; longer ones are not even decoded. A viewer's id is what its length depends on."""

_PURPOSE: Final = b"sentlog: a ticket to a report\n"
"""Goes into the signature: what is signed by the same key for another purpose is no ticket."""


class Ticket(NamedTuple):
    """Who may fetch which report, and with which visibility: that of the viewer at the time of signing, for one message."""

    report_id: int
    viewer_id: str
    district_id: int
    school_id: int | None
    """The only school that the viewer sees; null: the whole district."""
    sees_recipients: bool
    until: datetime
    """Aware; whole seconds are kept."""


def sign(ticket: Ticket, key: bytes) -> str:
    """The ticket as text, fit for a URL."""
    fields = [*ticket[:-1], int(ticket.until.timestamp())]
    content = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    return f"{_text(content)}.{_text(_seal(content, key))}"


def read(text: str, key: bytes) -> Ticket | None:
    """The ticket that `text` is; None where this key did not sign it as it stands. It may have run out."""
    if len(text) > LONGEST or not text.isascii():
        return None
    first, _, second = text.partition(".")
    try:
        content, seal = _bytes(first), _bytes(second)
    except (ValueError, binascii.Error):
        return None
    # The texts are compared as well: several texts can stand for the same bytes, and only one of them was given out.
    is_spelled = (_text(content), _text(seal)) == (first, second)
    if not hmac.compare_digest(seal, _seal(content, key)) or not is_spelled:
        return None
    report, viewer, district, school, sees, until = json.loads(content)
    return Ticket(report, viewer, district, school, sees, datetime.fromtimestamp(until, UTC))


def _seal(content: bytes, key: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + content, hashlib.sha256).digest()


def _text(some: bytes) -> str:
    return base64.urlsafe_b64encode(some).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
