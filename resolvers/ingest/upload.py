"""One stream on its way into the log: the messages that have begun, those that wait to go in together, and those left out.

What a line may say is in `resolvers.ingest.parse`; how staged rows become the log is in `db.ingest.move_in`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from db.audit import entries as audit
from db.audit.entries import Action, Entry
from db.connect.engine import begin_writing
from db.ingest import move_in as log
from db.ingest import staging_tables
from db.log import districts
from domain.ids import Kind, spell
from domain.viewer import Viewer
from resolvers.ingest.districts import Places
from resolvers.ingest.line_splitter import Numbered
from resolvers.ingest.line_types import BadLine, District, End, Line, Message, Recipient, School
from resolvers.ingest.open_message import Incoming
from resolvers.ingest.outcome import Outcome, Problem, Warned
from resolvers.ingest.parse import belonging, parse
from resolvers.ingest.rows import check_message, unusable_reply_to
from resolvers.request.process import Announce, to_nobody

BATCH: Final = 2 * 1024 * 1024
"""Bytes of lines whose rows are kept in memory: fewer cost a commit for each few messages, more hold the lock longer."""

MOST_OPEN: Final = 100
"""Messages that may have begun and not ended: their first lines are in memory, 4 MiB each at most."""

MOST_LEFT_OUT: Final = 10_000
"""Messages that are remembered as left out, so that each of their further lines is not told as a problem of its own."""

Key = tuple[str, str]
"""The district and the id of a message, as the sending system names them."""


class Uploader(NamedTuple):
    """Who brings messages in, for the audit: a viewer, or the operator at the machine."""

    id: str
    origin: str | None = None
    """The address from which the request came."""
    request_id: str | None = None
    name: str | None = None
    """The viewer's name."""


