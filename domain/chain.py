"""The hash chain that seals the audit: the serialization of rows, and the hash of a seal over them and the previous seal.

A seal's hash is the SHA-256 of lines in UTF-8, each a compact JSON array and a line feed:

    ["sentlog audit 1", number, instant, previous hash, first id, last id, count]
    [id, instant, district, viewer, action, subject, origin, request]      one per row, in the order of the ids

If a row has a number of messages, that number follows. If it has a viewer's name, that text is last. One is a number and
the other a text, so different rows never have the same line.

Instants are `YYYY-MM-DDTHH:MM:SS.ffffff+00:00`. Texts are unchanged except for JSON's ASCII escapes. The district is our id.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

VERSION: Final = "sentlog audit 1"
"""The first hashed value. Another serialization needs another version, or old seals would look forged."""

NOTHING_BEFORE: Final = "0" * 64
"""The previous hash of the first seal."""


class AuditRow(NamedTuple):
    """A row of the audit, with the fields that are sealed."""

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
    """A link of the chain: it covers every row after the last id of the previous seal, up to its own last id."""

    number: int
    """From 1, without gaps."""
    at: datetime
    first_id: int
    last_id: int
    row_count: int
    previous: str
    """The hash of the previous seal."""
    hash: str
    """64 hexadecimal digits."""


def seal(before: AuditSeal | None, rows: Sequence[AuditRow], *, now: datetime) -> AuditSeal:
    """Return the seal that follows `before`, over one or more rows in the order of their ids."""
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
    """Return the hash that a valid seal over these rows has."""
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
        # Rows of earlier releases have no such parts, so that their seals stay valid.
        optional = (part for part in (row.messages, row.viewer_name) if part is not None)
        digest.update(_line(row.id, _instant(row.at), *row[2:-2], *optional))
    return digest.hexdigest()


def faults(before: AuditSeal | None, sealed: AuditSeal, rows: Sequence[AuditRow]) -> Sequence[str]:
    """Return the faults of a seal as texts; `rows` are those after the previous seal, up to its last id."""
    faults_of_seal = []
    expected = 1 if before is None else before.number + 1
    if sealed.number != expected:
        faults_of_seal.append(f"seal {expected} is missing: {sealed.number} comes in its place")
    elif sealed.previous != (NOTHING_BEFORE if before is None else before.hash):
        faults_of_seal.append(f"seal {sealed.number} does not follow from the one before")
    place = f"seal {sealed.number} (rows {sealed.first_id} to {sealed.last_id})"
    if len(rows) != sealed.row_count:
        faults_of_seal.append(
            f"{place} holds for {sealed.row_count} rows, and {len(rows)} are there"
        )
    elif hash_of(sealed, rows) != sealed.hash:
        faults_of_seal.append(
            f"{place} does not hold: a row, their order or the seal itself was changed"
        )
    return faults_of_seal


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def _line(*parts: object) -> bytes:
    return json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
