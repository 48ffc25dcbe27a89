"""Takes messages into the log from a stream of lines, at flat memory, whole messages only.

What a line may say is in `resolvers.lines`; how staged rows become the log is in `db.ingest`.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db import districts, stage
from db import ingest as log
from db.engine import begin_writing
from domain.viewer import Viewer
from resolvers import staging
from resolvers.lines import (
    LONGEST_LINE,
    BadLine,
    District,
    End,
    Line,
    Message,
    Recipient,
    School,
    belonging,
    canonical,
    parse,
)

BATCH: Final = 5_000
"""Rows that go into the log in one transaction, at least: fewer cost a commit a message, more hold the lock longer."""

BLOCK: Final = 256 * 1024
"""Bytes of lines that are read before they are looked at."""

MOST_PROBLEMS: Final = 1_000
"""Problems that an answer lists; the others are counted."""


class Problem(NamedTuple):
    """What is wrong with a line (counted from 1), and which message was left out because of it."""

    line: int
    message: str | None
    field: str | None
    reason: str


@dataclass(slots=True)
class Outcome:
    """What an upload did, so far."""

    lines: int = 0
    accepted: int = 0
    unchanged: int = 0
    refused: int = 0
    recipients: int = 0
    deliveries: int = 0
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0

    @property
    def is_clean(self) -> bool:
        return self.problem_count == 0

    def report(self, problem: Problem) -> None:
        """Count a problem, and list it while there is room."""
        self.problem_count += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)


Watch = Callable[[Outcome], None]


async def ingest(
    engine: AsyncEngine,
    chunks: AsyncIterator[bytes],
    *,
    viewer: Viewer | None,
    clock: Callable[[], datetime],
    watch: Watch = lambda outcome: None,
) -> Outcome:
    """Take in all messages of a stream; `chunks` are its bytes, cut anywhere.

    `viewer` None is the operator at the machine, who may write for every district. `watch` sees the outcome grow, a call
    a block. What is wrong with a line never raises: it is in the outcome, and the other messages are in the log.
    """
    async with engine.connect() as connection:
        try:
            async with connection.begin():
                await stage.create(connection)
            upload = Upload(connection, viewer=viewer, clock=clock)
            async for block in blocks(chunks):
                await upload.take(block)
                watch(upload.outcome)
            await upload.finish()
            watch(upload.outcome)
            return upload.outcome
        finally:
            # The stage belongs to the connection: closing it leaves nothing behind, wherever an upload broke off.
            await connection.invalidate()


class Numbered(NamedTuple):
    """A line and its place in the stream."""

    number: int
    text: bytes


async def blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[Numbered]]:
    """The lines of a stream that say something, in blocks; a line is cut short beyond the longest that is allowed."""
    rest, number, block, size = b"", 0, list[Numbered](), 0
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        rest = rest[: LONGEST_LINE + 1]
        for text in whole:
            number += 1
            if text and not text.isspace():
                block.append(Numbered(number, text))
                size += len(text)
        if size >= BLOCK:
            yield block
            block, size = [], 0
    if rest and not rest.isspace():
        block.append(Numbered(number + 1, rest))
    if block:
        yield block


@dataclass(slots=True)
class Place:
    """A district as an upload needs it."""

    record: districts.DistrictRecord
    zone: ZoneInfo
    schools: dict[str, districts.SchoolRecord]


@dataclass(slots=True)
class Unfinished:
    """A message whose end has not come."""

    ref: int
    number: int
    line: Message
    place: Place
    school: districts.SchoolRecord | None
    in_log: bytes | None
    """The digest of what the log has under this id: then nothing is staged, only compared."""
    digest: "hashlib._Hash"
    recipients: list[stage.RecipientRow] = field(default_factory=list)
    deliveries: list[stage.DeliveryRow] = field(default_factory=list)
    recipient_count: int = 0
    delivery_count: int = 0
    is_spilled: bool = False

    @property
    def buffered(self) -> int:
        return len(self.recipients) + len(self.deliveries)


class Upload:
    """One stream on its way into the log: the messages that are open, and those that wait to go in together."""

    def __init__(
        self, connection: AsyncConnection, *, viewer: Viewer | None, clock: Callable[[], datetime]
    ) -> None:
        self.outcome = Outcome()
        self._connection = connection
        self._viewer = viewer
        self._clock = clock
        self._places: dict[str, Place | None] = {}
        self._open: dict[str, Unfinished] = {}
        self._refused: set[str] = set()
        self._ready: list[Unfinished] = []
        self._ready_rows = 0
        self._next_ref = 1

    async def take(self, block: list[Numbered]) -> None:
        """Take in the next lines."""
        parsed: list[tuple[Numbered, Line | BadLine]] = []
        for numbered in block:
            try:
                parsed.append((numbered, parse(numbered.text)))
            except BadLine as bad:
                parsed.append((numbered, bad))
        in_log = await self._digests([line for _, line in parsed if isinstance(line, Message)])
        for numbered, line in parsed:
            self.outcome.lines += 1
            try:
                if isinstance(line, BadLine):
                    raise line
                await self._take(numbered.number, line, in_log)
            except BadLine as bad:
                await self._refuse_line(numbered, bad, line)

    async def finish(self) -> None:
        """Put what is whole into the log, and name what never ended."""
        for unfinished in list(self._open.values()):
            bad = BadLine(None, 'its {"kind":"end"} line never came: send the whole message again')
            await self._refuse(unfinished.line.id, unfinished.number, bad)
        await self._move()

    async def _take(self, number: int, line: Line, in_log: Mapping[tuple[str, str], bytes]) -> None:
        match line:
            case Recipient():
                await self._take_recipient(line)
            case Message():
                await self._open_message(number, line, in_log)
            case End():
                await self._end_message(line)
            case District():
                await self._save_district(line)
            case School():
                await self._save_school(line)

    async def _open_message(
        self, number: int, line: Message, in_log: Mapping[tuple[str, str], bytes]
    ) -> None:
        if earlier := self._open.get(line.id):
            raise BadLine("id", f"{line.id!r} was begun in line {earlier.number} and has not ended")
        line.check()
        place = await self._place(line.district)
        if place is None:
            raise BadLine("district", f"no district {line.district!r} came before this line")
        self._may_write(line)
        school = None
        if line.school is not None:
            school = place.schools.get(line.school)
            if school is None:
                raise BadLine(
                    "school",
                    f"no school {line.school!r} of district {line.district!r} came before this line",
                )
        if any(
            ready.line.id == line.id and ready.line.district == line.district
            for ready in self._ready
        ):
            await self._move()
            in_log = await self._digests([line])
        self._refused.discard(line.id)
        self._open[line.id] = Unfinished(
            ref=self._next_ref,
            number=number,
            line=line,
            place=place,
            school=school,
            in_log=in_log.get((line.district, line.id)),
            digest=hashlib.sha256(canonical(line)),
        )
        self._next_ref += 1

    async def _take_recipient(self, line: Recipient) -> None:
        message = self._open.get(line.message)
        if message is None:
            if line.message in self._refused:
                return
            raise BadLine(
                "message", f"no message {line.message!r} is open: it has ended, or never began"
            )
        message.digest.update(canonical(line))
        number, message.recipient_count = message.recipient_count, message.recipient_count + 1
        if message.in_log is not None:
            return
        has_voice = message.place.record.has_voice
        for place, device in enumerate(line.devices):
            staging.check_device(device, place, message.line, has_voice=has_voice)
            message.deliveries.append(
                staging.delivery_row(
                    device,
                    message.line,
                    ref=message.ref,
                    recipient=number,
                    number=place,
                    nth=message.delivery_count,
                )
            )
            message.delivery_count += 1
        message.recipients.append(staging.recipient_row(line, ref=message.ref, number=number))
        if message.buffered >= BATCH:
            await self._spill(message)

    async def _end_message(self, line: End) -> None:
        message = self._open.pop(line.message, None)
        if message is None:
            if line.message in self._refused:
                return
            raise BadLine(
                "message", f"no message {line.message!r} is open: it has ended, or never began"
            )
        if message.in_log is not None:
            self._compare(message, same=message.in_log == message.digest.digest())
            return
        self._ready.append(message)
        self._ready_rows += 1 + message.buffered
        if self._ready_rows >= BATCH or message.is_spilled:
            await self._move()

    def _compare(self, message: Unfinished, *, same: bool) -> None:
        if same:
            self.outcome.unchanged += 1
            return
        self.outcome.refused += 1
        reason = "the log has another message under this id: a message cannot be changed, only sent under a new id"
        self.outcome.report(Problem(message.number, message.line.id, "id", reason))

    async def _spill(self, message: Unfinished) -> None:
        """Put the rows of a large message on the stage, to make room for more of it."""
        async with self._connection.begin():
            await stage.load(self._connection, stage.RECIPIENTS, message.recipients)
            await stage.load(self._connection, stage.DELIVERIES, message.deliveries)
        message.recipients.clear()
        message.deliveries.clear()
        message.is_spilled = True

    async def _move(self) -> None:
        """Put every message that is whole into the log, in one transaction."""
        ready, self._ready, self._ready_rows = self._ready, [], 0
        if not ready:
            return
        now = self._clock()
        connection = self._connection
        async with begin_writing(connection):
            await log.take_lock(connection)
            await stage.load(
                connection, stage.MESSAGES, [self._message_row(message, now) for message in ready]
            )
            await stage.load(
                connection,
                stage.RECIPIENTS,
                [row for message in ready for row in message.recipients],
            )
            await stage.load(
                connection,
                stage.DELIVERIES,
                [row for message in ready for row in message.deliveries],
            )
            known = dict(await log.staged_in_log(connection))
            for ref in known:
                await stage.forget(connection, ref)
            await log.move(connection)
            if any(message.is_spilled for message in self._open.values()):
                await stage.clear(connection)
            else:
                await stage.empty(connection)
        for message in ready:
            if message.ref in known:
                self._compare(message, same=known[message.ref])
                continue
            self.outcome.accepted += 1
            self.outcome.recipients += message.recipient_count
            self.outcome.deliveries += message.delivery_count

    def _message_row(self, message: Unfinished, now: datetime) -> stage.MessageRow:
        return staging.message_row(
            message.line,
            ref=message.ref,
            district_id=message.place.record.id,
            zone=message.place.zone,
            school=message.school,
            digest=message.digest.digest(),
            has_deliveries=message.delivery_count > 0,
            now=now,
        )

    async def _refuse_line(self, numbered: Numbered, bad: BadLine, line: Line | BadLine) -> None:
        """Report a bad line, and leave out whole the message it belongs to: all open ones, where that cannot be told."""
        if isinstance(line, District | School):
            self.outcome.report(Problem(numbered.number, None, bad.field, bad.reason))
            return
        belongs = belonging(numbered.text)
        if belongs.message is not None:
            await self._refuse(belongs.message, numbered.number, bad, opens=belongs.opens)
        elif self._open and not belongs.opens:
            for message in list(self._open):
                await self._refuse(message, numbered.number, bad)
        else:
            self.outcome.report(Problem(numbered.number, None, bad.field, bad.reason))

    async def _refuse(
        self, message_id: str, number: int, bad: BadLine, *, opens: bool = False
    ) -> None:
        self.outcome.report(Problem(number, message_id, bad.field, bad.reason))
        message = self._open.pop(message_id, None)
        if message is not None or opens:
            self._refused.add(message_id)
            self.outcome.refused += 1
        if message is not None and message.is_spilled:
            async with self._connection.begin():
                await stage.forget(self._connection, message.ref)

    async def _digests(self, lines: list[Message]) -> Mapping[tuple[str, str], bytes]:
        """The digests of what the log has under the ids of these messages, by district and id."""
        wanted: dict[str, list[str]] = {}
        for line in lines:
            wanted.setdefault(line.district, []).append(line.id)
        found: dict[tuple[str, str], bytes] = {}
        for district, ids in wanted.items():
            if place := await self._place(district):
                async with self._connection.begin():
                    known = await log.digests(self._connection, place.record.id, ids)
                found |= {(district, message_id): digest for message_id, digest in known.items()}
        return found

    async def _place(self, district: str) -> Place | None:
        if self._places.get(district) is None:
            async with self._connection.begin():
                record = await districts.district_known_as(self._connection, district)
                if record is None:
                    return None
                schools = await districts.schools_of(self._connection, record.id)
            self._places[district] = Place(
                record,
                ZoneInfo(record.time_zone),
                {school.external_id: school for school in schools},
            )
        return self._places[district]

    def _may_write(self, line: Message | District | School) -> None:
        viewer = self._viewer
        if viewer is None:
            return
        district = line.id if isinstance(line, District) else line.district
        if district != viewer.district:
            raise BadLine(
                "district",
                f"{district!r}: your sign-in writes for district {viewer.district!r} only",
            )
        school = line.school if isinstance(line, Message) else line.id
        if viewer.schools and school not in viewer.schools:
            names = ", ".join(sorted(viewer.schools))
            raise BadLine(
                "school", f"{school!r}: your sign-in writes for these schools only: {names}"
            )

    async def _save_district(self, line: District) -> None:
        self._may_write(line)
        zone, hours = line.zone(), line.hours()
        await self._move()  # what was sent before the change is told by the old state
        place = await self._place(line.id)
        async with begin_writing(self._connection):
            if place is None:
                await districts.add_district(
                    self._connection,
                    line.id,
                    name=line.name,
                    time_zone=line.timeZone,
                    has_voice=line.hasVoice,
                    hours=hours,
                )
            else:
                record = place.record
                if zone != place.zone and await districts.has_messages(self._connection, record.id):
                    raise BadLine(
                        "timeZone",
                        f"{line.timeZone!r}: the messages of {line.id!r} are dated in {record.time_zone!r}, which stays",
                    )
                await districts.change_district(
                    self._connection,
                    record.id,
                    name=line.name,
                    time_zone=line.timeZone,
                    has_voice=line.hasVoice,
                    hours=hours,
                )
        self._places.pop(line.id, None)

    async def _save_school(self, line: School) -> None:
        self._may_write(line)
        await self._move()
        place = await self._place(line.district)
        if place is None:
            raise BadLine("district", f"no district {line.district!r} came before this line")
        known = place.schools.get(line.id)
        if known is not None and known.name == line.name:
            return
        key = staging.key(line.name)
        async with begin_writing(self._connection):
            if known is None:
                await districts.add_school(
                    self._connection, line.id, district_id=place.record.id, name=line.name, key=key
                )
            else:
                await districts.rename_school(self._connection, known.id, name=line.name, key=key)
        self._places.pop(line.district, None)
