"""A message whose lines are arriving: its rows in memory, and its digest so far."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from db.ingest.staging_tables import StagedDelivery, StagedFailure, StagedMessage, StagedRecipient
from db.log.districts import SchoolRecord
from resolvers.ingest import rows
from resolvers.ingest.districts import DistrictEntry
from resolvers.ingest.double_keys import check_recipient
from resolvers.ingest.line_types import UploadedMessage, UploadedRecipient
from resolvers.ingest.parse import canonical
from resolvers.ingest.rows import UnreadableAddress


@dataclass(slots=True)
class OpenMessage:
    """A message from its first line to its end."""

    ref: int
    number: int
    """The number of its first line in the stream."""
    line: UploadedMessage
    size: int
    """Bytes of its first line."""
    place: DistrictEntry
    school: SchoolRecord | None
    began: datetime
    """When its first line arrived; the time of failures before it is sent."""
    in_log: bytes | None
    """The digest of the message with this id in the log; if there is one, the upload is only compared with it."""
    recipients: list[StagedRecipient] = field(default_factory=list)
    deliveries: list[StagedDelivery] = field(default_factory=list)
    failures: list[StagedFailure] = field(default_factory=list)
    buffered: int = 0
    """Bytes of the lines whose rows are in memory."""
    recipient_count: int = 0
    delivery_count: int = 0
    failure_count: int = 0
    """Deliveries that have failed already, since their addresses are unreadable."""
    is_spilled: bool = False
    """Some of its rows are in the staging tables."""
    _digest: "hashlib._Hash" = field(init=False)

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256(canonical(self.line))

    @property
    def digest(self) -> bytes:
        """SHA-256 over the canonical form of its lines so far."""
        return self._digest.digest()

    def take(self, line: UploadedRecipient, *, text: bytes) -> Sequence[UnreadableAddress]:
        """Take in the next recipient, whose line is `text`; returns its unreadable addresses.

        Raises `BadLine`; the message cannot be used after that.
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

    def row(self, *, zone: ZoneInfo, now: datetime) -> StagedMessage:
        """Its own row once it is whole; `zone` is its district's."""
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

    def drop_rows(self) -> None:
        """Drop the rows from memory: they are in the staging tables, or not needed."""
        self.recipients.clear()
        self.deliveries.clear()
        self.failures.clear()
        self.buffered = 0
