"""The chain that seals the audit: how its rows are spelled, and the hash of a seal over them and the seal before.

A seal's hash is the SHA-256 of lines of UTF-8, each a compact JSON array and a line end:

    ["sentlog audit 1", number, instant, previous hash, first id, last id, count]
    [id, instant, district, viewer, action, subject, origin, request]      one a row, in the order of the ids

A row that says how many messages came in has that number behind the others, and one that has the viewer's name has that text
last. One is a number and the other a text, so no two rows are spelled alike.

Instants are `YYYY-MM-DDTHH:MM:SS.ffffff+00:00`; texts stand as they are, but for what JSON escapes in ASCII. Rows carry the
district by our number. Where rows and seals are kept is not said here.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

VERSION: Final = "sentlog audit 1"
"""First in what is hashed: another spelling needs another version, or old seals would seem to be forged."""

NOTHING_BEFORE: Final = "0" * 64
"""The previous hash of the first seal."""


class AuditRow(NamedTuple):
    """A row of the audit, as it is sealed."""

    id: int
    at: datetime
    district_id: int
    viewer_id: str
    action: str
    subject: str
    origin: str | None
    request_id: str | None
    messages: int | None = None
    viewer_name: str | None = None


class AuditSeal(NamedTuple):
    """A link of the chain: it holds for every row after the last id of the seal before, up to its own last id."""

    number: int
    """From 1, without gaps."""
    at: datetime
    first_id: int
    last_id: int
    row_count: int
    previous: str
    """The hash of the seal before."""
    hash: str
    """In hexadecimal digits, 64 of them."""


def seal(before: AuditSeal | None, rows: Sequence[AuditRow], *, now: datetime) -> AuditSeal:
    """The seal that follows `before`, over rows in the order of their ids, of which there is at least one."""
    unsigned = AuditSeal(
        number=1 if before is None else before.number + 1,
        at=now,
        first_id=rows[0].id,
        last_id=rows[-1].id,
        row_count=len(rows),
        previous=NOTHING_BEFORE if before is None else before.hash,
        hash="",
    )
    return unsigned._replace(hash=hash_of(unsigned, rows))


def hash_of(sealed: AuditSeal, rows: Sequence[AuditRow]) -> str:
    """What the hash of a seal has to be if it holds for these rows."""
    digest = hashlib.sha256(
        _line(
            VERSION,
            sealed.number,
            _instant(sealed.at),
            sealed.previous,
            sealed.first_id,
            sealed.last_id,
            sealed.row_count,
        )
    )
    for row in rows:
        # Rows of earlier releases are spelled as they were sealed.
        later = (part for part in (row.messages, row.viewer_name) if part is not None)
        digest.update(_line(row.id, _instant(row.at), *row[2:-2], *later))
    return digest.hexdigest()


def faults(before: AuditSeal | None, sealed: AuditSeal, rows: Sequence[AuditRow]) -> Sequence[str]:
    """What is wrong with a seal, in words: `rows` are those that stand between the one before and its last id."""
    found = []
    expected = 1 if before is None else before.number + 1
    if sealed.number != expected:
        found.append(f"seal {expected} is missing: {sealed.number} comes in its place")
    elif sealed.previous != (NOTHING_BEFORE if before is None else before.hash):
        found.append(f"seal {sealed.number} does not follow from the one before")
    place = f"seal {sealed.number} (rows {sealed.first_id} to {sealed.last_id})"
    if len(rows) != sealed.row_count:
        found.append(f"{place} holds for {sealed.row_count} rows, and {len(rows)} are there")
    elif hash_of(sealed, rows) != sealed.hash:
        found.append(f"{place} does not hold: a row, their order or the seal itself was changed")
    return found


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def _line(*parts: object) -> bytes:
    return json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
