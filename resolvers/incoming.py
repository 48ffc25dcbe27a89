"""A message while it comes in: what of it is in memory, and what is known of it so far.

Where its rows go is not decided here.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from db.districts import SchoolRecord
from db.stage import DeliveryRow, MessageRow, RecipientRow
from resolvers import staging
from resolvers.lines import canonical
from resolvers.places import Place
from resolvers.shapes import Message, Recipient


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
    in_log: bytes | None
    """The digest of what the log has under this id: then it is compared and not taken in."""
    recipients: list[RecipientRow] = field(default_factory=list)
    deliveries: list[DeliveryRow] = field(default_factory=list)
    buffered: int = 0
    """Bytes of the lines whose rows are kept here."""
    recipient_count: int = 0
    delivery_count: int = 0
    is_spilled: bool = False
    """Rows of it wait on the stage."""
    _digest: "hashlib._Hash" = field(init=False)

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256(canonical(self.line))

    @property
    def digest(self) -> bytes:
        """SHA-256 over its lines so far, in one spelling."""
        return self._digest.digest()

    def take(self, line: Recipient, *, size: int) -> None:
        """Take in the next recipient, whose line has `size` bytes; raises `BadLine`, and then the message is of no more use."""
        number = self.recipient_count
        if self.in_log is not None:
            self._digest.update(canonical(line))
            self.recipient_count += 1
            return
        deliveries = staging.delivery_rows(
            line,
            self.line,
            ref=self.ref,
            number=number,
            nth=self.delivery_count,
            has_voice=self.place.record.has_voice,
        )
        recipient = staging.recipient_row(line, ref=self.ref, number=number)
        self._digest.update(canonical(line))
        self.recipient_count += 1
        self.delivery_count += len(deliveries)
        self.recipients.append(recipient)
        self.deliveries += deliveries
        self.buffered += size

    def row(self, *, zone: ZoneInfo, now: datetime) -> MessageRow:
        """Its own row, when it is whole; `zone` is its district's."""
        return staging.message_row(
            self.line,
            ref=self.ref,
            district_id=self.place.record.id,
            zone=zone,
            school=self.school,
            digest=self.digest,
            has_deliveries=self.delivery_count > 0,
            now=now,
        )

    def let_go(self) -> None:
        """Forget the rows: they are on the stage, or not wanted."""
        self.recipients.clear()
        self.deliveries.clear()
        self.buffered = 0