class Upload:
    """What is known of one stream so far; `take` goes through it block by block, and `finish` ends it."""

    def __init__(
        self,
        connection: AsyncConnection,
        *,
        viewer: Viewer | None,
        clock: Callable[[], datetime],
        announce: Announce = to_nobody,
        by: Uploader | None = None,
    ) -> None:
        self.outcome = Outcome()
        self._connection = connection
        self._clock = clock
        self._announce = announce
        self._by = by
        self._places = Places(connection, viewer=viewer)
        self._open: dict[str, Incoming] = {}
        self._ready: dict[Key, Incoming] = {}
        self._moved: set[Key] = set()
        """Those that went in since the log was last asked what it has."""
        self._left_out: dict[str, None] = {}
        self.buffered = 0
        """Bytes of lines whose rows are in memory."""
        self._next_ref = 1

    async def take(self, block: Sequence[Numbered]) -> None:
        """Take in the next lines."""
        parsed = [(numbered, _parse(numbered.text)) for numbered in block]
        self._moved.clear()
        in_log = await self._digests([line for _, line in parsed if isinstance(line, Message)])
        for numbered, line in parsed:
            self.outcome.lines += 1
            try:
                if isinstance(line, BadLine):
                    raise line
                await self._take(numbered, line, in_log)
            except BadLine as bad:
                await self._refuse_line(numbered, bad)

    async def finish(self) -> None:
        """Put what is whole into the log, and name what never ended."""
        for message in list(self._open.values()):
            bad = BadLine(None, 'its {"kind":"end"} line never came: send the whole message again')
            await self._refuse(message.line.id, message.number, bad)
        await self._move()
        self.outcome.problems.sort(key=lambda problem: problem.line)

    async def _take(self, numbered: Numbered, line: Line, in_log: Mapping[Key, bytes]) -> None:
        match line:
            case Recipient():
                await self._take_recipient(numbered, line)
            case Message():
                await self._begin(numbered, line, in_log)
            case End():
                await self._end(line)
            case District() | School():
                if not await self._places.has(line):
                    await self._move()  # what was sent before the change is told by the old state
                    await self._places.save(line)

    async def _begin(self, numbered: Numbered, line: Message, in_log: Mapping[Key, bytes]) -> None:
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
            self.outcome.warn(Warned(numbered.number, line.id, "replyTo", reason))
        self._open[line.id] = Incoming(
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

    async def _take_recipient(self, numbered: Numbered, line: Recipient) -> None:
        message = self._open.get(line.message)
        if message is None:
            self._check_left_out(line)
            return
        before = message.buffered
        for field, reason in message.take(line, text=numbered.text):
            self.outcome.warn(Warned(numbered.number, line.message, field, reason))
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

    def _check_left_out(self, line: Recipient | End) -> None:
        """Pass if it is known why this line's message is not open; raises `BadLine`."""
        if line.message not in self._left_out:
            raise BadLine(
                "message", f"no message {line.message!r} is open: it has ended, or never began"
            )

    def _compare(self, message: Incoming, *, same: bool) -> None:
        if same:
            self.outcome.unchanged += 1
            return
        self.outcome.refused += 1
        reason = "the log has another message under this id: a message cannot be changed, only sent under a new id"
        self.outcome.report(Problem(message.number, message.line.id, "id", reason))

    async def _make_room(self) -> None:
        """Put what is whole into the log, and if the rest is still large, its rows on the stage."""
        await self._move()
        if self.buffered < BATCH // 2:
            return
        messages = [message for message in self._open.values() if message.buffered]
        async with self._connection.begin():
            await self._load(messages)
        for message in messages:
            message.is_spilled = True
        self._let_go(messages)

    async def _load(self, messages: Sequence[Incoming]) -> None:
        """Put the rows of messages on the stage; those of one message stand together there."""
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

    def _let_go(self, messages: Sequence[Incoming]) -> None:
        for message in messages:
            self.buffered -= message.buffered
            message.let_go()

    async def _move(self) -> None:
        """Put every message that is whole into the log, in one transaction."""
        if not self._ready:
            return
        ready, now, connection = list(self._ready.values()), self._clock(), self._connection
        async with begin_writing(connection):
            await log.take_lock(connection)
            # Asked here, under the lock: another upload may have set the zone since the message began.
            ids = {message.place.record.id for message in ready}
            records = await districts.districts(connection, sorted(ids))
            zones = {record.id: ZoneInfo(record.time_zone) for record in records.values()}
            rows = [message.row(zone=zones[message.place.record.id], now=now) for message in ready]
            await staging_tables.load(connection, staging_tables.MESSAGES, rows)
            await self._load(ready)
            known = await log.staged_in_log(connection)
            await staging_tables.forget(connection, list(known))
            await log.move(connection)
            await self._write_audit([m for m in ready if m.ref not in known], now=now)
            await self._announce(connection)
            if any(message.is_spilled for message in self._open.values()):
                await staging_tables.clear(connection)
            else:
                await staging_tables.empty(connection)
        for message in ready:
            if message.ref in known:
                self._compare(message, same=known[message.ref])
                continue
            self.outcome.accepted += 1
            self.outcome.recipients += message.recipient_count
            self.outcome.deliveries += message.delivery_count
        self.buffered -= sum(message.size for message in ready)
        self._let_go(ready)
        self._moved |= self._ready.keys()
        self._ready.clear()

    async def _write_audit(self, messages: Sequence[Incoming], *, now: datetime) -> None:
        """Write down who brought these messages in, one entry a district."""
        if self._by is None:
            return
        counts = Counter(message.place.record.id for message in messages)
        entries = [
            Entry(
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
        await audit.write(self._connection, entries)

    async def _refuse_line(self, numbered: Numbered, bad: BadLine) -> None:
        """Report a bad line, and leave out whole the message it belongs to: all open ones, where that cannot be told."""
        belongs = belonging(numbered.text)
        if belongs.message is not None and belongs.kind not in ("district", "school"):
            await self._refuse(belongs.message, numbered.number, bad)
            if belongs.kind == "end":
                del self._left_out[belongs.message]
        elif self._open and belongs.kind not in ("district", "school", "message"):
            for message_id in list(self._open):
                await self._refuse(message_id, numbered.number, bad)
        else:
            self.outcome.report(Problem(numbered.number, None, bad.field, bad.reason))

    async def _refuse(self, message_id: str, number: int, bad: BadLine) -> None:
        """Leave a message out: what came of it goes, and what still comes is passed over until its end."""
        self.outcome.report(Problem(number, message_id, bad.field, bad.reason))
        message = self._open.pop(message_id, None)
        if message is not None:
            self._let_go([message])
            if message.is_spilled:
                async with self._connection.begin():
                    await staging_tables.forget(self._connection, [message.ref])
        if message_id not in self._left_out:
            self.outcome.refused += 1
        self._left_out[message_id] = None
        if len(self._left_out) > MOST_LEFT_OUT:
            del self._left_out[next(iter(self._left_out))]

    async def _digests(self, lines: Sequence[Message]) -> Mapping[Key, bytes]:
        """The digests of what the log has under the ids of these messages."""
        wanted: dict[str, list[str]] = {}
        for line in lines:
            wanted.setdefault(line.district, []).append(line.id)
        found: dict[Key, bytes] = {}
        for district, ids in wanted.items():
            if place := await self._places.find(district):
                async with self._connection.begin():
                    known = await log.digests(self._connection, place.record.id, ids)
                found |= {(district, message_id): digest for message_id, digest in known.items()}
        return found


def _parse(text: bytes) -> Line | BadLine:
    try:
        return parse(text)
    except BadLine as bad:
        return bad
