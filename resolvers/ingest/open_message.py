"""A message while it comes in: what of it is in memory, and what is known of it so far.

Where its rows go is not decided here.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from db.ingest.staging_tables import DeliveryRow, FailureRow, MessageRow, RecipientRow
from db.log.districts import SchoolRecord
from resolvers.ingest import rows
from resolvers.ingest.districts import Place
from resolvers.ingest.double_keys import check_recipient
from resolvers.ingest.line_types import Message, Recipient
from resolvers.ingest.parse import canonical
from resolvers.ingest.rows import Unread


@dataclass(slots=True)
class Incoming:
    """A message from its first line to its end."""

    ref: int
    number: int
    """Of its first line in the stream."""
    line: Message
    size: int
    """Bytes of its first line."""
    place: Place
    school: SchoolRecord | None
    began: datetime
    """When its first line came: what fails before it is sent has failed then."""
    in_log: bytes | None
    """The digest of what the log has under this id: then it is compared and not taken in."""
    recipients: list[RecipientRow] = field(default_factory=list)
    deliveries: list[DeliveryRow] = field(default_factory=list)
    failures: list[FailureRow] = field(default_factory=list)
    buffered: int = 0
    """Bytes of the lines whose rows are kept here."""
    recipient_count: int = 0
    delivery_count: int = 0
    failure_count: int = 0
    """Deliveries that have failed already, because their addresses cannot be read."""
    is_spilled: bool = False
    """Rows of it wait on the stage."""
    _digest: "hashlib._Hash" = field(init=False)

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256(canonical(self.line))

    @property
    def digest(self) -> bytes:
        """SHA-256 over its lines so far, in one spelling."""
        return self._digest.digest()

    def take(self, line: Recipient, *, text: bytes) -> Sequence[Unread]:
        """Take in the next recipient, whose line is `text`, and give its addresses that cannot be read.

        Raises `BadLine`, and then the message is of no more use.
        """
        number = self.recipient_count
        if self.in_log is not None:
            self._digest.update(canonical(line))
            self.recipient_count += 1
            return ()
        check_recipient(line, text)
        devices = rows.delivery_rows(
            line,
            self.line,
            ref=self.ref,
            number=number,
            nth=self.delivery_count,
            has_voice=self.place.record.has_voice,
            country=self.place.record.country,
            now=self.began,
        )
        recipient = rows.recipient_row(line, ref=self.ref, number=number)
        self._digest.update(canonical(line))
        self.recipient_count += 1
        self.delivery_count += len(devices.rows)
        self.recipients.append(recipient)
        self.deliveries += devices.rows
        self.buffered += len(text)
        if devices.failures:
            self.failure_count += len(devices.failures)
            self.failures += devices.failures
        return devices.unread

    def row(self, *, zone: ZoneInfo, now: datetime) -> MessageRow:
        """Its own row, when it is whole; `zone` is its district's."""
        return rows.message_row(
            self.line,
            ref=self.ref,
            district_id=self.place.record.id,
            zone=zone,
            school=self.school,
            digest=self.digest,
            has_open=self.delivery_count > self.failure_count,
            now=now,
        )

    def let_go(self) -> None:
        """Forget the rows: they are on the stage, or not wanted."""
        self.recipients.clear()
        self.deliveries.clear()
        self.failures.clear()
        self.buffered = 0
