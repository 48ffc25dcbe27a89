"""The state of one upload: its open messages, those ready to be moved into the log, and those left out.

`resolvers.ingest.parse` parses lines; `db.ingest.move_in` moves staged rows into the move_in.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from db.audit import entries
from db.audit.entries import Action, AuditEntry
from db.connect.database import Database
from db.ingest import move_in, staging_tables
from db.log import districts
from db.sql.connections import ReadConnection, WriteConnection
from domain.ids import Kind, spell
from domain.viewer import Viewer
from resolvers.ingest.districts import Districts
from resolvers.ingest.line_splitter import Numbered
from resolvers.ingest.line_types import (
    BadLine,
    End,
    Line,
    UploadedDistrict,
    UploadedMessage,
    UploadedRecipient,
    UploadedSchool,
)
from resolvers.ingest.open_message import OpenMessage
from resolvers.ingest.outcome import LineWarning, Outcome, Problem
from resolvers.ingest.parse import owner_of, parse
from resolvers.ingest.rows import check_message, unusable_reply_to
from resolvers.request.process import Announce, announce_nothing

BATCH: Final = 2 * 1024 * 1024
"""Bytes of lines whose rows are kept in memory. A smaller batch commits more often, a larger one holds the lock longer."""

MOST_OPEN: Final = 100
"""Maximum open messages: their first lines are in memory, at most 4 MiB each."""

MOST_LEFT_OUT: Final = 10_000
"""Maximum messages to remember as left out, so that their further lines are not reported again."""

Key = tuple[str, str]
"""The district and the id of a message in the sending system."""


class Uploader(NamedTuple):
    """The sender of an upload, for the audit: a viewer, or the operator at the machine."""

    id: str
    origin: str | None = None
    """The address of the client."""
    request_id: str | None = None
    name: str | None = None
    """The viewer's name."""


