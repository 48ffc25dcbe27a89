"""Tickets: signed tokens in a report's link, for one viewer, valid while the report is stored.

A browser that follows a link sends no sign-in. So the link has the viewer, its visibility and an expiry, signed with
HMAC-SHA-256.
"""

import base64
import binascii
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Final, NamedTuple

SECRET: Final = "links to reports"
"""The name of the key among the log's secrets."""

LONGEST: Final = 4096
"""Characters; a longer ticket is rejected without decoding. Its length depends on the viewer's id."""

_PURPOSE: Final = b"sentlog: a ticket to a report\n"
"""Part of the signed bytes, so that a signature by the same key for another purpose is not a ticket."""


class Ticket(NamedTuple):
    """The viewer who may download a report, and its visibility at the time of signing, for this report."""

    report_id: int
    viewer_id: str
    district_id: int
    school_id: int | None
    """The only school that the viewer sees; null: the whole district, or the report is not on a message."""
    sees_recipients: bool
    until: datetime
    """Aware; only whole seconds are stored."""


def sign(ticket: Ticket, key: bytes) -> str:
    """Return the signed ticket as text for a URL."""
    fields = [*ticket[:-1], int(ticket.until.timestamp())]
    content = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    return f"{_text(content)}.{_text(_seal(content, key))}"


def read(text: str, key: bytes) -> Ticket | None:
    """Return the ticket in `text`; None unless this key signed it. The caller checks the expiry."""
    if len(text) > LONGEST or not text.isascii():
        return None
    first, _, second = text.partition(".")
    try:
        content, seal = _bytes(first), _bytes(second)
    except (ValueError, binascii.Error):
        return None
    # Compare the texts too: several base64 texts decode to the same bytes, and only one of them was issued.
    is_canonical = (_text(content), _text(seal)) == (first, second)
    if not hmac.compare_digest(seal, _seal(content, key)) or not is_canonical:
        return None
    report, viewer, district, school, sees, until = json.loads(content)
    return Ticket(report, viewer, district, school, sees, datetime.fromtimestamp(until, UTC))


def _seal(content: bytes, key: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + content, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