class Upload:
    """The state of one upload. Call `take` for each block, then `finish`."""

    def __init__(
        self,
        database: Database,
        connection: ReadConnection,
        *,
        viewer: Viewer | None,
        clock: Callable[[], datetime],
        announce: Announce = announce_nothing,
        by: Uploader | None = None,
    ) -> None:
        self.outcome = Outcome()
        self._database = database
        self._connection = connection
        self._clock = clock
        self._announce = announce
        self._by = by
        self._places = Districts(database, connection, viewer=viewer)
        self._open: dict[str, OpenMessage] = {}
        self._ready: dict[Key, OpenMessage] = {}
        self._moved: set[Key] = set()
        """Messages that were moved since the digests were last read."""
        self._left_out: dict[str, None] = {}
        self.buffered = 0
        """Bytes of lines whose rows are in memory."""
        self._next_ref = 1

    async def take(self, block: Sequence[Numbered]) -> None:
        """Take in a block of lines."""
        parsed = [(numbered, _parse(numbered.text)) for numbered in block]
        self._moved.clear()
        in_log = await self._digests(
            [line for _, line in parsed if isinstance(line, UploadedMessage)]
        )
        for numbered, line in parsed:
            self.outcome.lines += 1
            try:
                if isinstance(line, BadLine):
                    raise line
                await self._take(numbered, line, in_log)
            except BadLine as bad:
                await self._refuse_line(numbered, bad)

    async def finish(self) -> None:
        """Move the ready messages into the log, and report those that never ended."""
        for message in list(self._open.values()):
            bad = BadLine(None, 'its {"kind":"end"} line never came: send the whole message again')
            await self._refuse(message.line.id, message.number, bad)
        await self._move()
        self.outcome.problems.sort(key=lambda problem: problem.line)

    async def _take(self, numbered: Numbered, line: Line, in_log: Mapping[Key, bytes]) -> None:
        match line:
            case UploadedRecipient():
                await self._take_recipient(numbered, line)
            case UploadedMessage():
                await self._begin(numbered, line, in_log)
            case End():
                await self._end(line)
            case UploadedDistrict() | UploadedSchool():
                if not await self._places.has(line):
                    await self._move()  # messages before this line belong to the old state
                    await self._places.save(line)

    async def _begin(
        self, numbered: Numbered, line: UploadedMessage, in_log: Mapping[Key, bytes]
    ) -> None:
        if earlier := self._open.get(line.id):
            raise BadLine("id", f"{line.id!r} was begun in line {earlier.number} and has not ended")
        if len(self._open) >= MOST_OPEN:
            raise BadLine(
                None, f"{MOST_OPEN} messages have begun and not ended: end some before the next"
            )
        check_message(line)
        place, school = await self._places.of_message(line)
        key = line.district, line.id
        if key in self._ready:
            await self._move()
        if key in self._moved:
            in_log = await self._digests([line])
        self._left_out.pop(line.id, None)
        if key not in in_log and (reason := unusable_reply_to(line)):
            self.outcome.warn(LineWarning(numbered.number, line.id, "replyTo", reason))
        self._open[line.id] = OpenMessage(
            ref=self._next_ref,
            number=numbered.number,
            line=line,
            size=len(numbered.text),
            place=place,
            school=school,
            began=self._clock(),
            in_log=in_log.get(key),
        )
        self._next_ref += 1

    async def _take_recipient(self, numbered: Numbered, line: UploadedRecipient) -> None:
        message = self._open.get(line.message)
        if message is None:
            self._check_left_out(line)
            return
        before = message.buffered
        for field, reason in message.take(line, text=numbered.text):
            self.outcome.warn(LineWarning(numbered.number, line.message, field, reason))
        self.buffered += message.buffered - before
        if self.buffered >= BATCH:
            await self._make_room()

    async def _end(self, line: End) -> None:
        message = self._open.pop(line.message, None)
        if message is None:
            self._check_left_out(line)
            del self._left_out[line.message]
            return
        if message.in_log is not None:
            self._compare(message, same=message.in_log == message.digest)
            return
        self._ready[message.line.district, message.line.id] = message
        self.buffered += message.size
        if self.buffered >= BATCH or message.is_spilled:
            await self._make_room()

    def _check_left_out(self, line: UploadedRecipient | End) -> None:
        """Pass if the message of this line is known to be left out. Raises `BadLine`."""
        if line.message not in self._left_out:
            raise BadLine(
                "message", f"no message {line.message!r} is open: it has ended, or never began"
            )

    def _compare(self, message: OpenMessage, *, same: bool) -> None:
        if same:
            self.outcome.unchanged += 1
            return
        self.outcome.refused += 1
        reason = "the log has another message under this id: a message cannot be changed, only sent under a new id"
        self.outcome.report(Problem(message.number, message.line.id, "id", reason))

    async def _make_room(self) -> None:
        """Move the ready messages into the log; if much remains, spill its rows to the staging tables."""
        await self._move()
        if self.buffered < BATCH // 2:
            return
        messages = [message for message in self._open.values() if message.buffered]
        async with self._connection.begin():
            await self._load(messages)
        for message in messages:
            message.is_spilled = True
        self._drop_rows(messages)

    async def _load(self, messages: Sequence[OpenMessage]) -> None:
        """Copy the rows of messages to the staging tables; the rows of one message stay together."""
        for table, rows in (
            (
                staging_tables.RECIPIENTS,
                [row for message in messages for row in message.recipients],
            ),
            (
                staging_tables.DELIVERIES,
                [row for message in messages for row in message.deliveries],
            ),
            (staging_tables.FAILURES, [row for message in messages for row in message.failures]),
        ):
            await staging_tables.load(self._connection, table, rows)

    def _drop_rows(self, messages: Sequence[OpenMessage]) -> None:
        for message in messages:
            self.buffered -= message.buffered
            message.drop_rows()

    async def _move(self) -> None:
        """Move the ready messages into the log, in one transaction."""
        if not self._ready:
            return
        ready, now = list(self._ready.values()), self._clock()
        async with self._database.begin_writing(self._connection) as connection:
            await move_in.take_lock(connection)
            # Read under the lock: another upload may have changed the zone since the message began.
            ids = {message.place.record.id for message in ready}
            records = await districts.districts(connection, sorted(ids))
            zones = {record.id: ZoneInfo(record.time_zone) for record in records.values()}
            rows = [message.row(zone=zones[message.place.record.id], now=now) for message in ready]
            await staging_tables.load(connection, staging_tables.MESSAGES, rows)
            await self._load(ready)
            in_log_now = await move_in.staged_in_log(connection)
            await staging_tables.forget(connection, list(in_log_now))
            await move_in.move(connection)
            await self._write_audit(
                connection, [m for m in ready if m.ref not in in_log_now], now=now
            )
            await self._announce(connection)
            if any(message.is_spilled for message in self._open.values()):
                await staging_tables.clear(connection)
            else:
                await staging_tables.empty(connection)
        for message in ready:
            if message.ref in in_log_now:
                self._compare(message, same=in_log_now[message.ref])
                continue
            self.outcome.accepted += 1
            self.outcome.recipients += message.recipient_count
            self.outcome.deliveries += message.delivery_count
        self.buffered -= sum(message.size for message in ready)
        self._drop_rows(ready)
        self._moved |= self._ready.keys()
        self._ready.clear()

    async def _write_audit(
        self, connection: WriteConnection, messages: Sequence[OpenMessage], *, now: datetime
    ) -> None:
        """Write audit entries for these messages, one per district."""
        if self._by is None:
            return
        counts = Counter(message.place.record.id for message in messages)
        records = [
            AuditEntry(
                now,
                district_id,
                self._by.id,
                Action.INGEST,
                spell(Kind.DISTRICT, district_id),
                self._by.origin,
                self._by.request_id,
                count,
                self._by.name,
            )
            for district_id, count in sorted(counts.items())
        ]
        await entries.write(connection, records)

    async def _refuse_line(self, numbered: Numbered, bad: BadLine) -> None:
        """Report a bad line, and leave out its whole message; all open messages if it cannot be determined."""
        owner = owner_of(numbered.text)
        if owner.message is not None and owner.kind not in ("district", "school"):
            await self._refuse(owner.message, numbered.number, bad)
            if owner.kind == "end":
                del self._left_out[owner.message]
        elif self._open and owner.kind not in ("district", "school", "message"):
            for message_id in list(self._open):
                await self._refuse(message_id, numbered.number, bad)
        else:
            self.outcome.report(Problem(numbered.number, None, bad.field, bad.reason))

    async def _refuse(self, message_id: str, number: int, bad: BadLine) -> None:
        """Leave a message out: drop its rows, and skip its lines until its end."""
        self.outcome.report(Problem(number, message_id, bad.field, bad.reason))
        message = self._open.pop(message_id, None)
        if message is not None:
            self._drop_rows([message])
            if message.is_spilled:
                async with self._connection.begin():
                    await staging_tables.forget(self._connection, [message.ref])
        if message_id not in self._left_out:
            self.outcome.refused += 1
        self._left_out[message_id] = None
        if len(self._left_out) > MOST_LEFT_OUT:
            del self._left_out[next(iter(self._left_out))]

    async def _digests(self, lines: Sequence[UploadedMessage]) -> Mapping[Key, bytes]:
        """The digests of the messages with these ids that are in the move_in."""
        ids_by_district: dict[str, list[str]] = {}
        for line in lines:
            ids_by_district.setdefault(line.district, []).append(line.id)
        result: dict[Key, bytes] = {}
        for district, ids in ids_by_district.items():
            if place := await self._places.find(district):
                async with self._connection.begin():
                    in_log_now = await move_in.digests(self._connection, place.record.id, ids)
                result |= {
                    (district, message_id): digest for message_id, digest in in_log_now.items()
                }
        return result


def _parse(text: bytes) -> Line | BadLine:
    try:
        return parse(text)
    except BadLine as bad:
        return bad
